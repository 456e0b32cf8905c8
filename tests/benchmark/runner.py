# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs benchmarks one after another and keeps their figures.

    .venv/bin/python -m tests.benchmark [--list] [--only NAME]... [--anyway] [--json FILE] [--history FILE]

Without --only it runs those that need no lab, and those whose lab stands. It does not begin while other work computes
on the machine; --anyway runs them all the same, and what was measured is then shown but not added to the history.
Its exit code is 1 when a benchmark failed or a bar was not met, 3 when it did not begin. The rest run when one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from tests.benchmark import catalogue, figures, record
from tests.benchmark.catalogue import Benchmark
from tests.benchmark.record import Result, Session
from tools.steps.child import InterruptedRunError, Limits, TimedOutError, run_child
from tools.steps.engine import EXIT_FAILED, EXIT_NOT_READY, EXIT_USAGE

ROOT = Path(__file__).parents[2]
HISTORY = "docs/benchmarks.md"
# Of all cores. What a machine does by itself is less; one busy program is more on any machine that can carry a lab.
QUIET_SHARE = 0.1
LOOK_SECONDS = 10.0
# How many times as long as it usually takes a program may run before it is ended.
PATIENCE = 4
GRACE_SECONDS = 9.0


class MissingError(Exception):
    """A program did not reach its end; the text says which and why."""


@dataclass
class Runner:
    """What all runs share: folder of the programs, checkout, the share of cores that may be busy, seconds to look."""

    programs: Path = Path(__file__).parent
    root: Path = ROOT
    quiet: float = QUIET_SHARE
    look: float = LOOK_SECONDS
    signal: int | None = field(default=None, init=False)

    def busy(self) -> float:
        """Return the share of all cores that other work takes, seen over some seconds."""
        stat = Path("/proc/stat")
        before = stat.read_text(encoding="ascii")
        time.sleep(self.look)
        return record.busy_share(before, stat.read_text(encoding="ascii"))

    def stands(self, benchmark: Benchmark) -> bool:
        """Tell whether the lab is there that BENCHMARK needs, if it needs one."""
        return not benchmark.lab or (self.root / ".lab" / benchmark.lab / "ssh_config").exists()

    def program(self, benchmark: Benchmark, arguments: Sequence[str], deadline: float) -> None:
        """Run the program of BENCHMARK with ARGUMENTS, its output as that of this one, until DEADLINE.

        Raises MissingError or InterruptedRunError.
        """
        if self.signal is not None:
            raise InterruptedRunError
        argv = (sys.executable, str(self.programs / benchmark.program), *arguments)

        def show(data: bytes) -> None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

        limits = Limits(deadline, lambda: self.signal is not None, lambda: GRACE_SECONDS)
        told = shlex.join((benchmark.program, *arguments))
        sys.stdout.write(f"$ {told}\n")
        sys.stdout.flush()
        try:
            code = run_child(argv, self.root, os.environ, show, limits)
        except TimedOutError:
            raise MissingError(
                f"{told} was ended: it took more than {PATIENCE} times its usual {benchmark.minutes} minutes"
            ) from None
        if code:
            raise MissingError(f"{told} ended with exit code {code}; what it said stands above")

    def run(self, benchmark: Benchmark, busy: float) -> Result:
        """Run BENCHMARK on a machine that was BUSY so much; a failure is in the result. Raises InterruptedRunError."""
        began, found, errors = time.monotonic(), list[figures.Figure](), list[str]()
        deadline = began + PATIENCE * benchmark.minutes * 60
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            file = Path(folder) / "figures.json"
            try:
                for arguments in benchmark.before:
                    self.program(benchmark, arguments, deadline)
                self.program(benchmark, (*benchmark.arguments, "--json", str(file)), deadline)
                found = figures.read(file)
            except (MissingError, figures.FiguresError) as error:
                errors.append(str(error))
            for arguments in benchmark.after:
                try:
                    self.program(benchmark, arguments, max(deadline, time.monotonic() + 600))
                except MissingError as error:
                    errors.append(f"{error}. What it made may still be there: run this again")
        seconds = time.monotonic() - began
        return Result(benchmark.name, seconds, busy, busy <= self.quiet, tuple(found), "; ".join(errors))

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Note the signals that ask for an end, so that the program that runs is ended first."""

        def note(number: int, _frame: FrameType | None) -> None:
            self.signal = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def commit(root: Path) -> str:
    """Return the commit of the checkout ROOT, with a + when files differ from it; the history itself may."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    differs = git("status", "--porcelain", "--", ".", f":!{HISTORY}")
    return f"{git('rev-parse', '--short=10', 'HEAD') or 'unknown'}{'+' if differs else ''}"


