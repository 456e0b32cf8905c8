# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dashboard lets a user in who knows the password, by the address of the services, and nobody else."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1"]

API = "https://api.openstack.example.test"
# Logs in as a browser does, with the password on standard input, and prints where it led.
LOGIN = """
import http.cookiejar, json, re, ssl, sys, urllib.parse, urllib.request
page = sys.argv[1] + "/auth/login/"
jar = http.cookiejar.CookieJar()
context = ssl.create_default_context(cafile="/etc/accentos/pki/ca.crt")
opener = urllib.request.build_opener(
    urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(jar)
)
form = opener.open(page).read().decode()
fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
fields |= {"username": "admin", "password": sys.stdin.read(), "domain": "Default"}
request = urllib.request.Request(page, urllib.parse.urlencode(fields).encode(), {"Referer": page})
answer = opener.open(request)
print(json.dumps({"url": answer.url, "page": answer.read().decode(), "secure": {one.name: one.secure for one in jar}}))
"""


def log_in(host: Host, password: str) -> dict[str, Any]:
    ssh = ["ssh", "-F", host.backend.ssh_config, "controller-1", f"python3 -c {shlex.quote(LOGIN)} {API}"]
    done = subprocess.run(ssh, input=password, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_administrator_logs_in(host: Host) -> None:
    secrets = SecretStore(Path(host.backend.ssh_config).parent).read()
    found = log_in(host, secrets["keystone_admin_password"])
    assert "/auth/login" not in found["url"]
    assert "Sign Out" in found["page"]
    assert [found["secure"][name] for name in ("sessionid", "csrftoken")] == [True, True]


def test_a_wrong_password_stays_outside(host: Host) -> None:
    found = log_in(host, "wrong")
    assert "/auth/login" in found["url"]
    assert "Sign Out" not in found["page"]


@pytest.mark.parametrize("path", ["static/dashboard/img/logo-splash.svg", "auth/login/"])
def test_pages_and_pictures_come_through_the_load_balancer(host: Host, path: str) -> None:
    ask = "curl --silent --output /dev/null --write-out '%{http_code}' --cacert /etc/accentos/pki/ca.crt"
    assert host.check_output(f"{ask} {API}/{path}") == "200"


def test_a_page_that_is_not_there_tells_nothing_of_the_program(host: Host) -> None:
    # With DEBUG Django would list its addresses and settings.
    page = host.check_output(f"curl --silent --cacert /etc/accentos/pki/ca.crt {API}/no-such-page/")
    assert page
    assert [word for word in ("DEBUG", "URLconf", "Traceback", "django") if word in page] == []
