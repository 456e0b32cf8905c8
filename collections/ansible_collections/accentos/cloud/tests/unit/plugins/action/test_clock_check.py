# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host with a wrong clock is told from one that answers slowly, by Ansible itself."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.action.clock_check import offset, problem
from ansible_collections.accentos.cloud.plugins.modules.clock_check import followed
from ansible_collections.accentos.cloud.tests.unit.plugins.action.adhoc import adhoc

TRACKING = "0A5B000B,10.91.0.11,2,1767355200.1,{offset},0.000001,0.00002,-3.1,0.001,0.02,0.0004,0.0003,64.2,{leap}\n"


@pytest.mark.parametrize(
    ("there", "expected"),
    [(100, 0), (105, 0), (110, 0), (3710, 3600), (-3500, -3600)],
    ids=["at once", "meanwhile", "at the end", "ahead", "behind"],
)
def test_a_slow_answer_is_no_wrong_clock(there: float, expected: float) -> None:
    assert offset(100, there, 110) == expected


@pytest.mark.parametrize(
    ("skew", "way", "refused"),
    [
        (0.3, 0.0, True),
        (0.3, 0.2, False),
        (0.4, 0.2, True),
        (0.3, 1.0, False),
        (0.8, 1.0, True),
        (0.2, 0.0, False),
        (-0.8, 1.0, True),
    ],
)
def test_only_what_exceeds_the_limit_and_half_the_round_trip_is_refused(skew: float, way: float, refused: bool) -> None:
    # It looked in the middle, which nobody can tell from any other moment of the round trip.
    seconds = offset(100 - way / 2, 100 + skew, 100 + way / 2)
    assert bool(problem("a", seconds, None, 0.25)) == refused == (abs(skew) > 0.25 + way / 2)


@pytest.mark.parametrize(
    ("seconds", "seen", "limit", "told"),
    [
        (3600.4, None, 0.25, "The clock of compute-1 is 1:00:00 (h:mm:ss) ahead of that of the control node."),
        (-0.71, None, 0.25, "The clock of compute-1 is 0.71 s behind that of the control node."),
        (-29.0, 0.001, 0.25, ""),
        (-31.0, 0.001, 0.25, "The clock of compute-1 is 31.00 s behind that of the control node."),
        (0.0, 0.4, 0.25, "The clock of compute-1 differs by 0.40 s from the source that chrony follows there."),
        (0.2, 0.2, 0.25, ""),
        (0.0, None, 0.25, ""),
        (7200.0, 7200.0, 86400, ""),
    ],
    ids=["ahead", "behind", "another source", "far from it", "by chrony", "little", "no chrony", "limit of its own"],
)
def test_what_is_wrong_with_a_clock(seconds: float, seen: float | None, limit: float, told: str) -> None:
    message = problem("compute-1", seconds, seen, limit)
    assert message.startswith(told)
    assert bool(message) == bool(told)
    assert not told or "chronyc makestep" in message


def test_chrony_is_believed_while_it_follows_a_source() -> None:
    assert followed(TRACKING.format(offset="-0.612000000", leap="Normal")) == 0.612
    assert followed(TRACKING.format(offset="0.1", leap="Insert second")) == 0.1
    assert followed(TRACKING.format(offset="0.000000000", leap="Not synchronised")) is None
    assert followed("") is None
    assert followed("506 Cannot talk to daemon\n") is None


def ask(folder: Path, shift: int, *options: str, path: str = "") -> dict[str, Any]:
    """Return what the task says of a host whose clock is ahead by SHIFT seconds."""
    (folder / "sitecustomize.py").write_text(f"import time\nreal = time.time\ntime.time = lambda: real() + {shift}\n")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPATH={path}$PATH PYTHONPATH={folder} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return adhoc(folder, "clock_check", "-e", f"ansible_python_interpreter={python}", *options)


def test_a_host_is_asked(tmp_path: Path) -> None:
    wrong = ask(tmp_path, -3600)
    # However long the answer takes, which makes the difference less sure.
    assert -3601 < wrong["offset"] < -3500
    assert "behind that of the control node" in wrong["msg"]
    right = ask(tmp_path, 0, "--check")
    assert (right["offset"], right["changed"], right["followed"]) == (0, False, None)
    chronyc = tmp_path / "chronyc"
    chronyc.write_text(f"#!/bin/sh\necho '{TRACKING.format(offset='0.7', leap='Normal').strip()}'\n")
    chronyc.chmod(0o755)
    told = ask(tmp_path, 0, path=f"{tmp_path}:")
    assert told["msg"].startswith("The clock of localhost differs by 0.70 s from the source that chrony follows there.")
    assert ask(tmp_path, 90, "-a", "limit=100")["offset"] > 30


def test_a_clock_that_is_put_right_meanwhile_is_waited_for(tmp_path: Path) -> None:
    # Each look brings the clock nearer.
    chronyc = tmp_path / "chronyc"
    line = TRACKING.format(offset="0.$left", leap="Normal").strip()
    chronyc.write_text(
        f'#!/bin/sh\ncd {tmp_path}\nleft=$(($(cat left || echo 5) - 2))\necho $left >left\necho "{line}"\n'
    )
    chronyc.chmod(0o755)
    assert ask(tmp_path, 0, "-a", "limit=0.2 patience=60", path=f"{tmp_path}:")["followed"] == 0.1
    # Hours are not.
    began = time.monotonic()
    assert "behind" in ask(tmp_path, -3600, "-a", "patience=60")["msg"]
    assert time.monotonic() - began < 60
