# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role provision asks the deploy host before it starts machines."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

TASKS = Path(__file__).parents[3] / "roles/provision/tasks/attempt.yml"
# Stand for systemd: the state of the unit, and the last line that its program wrote.
PROGRAMS = {
    "systemctl": 'echo "$STATE"; [ "$STATE" = active ]',
    "journalctl": (
        '[ "$1 $2 $3 $4" = "--unit accentos-boot-files.service --identifier python3" ] && echo "vmlinuz is altered"'
    ),
}


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [("active", 0, ""), ("inactive", 0, ""), ("activating", 1, ""), ("failed", 2, "vmlinuz is altered\n")],
)
def test_a_machine_is_started_only_when_its_boot_files_are_published(
    tmp_path: Path, state: str, code: int, said: str
) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    tasks: list[dict[str, Any]] = yaml.safe_load(TASKS.read_text(encoding="utf-8"))
    names = [task["name"] for task in tasks]
    number = names.index("Wait until what the machines boot from is published")
    asked, refused = tasks[number], tasks[number + 1]
    done = subprocess.run(
        asked["ansible.builtin.command"]["argv"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "STATE": state},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, said)
    assert asked["until"] == "__provision_published.rc != 1"
    # Before any machine is started.
    assert refused["ansible.builtin.assert"]["that"] == "__provision_published.rc == 0"
    assert "{{ __provision_published.stdout }}" in refused["ansible.builtin.assert"]["fail_msg"]
    assert not any("accentos.cloud.power" in task for task in tasks[: number + 2])
