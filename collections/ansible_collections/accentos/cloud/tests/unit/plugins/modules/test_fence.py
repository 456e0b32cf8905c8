# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fencing without controllers: guards, watchdogs, the blocklist, the operator. tests/power has the rest."""

from __future__ import annotations

import errno
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import fencing_steps
from ansible_collections.accentos.cloud.plugins.module_utils.fencing import Machine
from ansible_collections.accentos.cloud.plugins.module_utils.fencing_steps import Door
from ansible_collections.accentos.cloud.plugins.module_utils.power import options
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import PowerError
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import guarded
from ansible_collections.accentos.cloud.plugins.modules import fence

# It keeps its list in a file beside it. A file named fault beside it: fail - it cannot reach the monitors; lose - it
# accepts an entry and forgets it; hang - it does not end.
CEPH = """\
import datetime, pathlib, sys, time
folder = pathlib.Path(__file__).parent
fault = (folder / "fault").read_text() if (folder / "fault").exists() else ""
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if fault == "hang":
    time.sleep(300)
if fault == "fail":
    sys.exit("2026-11-26 monclient: authenticate timed out\\n[errno 110] RADOS timed out (error connecting)")
name, identity, *words = sys.argv[1:]
assert (name, identity, words[:2]) == ("--id", "fencing", ["osd", "blocklist"])
listed = folder / "list"
listed.touch()
if words[2] == "ls":
    sys.stdout.write(listed.read_text())
    sys.stderr.write("listed entries")
elif fault != "lose":
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=float(words[4]))
    with listed.open("a") as entries:
        entries.write(f"{words[3]} {until:%Y-%m-%dT%H:%M:%S.%f}+0000\\n")
"""
HOST = {"name": "compute-1", "ceph_addresses": ["10.3.0.21", "2001:db8::21"]}
NO_TIME = {"armed": True, "timeout": 0.1, "margin": 0}

Fence = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Fence:
    """Run the module; a host is not asked for a sign of life unless that is said."""

    def run_module(*machines: dict[str, Any], check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"machines": list(machines), "expect_silent": False, **arguments, "_ansible_check_mode": check}
        with patch_module_args(given), pytest.raises(SystemExit):
            fence.main()
        result: dict[str, Any] = json.loads(capfd.readouterr().out)
        assert not result.get("failed") or result["remedy"]
        return result

    return run_module


