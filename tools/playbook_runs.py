# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of ansible-playbook with the settings of the checkout, for tests of playbooks and of Molecule's scenarios."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ("-m", "ansible", "playbook")
# A list is told line by line, each in quotation marks.
_CHECK = re.compile(r'(?m)^\s*"?(\w[^"\n]*?)\s{2,}(ok|failed|left out)\s+\d+\.\d\s+([^"\n]*)')


def run_playbook(
    *arguments: str | Path,
    callback: str = "ansible.builtin.default",
    program: Sequence[str] = PROGRAM,
    before: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **settings: str,
) -> tuple[int, str]:
    """Run ansible-playbook with ARGUMENTS in the checkout; return its exit code and all its output.

    CALLBACK shows the run. PROGRAM is what Python is given to become ansible-playbook, BEFORE a program that runs it.
    The environment is ENVIRON, by default that of the test, with SETTINGS last. Raises subprocess.TimeoutExpired after
    TIMEOUT seconds.
    """
    done = subprocess.run(
        [*before, sys.executable, *program, *arguments],
        cwd=ROOT,
        env={
            **(os.environ if environ is None else environ),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            # Molecule asks for colours, which stand between words, and Ansible heeds that more than a wish for none.
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_NOCOLOR": "1",
            # Molecule asks for Ansible's own, too.
            "ANSIBLE_STDOUT_CALLBACK": callback,
            **settings,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    return done.returncode, done.stdout


def read_checks(output: str) -> dict[str, tuple[str, str]]:
    """Return result (ok, failed, left out) and detail of each check in the OUTPUT of playbooks/verify.yml."""
    return {name: (result, detail) for name, result, detail in _CHECK.findall(output)}
