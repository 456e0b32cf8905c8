# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Computes that join are mapped and enabled, and waited for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.compute_hosts import REASON
from ansible_collections.accentos.cloud.plugins.modules import compute_hosts

from .compute_cloud import ComputeCloud


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComputeCloud:
    made = ComputeCloud(tmp_path)

    def discover(_argv: Any, user: str, *, timeout: float) -> tuple[int, str]:
        assert (user, timeout > 0) == ("nova", True)
        made.asked.append("discover")
        made.hypervisors = [one["host"] for one in made.services]
        return (made.stuck and (1, "no database")) or (0, "")

    monkeypatch.setattr(compute_hosts, "_PAUSE", 0.01)
    monkeypatch.setattr(compute_hosts, "Cloud", made)
    monkeypatch.setattr(compute_hosts, "call", discover)
    return made


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    auth = {"url": "https://api.example.test:5000/v3", "password": "secret"}
    with patch_module_args({"auth": auth, "hosts": ["compute-2"], "timeout": 0, **options}), pytest.raises(SystemExit):
        compute_hosts.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_a_compute_that_takes_guests_is_left_alone(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.services[1] |= {"status": "disabled", "disabled_reason": "broken fan"}
    result = run(capsys)
    assert (result["changed"], result["steps"], cloud.asked) == (False, [], [])


def test_a_new_compute_is_mapped_once(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.hypervisors = ["compute-1"]
    assert run(capsys, timeout=5, _ansible_check_mode=True)["changed"]
    assert cloud.asked == []
    result = run(capsys, timeout=5)
    assert [(step["verb"], step["thing"]) for step in result["steps"]] == [("map", "compute-2 to its cell")]
    assert cloud.asked == ["discover"]
    assert not run(capsys)["changed"]


def test_a_removal_that_was_begun_is_called_off(cloud: ComputeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.services[1] |= {"status": "disabled", "disabled_reason": REASON, "forced_down": True}
    assert [step["verb"] for step in run(capsys, timeout=5)["steps"]] == ["enable"]
    assert (cloud.services[1]["status"], cloud.services[1]["forced_down"]) == ("enabled", False)


def test_what_does_not_come_is_told(
    cloud: ComputeCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.agents = [one for one in cloud.agents if one["agent_type"] != "OVN Metadata agent"]
    assert "compute-2 (OVN Metadata agent)" in run(capsys, timeout=-1)["msg"]
    told = run(capsys, timeout=-1, network_driver="openvswitch")["msg"]
    assert "compute-2 (Open vSwitch agent and L3 agent and Metadata agent)" in told
    assert not run(capsys, agents=False)["changed"]
    cloud.hypervisors, cloud.stuck = [], {"nova-manage"}
    assert "ends with 1: no database" in run(capsys, timeout=5)["msg"]
    del cloud.services[1]
    # In check mode an earlier task would have started it.
    assert run(capsys, _ansible_check_mode=True)["steps"][0]["verb"] == "map"
    cloud.refuse = {("GET", "/os-services"): "nobody answers"}
    assert "does not take its computes in: nobody answers" in run(capsys)["msg"]
    assert run(capsys, _ansible_check_mode=True)["changed"]
