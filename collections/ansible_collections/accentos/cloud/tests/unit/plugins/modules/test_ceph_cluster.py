# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against monitors that keep what they are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils import ceph_commands
from ansible_collections.accentos.cloud.plugins.modules import ceph_cluster

from .ceph_daemon import Monitors

KEY = "AQ" + "A" * 36 + "=="
WANTED: dict[str, Any] = {
    "users": {"client.glance": {"mon": "profile rbd", "osd": "profile rbd pool=images"}},
    "keys": {"client.glance": KEY},
    "pools": [{"name": "images", "size": 3, "min_size": 2}],
}


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.monitors = Monitors()
        self.keyring = folder / "admin"
        self.keyring.write_text("", encoding="utf-8")
        self._capsys = capsys

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {**WANTED, "keyring": str(self.keyring), **options}
        args |= {"_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            ceph_cluster.main()
        printed = self._capsys.readouterr().out
        assert KEY not in printed
        result: dict[str, Any] = json.loads(printed)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setattr(ceph_commands, "rados", made.monitors)
    return made


def test_made_then_unchanged_then_changed(host: Host) -> None:
    planned = host.run(check_mode=True)
    assert (planned["changed"], host.monitors.commands) == (True, [])
    made = host.run()
    assert made["actions"] == planned["actions"]
    assert made["diff"]["after"].splitlines() == made["actions"]
    assert host.monitors.users["client.glance"] == {"key": KEY, "caps": WANTED["users"]["client.glance"]}
    assert host.monitors.pools["images"]["min_size"] == 2
    again = host.run()
    assert (again["changed"], again["actions"], again["diff"]) == (False, [], {"before": "", "after": ""})
    changed = host.run(pools=[{"name": "images", "size": 2, "min_size": 2}])
    assert changed["actions"] == ["pool images: size 3 -> 2"]
    assert host.monitors.logins[0][0] == "client.admin"
    assert host.monitors.logins[0][1]["keyring"] == str(host.keyring)


def test_a_host_without_ceph_is_planned_for(host: Host) -> None:
    host.keyring.unlink()
    assert len(host.run(check_mode=True)["actions"]) == 5
    assert host.monitors.logins == []


def test_monitors_that_do_not_answer(host: Host) -> None:
    host.monitors.reachable = False
    result = host.run()
    assert "do not let client.admin in" in result["msg"]
    assert "3300" in result["remedy"]


def test_a_command_that_is_refused(host: Host) -> None:
    host.monitors.refuses = "osd pool create"
    result = host.run()
    assert result["msg"] == "osd pool create: invalid argument"
    assert result["remedy"]
    host.monitors.refuses = ""
    assert host.run()["changed"] is True
    assert host.run()["changed"] is False


def test_bad_input_changes_nothing(host: Host) -> None:
    assert "has no key" in host.run(keys={})["msg"]
    assert "1 copies" in host.run(pools=[{"name": "images", "size": 1, "min_size": 1}])["msg"]
    assert host.monitors.commands == []


def test_without_the_library(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceph_commands, "rados", None)
    assert host.run()["remedy"].startswith("Install python3-rados")
