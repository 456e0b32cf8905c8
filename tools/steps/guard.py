# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends the programs of a run that was killed, and holds its lock until they have ended.

A run that is killed by SIGKILL cannot end its programs. A death signal (PR_SET_PDEATHSIG) would reach one process of
each and leave the others at work. A lock that all of them inherit would stay as long as a daemon that one of them has
started: the monitor of a container, a connection that ssh keeps. So the lock is with the run and this process, in a
session of its own, and with nobody else.

It reads lines from its standard input: "+PID" is a program that was started, as leader of a process group, "-PID" one
that has ended. The end of the input is that of the run.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .child import POLL_SECONDS, end_tree


class Guard:
    """The guard of a run, as the run has it: told which programs there are, gone when the run is."""

    def __init__(self, descriptor: int | None, grace: float, errors: IO[str]) -> None:
        """Start a guard that holds the lock DESCRIPTOR, if there is one, and gives programs GRACE seconds to end.

        What goes wrong with it is written to ERRORS, a file: whoever waits for the end of the run's output does not
        wait for the guard.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", __name__, str(grace)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            pass_fds=() if descriptor is None else (descriptor,),
            bufsize=0,
        )

    def started(self, pid: int) -> None:
        """Note that program PID is there."""
        self._tell(f"+{pid}\n")

    def ended(self, pid: int) -> None:
        """Note that program PID has ended; what it left behind, it left on purpose."""
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        # The run goes on without a guard that somebody ended.
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.write(line.encode())

    def __enter__(self) -> Self:
        """Return the guard."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Dismiss the guard, and wait until it has let go of the lock."""
        self._process.communicate()


def main(grace: float) -> None:
    """Wait for the end of the run, then give its programs GRACE seconds to end."""
    programs: set[int] = set()
    for line in sys.stdin:
        (programs.add if line.startswith("+") else programs.discard)(int(line[1:]))
    with ThreadPoolExecutor() as pool:
        endings = [pool.submit(end_tree, pid, lambda: grace, lambda: time.sleep(POLL_SECONDS)) for pid in programs]
    for ending in endings:
        ending.result()


if __name__ == "__main__":
    main(float(sys.argv[1]))
