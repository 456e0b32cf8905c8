# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps what tells why something failed in a lab: journals and logs of its hosts, and the page of the doctor.

    .venv/bin/python -m tools.steps.failures [--into FOLDER] SITE...

It looks at the labs of the site folders SITE as long as their hosts are there, and writes below FOLDER, which only its
owner may read; a step of the runner has it in ACCENTOS_FAILURES. Everything is bounded, in size and in time. Nothing of
/etc is taken, and every secret that the site knows is hidden; where its secrets cannot be read, nothing is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from . import labs, venv
from .engine import FAILURES
from .lab_report import groups_of, read_yaml

KEPT_FOLDERS = 5
# How the names of such folders end: the time at which the run began, see failures_folder().
NAME = re.compile(r"-\d{8}T\d{6}Z$")
# Bytes of one file or answer, of which the end is kept, and of all logs of a host.
FILE_BYTES = 8 << 20
HOST_BYTES = 64 << 20
COMMAND_SECONDS = 60
DOCTOR_SECONDS = 180
# What a program that does not end by itself has left once it was asked to.
KILL_AFTER = 5

Redact = Callable[[str], str]
# What to put before the words of a command so that it runs on a host.
Host = tuple[str, ...]


class SecretsError(Exception):
    """The secrets of a site cannot be read; the text says why."""


@dataclass(frozen=True)
class Question:
    """What a host is asked: the command, and the file for its answer, packed where its name says so."""

    file: str
    command: tuple[str, ...]


QUESTIONS = (
    Question("journal.txt.gz", ("journalctl", "--no-pager", "--lines=20000", "--output=short-iso-precise")),
    Question("failed_units.txt", ("systemctl", "--no-pager", "--full", "--failed")),
    Question("addresses.txt", ("ip", "-brief", "address")),
    Question("disks.txt", ("df", "--human-readable", "--print-type")),
)
# The newest first, so that what has no room is the oldest. What is packed or no text is left out: in that no secret
# could be told from the rest.
LOGS = r"""
cd "$1" && find var/log -path var/log/journal -prune -o -type f -size +0 \
    ! -name '*.gz' ! -name '*.xz' ! -name '*.bz2' ! -name '*.zst' ! -name '*.journal' \
    ! -name wtmp ! -name btmp ! -name lastlog ! -name faillog -printf '%T@ %p\0' |
sort --zero-terminated --reverse --numeric-sort | cut --zero-terminated --delimiter=' ' --fields=2- |
tar --create --file=- --null --verbatim-files-from --files-from=- --ignore-failed-read --warning=none
"""


@dataclass(frozen=True)
class Lab:
    """A lab: its site folder, its hosts, each with what makes a command run there, and the folder of its secrets."""

    site: Path
    hosts: dict[str, Host]
    secrets: Path
    has_controllers: bool


def bounded(argv: Sequence[str], seconds: int) -> list[str]:
    """Return ARGV as a command that ends after SECONDS, whatever it waits for."""
    return ["timeout", f"--kill-after={KILL_AFTER}", str(seconds), *argv]


def hosts_among(containers: str, owner: str, name: str) -> dict[str, Host]:
    """Return the hosts of the lab NAME of OWNER among CONTAINERS, what podman lists as JSON."""
    prefix = f"accentos-{name}-"
    found = sorted(one for one, whose in labs.labelled(containers, "[]") if whose == owner and one.startswith(prefix))
    # The package cache is no host, but its logs may tell why a package did not come.
    return {one.removeprefix(prefix): ("podman", "exec", one) for one in found}


def tail_of(file: IO[bytes], limit: int) -> bytes:
    """Return the last LIMIT bytes of FILE, from the beginning of a line where something was left out."""
    parts: deque[bytes] = deque()
    size = 0
    while part := file.read(1 << 20):
        parts.append(part)
        size += len(part)
        while size - len(parts[0]) >= limit:
            size -= len(parts.popleft())
    whole = b"".join(parts)
    return whole if len(whole) <= limit else whole[-limit:].partition(b"\n")[2]


def write(path: Path, data: bytes, redact: Redact) -> None:
    """Write DATA as text without secrets to PATH, packed where its name ends so, for its owner only. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = redact(data.decode("utf-8", "replace")).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    path.chmod(0o600)


def ask(host: Host, question: Question, folder: Path, redact: Redact) -> None:
    """Ask HOST the QUESTION and keep its answer in FOLDER, also what it says where it does not know. Raises OSError."""
    with subprocess.Popen(
        bounded((*host, *question.command), COMMAND_SECONDS),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        # Never None: a pipe was asked for.
        answer = tail_of(process.stdout, FILE_BYTES) if process.stdout else b""
    if process.returncode:
        answer += f"ended with exit code {process.returncode}\n".encode()
    write(folder / question.file, answer, redact)


def regular_files(stream: IO[bytes]) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Give name and content of each file in the archive STREAM, up to its end or to where it was cut off."""
    with contextlib.suppress(tarfile.TarError, EOFError), tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            content = archive.extractfile(member) if member.isfile() else None
            if content and not path.is_absolute() and ".." not in path.parts:
                yield path, content


