# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts one program in a process group of its own, hands on its output, and ends the whole group when it must."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

# The program is started once whoever watches knows of it: killed before, the run leaves none that nobody ends.
GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "gate")
POLL_SECONDS = 0.1
KILL_SECONDS = 5.0


class TimedOutError(Exception):
    """The program ran longer than allowed and was ended."""


class InterruptedRunError(Exception):
    """The run was interrupted and the program was ended."""


@dataclass(frozen=True)
class Limits:
    """When a program has to end: DEADLINE on the monotonic clock, INTERRUPTED asked now and then, GRACE in seconds."""

    deadline: float
    interrupted: Callable[[], bool]
    grace: Callable[[], float]

    def exceeded(self) -> TimedOutError | InterruptedRunError | None:
        """Return why the program has to end now, if it has to."""
        if self.interrupted():
            return InterruptedRunError()
        return TimedOutError() if time.monotonic() > self.deadline else None


def terminal_size(descriptor: int) -> tuple[int, int]:
    """Return rows and columns of the terminal at DESCRIPTOR, or 24 and 80 when it does not tell."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        return 24, 80
    return rows or 24, columns or 80


def set_terminal_size(descriptor: int, size: tuple[int, int]) -> None:
    """Set rows and columns of the terminal at DESCRIPTOR; its processes are told by the kernel."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


@dataclass(frozen=True)
class Process:
    """A process as /proc tells of it; START, in ticks since boot, tells it from a later one with its PID."""

    pid: int
    parent: int
    group: int
    start: int


def process_of(pid: int) -> Process | None:
    """Return the process PID, or None where it has ended, even if nobody has waited for it yet."""
    try:
        # The name before it may have blanks and parentheses of its own.
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        return None
    state, parent, group, *rest = text.split()
    return None if state in "ZX" else Process(pid, int(parent), int(group), int(rest[16]))


def processes() -> list[Process]:
    """Return the processes of the machine."""
    found = (process_of(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [process for process in found if process]


class Tree:
    """A program with its process group and its descendants, whatever session they are in.

    A daemon, which its parent gave away before the first look, is none of them.
    """

    def __init__(self, root: int) -> None:
        """Begin with the program ROOT, the leader of a process group."""
        self._root = root
        self._known: dict[int, int] = {}

    def look(self) -> list[int]:
        """Return the pids of those that there are now, and remember them."""
        now = processes()
        # A pid that another process has got since is of no interest.
        alive = {process.pid for process in now if self._known.get(process.pid) == process.start}
        alive |= {process.pid for process in now if self._root in (process.pid, process.group)}
        size = -1
        while size != len(alive):
            size = len(alive)
            alive |= {process.pid for process in now if process.parent in alive}
        self._known |= {process.pid: process.start for process in now if process.pid in alive}
        return sorted(alive)


def end_tree(root: int, grace: Callable[[], float], pause: Callable[[], None]) -> None:
    """Ask the group of program ROOT to end, then kill what is left of it and its descendants after GRACE seconds.

    A group is asked because its programs ask what they have started in other sessions, as Ansible does. PAUSE is called
    meanwhile and takes a moment.
    """
    start = time.monotonic()
    tree = Tree(root)
    tree.look()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(root, signal.SIGTERM)
    while time.monotonic() - start < grace() and tree.look():
        pause()
    # What others still start is met by the next look. A process in the midst of input or output ends later.
    start = time.monotonic()
    while left := tree.look():
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() - start > KILL_SECONDS:
            break
        pause()


class Watcher(Protocol):
    """Whoever has to know which programs there are."""

    def started(self, pid: int) -> None:
        """Note that program PID is there."""

    def ended(self, pid: int) -> None:
        """Note that program PID has ended."""


def find_program(name: str, cwd: Path, env: Mapping[str, str]) -> None:
    """Raise FileNotFoundError unless there is a program NAME, seen from CWD or in the PATH of ENV."""
    if not shutil.which(cwd / name if os.sep in name else name, path=env.get("PATH")):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def start(
    argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], size: tuple[int, int] | None
) -> tuple[subprocess.Popen[bytes], IO[bytes], int]:
    """Make ARGV leader of a session; return it, its gate, which it passes at a line, and the descriptor of its output.

    With SIZE, rows and columns, that is a terminal. Raises OSError.
    """
    find_program(argv[0], cwd, env)
    reader, writer = os.pipe() if size is None else os.openpty()
    try:
        if size is not None:
            set_terminal_size(writer, size)
        process = subprocess.Popen(
            (*GATE, *argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return process, cast("IO[bytes]", process.stdin), reader


class Output:
    """What a program writes to the descriptor READER, handed on to SINK piece by piece."""

    def __init__(self, reader: int, sink: Callable[[bytes], None]) -> None:
        """Begin before the program has written anything."""
        self._reader = reader
        self._sink = sink
        self._at_end = False

    def drain(self) -> bool:
        """Wait a moment for output and hand it on; return whether there was any."""
        if self._at_end:
            time.sleep(POLL_SECONDS / 2)
            return False
        if not select.select([self._reader], [], [], POLL_SECONDS)[0]:
            return False
        try:
            data = os.read(self._reader, 65536)
        except OSError:
            # A pseudo-terminal reports its end as an input/output error.
            data = b""
        self._at_end = not data
        if data:
            self._sink(data)
        return bool(data)

    def drain_a_moment(self) -> None:
        """Hand on what is waiting: a program that cannot write cannot end."""
        end = time.monotonic() + POLL_SECONDS
        while self.drain() and time.monotonic() < end:
            pass


def run_child(
    argv: tuple[str, ...],
    cwd: Path,
    env: Mapping[str, str],
    sink: Callable[[bytes], None],
    limits: Limits,
    terminal: int | None = None,
    watcher: Watcher | None = None,
) -> int:
    """Run ARGV and return its exit code; its standard output and error go to SINK piece by piece.

    With TERMINAL, the descriptor of a terminal, the program sees a terminal of that size, followed when it changes.
    WATCHER is told when it starts and when it has ended.
    Raises TimedOutError, InterruptedRunError, or OSError when the program cannot be started.
    """
    size = terminal_size(terminal) if terminal is not None else (0, 0)
    process, gate, reader = start(argv, cwd, env, None if terminal is None else size)
    if watcher:
        watcher.started(process.pid)
    # Somebody may have ended it meanwhile.
    with contextlib.suppress(BrokenPipeError), gate:
        gate.write(b"\n")
    output = Output(reader, sink)
    try:
        while True:
            some = output.drain()
            # A daemon left behind may keep the pipe open, so the end of the program counts, not that of the pipe.
            if not some and process.poll() is not None:
                return process.returncode
            error = limits.exceeded()
            if error:
                end_tree(process.pid, limits.grace, output.drain_a_moment)
                process.wait()
                raise error
            if terminal is not None and terminal_size(terminal) != size:
                size = terminal_size(terminal)
                set_terminal_size(reader, size)
    finally:
        if watcher:
            watcher.ended(process.pid)
        os.close(reader)
