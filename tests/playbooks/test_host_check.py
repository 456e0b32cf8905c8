# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role host_check takes what the groups of a host need, and refuses that host alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.runs import HERE, write_play
from tools.playbook_runs import run_playbook


def test_a_host_without_room_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    groups = {
        "controller": {"hosts": {"controller-1": HERE}},
        "compute": {"hosts": {"compute-1": HERE, "controller-1": HERE}},
        "storage": {"hosts": {"storage-1": HERE}},
    }
    role = {"name": "accentos.cloud.host_check", "rolespec_validate": False}
    needs = {
        "controller": [{"path": "/", "free_mib": 10**9}, {"path": "/var", "free_inodes": 1}],
        "compute": [{"path": "/", "free_mib": 1}],
    }
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"host_check_folders": needs, "host_check_kernel": {}},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    code, output = run_playbook(*write_play(tmp_path, play, groups))
    assert code != 0
    assert output.count("TASK [") == 1
    assert output.count("fatal:") == 1
    assert "fatal: [controller-1]" in output
    assert "needs 1000000000: " in output
    for host in ("compute-1", "storage-1"):
        assert f"ok: [{host}]" in output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"openstack_service_volume_back_ends": {"ceph": {"driver": "rbd"}}},
            "ceph is in Ceph, which this site",
        ),
        ({"openstack_service_cinder_back_ends": {"nova": {}}}, "A back end cannot be called nova"),
    ],
)
def test_a_back_end_that_cannot_be_is_told_before_anything_is_deployed(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars": {"host_check_kernel": {}, **options},
        "tasks": [{"ansible.builtin.import_role": {"name": "accentos.cloud.host_check", "rolespec_validate": False}}],
    }
    code, output = run_playbook(*write_play(tmp_path, play, {"controller": {"hosts": {"controller-1": HERE}}}))
    assert (code, output.count("TASK [")) == (2, 1)
    assert words in " ".join(output.split()), output
