# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lab hosts for tests: the site of the Molecule scenario "prepare", removed once for all tests here.

Hosts that the scenario left are taken as they are, so that `make test` makes and prepares them once.

ACCENTOS_TEST_SITE names another site of two such hosts, such as a copy with another lab_name and other networks, to run
beside other labs;
Where tests failed, what the hosts tell is kept in the folder ACCENTOS_FAILURES before they are removed, if that is set.
ACCENTOS_TEST_ARGUMENTS are further arguments of each ansible-playbook, such as another name of the image.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("ACCENTOS_TEST_SITE", ROOT / "molecule/prepare/inventory")).resolve()
_VARIABLES = SITE / "group_vars/all"
CACHE = str(yaml.safe_load((_VARIABLES / "lab.yml").read_text())["lab_cache_address"])
NETWORKS: dict[str, dict[str, str]] = yaml.safe_load((_VARIABLES / "site.yml").read_text())["site_networks"]
ANSIBLE_HOME = Path(os.environ.get("ANSIBLE_HOME", Path.home() / ".ansible"))
ARGUMENTS = shlex.split(os.environ.get("ACCENTOS_TEST_ARGUMENTS", ""))
HOSTS = ("compute-1", "deploy-1")
# What a test of one host needs, or of one part of PREPARE; a run over all of it takes longer.
ONE = ("--limit", "localhost,compute-1")
PARTS = ("base", "certificates")
BASE = ("--tags", "base")
CERTIFICATES = ("--tags", "certificates")
CREATE = "molecule/shared/create.yml"
PREPARE = "playbooks/prepare.yml"
DESTROY = "molecule/shared/destroy.yml"

# What the log of a run has for each task that starts, see accentos.cloud.stages.
_TASK = re.compile(r"\S+ task: ")


def lab_name(site: Path) -> str:
    """Return the name of the lab that a site is."""
    return str(yaml.safe_load((site / "group_vars/all/lab.yml").read_text())["lab_name"])


NAME = lab_name(SITE)
STATE = ROOT / ".lab" / NAME


def reach(arguments: tuple[str, ...]) -> set[tuple[str, str]]:
    """Return the parts of hosts, as (host, part), that a run with these arguments may change."""
    hosts = {"compute-1"} if set(ONE) <= set(arguments) else set(HOSTS)
    parts = {part for part in PARTS if part in arguments} if "--tags" in arguments else set(PARTS)
    return {(host, part) for host in hosts for part in parts}


def is_as_site_says(arguments: tuple[str, ...]) -> bool:
    """Tell whether a run of PREPARE with these arguments, limited or not, leaves what the site asks for."""
    return set(arguments) <= {*ONE, *BASE, *CERTIFICATES}


@dataclass
class Run:
    """What a run of a playbook left: exit code, all its output, and the summary of the stages callback."""

    code: int
    output: str
    summary: dict[str, Any]

    @property
    def changed(self) -> int:
        """Count the changed tasks over all hosts."""
        return sum(host["changed"] for host in self.summary["hosts"].values())


