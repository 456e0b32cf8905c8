# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs steps, which are data, and reports on them.

A step is a program or a Python function. Steps run in order; neighbours with the same `group` run LANES at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Literal, NamedTuple

from .child import InterruptedRunError, Limits, TimedOutError, Watcher, process_of, run_child
from .report import Log, Screen, Stopwatch, clock, plain, slowest
from .results import Counts, UnreadableResultsError, count_files, verdict

# As many as the cores that the project is built for. With more, emulated machines are too slow to start their services.
LANES = 2
TAIL_LINES = 40
LONGEST_NAME = 300
GRACE_SECONDS = 10.0
# More than the guard of a killed run takes to end its programs.
KILLED_RUN_SECONDS = 30.0
# Time of its own for what follows a step, one program each: the step may have used up what it had.
AFTERMATH_SECONDS = 900
FAILURES = ".cache/failures"
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_READY = 3
EXIT_BUSY = 4

State = Literal["ok", "unchanged", "failed", "interrupted", "not run"]


class StepError(Exception):
    """A step did not reach its end; EXIT_CODE is that of its program, if it has one."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        """Say in MESSAGE what went wrong."""
        super().__init__(message)
        self.exit_code = exit_code


class BusyError(Exception):
    """Another run holds the checkout; the text says which."""


@dataclass(frozen=True)
class Needs:
    """What the machine must have: administrator rights, free disk and memory in MiB, room for containers.

    plain_path: a path of the checkout without blanks and the like. smaller: a sentence on what is content with less
    disk and memory.
    """

    root: bool = False
    disk_mib: int = 0
    memory_mib: int = 0
    containers: bool = False
    plain_path: bool = True
    smaller: str = ""

    def __or__(self, other: Needs) -> Needs:
        """Return what satisfies both."""
        return Needs(
            self.root or other.root,
            max(self.disk_mib, other.disk_mib),
            max(self.memory_mib, other.memory_mib),
            self.containers or other.containers,
            self.plain_path or other.plain_path,
            self.smaller or other.smaller,
        )


@dataclass(frozen=True)
class Step:
    """One step of a verb.

    action: the argument list of a program, or a function that gets a Job.
    stamp: file that records the hash of `inputs` (paths or patterns below the checkout) and `facts` after success; the
    step is left out while they are the same.
    timeout: seconds. tests: patterns of the JUnit XML files that it writes. essential: nothing runs after its failure.
    terminal: it shows its own progress. remedy: what a person can do when it fails. uses: a thing of which steps of one
    group have only one, such as a lab: whoever comes second lets others pass until the first has ended.
    witness: a program that keeps what is of use to whoever looks for the cause, run once the step has failed; the
    folder for it is in ACCENTOS_FAILURES. removal: a program that removes what the action makes. It runs before the
    action, since an earlier run may have left something, and at the end, be it a failure or a time-out. Who interrupts
    a run keeps it.
    """

    name: str
    why: str
    action: tuple[str, ...] | Callable[[Job], None]
    inputs: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    stamp: str = ""
    needs: Needs = Needs()
    timeout: int = 600
    tests: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    remedy: str = "Read the log, mend what it names, and run the same command again."
    terminal: bool = False
    group: str = ""
    uses: str = ""
    essential: bool = False
    witness: tuple[str, ...] = ()
    removal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a step ended. `message` says why it failed; `tail` holds its last lines of output.

    kept: folder with what was kept of the failure, if there is one.
    """

    step: Step
    state: State
    seconds: float = 0.0
    exit_code: int | None = None
    message: str = ""
    tail: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    kept: Path | None = None