def session(root: Path) -> Session:
    """Return what the figures of now depend on."""
    cpuinfo, meminfo = (Path("/proc", name).read_text(encoding="utf-8") for name in ("cpuinfo", "meminfo"))
    machine = record.read_machine(cpuinfo, meminfo, platform.release())
    return Session(f"{datetime.now(UTC):%Y-%m-%d}", commit(root), machine)


def listing(benchmarks: Sequence[Benchmark]) -> list[str]:
    """Return what BENCHMARKS measure and need, as lines of text."""
    rows = [("name", "minutes", "measures", "needs", "bars")]
    for one in benchmarks:
        bars = "; ".join(f"{what}: {record.number(bar.most)} {bar.unit}" for what, bar in one.bars.items())
        rows.append((one.name, f"~{one.minutes}", one.measures, one.needs, bars or "-"))
    return record.aligned(rows)


def keep(told: Session, results: Sequence[Result], report: Path, past: Path) -> None:
    """Write all RESULTS so far to REPORT and add rows of the last one to the history PAST. Raises OSError."""
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(record.report(told, results), indent=2) + "\n", encoding="utf-8")
    if rows := record.history(told, results[-1]):
        with past.open("a", encoding="utf-8") as file:
            file.write("".join(f"{row}\n" for row in rows))


def run_all(runner: Runner, chosen: Sequence[Benchmark], report: Path, past: Path, *, anyway: bool) -> int:
    """Run the CHOSEN benchmarks one after another and return the exit code. Raises OSError."""
    busy = runner.busy()
    if busy > runner.quiet and not anyway:
        sys.stderr.write(
            f"The machine is not quiet: {busy:.0%} of its cores compute, {runner.quiet:.0%} may. Figures measured now"
            f" would compare with nothing (load average {os.getloadavg()[0]:.1f}). Wait until the other work has ended,"
            " or see figures that are not kept: .venv/bin/python -m tests.benchmark --anyway\n"
        )
        return EXIT_NOT_READY
    told, results = session(runner.root), list[Result]()
    try:
        for number, one in enumerate(chosen):
            sys.stdout.write(f"\n[{number + 1}/{len(chosen)}] {one.name}, about {one.minutes} min: {one.measures}\n")
            # What the one before left running counts as other work, too.
            results.append(runner.run(one, runner.busy() if number else busy))
            keep(told, results, report, past)
    except InterruptedRunError:
        rest = ", ".join(one.name for one in chosen[len(results) :])
        tidy = " ".join(
            f"{one.program} {shlex.join(words)}" for one in chosen[len(results) :][:1] for words in one.after
        )
        sys.stdout.write(f"\nInterrupted; not measured: {rest}.{f' What it made goes with: {tidy}' if tidy else ''}\n")
    sys.stdout.write("\n".join(["", *record.table(results), "", f"{told.machine}, commit {told.commit}", ""]))
    if results:
        sys.stdout.write(f"for machines: {report}\n")
    if runner.signal is not None:
        return 128 + runner.signal
    missed = any(figure.met is False for result in results for figure in result.figures)
    return EXIT_FAILED if missed or any(result.error for result in results) else 0


def main(arguments: Sequence[str], runner: Runner, benchmarks: Sequence[Benchmark] = catalogue.BENCHMARKS) -> int:
    """Run with the ARGUMENTS of the command line and return the exit code."""
    names = [one.name for one in benchmarks]
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="only show what there is")
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="NAME", help="run this one")
    parser.add_argument("--anyway", action="store_true", help="run on a busy machine too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="default: .cache/benchmarks/<time>.json")
    parser.add_argument("--history", type=Path, metavar="FILE", help=f"default: {HISTORY}")
    options = parser.parse_args(arguments)
    if options.list:
        sys.stdout.write("\n".join(listing(benchmarks)) + "\n")
        return 0
    asked = [one for one in benchmarks if one.name in options.only] if options.only else list(benchmarks)
    absent = [one for one in asked if not runner.stands(one)]
    for one in absent:
        sys.stderr.write(
            f"{one.name} is left out: it needs {one.needs}, which is not there. To have it:"
            f" .venv/bin/molecule converge --scenario-name {one.lab}\n"
        )
    if absent and options.only:
        return EXIT_NOT_READY
    past = options.history or runner.root / HISTORY
    try:
        record.check_history(past.read_text(encoding="utf-8"))
    except (OSError, record.HistoryError) as error:
        sys.stderr.write(f"Nothing was measured, since it could not be kept: {past}: {error}\n")
        return EXIT_USAGE
    report = options.json or runner.root / f".cache/benchmarks/{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    with runner.signals():
        chosen = [one for one in asked if one not in absent]
        return run_all(runner, chosen, report, past, anyway=options.anyway)