class Lab:
    """Runs playbooks over the hosts of a site and looks into them."""

    def __init__(self, scratch: Path, site: Path = SITE, state: Path = STATE, hosts: tuple[str, ...] = HOSTS) -> None:
        self.scratch = scratch
        self.site = site
        self.state = state
        self.hosts = hosts
        # Parts of hosts that the last run over them may have left otherwise than PREPARE, as the site has it, would.
        self.unprepared = reach(())

    def command(self, playbook: str, *arguments: str, site: Path | None = None) -> list[str]:
        """Return the command that runs a playbook over a site, by default the lab's own."""
        return [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            f"--inventory={site or self.site}",
            playbook,
            *ARGUMENTS,
            *arguments,
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment of a run: the checkout's settings, and where its log and summary go."""
        return os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages",
            "ANSIBLE_NOCOLOR": "1",
            "ACCENTOS_STAGES_JSON_PATH": str(self.scratch / "summary.json"),
            "ACCENTOS_STAGES_LOG_PATH": str(self.scratch / "stages.log"),
        }

    def run(self, playbook: str, *arguments: str, site: Path | None = None) -> Run:
        """Run a playbook to its end."""
        self.forget()
        touched = reach(arguments)
        self.unprepared |= touched
        done = subprocess.run(
            self.command(playbook, *arguments, site=site),
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if playbook == PREPARE and is_as_site_says(arguments) and site is None and done.returncode == 0:
            self.unprepared -= touched
        summary = self.scratch / "summary.json"
        run = Run(done.returncode, done.stdout, json.loads(summary.read_text()) if summary.exists() else {"hosts": {}})
        if playbook == DESTROY or (playbook == CREATE and run.changed):
            self.unprepared = reach(())
        return run

    def remove(self, request: pytest.FixtureRequest) -> None:
        """Remove the lab; where tests of the session of REQUEST failed, what its hosts tell is kept first."""
        if request.session.testsfailed and "ACCENTOS_FAILURES" in os.environ:
            subprocess.run([sys.executable, "-m", "tools.steps.failures", self.site], cwd=ROOT, check=False)
        self.succeed(DESTROY)

    def forget(self) -> None:
        """Remove summary and log of the run before."""
        for name in ("summary.json", "stages.log"):
            (self.scratch / name).unlink(missing_ok=True)

    def succeed(self, playbook: str, *arguments: str, site: Path | None = None) -> Run:
        """Run a playbook that must succeed."""
        run = self.run(playbook, *arguments, site=site)
        assert run.code == 0, run.output
        return run

    def prepare(self) -> None:
        """Let the hosts be prepared; another run would only find that they are."""
        hosts, parts = {host for host, _ in self.unprepared}, {part for _, part in self.unprepared}
        if self.unprepared:
            # Of two parts that lack on different hosts both are made good on both.
            self.succeed(
                PREPARE, *(ONE if hosts == {"compute-1"} else ()), *(("--tags", *parts) if len(parts) == 1 else ())
            )

    def log(self) -> str:
        """Return the log of the last run, see the callback accentos.cloud.stages."""
        return "".join(f"{line}\n" for line in _lines(self.scratch / "stages.log"))

    def kill_at_task(
        self, playbook: str, task: int | str, *arguments: str, delay: float = 0, limit: float = 3600
    ) -> str:
        """Start a playbook and kill it, with all its processes, ``delay`` seconds after a task starts.

        The task is given by its number, from 1, or by a part of its name. When the next one starts before that, the run
        is killed then. Returns the last line of the log, which names the task. A run that ends by itself, or does not
        come to the task within ``limit`` seconds, raises AssertionError with the end of its output.
        """
        self.forget()
        self.unprepared |= reach(arguments)
        started = _StartedTasks(self.scratch / "stages.log")
        output = self.scratch / "output.txt"
        with (
            output.open("wb") as sink,
            subprocess.Popen(
                self.command(playbook, *arguments),
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            try:
                end = time.monotonic() + limit
                while (place := started.place(task)) is None and process.poll() is None and time.monotonic() < end:
                    time.sleep(0.02)
                end = time.monotonic() + delay
                while place == started.last() and process.poll() is None and time.monotonic() < end:
                    time.sleep(0.02)
                runs = process.poll() is None
            finally:
                # The number of one that has ended may be that of a stranger.
                if process.poll() is None:
                    kill_tree(process.pid)
        end_of_output = "\n".join(_lines(output)[-100:])
        assert runs, (
            f"the run ended with code {process.returncode} before it was killed at task {task!r}:\n{end_of_output}"
        )
        assert place is not None, f"after {limit:g} seconds the run was not at its task {task!r}:\n{end_of_output}"
        return (_lines(self.scratch / "stages.log") or ["nothing"])[-1]

    def sh(self, host: str, script: str, given: str = "") -> str:
        """Run a shell script on a host, with GIVEN as its standard input, and return what it prints."""
        command = ["ssh", "-F", str(self.state / "ssh_config"), host, script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, input=given)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def program(self, host: str, name: str, *words: str) -> str:
        """Run on a host a program of Python that stands beside this file, and return what it prints."""
        source = (Path(__file__).parent / name).read_text(encoding="utf-8")
        return self.sh(host, shlex.join(["python3", "-", *words]), given=source)

    def manifest(self) -> dict[str, list[str]]:
        """List, for each host, all that a run may have written."""
        return {host: self.program(host, "manifest.py").splitlines() for host in self.hosts}


class _StartedTasks:
    """The tasks that a run has started so far, from its log, of which each time only the new part is read."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0
        self._rest = b""
        self._lines: list[str] = []

    def last(self) -> int:
        """Return the place of the last one in their order, from 0; -1 if there is none yet."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            self._read += len(new)
            *whole, self._rest = (self._rest + new).split(b"\n")
            lines = (line.decode("utf-8", "replace") for line in whole)
            self._lines += [line for line in lines if _TASK.match(line)]
        return len(self._lines) - 1

    def place(self, task: int | str) -> int | None:
        """Return the place of the task of this number, from 1, or with this in its name; None if it has not started."""
        last = self.last()
        if isinstance(task, int):
            return task - 1 if task - 1 <= last else None
        return next((place for place, line in enumerate(self._lines) if task in line), None)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of a process, in parentheses, may hold anything; the parent is the second field after it.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.parent.name))
    found = parents.get(pid, [])
    return found + [below for child in found for below in descendants(child)]


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started, in whatever session: workers are in sessions of their own."""
    stopped: list[int] = []
    # One that is stopped starts no others, which would go on after the end of those that are known.
    while new := [one for one in (pid, *descendants(pid)) if one not in stopped]:
        _send(signal.SIGSTOP, new)
        stopped += new
    _send(signal.SIGKILL, stopped)


def _send(number: signal.Signals, processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Give the hosts to the tests, made whole if the scenario or another run left any, and remove them afterwards."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.succeed(CREATE)
    yield lab
    lab.remove(request)