def keep_logs(host: Host, folder: Path, redact: Redact, top: str = "/") -> None:
    """Keep the logs of HOST, var/log below TOP, in FOLDER: the end of each, the newest first as long as there is room.

    Raises OSError.
    """
    room = HOST_BYTES
    with subprocess.Popen(
        bounded((*host, "sh", "-c", LOGS, "logs", top), COMMAND_SECONDS),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdout:
            for path, content in regular_files(process.stdout):
                data = tail_of(content, min(FILE_BYTES, room))
                write(folder / f"{path}.gz", data, redact)
                room -= len(data)
                if room <= 0:
                    write(folder / "logs_left_out.txt", b"Older logs are not here: there was no more room.\n", redact)
                    break
            # It may still have much to tell.
            process.terminate()


def doctor(site: Path, folder: Path, redact: Redact) -> None:
    """Have the doctor look at the cloud of SITE; its report and what it said are in FOLDER. Raises OSError."""
    variables = json.dumps({"doctor_report_folder": str(folder), "doctor_fail": False})
    program = (f"{venv.BIN}/ansible-playbook", f"--inventory={site}", f"--extra-vars={variables}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    question = Question("doctor.txt", (*program, "playbooks/doctor.yml"))
    with subprocess.Popen(
        bounded(question.command, DOCTOR_SECONDS),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # What the person chose for the runs before may hide what it says.
        env=os.environ | {"ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages", "ANSIBLE_NOCOLOR": "1"},
    ) as process:
        answer = tail_of(process.stdout, FILE_BYTES) if process.stdout else b""
    write(folder / question.file, answer, redact)


def redaction(secrets: Path) -> Redact:
    """Return what hides in a text all that the store in the folder SECRETS knows. Raises SecretsError."""
    # They stand in a collection, which is found only then.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))
    from ansible_collections.accentos.cloud.plugins.plugin_utils import doctor_report, secret_store  # noqa: PLC0415

    try:
        forms = doctor_report.secret_texts(secret_store.SecretStore(secrets).read().values())
    except secret_store.SecretStoreError as error:
        raise SecretsError(str(error)) from None

    def redact(text: str) -> str:
        return str(doctor_report.redact(text, forms))

    return redact


def prune(folder: Path) -> None:
    """Remove the oldest folders of failures beside FOLDER, which stays, so that KEPT_FOLDERS are left. Raises OSError.

    Whatever else is there is not touched.
    """
    # Names begin with a step, so only their time orders them.
    named = (path for path in folder.parent.iterdir() if NAME.search(path.name))
    others = [path for path in named if path.is_dir() and not path.is_symlink() and path != folder]
    others.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    for old in others[: max(len(others) - KEPT_FOLDERS + 1, 0)]:
        shutil.rmtree(old)


def keep(lab: Lab, folder: Path) -> list[str]:
    """Keep in FOLDER what tells of LAB; return what went wrong."""
    try:
        redact = redaction(lab.secrets)
    except SecretsError as error:
        return [f"nothing of {lab.site} is kept, since secrets could not be told from other texts: {error}"]
    parts: list[tuple[str, Callable[[], None]]] = []
    for name, host in lab.hosts.items():
        parts += [(name, partial(ask, host, question, folder / name, redact)) for question in QUESTIONS]
        parts.append((name, partial(keep_logs, host, folder / name, redact)))
    # It logs in to the hosts, which their journals need not tell.
    if lab.has_controllers:
        parts.append(("doctor", partial(doctor, lab.site, folder / "doctor", redact)))
    wrong = []
    for name, part in parts:
        try:
            part()
        except OSError as error:
            wrong.append(f"{name}: {error}")
    return wrong


def find_lab(site: Path, root: Path, containers: str) -> Lab | None:
    """Return the lab of the folder SITE in checkout ROOT, or None where CONTAINERS has none of its hosts.

    Raises OSError, ValueError or KeyError where the folder is broken.
    """
    name = str(read_yaml(site / "group_vars/all/lab.yml")["lab_name"])
    hosts = hosts_among(containers, str(site.resolve()), name)
    groups: dict[str, Any] = groups_of(read_yaml(site / "hosts.yml"))
    return Lab(site, hosts, root / ".lab" / name, bool(groups.get("controller"))) if hosts else None


def main(folder: Path, sites: Iterable[Path], root: Path) -> int:
    """Keep in FOLDER what tells of the labs of SITES, and say where it is; return the exit code."""
    listed = subprocess.run(["podman", "ps", "--all", "--format=json"], capture_output=True, text=True, check=False)
    if listed.returncode:
        print(f"podman does not say which hosts there are: {listed.stderr.strip()}", file=sys.stderr)
        return 1
    wrong = []
    # Tests make some of them on their way.
    for site in (path for path in sites if path.is_dir()):
        lab = None
        try:
            lab = find_lab(site, root, listed.stdout)
        except (OSError, TypeError, ValueError, KeyError) as error:
            wrong.append(f"{site} does not say which lab it is: {error!r}")
        if lab:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # In another place, which somebody named, folders with such names are not ours.
            if folder.resolve().parent == (root / FAILURES).resolve():
                prune(folder)
            print(f"keeping what tells of {site} in {folder}", flush=True)
            if problems := keep(lab, folder):
                (folder / "problems.txt").write_text("\n".join(problems) + "\n", encoding="utf-8")
                wrong += problems
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        "tools.steps.failures", description="Keep what tells why something failed in labs."
    )
    given = os.environ.get("ACCENTOS_FAILURES")
    parser.add_argument(
        "--into", type=Path, default=given, required=not given, metavar="FOLDER", help="where it is kept"
    )
    parser.add_argument("sites", type=Path, nargs="+", metavar="SITE", help="site folder of a lab")
    return parser.parse_args()


if __name__ == "__main__":
    wanted = arguments()
    sys.exit(main(wanted.into, wanted.sites, Path(__file__).resolve().parents[2]))
