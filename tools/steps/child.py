# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts one program in a process group of its own, hands on its output, and ends the whole group when it must."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.1


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


def group_exists(group: int) -> bool:
    """Tell whether a process of process group GROUP is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def end_group(process: subprocess.Popen[bytes], grace: Callable[[], float], drain: Callable[[], bool]) -> None:
    """Ask the group of PROCESS to end, then kill what is left of it after GRACE seconds.

    DRAIN reads waiting output and is called meanwhile, because a program that cannot write cannot end.
    """
    start = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    while time.monotonic() - start < grace():
        process.poll()
        if not group_exists(process.pid):
            break
        drain()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_child(
    argv: tuple[str, ...],
    cwd: Path,
    env: Mapping[str, str],
    sink: Callable[[bytes], None],
    limits: Limits,
    terminal: int | None = None,
) -> int:
    """Run ARGV and return its exit code; its standard output and error go to SINK piece by piece.

    With TERMINAL, the descriptor of a terminal, the program sees a terminal of that size, followed when it changes.
    Raises TimedOutError, InterruptedRunError, or OSError when the program cannot be started.
    """
    size = (0, 0)
    reader, writer = os.openpty() if terminal is not None else os.pipe()
    try:
        try:
            if terminal is not None:
                size = terminal_size(terminal)
                set_terminal_size(writer, size)
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, start_new_session=True
            )
        finally:
            os.close(writer)
        at_end = False

        def drain() -> bool:
            """Wait a moment for output and hand it on; return whether there was any."""
            nonlocal at_end
            if at_end:
                time.sleep(POLL_SECONDS / 2)
                return False
            if not select.select([reader], [], [], POLL_SECONDS)[0]:
                return False
            try:
                data = os.read(reader, 65536)
            except OSError:
                # A pseudo-terminal reports its end as an input/output error.
                data = b""
            at_end = not data
            if data:
                sink(data)
            return bool(data)

        while True:
            some = drain()
            # A daemon left behind may keep the pipe open, so the end of the program counts, not that of the pipe.
            if not some and process.poll() is not None:
                return process.returncode
            if limits.interrupted():
                end_group(process, limits.grace, drain)
                raise InterruptedRunError
            if time.monotonic() > limits.deadline:
                end_group(process, limits.grace, drain)
                raise TimedOutError
            if terminal is not None and terminal_size(terminal) != size:
                size = terminal_size(terminal)
                set_terminal_size(reader, size)
    finally:
        os.close(reader)
