# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the role provision starts machines: from the network, or from the boot medium, which it ejects afterwards.

The controllers are sushy-emulator's; of the provisioner there is only what the role asks it.
"""

from __future__ import annotations

import json
import os
import re
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tests.playbooks.runs import HERE, write_play
from tests.power.conftest import PASSWORD, USER, Certificates, Server, Starter
from tools.playbook_runs import run_playbook

NETWORK, MEDIUM = "compute-1", "compute-2"
MACS = {NETWORK: "52:54:00:00:00:01", MEDIUM: "52:54:00:00:00:02"}
SYSTEMCTL = "#!/bin/sh\necho inactive\n"


@dataclass
class Provisioner:
    """What the service knows. A machine that its controller has started is installed at once."""

    servers: dict[str, Server]
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, method: str, path: str) -> dict[str, Any]:
        if method == "PUT":
            host = path.rpartition("/")[2]
            self.machines[host] = {"host": host, "state": "armed", "macs": [MACS[host]], "address": None, "stages": []}
            self.machines[host] |= {"armed_at": time.time(), "expires_at": time.time() + 3600}
        for host, machine in self.machines.items():
            if "On" in self.servers[host].calls():
                machine["state"] = "deployed"
                machine["stages"] = [{"stage": "finish", "status": "done", "seconds": 1, "at": time.time()}]
        return {"machines": list(self.machines.values())}


@pytest.fixture
def provisioner(start: Starter, certificates: Certificates, auth_file: Path, tmp_path: Path) -> Iterator[Provisioner]:
    """The service behind its socket, with two controllers."""
    known = Provisioner({name: start("redfish_server.py", certificates.good, auth_file) for name in MACS})

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.parse_request():
                return
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(known.answer(self.command, self.path)).encode()
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "socket"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield known
        server.shutdown()


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """The address of the boot medium."""
    (tmp_path / "boot.iso").write_bytes(b"medium")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/boot.iso"
        server.shutdown()


@pytest.fixture
def site(provisioner: Provisioner, certificates: Certificates, image: str, tmp_path: Path) -> Path:
    """A folder with the inventory of the machines, their secrets, and the parts of the role as a playbook."""
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    store = SecretStore(tmp_path)
    store.set("bmc_user", USER)
    store.set("bmc_password", PASSWORD)
    hosts: dict[str, Any] = {
        name: {
            "host_bmc": {"driver": "redfish", "address": "127.0.0.1", "port": server.port, "ca": str(certificates.ca)}
        }
        for name, server in provisioner.servers.items()
    }
    hosts[MEDIUM]["provision_boot"] = "virtual_media"
    groups = {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": hosts}}
    socket = {"socket": str(tmp_path / "socket")}
    role = {"name": "accentos.cloud.provision", "rolespec_validate": False}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        "module_defaults": {
            f"accentos.cloud.{name}": socket for name in ("provision_info", "provision_machine", "provision_wait")
        },
        "vars": {
            "power_client_environment": sys.prefix,
            "provision_medium": image,
            "provision_start_pause": 0,
            "__provision_pending": list(MACS),
            "__provision_results": [],
            "__provision_finished": [],
            "__provision_attempt": 1,
        },
        "tasks": [
            {"ansible.builtin.import_role": {**role, "tasks_from": f"{part}.yml"}} for part in ("attempt", "medium")
        ],
    }
    write_play(tmp_path, play, groups)
    # A variable of the role itself, which reads the whole site.
    orders = [{"host": name, "macs": [mac]} for name, mac in MACS.items()]
    (tmp_path / "orders.json").write_text(json.dumps({"__provision_orders": orders}))
    return tmp_path


def run(site: Path, *arguments: str) -> str:
    """Run the playbook, which must succeed; return what it said."""
    code, output = run_playbook(
        f"--inventory={site}/hosts.yml",
        "--diff",
        f"--extra-vars=@{site}/orders.json",
        *arguments,
        f"{site}/play.yml",
        environ={key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "ACCENTOS_"))},
        PATH=f"{site}:{os.environ['PATH']}",
    )
    assert PASSWORD not in output
    assert code == 0, output
    return output


def boot_device(server: Server) -> str:
    file = server.folder / "boot"
    return file.read_text() if file.exists() else ""


def test_machines_start_as_the_site_says_and_the_medium_is_ejected(
    site: Path, provisioner: Provisioner, image: str
) -> None:
    network, medium = provisioner.servers[NETWORK], provisioner.servers[MEDIUM]
    planned = run(site, "--check")
    assert (network.calls(), medium.calls(), provisioner.machines) == ([], [], {})
    assert re.search(rf'^\+ +"Cd": "{image}"', planned, re.MULTILINE), planned
    said = run(site)
    assert (network.calls(), medium.calls()) == (["ForceOff", "On"], ["ForceOff", "On"])
    assert (boot_device(network), boot_device(medium)) == ("Pxe", "Cd")
    # Inserted before the start, ejected afterwards.
    assert [line[0] for line in said.splitlines() if image in line and line[0] in "+-"] == ["+", "-"]
    assert "failed=0" in said
    again = run(site)
    assert not re.search(r"changed=[1-9]", again), again
    assert len(medium.calls()) == 2
