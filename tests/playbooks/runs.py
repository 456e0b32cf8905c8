# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of ansible-playbook with the settings of the checkout, and the sites and plays that tests give them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("-m", "ansible", "playbook")
# Connection variables of a host that is this machine, and of one that nobody reaches.
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
LOST = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


def run_playbook(
    *arguments: str | Path,
    callback: str = "ansible.builtin.default",
    program: Sequence[str] = PROGRAM,
    before: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    **settings: str,
) -> tuple[int, str]:
    """Run ansible-playbook with ARGUMENTS in the checkout; return its exit code and all its output.

    CALLBACK shows the run. PROGRAM is what Python is given to become ansible-playbook, BEFORE a program that runs it.
    The environment is ENVIRON, by default that of the test, with SETTINGS last.
    """
    done = subprocess.run(
        [*before, sys.executable, *program, *arguments],
        cwd=ROOT,
        env={
            **(os.environ if environ is None else environ),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": callback,
            **settings,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def write_play(folder: Path, play: Mapping[str, Any], groups: Mapping[str, Any]) -> tuple[str, str]:
    """Write PLAY and an inventory of GROUPS into FOLDER; return the arguments of ansible-playbook that name both."""
    (folder / "hosts.yml").write_text(json.dumps(groups))
    (folder / "play.yml").write_text(json.dumps([play]))
    return f"--inventory={folder}/hosts.yml", f"{folder}/play.yml"


def lost_lab(folder: Path) -> Path:
    """Copy the lab's site to FOLDER, which must not exist, with hosts that nobody reaches; return FOLDER."""
    shutil.copytree(ROOT / "inventories/lab", folder)
    (folder / "group_vars/all/connection.yml").write_text(json.dumps(LOST))
    return folder
