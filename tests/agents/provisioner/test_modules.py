# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules against the running service: created, unchanged, changed, absent, check mode, bad input."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import ProvisionerError
from ansible_collections.accentos.cloud.plugins.modules import (
    enrolment,
    provision_info,
    provision_machine,
    provision_wait,
)

from .conftest import MAC, Running
from .test_service import OTHER, ask, enrol, install


class Control:
    """Runs modules of this collection against the service, in this process."""

    def __init__(self, running: Running, capsys: pytest.CaptureFixture[str]) -> None:
        self.running = running
        self._capsys = capsys

    def run(self, module: ModuleType, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {**options, "socket": self.running.socket, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        self._capsys.readouterr()
        with patch_module_args(args), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result

    def arm(self, *, check_mode: bool = False, reinstall: tuple[str, ...] = (), **values: Any) -> dict[str, Any]:
        row = {"host": "compute-1", "macs": [MAC], "address": "127.0.0.1", **values}
        return self.run(provision_machine, check_mode=check_mode, machines=[row], reinstall=list(reinstall))


@pytest.fixture
def control(running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Control:
    monkeypatch.setattr("time.time", lambda: running.now)
    return Control(running, capsys)


def test_machines_are_armed_once(control: Control) -> None:
    planned = control.arm(check_mode=True)
    assert (planned["changed"], control.running.cobbler.saves) == (True, [])
    done = control.arm()
    assert (
        done["steps"]
        == planned["steps"]
        == [{"host": "compute-1", "action": "arm", "reason": "it was never installed"}]
    )
    assert done["diff"] == planned["diff"] == {"before": "compute-1: unknown\n", "after": "compute-1: armed\n"}
    token = control.running.cobbler.token("compute-1")
    again = control.arm()
    assert (again["changed"], again["diff"]) == (False, {"before": "", "after": ""})
    assert control.running.cobbler.token("compute-1") == token
    assert str(token) not in json.dumps([done, again])


def test_machines_are_disarmed_once(control: Control) -> None:
    control.arm()
    assert control.arm(check_mode=True, state="disarmed")["changed"]
    assert control.running.state() == "armed"
    assert control.arm(state="disarmed")["diff"] == {"before": "compute-1: armed\n", "after": "compute-1: disarmed\n"}
    assert not control.arm(state="disarmed")["changed"]
    assert control.running.cobbler.token("compute-1") is None


def test_machines_are_forgotten_once(control: Control) -> None:
    control.arm()
    install(control.running)
    planned = control.arm(check_mode=True, state="forgotten")
    assert (planned["changed"], control.running.state()) == (True, "deployed")
    done = control.arm(state="forgotten")
    assert done["steps"] == planned["steps"] == [{"host": "compute-1", "action": "forget", "reason": "it is deployed"}]
    assert done["diff"] == {"before": "compute-1: deployed\n", "after": "compute-1: unknown\n"}
    assert control.run(provision_info)["machines"] == {}
    assert not control.arm(state="forgotten")["changed"]


def test_a_stranger_that_was_lost_is_forgotten(control: Control) -> None:
    identifier = enrol(control.running)[0]
    control.run(enrolment, approvals=[{"id": identifier, "host": "compute-1", "lifetime": 60}])
    control.running.now += 61
    control.running.expire()
    # No machine is left, yet the stranger waits for a token that nobody makes.
    assert control.run(provision_info)["machines"] == {}
    assert control.arm(state="forgotten")["steps"][0]["action"] == "forget"
    assert control.run(enrolment)["enrolments"] == []
    assert not control.arm(state="forgotten")["changed"]


def test_a_deployed_machine_is_left_alone_unless_named(control: Control) -> None:
    control.arm()
    install(control.running)
    assert not control.arm()["changed"]
    assert control.arm(reinstall=("compute-1",))["changed"]
    assert control.running.state() == "armed"


def test_a_card_that_moved_from_a_deployed_machine_is_the_other_ones(control: Control) -> None:
    both = sorted([MAC, OTHER])
    control.arm(macs=both)
    install(control.running)
    moved = {"host": "compute-2", "macs": [OTHER], "address": "127.0.0.1"}
    assert "both claim the MAC" in control.run(provision_machine, machines=[moved])["msg"]
    planned = control.arm(check_mode=True, state="kept")
    assert (planned["changed"], control.running.admin("GET", "machines", "compute-1")["macs"]) == (
        True,
        sorted([MAC, OTHER]),
    )
    done = control.arm(state="kept")
    assert done["steps"] == planned["steps"]
    assert [step["action"] for step in done["steps"]] == ["exchange"]
    before, after = (f"compute-1: deployed, cards {', '.join(macs)}\n" for macs in (both, [MAC]))
    assert done["diff"] == planned["diff"] == {"before": before, "after": after}
    assert control.running.state() == "deployed"
    assert not control.arm(state="kept")["changed"]
    assert control.run(provision_machine, machines=[moved])["changed"]


def test_a_machine_that_is_kept_is_never_armed(control: Control) -> None:
    assert not control.arm(state="kept")["changed"]
    assert control.run(provision_info)["machines"] == {}
    control.arm()
    assert not control.arm(state="kept", macs=[OTHER])["changed"]
    install(control.running)
    other = {"host": "compute-2", "macs": [OTHER], "address": "127.0.0.1"}
    control.run(provision_machine, machines=[other])
    # Its card came from one that is still to be armed without it, which a later run does.
    waits = control.arm(state="kept", macs=[OTHER])
    assert (waits["changed"], waits["steps"][0]["reason"]) == (
        False,
        "it is deployed; one of its cards is still that of compute-2",
    )
    both = [{"host": "compute-1", "macs": [OTHER], "state": "kept"}, other]
    assert "compute-1 and compute-2 both claim the MAC" in control.run(provision_machine, machines=both)["msg"]


def test_bad_input_is_told_with_its_remedy(control: Control) -> None:
    found = control.arm(reinstall=("compute-9",))
    assert found["failed"]
    assert "compute-9 is to be reinstalled" in found["msg"]
    assert found["remedy"] == "Mend the name, or list the machine."
    assert "no name of a host" in control.arm(host="Compute 1")["msg"]


def test_information(control: Control) -> None:
    assert control.run(provision_info) == {"changed": False, "machines": {}} | only_invocation(
        control.run(provision_info)
    )
    control.arm()
    assert control.run(provision_info)["machines"]["compute-1"]["state"] == "armed"
    assert control.run(provision_info, hosts=["compute-2"])["machines"] == {}


def only_invocation(result: dict[str, Any]) -> dict[str, Any]:
    return {"invocation": result["invocation"]}


def test_strangers_are_approved_and_rejected_once(control: Control) -> None:
    first, second = enrol(control.running), enrol(control.running, OTHER)
    assert [row["state"] for row in control.run(enrolment)["enrolments"]] == ["pending", "pending"]
    decisions: dict[str, Any] = {"approvals": [{"id": first[0], "host": "compute-1"}], "rejections": [second[0]]}
    planned = control.run(enrolment, check_mode=True, **decisions)
    assert planned["changed"]
    assert ask(control.running, first) == {"state": "pending"}
    done = control.run(enrolment, **decisions)
    assert {row["id"]: row["state"] for row in done["enrolments"]} == {first[0]: "approved", second[0]: "rejected"}
    assert done["diff"]["after"] == f"approve {first[0]} compute-1\nreject {second[0]}\n" == planned["diff"]["after"]
    assert not control.run(enrolment, **decisions)["changed"]
    assert "no enrolment e0" in control.run(enrolment, rejections=["e0"])["msg"]


def test_waiting_ends_with_a_table(control: Control) -> None:
    control.arm()
    once = control.run(provision_wait, check_mode=True, hosts=["compute-1", "compute-1"])
    assert [(row["state"], row["stage"]) for row in once["results"]] == [("armed", "boot")]
    install(control.running)
    found = control.run(provision_wait, hosts=["compute-1", "compute-2"], interval=0.01)
    assert [(row["host"], row["state"], row["total"]) for row in found["results"]] == [
        ("compute-1", "deployed", 6.0),
        ("compute-2", "failed", 0),
    ]
    assert (found["changed"], found["lost"]) == (False, ["compute-2"])
    assert "There is no stage x" in control.run(provision_wait, hosts=["a"], timeouts={"x": 1})["msg"]


class Scene:
    """A service that goes away and comes back, and a machine that is late."""

    def __init__(self, *looks: str) -> None:
        self.looks = list(looks)
        self.now = 0.0

    def look(self) -> dict[str, dict[str, Any]]:
        state = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if state == "away":
            raise ProvisionerError("away", "Look.")
        done = {"stage": "finish", "status": "done", "seconds": 1, "at": 0.0}
        row = {"host": "a", "state": state, "armed_at": 0.0, "stages": [done] if state == "deployed" else []}
        return {"a": row}

    def pause(self) -> None:
        self.now += 10

    def wait(self) -> list[str]:
        return [
            row.state for row in provision_wait.wait(["a"], {"boot": 100.0}, self.look, self.pause, lambda: self.now)
        ]


def test_waiting_outlasts_a_restart_of_the_service_but_not_its_end() -> None:
    scene = Scene("armed", "away", "away", "armed", "deployed")
    assert (scene.wait(), scene.now) == (["deployed"], 40.0)
    with pytest.raises(ProvisionerError):
        Scene("armed", "away").wait()


def test_a_machine_that_never_comes_is_late() -> None:
    scene = Scene("armed")
    assert (scene.wait(), scene.now) == (["late"], 110.0)
