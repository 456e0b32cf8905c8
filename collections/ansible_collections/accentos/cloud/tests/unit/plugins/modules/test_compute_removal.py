# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Computes leave a cloud that is in memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import cloud_api, compute_hosts_steps
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_commands import CephError
from ansible_collections.accentos.cloud.plugins.modules import compute_removal

from .compute_cloud import ComputeCloud, server
from .lock_holder import held


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComputeCloud:
    monkeypatch.setattr(cloud_api, "_PAUSE", 0.01)
    monkeypatch.setattr(compute_hosts_steps, "_PAUSE", 0.01)
    monkeypatch.setattr(compute_hosts_steps, "_PAGE", 2)
    monkeypatch.setattr(compute_hosts_steps, "_SETTLE", 0.05)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made = ComputeCloud(tmp_path)
    monkeypatch.setattr(compute_removal, "Cloud", made)
    monkeypatch.setattr(compute_removal, "_LOCK", tmp_path / "lock")
    return made


def run(capsys: pytest.CaptureFixture[str], stage: str, **options: Any) -> dict[str, Any]:
    args = {
        "auth": {"url": "https://api.example.test:5000/v3", "password": "secret"},
        "stage": stage,
        "hosts": ["compute-2"],
        "inventory": ["compute-1", "compute-2"],
        "answering": ["compute-2"],
        "shared_storage": True,
        "timeout": 5,
        **options,
    }
    with patch_module_args(args), pytest.raises(SystemExit):
        compute_removal.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def verbs(result: dict[str, Any]) -> list[str]:
    return [f"{step['verb']} {step['thing']}" for step in result["steps"]]


