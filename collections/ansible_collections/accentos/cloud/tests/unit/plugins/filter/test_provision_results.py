# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of results, as a template calls the filter."""

from __future__ import annotations

from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.provision_results import FilterModule
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import STAGES, Progress, row_of

provision_results = FilterModule().filters()["provision_results"]

SECONDS = dict(zip(STAGES, (0.123, 2.44, 1049.26, 1.9, 3.24, 0.4), strict=True))


def row(host: str, state: str = "deployed", stage: str = "finish", reason: str = "", **more: Any) -> dict[str, Any]:
    """Return a row as provision_wait does; a machine that did not get far has the seconds of its stages up to there."""
    reached = STAGES.index(stage) + 1 if stage in STAGES else 0
    progress = Progress(host, state, stage, 0.0, {name: SECONDS[name] for name in STAGES[:reached]}, reason)
    return {**row_of(progress), **more}


def test_seconds_of_each_stage() -> None:
    lines = provision_results([row("compute-2"), row("compute-1")])
    assert lines == [
        "machine    result     spec  disks   image  config  loader  finish   total",
        "compute-1  installed   0.1    2.4  1049.3     1.9     3.2     0.4  1057.4",
        "compute-2  installed   0.1    2.4  1049.3     1.9     3.2     0.4  1057.4",
    ]
    assert max(map(len, lines)) < 80


def test_all_machines_all_attempts_and_why_they_failed() -> None:
    results = [
        row("b", "failed", "disks", "no disk has\nserial X\nRemedy: look", attempt=1),
        row("a", attempt=1),
        row("b", "late", "boot", "nothing new for 900 s in stage boot", attempt=2),
    ]
    plan = [{"host": host, "action": "install"} for host in ("a", "b")] + [{"host": "c", "action": "keep"}]
    assert provision_results(results, plan) == [
        "machine  try  result     spec  disks   image  config  loader  finish   total",
        "a          1  installed   0.1    2.4  1049.3     1.9     3.2     0.4  1057.4",
        "b          1  failed      0.1    2.4                                     2.6",
        "b          2  late",
        "c             kept",
        "b, try 1: failed in disks: no disk has serial X Remedy: look",
        "b, try 2: late in boot: nothing new for 900 s in stage boot",
    ]


def test_nothing_to_do_is_said() -> None:
    keep = {"host": "a", "action": "keep"}
    assert provision_results([], []) == ["No machine was to be installed."]
    assert provision_results([], [keep]) == ["No machine was to be installed, 1 kept as it is."]
    assert provision_results([], [keep, keep]) == ["No machine was to be installed, 2 kept as they are."]


def test_what_a_machine_says_is_safe_to_print() -> None:
    steering = row("a", "failed", "image", "\x1b[2Jwiped\x07")
    telling = row("b", "failed", "image", "cannot fetch https://user:canary@10.0.0.1/x")
    long = row("c", "failed", "image", "x" * 5000)
    lines = provision_results([steering, telling, long])
    assert lines[-3] == r"a: failed in image: \x1b[2Jwiped\x07"
    assert "canary" not in "".join(lines)
    assert lines[-2] == "b: failed in image: (hidden)"
    assert len(lines[-1]) < 1100
