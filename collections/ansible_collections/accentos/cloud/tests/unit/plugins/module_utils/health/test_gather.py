# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collectors that fail, hang or surprise take no other with them."""

from __future__ import annotations

import sys
import time

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError, gather, run


def fail() -> None:
    raise ProbeError("no answer")


def surprise() -> None:
    raise KeyError("x")


def test_collectors_read_at_the_same_time_and_each_error_is_told() -> None:
    start = time.monotonic()
    found = gather({"slow": lambda: time.sleep(30), "well": lambda: 1, "fails": fail, "surprises": surprise}, 0.5)
    assert time.monotonic() - start < 5
    assert {name: one.data for name, one in found.items()} == {
        "slow": None,
        "well": 1,
        "fails": None,
        "surprises": None,
    }
    assert found["fails"].error == "no answer"
    assert found["surprises"].error == "KeyError: 'x'"
    assert "within" in found["slow"].error


def test_commands() -> None:
    assert run([sys.executable, "-c", "print(1)"], timeout=20) == "1\n"
    assert run([sys.executable, "-c", "print(2); raise SystemExit(3)"], timeout=20, codes=(0, 3)) == "2\n"
    with pytest.raises(ProbeError, match=r"ended with 1: .*ValueError: why"):
        run([sys.executable, "-c", "raise ValueError('why')"], timeout=20)
    with pytest.raises(ProbeError, match="cannot run: No such file"):
        run(["/nowhere/program"], timeout=20)
    with pytest.raises(ProbeError, match="did not answer within"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)
