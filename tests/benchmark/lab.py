# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures a newcomer's way: make lab, make lab again, and the hosts of the lab made a second time.

    .venv/bin/python tests/benchmark/lab.py [--json FILE] [--remove]

It clones the commit of this checkout into .cache/lab-benchmark, with a lab of its own name in 10.98.0.0/16, and uses
the verbs of the lab there. The first run has nothing but a clone: no Python environment, no guest kernel, nothing from
pip's cache. The lab's image and package cache serve all labs of the machine, so it has those too where another lab has
left them; the figure is then called otherwise. Then the lab's hosts are removed without what they share, and are made
again. What was made is removed at the end, also when something failed; what a killed run has left goes before the next
one, or with --remove.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark import figures
from tests.benchmark.catalogue import HOSTS_AGAIN, LAB_AGAIN_CHANGES, LAB_CACHED, LAB_FRESH, judged
from tests.benchmark.figures import Figure
from tests.benchmark.sites import moved
from tests.benchmark.thousand_computes import EVENT
from tools.steps.lab import STOPS

ROOT = Path(__file__).parents[2]
CLONE = ROOT / ".cache/lab-benchmark"
SITE = "inventories/lab"
# What all labs of a machine share: see molecule/shared/vars.yml.
SHARED = (
    ("podman", "images", "--quiet", "--filter", "label=accentos_recipe"),
    ("podman", "volume", "ls", "--quiet", "--filter", "name=^accentos-apt-cache$"),
)
# What the verbs around would bring in.
FOREIGN = ("ACCENTOS_", "ANSIBLE_", "MOLECULE_")


@dataclass(frozen=True)
class Times:
    """Seconds of each part, how much the second run changed, and whether the first one had caches of another lab."""

    first: float
    again: float
    changes: int
    hosts: float
    cached: bool


def results(times: Times) -> list[Figure]:
    """Return the figures of TIMES."""
    first = LAB_CACHED if times.cached else LAB_FRESH
    return judged(
        "lab",
        [
            Figure(first, times.first, "s"),
            Figure("make lab again", times.again, "s", (first, times.first)),
            Figure(LAB_AGAIN_CHANGES, times.changes, "changes"),
            Figure(HOSTS_AGAIN, times.hosts, "s"),
        ],
    )


def table(rows: list[Figure]) -> list[str]:
    """Return ROWS as lines of text."""
    return [
        f"{row.what:40}{row.value:9.1f} {row.unit:8}{f'{row.ratio:6.2f}' if row.ratio is not None else ''}".rstrip()
        for row in rows
    ]


def count_changes(log: str) -> int:
    """Return how many tasks changed something, on all hosts, from a LOG of the callback stages. Raises ValueError."""
    kinds = [kind for _stamp, kind, _text in EVENT.findall(log)]
    if "task" not in kinds:
        raise ValueError("the log tells of no task, so nothing is known of changes")
    return kinds.count("changed")


def settings(environ: Mapping[str, str], clone: Path) -> dict[str, str]:
    """Return the environment for programs of the CLONE from that of this one."""
    return {
        **{key: value for key, value in environ.items() if not key.startswith(FOREIGN)},
        "ANSIBLE_CONFIG": str(clone / "ansible.cfg"),
        "ANSIBLE_HOME": str(clone / ".cache/ansible"),
        "ACCENTOS_STAGES_LOG_PATH": str(clone / ".cache/stages.log"),
        # What another environment has downloaded is not what a newcomer has.
        "PIP_NO_CACHE_DIR": "1",
    }


def call(clone: Path, *argv: str) -> float:
    """Run ARGV in CLONE and return its seconds. Raises SystemExit."""
    began = time.monotonic()
    with subprocess.Popen(argv, cwd=clone, env=settings(os.environ, clone), stdin=subprocess.DEVNULL) as process:
        try:
            code = process.wait()
        except BaseException:
            # A verb that is killed would leave its own programs behind, which then spoil the removal.
            process.terminate()
            raise
    if code:
        sys.exit(f"{' '.join(argv)} in {clone} ended with exit code {code}; what it said stands above")
    return time.monotonic() - began


def are_cached() -> bool:
    """Tell whether an image or package cache of a lab is on this machine. Raises SystemExit."""
    # Before the first lab podman itself may not be there.
    if shutil.which("podman") is None:
        return False
    found = []
    for argv in SHARED:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(argv)} does not tell what other labs have left: {done.stderr.strip()}")
        found.append(done.stdout.strip())
    return any(found)


def clone_checkout(root: Path, clone: Path) -> None:
    """Clone the commit of ROOT to CLONE, and move its lab out of the way of others. Raises SystemExit."""
    clone.parent.mkdir(parents=True, exist_ok=True)
    call(root, "git", "clone", "--quiet", "--no-hardlinks", str(root), str(clone))
    move_site(clone / SITE)


def move_site(folder: Path) -> None:
    """Give the lab of the site FOLDER a name and networks of its own."""
    for file in folder.rglob("*.yml"):
        content = file.read_text(encoding="utf-8")
        file.write_text(moved(content, "10.90.", "10.98.", "benchmark"), encoding="utf-8")


def playbook(clone: Path, name: str) -> float:
    """Run the playbook NAME of CLONE and return its seconds. Raises SystemExit."""
    return call(clone, ".venv/bin/ansible-playbook", f"--inventory={SITE}", name)


def remove(clone: Path, *, caches: bool) -> None:
    """Remove the lab of CLONE, and with CACHES what labs share if it is the last, and then CLONE. Raises SystemExit."""
    if (clone / ".lab").exists():
        if caches:
            call(clone, "make", "lab-down")
        else:
            playbook(clone, "molecule/shared/destroy.yml")
    shutil.rmtree(clone, ignore_errors=True)


def measure(clone: Path, *, cached: bool) -> Times:
    """Use the verbs of CLONE. Raises SystemExit."""
    log = clone / ".cache/stages.log"
    log.parent.mkdir(exist_ok=True)
    first = call(clone, "make", "lab", f"UNTIL={STOPS[-1]}")
    log.unlink(missing_ok=True)
    again = call(clone, "make", "lab", f"UNTIL={STOPS[-1]}")
    changes = count_changes(log.read_text(encoding="utf-8"))
    playbook(clone, "molecule/shared/destroy.yml")
    return Times(first, again, changes, playbook(clone, "molecule/shared/create.yml"), cached)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for machines, too")
    parser.add_argument("--remove", action="store_true", help="remove what a killed run has left, and do nothing else")
    arguments = parser.parse_args()
    # So that what was made is removed when it is asked to end, too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    # Nobody knows what was cached before a run that was killed; image and package cache cost time alone.
    remove(CLONE, caches=False)
    if arguments.remove:
        return
    cached = are_cached()
    try:
        clone_checkout(ROOT, CLONE)
        times = measure(CLONE, cached=cached)
    finally:
        # The machine is left as it was found, so that the next run measures the same.
        remove(CLONE, caches=not cached)
    rows = results(times)
    sys.stdout.write("\n".join(table(rows)) + "\n")
    if arguments.json:
        figures.write(arguments.json, rows)


if __name__ == "__main__":
    main()
