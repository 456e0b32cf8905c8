# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares defining many systems of Cobbler in one call with a loop over community.general's module, in the same run.

    .venv/bin/python tests/benchmark/cobbler_systems.py --inventory <site folder> [--count 100] [-e name=value]...
        [--json FILE]

It measures a running Cobbler and is no test: no change is judged by it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark.catalogue import judged
from tests.benchmark.figures import Figure, write

ROOT = Path(__file__).parents[2]
PLAYBOOK = ROOT / "tests" / "benchmark" / "cobbler_systems.yml"
ROWS = (
    ("define", ("Define, one call",), ("Define, loop",)),
    ("define and sync", ("Define, one call", "Sync, one call"), ("Define, loop", "Sync, loop")),
    ("repeat, nothing to do", ("Repeat, one call",), ("Repeat, loop",)),
)


def run(inventory: str, count: int, extra: list[str]) -> dict[str, Any]:
    """Run the playbook and return the report of Ansible's JSON callback. Raises SystemExit."""
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", inventory, str(PLAYBOOK), "-e", f"benchmark_count={count}"]
    argv += [part for value in extra for part in ("-e", value)]
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    result = subprocess.run(argv, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
    report: dict[str, Any] = json.loads(result.stdout[result.stdout.index("{") :])
    return report


def seconds_of(report: dict[str, Any]) -> dict[str, float]:
    """Return the seconds that each task took, by its name."""
    return {
        task["task"]["name"]: (
            datetime.datetime.fromisoformat(task["task"]["duration"]["end"])
            - datetime.datetime.fromisoformat(task["task"]["duration"]["start"])
        ).total_seconds()
        for play in report["plays"]
        for task in play["tasks"]
    }


def table(seconds: dict[str, float], count: int) -> str:
    """Return the comparison as lines of text."""
    lines = [f"{count} systems{'':20}one call     loop    ratio"]
    for title, ours, theirs in ROWS:
        one, loop = (sum(seconds[name] for name in names) for names in (ours, theirs))
        lines.append(f"{title:28}{one:8.1f} s {loop:6.1f} s {loop / one:7.1f}x")
    return "\n".join(lines)


def results(seconds: dict[str, float]) -> list[Figure]:
    """Return the comparison as figures in the common form; the loop is the peer."""
    rows = []
    for title, ours, theirs in ROWS:
        one, loop = (sum(seconds[name] for name in names) for names in (ours, theirs))
        rows.append(Figure(title, one, "s", ("loop", loop)))
    return judged("cobbler_systems", rows)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("-e", "--extra-vars", action="append", default=[])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for machines, too")
    options = parser.parse_args()
    seconds = seconds_of(run(options.inventory, options.count, options.extra_vars))
    sys.stdout.write(f"{table(seconds, options.count)}\n")
    if options.json:
        write(options.json, results(seconds), {"systems": options.count, "seconds": seconds})


if __name__ == "__main__":
    main()
