# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock that one process of a host holds, and of which the kernel tells who that is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

# struct flock of a 64-bit Linux: type, whence, start, length, process.
_FLOCK = "hhqqi4x"
_PAUSE = 0.1


class HeldError(Exception):
    """Another run holds the lock; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        """Keep what is so and what to do."""
        super().__init__(message)
        self.remedy = remedy


class Speaker(Protocol):
    """What of AnsibleModule is needed: a line for the journal of the host at once, and one for the result."""

    def log(self, msg: str) -> None:
        """Write to the journal."""

    def warn(self, warning: str) -> None:
        """Add to the result."""


@contextlib.contextmanager
def only_one(module: Speaker, path: Path, purpose: str, *, timeout: float, end_other: bool = False) -> Iterator[None]:
    """Hold the lock at PATH; a run that holds it is waited for or, with ``end_other``, killed.

    Raises HeldError and OSError. PURPOSE is what such runs do, as in "another run checks the cloud". The lock belongs
    to this process alone, not to its children, and goes with it. Nothing else in this process may open PATH, whose
    closing would give the lock up.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(module, file, path, purpose, timeout=timeout, end_other=end_other)
        yield
    finally:
        os.close(file)


def holder(file: int) -> int | None:
    """Return the process that keeps FILE from being locked, None if there is none, 0 if it is not to be seen from here.

    Only the kernel knows that for sure: a number that holders write into the file is that of an earlier one until the
    next one has come to write its own.
    """
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _whence, _start, _length, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else max(pid, 0)


def _take(module: Speaker, file: int, path: Path, purpose: str, *, timeout: float, end_other: bool) -> None:
    deadline = time.monotonic() + timeout
    told = False
    while not _taken(file):
        pid = holder(file)
        if pid is None:
            continue
        who = f"process {pid}" if pid else "a process that is not to be seen from here"
        if time.monotonic() >= deadline:
            waited = f", and has not ended within {timeout:g} seconds" if timeout else ""
            raise HeldError(f"Another run {purpose} on this host, {who}{waited}.", _remedy(pid, path))
        if not told:
            does = "ends it" if end_other else f"waits for its end, for at most {timeout:g} seconds"
            text = f"Another run {purpose} on this host, {who}; this one {does}."
            module.log(text)
            module.warn(text)
            told = True
        if end_other and pid:
            _end(file, pid)
        time.sleep(_PAUSE)


def _taken(file: int) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remedy(pid: int, path: Path) -> str:
    if not pid:
        return f"See what holds {path}: fuser --verbose {path}. Wait for its end or end it, then run again."
    return f"Wait for its end, or see what it does (ps -p {pid} -o etime,args) and end it (kill {pid}). Then run again."


def _end(file: int, pid: int) -> None:
    """Kill the process PID, if it is the one that holds the lock: it may have ended and its number be another's."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            if holder(file) == pid:
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)
