# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Attempts of the role provision with the real service of the provisioner; the machines are a thread of the test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from accentos_provisioner.machines import STAGES

from tests.agents.provisioner.cobblerd import FakeCobbler
from tests.agents.provisioner.conftest import Running
from tests.agents.tls import make_pki
from tests.playbooks.runs import HERE, write_play
from tools.playbook_runs import run_playbook

MACS = {f"compute-{number}": f"52:54:00:00:00:0{number}" for number in (1, 2, 3)}
# Seconds between two looks at the machines, and how many of them are longer than the time-out of the stage boot.
INTERVAL, LOOKS = 0.2, 10


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    cobbler = FakeCobbler()
    for host in MACS:
        cobbler.add(host)
    (tmp_path / "pki").mkdir()
    made = Running(tmp_path, make_pki(tmp_path / "pki"), cobbler)
    # The modules look at the clock of the machine.
    made.now = time.time()
    yield made
    made.stop()
    cobbler.stop()


def begin(running: Running, host: str) -> object:
    return running.fetch(running.cobbler.token(host), MACS[host])["session"]


def install(running: Running, host: str) -> None:
    session = begin(running, host)
    for stage in STAGES:
        for status in ("started", "done"):
            running.report(session, stage, status)


def await_token(running: Running, host: str, before: str | None = None) -> str:
    for _number in range(600):
        token = running.cobbler.token(host)
        if token and token != before:
            return str(token)
        time.sleep(0.05)
    raise AssertionError(f"{host} was not armed")


def boot_machines(running: Running) -> None:
    """Boot compute-2 and let it fail; finish compute-3 when it is late already; boot compute-1 the second time only."""
    looks: list[float] = []
    look = running.service.list_machines

    def note_and_look() -> list[dict[str, Any]]:
        looks.append(time.monotonic())
        return look()

    first = {host: await_token(running, host) for host in MACS}
    session = begin(running, "compute-2")
    running.report(session, "specification", "started")
    running.service.list_machines = note_and_look  # type: ignore[method-assign]
    # Looked at for so long that one that does not boot is late.
    while sum(later - earlier < 3 * INTERVAL for earlier, later in pairwise(looks)) < LOOKS:
        time.sleep(0.05)
    install(running, "compute-3")
    running.report(session, "specification", "failed", detail="no such card")
    for host in ("compute-1", "compute-2"):
        await_token(running, host, first[host])
        install(running, host)


def test_a_second_attempt_installs_again_what_is_still_as_it_was(tmp_path: Path, running: Running) -> None:
    for host, mac in MACS.items():
        running.arm(host, macs=[mac])
        install(running, host)
    running.cobbler.saves.clear()
    given: dict[str, Any] = {
        "__provision_orders": [
            {"host": host, "macs": [mac], "address": "127.0.0.1", "lifetime": 3600} for host, mac in MACS.items()
        ],
        # No controller is there to start them.
        "__provision_to_start": [],
        "__provision_by_media": [],
        "provision_reinstall": list(MACS),
        "provision_timeouts": {"boot": 1},
    }
    facts = {"__provision_pending": list(MACS), "__provision_results": [], "__provision_finished": []}
    (tmp_path / "given.json").write_text(json.dumps(given))
    role = {"name": "accentos.cloud.provision", "tasks_from": "attempt.yml", "rolespec_validate": False}
    socket = {"socket": running.socket}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        "module_defaults": {
            "accentos.cloud.provision_info": socket,
            "accentos.cloud.provision_machine": socket,
            "accentos.cloud.provision_wait": {**socket, "interval": INTERVAL},
        },
        "tasks": [
            {"ansible.builtin.set_fact": facts},
            {
                "ansible.builtin.include_role": role,
                "loop": [1, 2],
                "loop_control": {"loop_var": "__provision_attempt"},
                "when": "__provision_pending | length > 0",
            },
            {
                "ansible.builtin.debug": {
                    "msg": "{% for row in __provision_results %}{{ row.host }} {{ row.attempt }} {{ row.state }};"
                    "{% endfor %}"
                }
            },
        ],
    }
    machines = threading.Thread(target=boot_machines, args=(running,), daemon=True)
    machines.start()
    arguments = write_play(tmp_path, play, {"deploy": {"hosts": {"deploy-1": HERE}}})
    code, said = run_playbook(f"--extra-vars=@{tmp_path}/given.json", *arguments)
    assert code == 0, said
    machines.join(30)
    first = "compute-1 1 late;compute-2 1 failed;compute-3 1 late;"
    assert f"{first}compute-1 2 deployed;compute-2 2 deployed;compute-3 2 deployed;" in said, said
    assert {host: running.state(host) for host in MACS} == dict.fromkeys(MACS, "deployed")
    # Armed and installed; what was lost was disarmed and armed again in between.
    saved = {host: running.cobbler.saves.count(host) for host in MACS}
    assert saved == {"compute-1": 4, "compute-2": 4, "compute-3": 2}
