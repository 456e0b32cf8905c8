# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept and shown of benchmarks that ran: a table, a file of JSON, and rows of docs/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmark.figures import Figure

COLUMNS = ("date", "commit", "machine", "benchmark", "figure", "value", "floor or peer", "ratio", "bar", "bar met")
# As the kernel reports memory it is a little less than the machine has.
KIB_IN_GIB = 2**20


class HistoryError(Exception):
    """The file of the history is not one to which rows can be added; the text says why."""


@dataclass(frozen=True)
class Machine:
    """What a figure depends on: model and number of the cores, memory in GiB, the release of the kernel."""

    cpu: str
    cores: int
    memory_gib: int
    kernel: str

    def __str__(self) -> str:
        """Return the machine as the history tells it."""
        return f"{self.cpu}, {self.cores} cores, {self.memory_gib} GiB, Linux {self.kernel}"


def read_machine(cpuinfo: str, meminfo: str, kernel: str) -> Machine:
    """Return the machine from the texts of /proc/cpuinfo and /proc/meminfo and the release of its KERNEL."""
    models = re.findall(r"(?m)^model name\s*: (.*\S)", cpuinfo)
    total = re.search(r"(?m)^MemTotal:\s+(\d+) kB", meminfo)
    return Machine(
        # ARM64 names no model.
        re.sub(r"\s+", " ", models[0]) if models else "unnamed CPU",
        len(re.findall(r"(?m)^processor\s*:", cpuinfo)),
        round(int(total[1]) / KIB_IN_GIB) if total else 0,
        kernel,
    )


def busy_share(before: str, after: str) -> float:
    """Return the share of all cores that computed between two texts of /proc/stat, 0 when no time has passed."""
    totals = []
    for text in (before, after):
        # user nice system idle iowait irq softirq steal; guests are counted in user already.
        ticks = [int(word) for word in text.splitlines()[0].split()[1:9]]
        totals.append((sum(ticks), sum(ticks) - ticks[3] - ticks[4]))
    passed = totals[1][0] - totals[0][0]
    return (totals[1][1] - totals[0][1]) / passed if passed > 0 else 0.0


@dataclass(frozen=True)
class Result:
    """How a benchmark ended: its seconds, its figures, or what went wrong, and how BUSY the machine was before it."""

    name: str
    seconds: float
    busy: float
    quiet: bool
    figures: tuple[Figure, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Session:
    """When and on what the benchmarks ran."""

    date: str
    commit: str
    machine: Machine


def number(value: float) -> str:
    """Return VALUE with as many digits as a person compares."""
    if value == int(value):
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def cells(figure: Figure) -> tuple[str, str, str, str, str, str]:
    """Return what, value, floor or peer, ratio, bar and whether that was met, as words; "-" for what there is not."""
    met = figure.met
    return (
        figure.what,
        f"{number(figure.value)} {figure.unit}",
        f"{figure.beside[0]}: {number(figure.beside[1])} {figure.unit}" if figure.beside else "-",
        "-" if figure.ratio is None else f"{figure.ratio:.2f}",
        f"{number(figure.bar.most)} {figure.bar.unit}" if figure.bar else "-",
        "-" if met is None else "yes" if met else "no",
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return ROWS as lines of text with columns below each other."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def table(results: Iterable[Result]) -> list[str]:
    """Return all figures of RESULTS as lines of text, and a line for each that failed or is worth nothing."""
    rows, notes = [("benchmark", *COLUMNS[4:])], []
    for result in results:
        rows += [(result.name, *cells(figure)) for figure in result.figures]
        if result.error:
            notes.append(f"FAILED: {result.name}: {result.error}")
        elif not result.quiet:
            notes.append(
                f"WORTHLESS: {result.name}: {result.busy:.0%} of the cores had other work when it began, so its figures"
                " compare with nothing and are not kept"
            )
    return [*(aligned(rows) if len(rows) > 1 else []), *notes]


def report(session: Session, results: Iterable[Result]) -> dict[str, Any]:
    """Return the SESSION and its RESULTS for JSON."""
    return {
        **asdict(session),
        "benchmarks": [
            {
                "name": one.name,
                "seconds": one.seconds,
                "busy_before": one.busy,
                "quiet": one.quiet,
                "error": one.error or None,
                "figures": [figure.row() for figure in one.figures],
            }
            for one in results
        ],
    }


def markdown(words: Iterable[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(word.replace('|', chr(92) + '|') for word in words)} |"


HEAD = (markdown(COLUMNS), f"|{'---|' * len(COLUMNS)}")


def history(session: Session, result: Result) -> list[str]:
    """Return the rows of the history for a RESULT: one for each figure, none when they are worth nothing."""
    if not result.quiet:
        return []
    told = (session.date, session.commit, str(session.machine), result.name)
    return [markdown((*told, *cells(figure))) for figure in result.figures]


def check_history(text: str) -> None:
    """Check that the history TEXT ends with its table, so that rows can be added at its end. Raises HistoryError."""
    lines = text.splitlines()
    places = [number for number, line in enumerate(lines) if line == HEAD[0]]
    if len(places) != 1 or lines[places[0] + 1 : places[0] + 2] != [HEAD[1]]:
        raise HistoryError(f"its table must have these columns, once: {', '.join(COLUMNS)}")
    if not text.endswith("\n") or not all(line.startswith("| ") for line in lines[places[0] + 2 :]):
        raise HistoryError(
            "the table must be the last thing in it, and end with a line feed: rows are added at the end"
        )
