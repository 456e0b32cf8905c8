# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role host_check takes what the groups of a host need, and refuses that host alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_host_without_room_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    groups = {
        "controller": {"hosts": {"controller-1": here}},
        "compute": {"hosts": {"compute-1": here, "controller-1": here}},
        "storage": {"hosts": {"storage-1": here}},
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
    (tmp_path / "hosts.yml").write_text(json.dumps(groups))
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [sys.executable, "-m", "ansible", "playbook", f"--inventory={tmp_path}/hosts.yml", f"{tmp_path}/play.yml"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ
        | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout.count("TASK [") == 1
    assert done.stdout.count("fatal:") == 1
    assert "fatal: [controller-1]" in done.stdout
    assert "needs 1000000000: " in done.stdout
    for host in ("compute-1", "storage-1"):
        assert f"ok: [{host}]" in done.stdout
