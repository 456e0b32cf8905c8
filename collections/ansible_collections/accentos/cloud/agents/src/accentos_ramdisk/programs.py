# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs other programs: argument lists only, no shell, output in the error when one fails."""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import AgentError

log = logging.getLogger(__name__)

_SHOWN = 2000


@dataclass(frozen=True)
class Command:
    """A program to run: its arguments, and what it reads from standard input."""

    argv: tuple[str, ...]
    stdin: str = ""

    def __str__(self) -> str:
        return shlex.join(self.argv)


def run(command: Command, *, accepted: Sequence[int] = (0,), environment: Mapping[str, str] | None = None) -> str:
    """Run COMMAND and return what it prints. An exit code other than ACCEPTED raises AgentError with its last words."""
    log.debug("run: %s", command)
    try:
        # Arguments are lists made by the planners from a validated specification; no shell reads them.
        result = subprocess.run(  # noqa: S603
            command.argv,
            input=command.stdin,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment,
        )
    except OSError as error:
        raise AgentError(
            f"{command.argv[0]} does not start: {error.strerror}",
            "Add the program to the deploy ramdisk (role host_image), or to the root image if it runs in there.",
        ) from error
    if result.returncode not in accepted:
        words = (result.stderr.strip() or result.stdout.strip())[-_SHOWN:]
        raise AgentError(
            f"{command} ended with code {result.returncode}: {words or 'it said nothing'}",
            "Run the command by hand in the shell on the console to see more.",
        )
    return result.stdout