@pytest.fixture
def ceph(tmp_path: Path) -> dict[str, Any]:
    """The option for a stand-in program in tmp_path."""
    (tmp_path / "ceph.py").write_text(CEPH)
    return {"command": [sys.executable, str(tmp_path / "ceph.py"), "--id", "fencing"], "timeout": 20}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def only(result: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of the only host."""
    (row,) = result["machines"].values()
    found: dict[str, Any] = row
    return found


def test_blocklist(run: Fence, ceph: dict[str, Any], tmp_path: Path) -> None:
    planned = run(HOST, ceph=ceph, check=True)
    assert (planned["changed"], only(planned)["state"]) == (True, "isolated")
    assert (tmp_path / "list").read_text() == ""
    done = run(HOST, ceph=ceph)
    assert (done["changed"], only(done)["state"], only(done)["way"]) == (True, "isolated", "blocklist")
    assert [line.split()[0] for line in (tmp_path / "list").read_text().splitlines()] == [
        "10.3.0.21:0/0",
        "[2001:db8::21]:0/0",
    ]
    assert done["diff"] == planned["diff"]
    assert done["diff"][0]["after"] == {"blocklisted": ["10.3.0.21", "2001:db8::21"]}
    again = run(HOST, ceph=ceph)
    assert (again["changed"], only(again)["state"]) == (False, "isolated")
    assert (tmp_path / "calls").read_text().count(" add ") == 2


def test_an_entry_that_ends_soon_is_made_anew(run: Fence, ceph: dict[str, Any], tmp_path: Path) -> None:
    run(HOST, ceph={**ceph, "expire": 3600})
    assert run(HOST, ceph={**ceph, "expire": 7000})["changed"] is False
    assert run(HOST, ceph={**ceph, "expire": 86400})["changed"] is True


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("fail", "ends with 1: [errno 110] RADOS timed out (error connecting)"),
        ("lose", "Ceph accepts 10.3.0.21, 2001:db8::21 for its blocklist and does not list it"),
        ("hang", "which is no end within 0.5 s"),
    ],
)
def test_a_blocklist_that_is_not_proved(
    run: Fence, ceph: dict[str, Any], tmp_path: Path, fault: str, words: str
) -> None:
    (tmp_path / "fault").write_text(fault)
    failed = run(HOST, ceph={**ceph, "timeout": 0.5} if fault == "hang" else ceph)
    assert (failed["failed"], only(failed)["state"]) == (True, "unknown")
    assert words in failed["msg"]
    assert "confirmed_dead: [compute-1]" in failed["remedy"]


def test_a_program_that_is_not_there(run: Fence) -> None:
    failed = run(HOST, ceph={"command": ["/nowhere/ceph"]})
    assert "/nowhere/ceph osd blocklist ls ends with 127" in failed["msg"]


def test_a_watchdog_is_waited_for(run: Fence, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = iter([1000.0, 1004.5, 1009.0, 1019.0, 1030.1])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    machine = fence.read_machine(
        {"name": "a", "address": "x", "bmc": None, "pdu": None, "ceph_addresses": [], "silent_for": 40.0}
        | {"watchdog": {"armed": True, "timeout": 50.0, "margin": 10.0}}
    )
    asked: list[str] = []
    result = fencing_steps.wait_for_watchdog(machine, 990.0, lambda: asked.append("sign"), dry=False)
    # Until 990 - 40 + 60; it is asked after each sleep and once when the time is over.
    assert slept == [2, 2, pytest.approx(1.0)]
    assert len(asked) == 4
    assert result == {"changed": False}


def test_a_watchdog_proves_death(run: Fence) -> None:
    done = run({**HOST, "watchdog": NO_TIME}, ways=["watchdog"])
    assert (done["changed"], only(done)["state"], only(done)["way"]) == (False, "dead", "watchdog")
    planned = run({**HOST, "watchdog": {**NO_TIME, "timeout": 3600}}, ways=["watchdog"], check=True)
    assert only(planned)["state"] == "dead"


def test_a_watchdog_that_nobody_calls_armed_proves_nothing(run: Fence) -> None:
    failed = run({**HOST, "watchdog": {**NO_TIME, "armed": False}, "silent_for": 100000})
    assert only(failed)["state"] == "unknown"
    assert "watchdog: nobody says that the watchdog is armed" in failed["msg"]


def test_a_host_that_answers_while_its_watchdog_is_waited_for(
    run: Fence, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
) -> None:
    address, port = listener.getsockname()
    host = {**HOST, "address": address, "port": port, "watchdog": NO_TIME}
    forced = run(host, expect_silent=True, fence_alive=["compute-1"])
    assert only(forced)["state"] == "unknown"
    assert "watchdog: it accepts connections at 127.0.0.1" in forced["msg"]


def test_the_watchdog_of_a_host_that_answers_was_fed_until_then(run: Fence, monkeypatch: pytest.MonkeyPatch) -> None:
    signs: list[float] = []
    waits: list[tuple[float, float]] = []

    def answer(_door: Door) -> str:
        signs.append(time.monotonic())
        return "it answers"

    def wait(machine: Machine, begun: float, *_arguments: Any, **_options: Any) -> dict[str, Any]:
        waits.append((machine.silent_for, begun))
        return {"changed": False}

    monkeypatch.setattr(Door, "sign_of_life", answer)
    monkeypatch.setattr(fence, "wait_for_watchdog", wait)
    monkeypatch.setattr(fence, "run_all", lambda jobs, **_: {name: guarded(job) for name, job in jobs.items()})
    host = {**HOST, "address": "192.0.2.1", "watchdog": NO_TIME, "silent_for": 1000}
    run(host, expect_silent=True, fence_alive=["compute-1"])
    ((silent_for, begun),) = waits
    assert silent_for == 0
    assert begun >= signs[0]


def test_the_operator(run: Fence) -> None:
    assert only(run(HOST))["state"] == "unknown"
    done = run(HOST, confirmed_dead=["compute-1"])
    assert (done["changed"], only(done)["state"], only(done)["way"]) == (False, "dead", "operator")


def test_the_operator_is_not_believed_while_the_host_answers(run: Fence, listener: socket.socket) -> None:
    address, port = listener.getsockname()
    host = {**HOST, "address": address, "port": port}
    failed = run(host, expect_silent=True, confirmed_dead=["compute-1"])
    assert failed["msg"].endswith(f"compute-1 is not fenced: it accepts connections at 127.0.0.1 port {port}")
    failed = run(host, expect_silent=True, confirmed_dead=["compute-1"], fence_alive=["compute-1"])
    assert only(failed)["state"] == "unknown"
    assert "operator: it accepts connections" in failed["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_a_host_that_answers_is_refused(
    run: Fence, ceph: dict[str, Any], tmp_path: Path, listener: socket.socket, check: bool
) -> None:
    address, port = listener.getsockname()
    failed = run({**HOST, "address": address, "port": port}, ceph=ceph, expect_silent=True, check=check)
    assert (only(failed)["state"], only(failed)["attempts"]) == ("unknown", [])
    assert "fence_alive: [compute-1]" in failed["remedy"]
    assert not (tmp_path / "calls").exists()
    forced = run({**HOST, "address": address, "port": port}, ceph=ceph, expect_silent=True, fence_alive=["compute-1"])
    # What isolates a host does not silence it.
    assert only(forced)["state"] == "isolated"


def test_several_hosts_need_permission(run: Fence, ceph: dict[str, Any], tmp_path: Path) -> None:
    other = {"name": "compute-2", "ceph_addresses": []}
    refused = run(HOST, other, ceph=ceph)
    assert "2 hosts are to be fenced at once and max_hosts is 1" in refused["msg"]
    assert not (tmp_path / "calls").exists()
    done = run(HOST, other, ceph=ceph, max_hosts=2)
    assert {name: row["state"] for name, row in done["machines"].items()} == {
        "compute-1": "isolated",
        "compute-2": "unknown",
    }
    assert (done["failed"], done["changed"]) == (True, True)
    assert done["msg"].startswith("1 of 2 machines failed. compute-2: nothing proves that compute-2 is dead.")


def door_with(monkeypatch: pytest.MonkeyPatch, error: OSError) -> Door:
    def fail(*_arguments: Any) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    return Door("192.0.2.1", 22, 1)


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN])
def test_what_is_silence(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    assert door_with(monkeypatch, OSError(number, "")).sign_of_life() == ""


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ECONNRESET])
def test_who_refuses_is_alive(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    door = door_with(monkeypatch, OSError(number, ""))
    assert "who refuses is alive" in door.sign_of_life()
    with pytest.raises(PowerError, match="not believed to be dead"):
        door.must_be_silent()


@pytest.mark.parametrize("error", [OSError(errno.ENETUNREACH, "no network"), socket.gaierror(-2, "no such name")])
def test_a_host_whose_own_network_is_down_knows_nothing(
    run: Fence, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    door_with(monkeypatch, error)
    failed = run({**HOST, "address": "192.0.2.1", "watchdog": NO_TIME}, expect_silent=True)
    assert only(failed)["state"] == "unknown"
    assert "compute-1 is not fenced: whether it is silent cannot be told" in failed["msg"]


@pytest.mark.parametrize(
    ("machine", "arguments", "words"),
    [
        ({}, {"expect_silent": True}, "compute-1: it has no address to ask for a sign of life"),
        ({}, {"max_hosts": 0}, "max_hosts is 0"),
        ({}, {"probe_timeout": 0}, "probe_timeout is 0"),
        ({}, {"ceph": {"command": []}}, "ceph has no command"),
        ({}, {"ceph": {"expire": 0}}, "ceph has no command, or a time that is not above 0"),
        ({}, {"ways": ["prayer"]}, "must be one or more of"),
        ({"bmc": {"driver": "ipmi", "address": "a b"}}, {}, "bmc of compute-1: address 'a b' is no address"),
        ({"pdu": {"driver": "ipmi", "address": "10.5.0.90"}}, {}, "pdu of compute-1: its driver is not snmp"),
        ({"pdu": {"driver": "snmp", "address": "10.5.0.90"}}, {}, "pdu of compute-1: driver snmp needs outlets"),
    ],
)
def test_wrong_options(
    capfd: pytest.CaptureFixture[str], machine: dict[str, Any], arguments: dict[str, Any], words: str
) -> None:
    given = {"machines": [{**HOST, **machine}], "expect_silent": False, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        fence.main()
    assert words in json.loads(capfd.readouterr().out)["msg"]


def test_a_host_without_the_library(
    capfd: pytest.CaptureFixture[str], run: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(options, "import_module", absent)
    result = run({**HOST, "bmc": {"driver": "ipmi", "address": "10.5.0.21"}})
    assert "(pyghmi)" in result["msg"]