def test_a_compute_leaves_and_a_second_run_changes_nothing(
    cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.servers = [server("a"), server("b"), server("c", state="stopped"), server("d", "compute-1")]
    plans = [run(capsys, stage, _ansible_check_mode=True) for stage in ("move", "forget")]
    assert cloud.asked == []
    first = run(capsys, "move")
    assert verbs(first) == verbs(plans[0])
    assert cloud.asked == ["PUT /os-services/s-compute-2", "POST os-migrateLive id-a", "POST os-migrateLive id-b"]
    assert [one["name"] for one in cloud.servers if one["OS-EXT-SRV-ATTR:host"] == "compute-2"] == ["c"]
    assert not run(capsys, "move")["changed"]
    second = run(capsys, "forget")
    assert verbs(second)[:2] == ["mark as down nova-compute of compute-2", "evacuate guest c (id-c)"]
    assert "POST evacuate id-c 2.94" in cloud.asked
    assert {one["host"] for one in [*cloud.services, *cloud.agents]} == {"compute-1"}
    assert [one["name"] for one in cloud.providers] == ["compute-1"]
    assert "chassis-del c-2 -- --if-exists destroy Chassis_Private c-2" in (cloud.folder / "log").read_text()
    asked = list(cloud.asked)
    for stage in ("move", "forget"):
        result = run(capsys, stage, answering=[])
        assert (result["changed"], result["steps"], result["present"]) == (False, [], [])
    assert cloud.asked == asked


def test_a_cloud_without_ovn_is_not_asked_for_it(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    (cloud.folder / "ovn-sbctl").unlink()
    cloud.agents = [
        {"id": f"{kind}@{host}", "host": host, "agent_type": kind, "alive": True}
        for host in ("compute-1", "compute-2")
        for kind in ("Open vSwitch agent", "L3 agent")
    ]
    assert run(capsys, "forget")["failed"]
    done = verbs(run(capsys, "forget", network_driver="openvswitch"))
    assert done[:2] == ["delete Open vSwitch agent of compute-2", "delete L3 agent of compute-2"]
    assert {one["host"] for one in [*cloud.services, *cloud.agents]} == {"compute-1"}


def test_what_is_refused_touches_nothing(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.servers = [server("a", state="suspended"), server("b")]
    told = run(capsys, "move")
    assert told["msg"] == "Guest a (id-a) cannot leave compute-2: it is suspended; resume it."
    assert "no compute of this cloud" in run(capsys, "move", hosts=["compute-9"])["msg"]
    assert "No host is named" in run(capsys, "move", hosts=[])["msg"]
    assert cloud.asked == []


def test_guests_that_nova_does_not_move(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.servers = [server("a", fails=True), server("b"), server("c"), server("d", breaks=True)]
    cloud.refuse = {("POST", "os-migrateLive id-c"): "locked"}
    told = run(capsys, "move", at_once=1)
    assert told["msg"].splitlines() == [
        "a (id-a) is still on compute-2: No valid host was found.",
        "c (id-c) is still on compute-2: locked.",
        "d (id-d) did not arrive well: No valid host was found.",
    ]
    assert "calls it off" in told["remedy"]
    # What could move has moved, and the rest moves later.
    cloud.refuse = {}
    cloud.servers[0]["fails"] = False
    assert run(capsys, "move")["changed"]
    assert {one["OS-EXT-SRV-ATTR:host"] for one in cloud.servers} == {"compute-1"}


def test_a_run_that_was_killed_waits_for_what_nova_is_at(
    cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.servers = [server("a", **{"OS-EXT-STS:task_state": "migrating"}), server("b")]
    cloud.stuck = {"id-a"}
    assert "nova is at a (id-a)" in run(capsys, "move", timeout=0)["msg"]
    cloud.stuck = set()
    cloud.migrations = [{"status": "running", "migration_type": "live-migration", "source_compute": "compute-2"}]
    cloud.migrations[0] |= {"instance_uuid": "id-a"}
    assert "the live-migration of id-a" in run(capsys, "move", timeout=0)["msg"]
    cloud.migrations[0]["status"] = "completed"
    # Since then somebody shut this one off, and its disks are files.
    cloud.servers.append(server("c", state="stopped"))
    assert "c (id-c) cannot leave" in run(capsys, "move", shared_storage=False)["msg"]
    del cloud.servers[2]
    assert not run(capsys, "move")["changed"]
    cloud.servers.append(server("d"))
    assert run(capsys, "forget")["msg"] == "Guest d (id-d) is on compute-2 and active, so stage move is not over."


def test_a_dead_host(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.servers = [server("a"), server("b", state="stopped")]
    dead = {"answering": [], "dead": ["compute-2"]}
    assert "does not answer over SSH" in run(capsys, "move", answering=[])["msg"]
    assert verbs(run(capsys, "move", **dead)) == ["disable nova-compute of compute-2"]
    assert "still reports to nova after" in run(capsys, "forget", **dead)["msg"]
    cloud.services[1]["state"] = "down"
    # Nova leaves what an evacuated guest had on the host, and with it the provider.
    cloud.allocations = {"id-a": {"p-compute-1": {}, "p-compute-2": {}}, "id-b": {"p-compute-2": {}}}
    assert run(capsys, "forget", **dead)["changed"]
    assert {one["OS-EXT-SRV-ATTR:host"] for one in cloud.servers} == {"compute-1"}
    assert list(cloud.allocations) == ["id-a"]
    assert list(cloud.allocations["id-a"]) == ["p-compute-1"]
    assert [one["name"] for one in cloud.providers] == ["compute-1"]


def test_hosts_with_osds_stay(
    cloud: ComputeCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cluster:
        def ask(self, _command: Any) -> Any:
            nodes = [{"type": "host", "name": "compute-2", "children": [0]}]
            return {"nodes": [*nodes, {"type": "host", "name": "compute-1", "children": []}, {"type": "osd"}]}

    @contextlib.contextmanager
    def connected(*_arguments: Any) -> Iterator[Cluster]:
        yield Cluster()

    monkeypatch.setattr(compute_removal, "connected", connected)
    assert run(capsys, "move", ceph=True)["msg"].startswith("compute-2 has OSDs of Ceph")

    def gone(*_arguments: Any) -> Any:
        raise CephError("no monitor answers", "")

    monkeypatch.setattr(compute_removal, "connected", gone)
    told = run(capsys, "move", ceph=True)["msg"]
    assert told == "The cloud does not let compute-2 go: no monitor answers."
    assert cloud.asked == []


def test_services_that_do_not_answer_are_told(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    (cloud.folder / "broken").touch()
    assert "OVN's southbound database does not answer: database is gone" in run(capsys, "move")["msg"]
    (cloud.folder / "broken").unlink()
    cloud.refuse = {("DELETE", "/os-services/s-compute-2"): "409 in-progress migrations"}
    assert "409 in-progress migrations" in run(capsys, "forget")["msg"]
    cloud.refuse = {}
    assert "delete nova-compute of compute-2" in verbs(run(capsys, "forget"))


def test_another_run_is_not_waited_for_for_ever(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.servers = [server("a")]
    with held(cloud.folder / "lock") as other:
        result = run(capsys, "move", timeout=0)
        assert run(capsys, "move", _ansible_check_mode=True)["changed"]
    assert result["msg"] == f"Another run removes computes on this host, process {other.pid}."
    assert result["remedy"].startswith("Nothing was done. Wait for its end")
    assert cloud.asked == []
