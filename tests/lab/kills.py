# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where runs are killed, and in what hosts differ afterwards: decisions from data, which need no lab."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

# The tasks before it write nothing: the site is checked, and whether hosts answer.
FIRST = 4
# Seconds of the shortest and the longest task of which nobody knows how long it takes.
SHORT, LONG = 0.1, 60.0


def kill_points(seconds: Sequence[float], kills: int, chance: random.Random) -> list[tuple[int, float]]:
    """Choose where to kill a run: numbers of tasks, from 1, and seconds after the start of each, ascending.

    SECONDS is how long each task took in an undisturbed run. No task comes a second time before each has come once.
    Every other one is drawn by its share of the time, since most is written in tasks that take long; the others are
    drawn alike. The last task is left out, since a run would be at its end before it is killed.

    The numbers mean the same task in each run: one that has nothing to do on any host is started and then skipped, and
    what is included depends on the site and not on what hosts have already.
    """
    chosen: list[int] = []
    left: list[int] = []
    for number in range(kills):
        left = left or [*range(FIRST, len(seconds))]
        weights = [seconds[task - 1] + 0.001 if number % 2 else 1.0 for task in left]
        chosen += chance.choices(left, weights)
        left.remove(chosen[-1])
    return sorted((task, round(chance.uniform(0, seconds[task - 1]), 2)) for task in chosen)


def guessed_seconds(tasks: int, chance: random.Random) -> list[float]:
    """Return times for tasks of which none are known, from SHORT to LONG seconds, short ones as often as long ones.

    A run that finds all done tells which tasks there are and not how long they take on fresh hosts. A kill that would
    come after the end of its task comes when the next one starts.
    """
    return [SHORT * (LONG / SHORT) ** chance.random() for _task in range(tasks)]


def difference(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return, by host, the lines that are only before (-) or only after (+), in the order of what they are about.

    A line that is there twice and was there once is a difference, too.
    """
    found = {}
    for host in sorted({*before, *after}):
        old, new = Counter(before.get(host, ())), Counter(after.get(host, ()))
        rows = [(line, "-") for line in (old - new).elements()] + [(line, "+") for line in (new - old).elements()]
        if rows:
            found[host] = [f"{sign} {line}" for line, sign in sorted(rows, key=lambda row: (row[0], row[1]))]
    return found
