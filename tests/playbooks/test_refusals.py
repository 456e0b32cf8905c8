# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles refuse before they touch a host, on this machine as the host, in check mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def include(folder: Path, role: str, tasks: str, variables: dict[str, Any], **environment: str) -> tuple[int, str]:
    """Run one file of tasks of a role; return exit code and output."""
    playbook = folder / "play.yml"
    included = {"name": f"accentos.cloud.{role}", "tasks_from": tasks}
    play = {
        "hosts": "host-1",
        "gather_facts": False,
        "vars": {"ansible_connection": "local", "ansible_facts": {"virtualization_tech_guest": []}, **variables},
        "tasks": [{"name": "Tasks", "ansible.builtin.include_role": included}],
    }
    playbook.write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--inventory=host-1,", "--check", str(playbook)],
        cwd=ROOT,
        env=os.environ
        | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


ARCHIVE = {"name": "../x", "uris": [], "suites": [], "components": [], "key": "", "fingerprint": ""}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a setting that is two": (
        {"base_sysctl_extra": {"net.ipv4.tcp_syncookies": "1\nkernel.x = 1"}},
        "The value of the setting net.ipv4.tcp_syncookies has a line break",
    ),
    "a setting that is a list": ({"base_sysctl": {"vm.swappiness": [1]}}, "setting vm.swappiness is neither text nor"),
    "the name of a setting": ({"base_sysctl": {"vm.swappiness; rm": 1}}, "'vm.swappiness; rm' cannot be the name"),
    "the name of an archive": ({"base_apt_repositories": [ARCHIVE]}, 'no plain file name: ["../x"]'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_become_other_lines_or_files_is_refused(name: str, tmp_path: Path) -> None:
    variables, words = REFUSED[name]
    code, output = include(tmp_path, "base", "refusals.yml", variables)
    assert code == 2, output
    assert words in output


def test_kernel_settings_that_are_some_are_not_refused(tmp_path: Path) -> None:
    code, output = include(tmp_path, "base", "refusals.yml", {"base_sysctl_extra": {"vm.swappiness": 10}})
    assert code == 0, output