class Job:
    """What a running step has: its output, and the means to start programs that end with it."""

    def __init__(self, step: Step, run: Run) -> None:
        """Prepare STEP of RUN; its time starts now."""
        self.step = step
        self.root = run.root
        # Every program of the step may leave something there; who does makes it.
        self.failures = failures_folder(run.root, step.name, run.began)
        self.env: Mapping[str, str] = {**run.env, "ACCENTOS_FAILURES": str(self.failures), **step.env}
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.watch = Stopwatch()
        self._run = run
        self._deadline = time.monotonic() + step.timeout
        self._rest = b""

    def allow(self, seconds: float) -> None:
        """Give what follows SECONDS from now, whatever is left of the time of the step."""
        self._deadline = time.monotonic() + seconds

    def say(self, line: str) -> None:
        """Add LINE to the output of the step."""
        self.tail.append(line)
        self._run.log.write(self.step.name, line)

    def call(self, *argv: str, env: Mapping[str, str] | None = None) -> None:
        """Run ARGV with its output as that of the step. Raises StepError, TimedOutError or InterruptedRunError."""
        own_terminal = self.step.terminal and self._run.screen.live
        limits = Limits(self._deadline, lambda: self._run.signal is not None, lambda: self._run.grace)
        try:
            code = run_child(
                argv,
                self.root,
                {**self.env, **(env or {})},
                self._take,
                limits,
                self._run.screen.terminal if own_terminal else None,
                self._run.watcher,
            )
        except OSError as error:
            raise StepError(f"cannot start {argv[0]}: {error.strerror}") from error
        finally:
            if self._rest:
                self._take(b"\n")
        if code:
            end = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise StepError(f"{argv[0]} {end}", code)

    def pause(self, seconds: float) -> None:
        """Wait SECONDS. Raises TimedOutError or InterruptedRunError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._run.signal is not None:
                raise InterruptedRunError
            if time.monotonic() > self._deadline:
                raise TimedOutError
            time.sleep(0.05)

    def _take(self, data: bytes) -> None:
        if self.step.terminal:
            self._run.screen.raw(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.say(plain(line.decode("utf-8", "replace")))


def failures_folder(root: Path, name: str, began: datetime) -> Path:
    """Return the folder of checkout ROOT for what is kept of a failure of step NAME, in a run that BEGAN then."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return root / FAILURES / f"{words}-{began.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def digest(step: Step, root: Path) -> str:
    """Return the hash of all that decides whether STEP has to run again in checkout ROOT. Raises OSError."""
    whole = hashlib.sha256(json.dumps([step.name, step.facts]).encode())
    for pattern in step.inputs:
        found = sorted(path for path in root.glob(pattern) if path.is_file())
        if not found:
            raise FileNotFoundError(f"{pattern}: no such file below {root}")
        for path in found:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{path.relative_to(root)} {content}\n".encode())
    return whole.hexdigest()


def judge(step: Step, root: Path, failure: str) -> tuple[str, Counts]:
    """Return why STEP failed (or "" when it did not) and its tests, given the FAILURE of its action, if any."""
    if not step.tests:
        return failure, Counts(failed=(step.name,)) if failure else Counts()
    try:
        counts = count_files(path for pattern in step.tests for path in root.glob(pattern))
    except UnreadableResultsError as error:
        counts, failure = Counts(), failure or str(error)
    if counts.skipped:
        failure = failure or f"{len(counts.skipped)} tests were skipped"
    if counts.failed:
        failure = failure or f"{len(counts.failed)} tests failed"
    if not counts.total:
        failure = failure or "ran no test"
    if failure and not counts.failed and not counts.skipped:
        # A gate beside the tests, such as the coverage threshold, or an end before the first result.
        counts += Counts(failed=(step.name,))
    return failure, counts


def next_step(waiting: Sequence[Step], running: Collection[Step]) -> Step | None:
    """Return the first of the WAITING steps that can begin beside those RUNNING, or None while none can."""
    if len(running) >= LANES:
        return None
    in_use = {step.uses for step in running if step.uses}
    return next((step for step in waiting if step.uses not in in_use), None)


class Run:
    """One run of a verb."""

    def __init__(
        self, root: Path, screen: Screen, log: Log, env: Mapping[str, str], watcher: Watcher | None = None
    ) -> None:
        """Run steps in checkout ROOT with environment ENV, shown on SCREEN and kept in LOG.

        WATCHER hears of the programs that are started.
        """
        self.root = root
        self.screen = screen
        self.log = log
        self.env = env
        self.watcher = watcher
        self.grace = GRACE_SECONDS
        self.began = datetime.now(UTC)
        self.signal: int | None = None
        self._total = 0

    def execute(self, steps: Sequence[Step], keep_going: bool) -> list[Outcome]:
        """Run STEPS and return one outcome for each. With KEEP_GOING only a failed essential step stops the rest."""
        self._total = len(steps)
        outcomes: list[Outcome] = []
        with self._signals(), ThreadPoolExecutor(LANES) as pool:
            number = 1
            for _, members in groupby(enumerate(steps), key=lambda item: item[1].group or str(item[0])):
                group = [step for _, step in members]
                stopped = self.signal is not None or any(
                    outcome.state == "failed" and (outcome.step.essential or not keep_going) for outcome in outcomes
                )
                if stopped:
                    outcomes += [Outcome(step, "not run") for step in group]
                else:
                    outcomes += self._run_group(pool, number, group)
                number += len(group)
        return outcomes

    def _run_group(self, pool: ThreadPoolExecutor, number: int, group: Sequence[Step]) -> list[Outcome]:
        jobs: dict[int, Job] = {}
        positions = {step.name: position for position, step in enumerate(group, start=number)}

        def run(step: Step) -> Outcome:
            position = positions[step.name]
            if self.signal is not None:
                return Outcome(step, "not run")
            jobs[position] = Job(step, self)
            if not self.screen.live or step.terminal:
                self.screen.line(f"[{position}/{self._total}] {step.name} ...")
            outcome = self._aftermath(jobs[position], self._run_step(jobs[position]))
            del jobs[position]
            self._show(position, outcome)
            return outcome

        waiting = [*group]
        running: dict[Future[Outcome], Step] = {}
        outcomes: dict[str, Outcome] = {}
        while waiting or running:
            while step := next_step(waiting, running.values()):
                waiting.remove(step)
                running[pool.submit(run, step)] = step
            for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                outcomes[running.pop(future).name] = future.result()
            # With several at a time the line shows the one that began first.
            for position, job in sorted(jobs.items())[:1]:
                if not job.step.terminal:
                    last = job.tail[-1] if job.tail else ""
                    title = f"[{position}/{self._total}] {job.step.name} ... {clock(job.watch.seconds)}"
                    self.screen.update(f"{title}  {last}")
        return [outcomes[step.name] for step in group]

    def _run_step(self, job: Job) -> Outcome:
        step = job.step
        self.log.write(step.name, f"=== {step.name}: {step.why}")
        stamp = self.root / step.stamp if step.stamp else None
        failure = ""
        code: int | None = None
        try:
            if stamp:
                wanted = digest(step, self.root)
                if stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == wanted:
                    self.log.write(step.name, "unchanged")
                    return Outcome(step, "unchanged", job.watch.seconds)
                stamp.unlink(missing_ok=True)
            for pattern in step.tests:
                for stale in self.root.glob(pattern):
                    stale.unlink()
            if step.removal:
                job.call(*step.removal)
            if callable(step.action):
                step.action(job)
            else:
                job.call(*step.action)
            if stamp:
                stamp.parent.mkdir(parents=True, exist_ok=True)
                stamp.write_text(wanted + "\n", encoding="utf-8")
        except StepError as error:
            failure, code = str(error), error.exit_code
        except TimedOutError:
            failure = f"took longer than {step.timeout} s and was ended"
        except InterruptedRunError:
            return Outcome(step, "interrupted", job.watch.seconds, tail=tuple(job.tail))
        except (OSError, subprocess.SubprocessError) as error:
            failure = str(error)
        failure, counts = judge(step, self.root, failure)
        state: State = "failed" if failure else "ok"
        self.log.write(step.name, f"=== {state} after {job.watch.seconds:.1f} s {failure}".rstrip())
        return Outcome(step, state, job.watch.seconds, code, failure, tuple(job.tail), counts)

    def _aftermath(self, job: Job, outcome: Outcome) -> Outcome:
        """Keep what is of use of a step that failed, then remove what it made; return what is told of it.

        Nothing that goes wrong here hides the first failure.
        """
        step = job.step
        if outcome.state == "failed" and step.witness and (trouble := self._afterwards(job, step.witness)):
            self.log.write(step.name, f"=== not all was kept: {trouble}")
        if outcome.state == "failed" and job.failures.is_dir():
            outcome = replace(outcome, kept=job.failures)
        if outcome.state in ("ok", "failed") and step.removal and (trouble := self._afterwards(job, step.removal)):
            self.log.write(step.name, f"=== it was not removed: {trouble}")
            if outcome.state == "ok":
                counts = outcome.counts + Counts(failed=(step.name,))
                outcome = replace(outcome, state="failed", message=trouble, tail=tuple(job.tail), counts=counts)
        return replace(outcome, seconds=job.watch.seconds)

    def _afterwards(self, job: Job, argv: tuple[str, ...]) -> str:
        """Run ARGV after the step of JOB and return why it failed, or nothing."""
        job.allow(AFTERMATH_SECONDS)
        try:
            job.call(*argv)
        except StepError as error:
            return str(error)
        except TimedOutError:
            return f"{argv[0]} took longer than {AFTERMATH_SECONDS} s and was ended"
        except InterruptedRunError:
            return f"{argv[0]} was interrupted"
        return ""

    def _show(self, position: int, outcome: Outcome) -> None:
        step = outcome.step
        head = f"[{position}/{self._total}] {step.name}"
        tests = f", {verdict(outcome.counts)}" if step.tests else ""
        self.screen.line(f"{head} ... {outcome.state} {clock(outcome.seconds)}{tests}")
        if outcome.state != "failed":
            return
        # What a step with a terminal wrote stands on the screen already.
        if not step.terminal:
            for line in outcome.tail:
                self.screen.line(f"    {line}")
        code = "none" if outcome.exit_code is None else str(outcome.exit_code)
        self.screen.line(f"FAILED: {step.name}: {outcome.message}")
        self.screen.line(f"    why it is run: {step.why}")
        self.screen.line(f"    exit code: {code}")
        self.screen.line(f"    log: {self.log.path}")
        if outcome.kept:
            self.screen.line(f"    kept: {outcome.kept}")
        self.screen.line(f"    remedy: {step.remedy}")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def note(number: int, _frame: FrameType | None) -> None:
            if self.signal is not None:
                # Asked twice: no more patience.
                self.grace = 0.0
            self.signal = number

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def summarize(run: Run, outcomes: Sequence[Outcome], seconds: float, counts_tests: bool) -> int:
    """Show the durations and the verdict of a finished RUN and return its exit code."""
    done = [(outcome.step.name, outcome.seconds) for outcome in outcomes if outcome.state != "not run"]
    for line in slowest(done, seconds):
        run.screen.line(line)
        run.log.write("total", line)
    counts = sum((outcome.counts for outcome in outcomes), Counts())
    failed = [outcome.step.name for outcome in outcomes if outcome.state == "failed"]
    left = [outcome.step.name for outcome in outcomes if outcome.state == "not run"]
    if counts.skipped:
        run.screen.line("Skipped tests, which this project does not allow:")
        for name in counts.skipped:
            run.screen.line(f"    {name}")
    if named := [name for outcome in outcomes if outcome.step.tests for name in outcome.counts.failed]:
        # Where only the end of the output is kept, nothing else says which they were.
        run.screen.line("Failed tests:")
        for name in named:
            run.screen.line(f"    {name[:LONGEST_NAME]}")
    if failed:
        run.screen.line(f"Failed: {', '.join(failed)}. Log: {run.log.path}")
        for outcome in outcomes:
            if outcome.kept:
                run.screen.line(f"Logs of the hosts of {outcome.step.name}: {outcome.kept}")
    if left:
        run.screen.line(f"Not run: {', '.join(left)}")
    if run.signal is not None:
        run.screen.line("Interrupted; its programs were ended. The same command can be run again.")
        return 128 + run.signal
    nothing = counts_tests and not counts.total
    if nothing:
        run.screen.line("No test was run: that is a failure, because it proves nothing.")
    if counts_tests:
        run.screen.line(verdict(counts))
        run.log.write("total", verdict(counts))
    return EXIT_FAILED if failed or left or nothing else 0


class Holder(NamedTuple):
    """Who holds a lock: the pid of the run, and the descriptor, None where it is a run that this one is part of."""

    pid: str
    descriptor: int | None


def take(descriptor: int, path: Path, outer: str) -> bool:
    """Lock DESCRIPTOR of the lock file PATH, or return False where the run OUTER has it. Raises BusyError.

    Where the run that had it was killed, its guard is ending its programs, which is waited for.
    """
    end = time.monotonic() + KILLED_RUN_SECONDS
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, other = path.read_text(encoding="utf-8").strip().partition(" ")
        else:
            return True
        other = f"make {other or 'another verb'}"
        if pid and pid == outer:
            return False
        if not pid.isdigit() or process_of(int(pid)):
            raise BusyError(
                f"{other} is running in this checkout (pid {pid or 'unknown'}). Two at once"
                " would spoil each other's files. Wait until it ends, or stop it, then run this again."
            )
        if time.monotonic() > end:
            raise BusyError(
                f"{other} was killed in this checkout (pid {pid}), and programs that it started do not end."
                " Find them with `ps -ef`, end them, then run this again."
            )
        if not said:
            print(f"{other} was killed in this checkout; waiting until its programs have ended ...", flush=True)
            said = True
        time.sleep(0.1)


@contextlib.contextmanager
def lock(path: Path, verb: str, outer: str) -> Iterator[Holder]:
    """Hold the lock file PATH for VERB and give who holds it.

    A run starts others when it runs the commands of the documentation: they are part of it, and pass its pid as OUTER.
    Raises BusyError when any other run holds the lock, OSError when the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not take(descriptor, path, outer):
            yield Holder(outer, None)
            return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {verb}\n".encode(), 0)
        yield Holder(str(os.getpid()), descriptor)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
