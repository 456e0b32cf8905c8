# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two hosts of the scenario, and what the tests ask of them."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

MACHINES = Path(__file__).with_name("machines.py").read_text(encoding="utf-8")
# Every program that is sent to the deploy host starts with a session of an administrator of the machine.
DIRECT = """
import json, os, time, xmlrpc.client
server = xmlrpc.client.ServerProxy("http://127.0.0.1:25151", allow_none=True)
token = server.login("", open("/var/lib/cobbler/web.ss").read())
def make(kind, **fields):
    handle = getattr(server, f"new_{kind}")(token)
    for key, value in fields.items():
        getattr(server, f"modify_{kind}")(handle, key, value, token)
    getattr(server, f"save_{kind}")(handle, token)
def change(kind, name, key, value):
    handle = getattr(server, f"get_{kind}_handle")(name, token)
    getattr(server, f"modify_{kind}")(handle, key, value, token)
    getattr(server, f"save_{kind}")(handle, token)
"""


# Changes are published together, a moment later.
SETTLED = """
for _attempt in $(seq 100); do
  state=$(systemctl show --property=ActiveState --value accentos-boot-files.service)
  if [ ! -e /var/lib/cobbler/changed ] && [ "$state" != activating ]; then exit "$code"; fi
  sleep 0.1
done
exit 9
"""


@dataclass
class Site:
    """The lab of the scenario; programs go to its hosts over standard input, so no secret is in an argument."""

    ssh_config: Path
    address: str = ""

    def sh(self, host: str, command: str, given: str = "", *, check: bool = True, timeout: float = 180) -> str:
        """Run a command on a host, for ``timeout`` seconds at most, and return what it prints."""
        argv = ["ssh", "-F", str(self.ssh_config), host, command]
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"{host}: {command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def direct(self, program: str, *, timeout: float = 180) -> str:
        """Run a program on the deploy host that begins with a session at Cobbler; wait until its changes are out."""
        return self.sh("deploy-1", f"python3 -; code=$?{SETTLED}", DIRECT + program, timeout=timeout)

    def machine(self, verb: str, *, host: str = "compute-1", **question: object) -> Any:
        """Let a host ask as a machine would, see machines.py."""
        asked = shlex.quote(json.dumps({"verb": verb, **question}))
        return json.loads(self.sh(host, f"python3 - {asked}", MACHINES))

    def http(self, url: str, *, host: str = "compute-1", data: str | None = None) -> dict[str, Any]:
        """Let a host fetch a URL."""
        answer: dict[str, Any] = self.machine("http", host=host, url=url, data=data)
        return answer

    def secrets(self) -> dict[str, str]:
        """Return the secrets of the site."""
        return SecretStore(self.ssh_config.parent).read()


@pytest.fixture(scope="session")
def bare_site(pytestconfig: pytest.Config) -> Site:
    site = Site(Path(pytestconfig.getoption("ssh_config")))
    site.address = site.sh("deploy-1", "ip -4 -oneline address show eth0").split()[3].split("/")[0]
    return site


@pytest.fixture(scope="session")
def site(bare_site: Site) -> Iterator[Site]:
    """The site with a distribution, two profiles and a machine in Cobbler; they are gone afterwards."""
    bare_site.direct(
        """
os.makedirs("/srv/accentos/boot/amd64", exist_ok=True)
for name in ("vmlinuz", "ramdisk.img"):
    with open(f"/srv/accentos/boot/amd64/{name}", "wb") as file:
        file.write(os.urandom(300_000))
make("distro", name="accentos-amd64", arch="x86_64", breed="generic", os_version="ramdisk",
     kernel="/srv/accentos/boot/amd64/vmlinuz", initrd="/srv/accentos/boot/amd64/ramdisk.img")
make("profile", name="accentos-deploy", distro="accentos-amd64", enable_menu=False)
network = "NETWORK"
make("system", name="machine-1", profile="accentos-deploy", kernel_options="accentos.token=canary",
     netboot_enabled=True, owners="accentos provisioner", serial_device=0, serial_baud_rate=115200,
     modify_interface={"macaddress-eth0": "02:aa:00:00:00:01", "ipaddress-eth0": f"{network}.61",
                       "dnsname-eth0": "machine-1.example.test"})
server.sync(token)
""".replace("NETWORK", bare_site.address.rsplit(".", 1)[0])
    )
    yield bare_site
    bare_site.direct(
        """
for kind in ("system", "profile", "distro"):
    for name in [item["name"] for item in getattr(server, f"get_{kind}s")()]:
        getattr(server, f"remove_{kind}")(name, token)
server.sync(token)
"""
    )
