# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role from the site folder to hardened controllers; no password shows on its way (row S10)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tests.power.conftest import PASSWORD, ROOT, Certificates, Server, Starter
from tests.power.test_hardening_ipmi import doors, user
from tests.power.test_hardening_redfish import account
from tests.power.test_secrecy import Watch

FACTORY = "canary-of-the-factory"
PLAY = """\
- hosts: deploy-1
  gather_facts: false
  roles:
    - role: accentos.cloud.bmc_hardening
"""


@pytest.fixture
def controllers(start: Starter, certificates: Certificates, tmp_path: Path) -> dict[str, Server]:
    """One controller of each kind, as they leave the factory."""
    secret = tmp_path / "password"
    secret.write_text("not in use")
    users = tmp_path / "users"
    users.write_text("")
    ipmi = start("ipmi_server.py", "nobody", secret, kind=socket.SOCK_DGRAM)
    (ipmi.folder / "accounts.json").write_text(json.dumps(doors(user("root", FACTORY))))
    redfish = start("redfish_server.py", certificates.good, users)
    (redfish.folder / "accounts.json").write_text(json.dumps([account("root", FACTORY)]))
    return {"ipmi": ipmi, "redfish": redfish}


@pytest.fixture
def site(controllers: dict[str, Server], certificates: Certificates, tmp_path: Path) -> Path:
    """A site folder with both of them, one of which has a password in the store already."""
    folder = tmp_path / "site"
    folder.mkdir()
    store = SecretStore(folder)
    store.set("bmc_user", "root")
    store.set("bmc_machine_1_password", PASSWORD)
    hosts = {
        name: {"host_bmc": {"driver": driver, "address": "127.0.0.1", "port": server.port, "ca": str(certificates.ca)}}
        for name, (driver, server) in zip(("machine-1", "machine-2"), controllers.items(), strict=True)
    }
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "power_client_environment": sys.prefix,
        "bmc_hardening_factory_logins": [{"user": "root", "password": FACTORY}],
        "bmc_hardening_try_default_passwords": False,
    }
    inventory = {"all": {"hosts": {"deploy-1": {}, **hosts}, "vars": variables}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (tmp_path / "play.yml").write_text(PLAY)
    return folder


def run(site: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            f"--inventory={site}/hosts.yml",
            "--diff",
            *options,
            site.parent / "play.yml",
        ],
        cwd=ROOT,
        env={
            **environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_PIPELINING": "false",
            # It shows all that there is.
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def passwords(controllers: dict[str, Server]) -> list[str]:
    found: list[Any] = [json.loads((server.folder / "accounts.json").read_text()) for server in controllers.values()]
    return [found[0]["users"][1]["password"], found[1][0]["Password"]]


def test_the_controllers_of_a_site(controllers: dict[str, Server], site: Path) -> None:
    planned = run(site, "--check")
    assert planned.returncode == 0, planned.stdout[-4000:] + planned.stderr
    assert "changed=1" in planned.stdout
    assert passwords(controllers) == [FACTORY, FACTORY]
    assert "bmc_machine_2_password" not in SecretStore(site).read()

    watch = Watch([PASSWORD, FACTORY])
    watch.start()
    done = run(site, "-vvv")
    watch.done.set()
    watch.join()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    stored = SecretStore(site).read()
    made = stored["bmc_machine_2_password"]
    assert passwords(controllers) == [PASSWORD, made]
    assert len(made) == 20
    assert watch.found == set()
    for secret in (PASSWORD, FACTORY, made):
        assert secret not in planned.stdout + planned.stderr + done.stdout + done.stderr

    again = run(site)
    assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout[-4000:]


def test_ipmi_over_lan_is_turned_off_at_controllers_that_redfish_reaches_and_no_others(
    controllers: dict[str, Server], site: Path
) -> None:
    protocols = controllers["redfish"].folder / "protocols.json"
    protocols.write_text(json.dumps({"IPMI": {"ProtocolEnabled": True}}))
    refused = run(site, "--extra-vars", json.dumps({"bmc_hardening_close_ipmi": ["machine-1", "machine-2"]}))
    assert "close_ipmi names machine-1, whose controller is reached with the driver ipmi" in refused.stdout
    assert passwords(controllers) == [FACTORY, FACTORY]
    assert json.loads(protocols.read_text()) == {"IPMI": {"ProtocolEnabled": True}}
    done = run(site, "--extra-vars", json.dumps({"bmc_hardening_close_ipmi": ["machine-2"]}))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert json.loads(protocols.read_text()) == {"IPMI": {"ProtocolEnabled": False}}


def test_what_stays_open_fails(controllers: dict[str, Server], site: Path) -> None:
    controllers["ipmi"].fault(read_only=[2])
    done = run(site)
    assert done.returncode == 2, done.stdout[-4000:]
    assert "machine-1: the controller takes IPMI 1.5 with no password or one in plain text" in done.stdout
    assert passwords(controllers)[0] == PASSWORD
