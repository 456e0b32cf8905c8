# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Three controllers as tests see them: commands on each, and writers that note what was acknowledged."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SITE = "control-plane.example.test"
API = f"api.{SITE}"
CONTROLLERS = ("controller-1", "controller-2", "controller-3")


@dataclass(frozen=True)
class Record:
    """What a writer noted: numbers that were acknowledged, their seconds of its clock, and each different error."""

    acknowledged: tuple[int, ...]
    seconds: tuple[float, ...]
    errors: tuple[str, ...]

    @property
    def outage(self) -> float:
        """Longest time without an acknowledged write, in seconds."""
        return max((later - sooner for sooner, later in zip(self.seconds, self.seconds[1:], strict=False)), default=0.0)


class Writer:
    """A program on a controller that writes until it is told to stop."""

    def __init__(self, argv: Sequence[str], secret: str) -> None:
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{secret}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "writing\n"

    def stop(self) -> Record:
        """Stop the writer and return what it noted."""
        output, _none = self._process.communicate("stop\n", timeout=120)
        assert self._process.returncode == 0
        noted = json.loads(output)
        rows = noted["acknowledged"]
        return Record(tuple(row[0] for row in rows), tuple(row[1] for row in rows), tuple(noted["errors"]))


class Cluster:
    """Runs commands on controllers."""

    def __init__(self, ssh_config: str) -> None:
        self._ssh = ["ssh", "-F", ssh_config, "-o", "ConnectTimeout=5"]
        self.state = Path(ssh_config).parent

    def run(self, name: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the shell on a controller."""
        return subprocess.run([*self._ssh, name, command], capture_output=True, text=True, check=False)

    def __call__(self, name: str, command: str) -> str:
        """Run a command of the shell on a controller that has to succeed; return what it prints."""
        done = self.run(name, command)
        assert done.returncode == 0, f"{name}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def sql(self, name: str, statement: str) -> list[list[str]]:
        """Let the server of a controller run a statement; return the rows of its answer."""
        done = subprocess.run(
            [*self._ssh, name, "mariadb --batch --skip-column-names"],
            input=statement,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {statement}\n{done.stderr}"
        return [line.split("\t") for line in done.stdout.splitlines()]

    def write(self, name: str, program: str, *words: str, secret: str = "") -> Writer:
        """Start a program of Python on a controller that writes until its input says stop."""
        command = f"python3 -c '{program}' {' '.join(words)}"
        return Writer([*self._ssh, name, command], secret)

    def journal(self, name: str, unit: str) -> str:
        """Return the end of a unit's journal."""
        return self.run(name, f"journalctl --unit {unit} --lines 60 --no-pager --output short-precise").stdout


def wait_for(holds: Callable[[], Any], seconds: float, explain: Callable[[], str] = str) -> float:
    """Wait until something holds, and return after how many seconds it did; EXPLAIN says why it did not."""
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s\n{explain()}"
        time.sleep(0.5)
    return time.monotonic() - begin
