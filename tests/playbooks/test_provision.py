# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role provision refuses before it asks or touches anything, and what it reports at its end.

Of the provisioner and of Cobbler there are stand-ins.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import STAGES
from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import read_hardware
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from ansible_collections.accentos.cloud.tests.unit.plugins.module_utils.cobbler.daemon import (
    INTERFACE,
    NEW,
    PASSWORD,
    Daemon,
    serving,
)

from tests.playbooks.runs import HERE, write_play
from tools.playbook_runs import run_playbook


def test_a_boot_medium_is_refused_where_no_controller_could_insert_it(tmp_path: Path) -> None:
    drivers = {"compute-1": "redfish", "compute-2": "ipmi", "compute-3": "snmp", "compute-4": "amt"}
    hosts: dict[str, dict[str, Any]] = {
        name: {"host_bmc": {"driver": driver, "address": "192.0.2.1"}} for name, driver in drivers.items()
    }
    hosts["compute-4"] |= {"provision_boot": "network"}
    groups = {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": hosts}}
    role = {"name": "accentos.cloud.provision", "tasks_from": "plan.yml", "rolespec_validate": False}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        # Of a host that does not say otherwise.
        "vars": {"provision_boot": "virtual_media"},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    code, output = run_playbook(*write_play(tmp_path, play, groups))
    assert code != 0
    assert "provision_boot is virtual_media for compute-2, compute-3, whose host_bmc" in output, output
    assert "Nothing was touched" in output
    assert "TASK [accentos.cloud.provision : Say what" not in output


def test_a_plan_ends_at_a_new_deploy_host_that_has_neither_images_nor_a_provisioner(tmp_path: Path) -> None:
    machine = {"host_bmc": {"driver": "ipmi", "address": "192.0.2.1"}}
    groups = {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": {"compute-1": machine}}}
    role = {"name": "accentos.cloud.provision", "tasks_from": "plan.yml", "rolespec_validate": False}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        "vars": {"host_image_result": {"images": []}},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    code, output = run_playbook("--check", *write_play(tmp_path, play, groups))
    assert code == 0, output
    assert "TASK [accentos.cloud.provision : Say what" not in output


KEY = "ssh-ed25519 AAAA root@x"
META = {"accentos_specification": "{}", "accentos_groups": "compute"}


def machine(host: str, state: str, threads: int) -> dict[str, Any]:
    return {
        "host": host,
        "state": state,
        "host_keys": [KEY],
        "address": None,
        "inventory": {"cpu": {"threads": threads}},
    }


def result(host: str, attempt: int, state: str = "deployed", stage: str = "finish", reason: str = "") -> dict[str, Any]:
    stages = dict.fromkeys(STAGES[: STAGES.index(stage) + 1], 1.26)
    return {"host": host, "state": state, "stage": stage, "stages": stages, "total": 7.56, "reason": reason} | {
        "attempt": attempt
    }


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[str]:
    """The service behind its socket: one machine was installed, the other one failed."""
    machines = [machine("compute-1", "deployed", 4), machine("compute-2", "failed", 8)]

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if self.parse_request():
                body = json.dumps({"machines": machines}).encode()
                self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "socket"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(tmp_path / "socket")
        server.shutdown()


def run_part(folder: Path, part: str, socket: str, password: str, facts: Mapping[str, Any]) -> tuple[Daemon, int, str]:
    """Run a PART of the role where compute-2 was lost, with this PASSWORD at Cobbler; return it, code and output."""
    daemon = Daemon()
    for name, address in (("compute-1", "192.0.2.1"), ("compute-2", "192.0.2.2")):
        ports = {"eth0": {**INTERFACE, "ip_address": address}}
        daemon.items["system"][name] = {**NEW["system"], "name": name, "autoinstall_meta": META, "interfaces": ports}
    SecretStore(folder).set("cobbler_admin_password", password)
    role = {"name": "accentos.cloud.provision", "tasks_from": f"{part}.yml", "rolespec_validate": False}
    (folder / "facts.json").write_text(json.dumps({**facts, "provision_known_hosts": str(folder / "known_hosts")}))
    hosts = {name: {"host_bmc": {"driver": "ipmi", "address": "192.0.2.9"}} for name in daemon.items["system"]}
    with serving(daemon) as server:
        play = {
            "hosts": "deploy",
            "gather_facts": False,
            "module_defaults": {
                "accentos.cloud.provision_info": {"socket": socket},
                "group/accentos.cloud.cobbler": {"url": server.url},
            },
            "tasks": [{"ansible.builtin.import_role": role}],
        }
        words = write_play(folder, play, {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": hosts}})
        return daemon, *run_playbook(f"--extra-vars=@{folder}/facts.json", *words)


ENROLLED = {"__provision_waited": {"lost": ["compute-2"]}, "__provision_enrolment": {"approvals": [{}]}}


def test_an_enrolled_machine_that_is_lost_takes_nothing_from_the_others(tmp_path: Path, socket: str) -> None:
    daemon, code, said = run_part(tmp_path, "enrolled", socket, PASSWORD, ENROLLED)
    assert (code, "Lost: compute-2." in said) == (2, True), said
    assert (tmp_path / "known_hosts").read_text().startswith("192.0.2.1,compute-1 ssh-ed25519 AAAA\n")
    assert read_hardware(daemon.items["system"]["compute-1"]["autoinstall_meta"])["cpu"]["threads"] == 4


@pytest.mark.parametrize("part", ["enrolled", "report"])
def test_who_was_lost_is_told_although_cobbler_is_in_trouble(tmp_path: Path, socket: str, part: str) -> None:
    facts = ENROLLED | {
        "__provision_rows": [],
        "__provision_results": [result("compute-2", 1, "failed", "disks", "no disk")],
        "__provision_pending": ["compute-1", "compute-2"],
    }
    _daemon, code, said = run_part(tmp_path, part, socket, "x" * 12, facts)
    assert code == 2
    assert re.search(r"Remember in Cobbler what the machines are made of.*\n(.*\n)*?.*(FAILED|fatal)", said), said
    assert "Lost: compute-2" in said, said
    # One that is deployed as before its reinstallation, which was lost, is not to be waited for.
    assert "changed: [deploy-1] => (item=compute-1)" not in said
    assert part == "enrolled" or "Let the playbook know" in said


def test_the_end_shows_every_stage_and_keeps_what_machines_reported(tmp_path: Path, socket: str) -> None:
    daemon = Daemon()
    for name, address in (("compute-1", "192.0.2.1"), ("compute-2", "192.0.2.2")):
        ports = {"eth0": {**INTERFACE, "ip_address": address}}
        daemon.items["system"][name] = {**NEW["system"], "name": name, "autoinstall_meta": META, "interfaces": ports}
    SecretStore(tmp_path).set("cobbler_admin_password", PASSWORD)
    hosts = {name: {"host_bmc": {"driver": "ipmi", "address": "192.0.2.9"}} for name in daemon.items["system"]}
    groups = {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": hosts}}
    failed = result("compute-2", 1, "failed", "disks", "no disk\nhas serial X")
    facts = {
        "__provision_rows": [{"host": name, "action": "install"} for name in hosts],
        "__provision_results": [result("compute-1", 1), failed, {**failed, "attempt": 2}],
        "__provision_pending": ["compute-2"],
        "provision_known_hosts": str(tmp_path / "known_hosts"),
    }
    role = {"name": "accentos.cloud.provision", "tasks_from": "report.yml", "rolespec_validate": False}

    def run(known: dict[str, Any], url: str, *arguments: str) -> tuple[int, str]:
        play = {
            "hosts": "deploy",
            "gather_facts": False,
            "module_defaults": {
                "accentos.cloud.provision_info": {"socket": socket},
                "group/accentos.cloud.cobbler": {"url": url},
            },
            "tasks": [{"ansible.builtin.import_role": role}],
        }
        (tmp_path / "facts.json").write_text(json.dumps(known))
        words = write_play(tmp_path, play, groups)
        return run_playbook(f"--extra-vars=@{tmp_path}/facts.json", *arguments, *words)

    with serving(daemon) as server:
        code, planned = run({**facts, "__provision_pending": []}, server.url, "--check")
        assert (code, "config  loader" in planned, daemon.writes()) == (0, False, [])
        code, said = run(facts, server.url)
        assert code == 2, said
        assert re.search(r"compute-1 +1 +installed( +1\.3){6} +7\.6", said), said
        assert re.search(r"compute-2 +2 +failed( +1\.3){2} +7\.6", said), said
        assert "compute-2, try 2: failed in disks: no disk has serial X" in said
        assert said.index("compute-2, try 2") < said.index("Lost: compute-2")
        # The others are known although one is lost, and what each reported is, too.
        assert (tmp_path / "known_hosts").read_text().startswith("192.0.2.1,compute-1 ssh-ed25519 AAAA\n")
        kept = {name: raw["autoinstall_meta"] for name, raw in daemon.items["system"].items()}
        assert {name: read_hardware(meta)["cpu"]["threads"] for name, meta in kept.items()} == {
            "compute-1": 4,
            "compute-2": 8,
        }
        assert all(META.items() <= meta.items() for meta in kept.values())
        daemon.writes()
        assert re.search(r"deploy-1 .*changed=0 ", run(facts, server.url)[1])
        idle = [{"host": "compute-1", "action": "keep"}]
        again = {**facts, "__provision_pending": [], "__provision_results": [], "__provision_rows": idle}
        code, said = run(again, server.url)
        assert code == 0, said
        assert "No machine was to be installed, 1 kept as it is." in said
        assert re.search(r"deploy-1 .*changed=0 ", said), said
        assert not [call for call in daemon.writes() if call.startswith("xapi")]
    assert PASSWORD not in said
