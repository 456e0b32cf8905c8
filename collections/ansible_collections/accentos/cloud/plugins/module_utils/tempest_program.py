# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the program Tempest on this host, as a user of its own, and takes in its stream of subunit while it runs."""

from __future__ import annotations

import os
import pwd
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file
from ansible_collections.accentos.cloud.plugins.module_utils.tempest_results import Collector, Outcome, name_of

# The program and all that it starts end when the module does.
_JAIL = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_CHARACTERS = 2000


class RunError(Exception):
    """Tempest does not run on this host. The first argument says why, the second what helps."""


class Tee:
    """A stream that keeps in a file what is read from it."""

    def __init__(self, source: BinaryIO, copy: BinaryIO) -> None:
        self._source, self._copy = source, copy

    def read(self, size: int = -1) -> bytes:
        """Read that many bytes, or to the end."""
        data = self._source.read(size)
        self._copy.write(data)
        return data


class Progress:
    """Writes a line for each test as it ends."""

    def __init__(self, file: TextIO, of: int) -> None:
        self._file, self._of = file, of
        self._done, self._start = 0, time.monotonic()

    def tell(self, outcome: Outcome) -> None:
        """Write the line of one test."""
        self._done += 1
        elapsed = time.monotonic() - self._start
        line = f"{elapsed:6.1f} s {self._done:4}/{self._of} {outcome.result} {name_of(outcome.test)}"
        self._file.write(f"{line} ({outcome.seconds} s){': ' if outcome.reason else ''}{outcome.reason}\n")
        self._file.flush()


def run_tests(options: Mapping[str, Any], tests: list[str], configuration: str) -> list[Outcome]:
    """Run tests with a configuration and return what came of them. Raises RunError and OSError."""
    try:
        import subunit  # noqa: PLC0415 (it is on the hosts only)
    except ImportError as error:
        raise RunError("python3-subunit is not installed", "Let the role tempest install it.") from error
    try:
        account = pwd.getpwnam(options["user"])
    except KeyError as error:
        raise RunError(f"there is no user {options['user']}", "Let the role tempest make it.") from error
    folder, results = Path(options["folder"]), Path(options["results"])
    owner = (account.pw_uid, account.pw_gid)
    folder.mkdir(mode=0o700)
    os.chown(folder, *owner)
    replace_file(folder / "tempest.conf", configuration.encode(), mode=0o600, owner=owner)
    replace_file(folder / "tests", "".join(f"{one}\n" for one in tests).encode(), mode=0o600, owner=owner)
    argv = [
        *_JAIL,
        *("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"),
        *("tempest", "run", "--subunit", f"--concurrency={options['concurrency']}"),
        *(f"--config-file={folder}/tempest.conf", f"--load-list={folder}/tests"),
    ]
    with (
        (results / "results.subunit").open("wb") as stream,
        (results / "progress.log").open("w", encoding="utf-8") as progress,
        (results / "tempest.log").open("wb") as log,
        subprocess.Popen(  # noqa: S603 (programs and their arguments are ours)
            argv,
            cwd=folder,
            env={"PATH": _PATH, "LANG": "C.UTF-8", "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        collector = Collector(Progress(progress, len(tests)).tell)
        clock = threading.Timer(options["run_timeout"], process.kill)
        clock.start()
        try:
            subunit.ByteStreamToStreamResult(Tee(process.stdout, stream), non_subunit_name="output").run(collector)  # type: ignore[arg-type]
        finally:
            clock.cancel()
            # At the end of its stream it has nothing more to say.
            process.kill()
    if not collector.outcomes:
        said = (results / "tempest.log").read_text(encoding="utf-8", errors="replace").strip()[-_LOG_CHARACTERS:]
        raise RunError(f"no test ran; it said: {said or 'nothing'}", f"See {results}/tempest.log on the host.")
    return collector.outcomes
