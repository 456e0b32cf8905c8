# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host with a wrong clock is told from one that answers slowly, by Ansible itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.action.clock_check import failure_message, offset
from ansible_collections.accentos.cloud.tests.unit.plugins.action.adhoc import adhoc


@pytest.mark.parametrize(
    ("there", "expected"),
    [(100, 0), (105, 0), (110, 0), (3710, 3600), (-3500, -3600)],
    ids=["at once", "meanwhile", "at the end", "ahead", "behind"],
)
def test_a_slow_answer_is_no_wrong_clock(there: float, expected: float) -> None:
    assert offset(100, there, 110) == expected


def test_the_message_says_which_way_and_what_to_do() -> None:
    assert "is 1:00:00 (h:mm:ss) ahead of that of" in failure_message(3600.4)
    assert "is 0:00:45 (h:mm:ss) behind that of" in failure_message(-45)
    assert "chronyc makestep" in failure_message(-45)


def ask(folder: Path, shift: int, *options: str) -> dict[str, Any]:
    """Return what the task says of a host whose clock is ahead by SHIFT seconds."""
    (folder / "sitecustomize.py").write_text(f"import time\nreal = time.time\ntime.time = lambda: real() + {shift}\n")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return adhoc(folder, "clock_check", "-e", f"ansible_python_interpreter={python}", *options)


def test_a_host_is_asked(tmp_path: Path) -> None:
    wrong = ask(tmp_path, -3600)
    # However long the answer takes, which makes the difference less sure.
    assert -3601 < wrong["offset"] < -3500
    assert "behind that of the control node" in wrong["msg"]
    right = ask(tmp_path, 0, "--check")
    assert (right["offset"], right["changed"]) == (0, False)
    assert ask(tmp_path, 90, "-a", "limit=100")["offset"] > 30
