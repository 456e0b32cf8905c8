# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what a host of a cloud has beside its files: units and which of them run, packages, bridges. JSON, a list.

Runs on hosts, with nothing but Python. With the argument "wrong" it prints what is wrong with the host instead: units
that failed, packages that are not all there, locks that are held, and tasks of a run that still go on.
"""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# One file for each unit that a deployment has started, see accentos.cloud.unit; after the sign comes a purpose.
STARTED = Path("/var/lib/accentos/units")
BETWEEN = "~"
# Locks of dpkg and apt, of account files, and of modules that work alone. The files stay, and are locked while in use.
LOCKS = (
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/apt/lists/lock",
    "var/cache/apt/archives/lock",
    "etc/.pwd.lock",
    "var/lib/accentos/**/*lock",
)
# How a task of Ansible begins that gets its module over standard input.
TASK = "&& sleep 0"


def ask(*argv: str) -> list[str]:
    """Return the lines that a program prints."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} ended with code {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout.splitlines()


def unit_files() -> dict[str, str]:
    """Return the units that there are, and whether they start at boot; not those that systemd makes at each boot."""
    rows = [line.split() for line in ask("systemctl", "list-unit-files", "--no-legend", "--plain")]
    return {row[0]: row[1] for row in rows if row[1] not in ("generated", "transient")}


def units(files: dict[str, str]) -> Iterator[str]:
    """Return each unit and whether it starts at boot; of those that do, and those of the cloud, whether they run."""
    yield from (f"unit {name} {state}" for name, state in sorted(files.items()))
    at_boot = {name for name, state in files.items() if state == "enabled" and "@." not in name}
    started = {file.name.partition(BETWEEN)[0] for file in STARTED.glob("*")}
    kinds = (".service", ".socket", ".timer", ".target")
    wanted = sorted(name for name in at_boot | started if name.endswith(kinds))
    for line in ask("systemctl", "show", "--property=Id,ActiveState", *wanted):
        # An empty line is between two units. That one which does not run is "activating" is a matter of the moment.
        name, _equals, value = line.partition("=")
        if name == "Id":
            unit = value
        elif name == "ActiveState" and value == "active":
            yield f"runs {unit}"


def packages() -> Iterator[str]:
    """Return each package and its state. Which version it has is a matter of the day."""
    yield from (f"package {line}" for line in ask("dpkg-query", "--show", "--showformat=${Package} ${Status}\n"))


def bridges() -> Iterator[str]:
    """Return the bridges of Open vSwitch and its settings, where there is one."""
    if shutil.which("ovs-vsctl"):
        yield from (f"bridge {name}" for name in ask("ovs-vsctl", "list-br"))
        for column in ("external_ids", "other_config"):
            yield from (f"switch {column} {line}" for line in ask("ovs-vsctl", "get", "Open_vSwitch", ".", column))


def held(path: Path) -> bool:
    """Tell whether another process holds the lock of a file."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return True
            raise
    return False


def tasks(processes: Path = Path("/proc")) -> Iterator[str]:
    """Return the processes that are tasks of a run; it has ended, so there are none."""
    for file in processes.glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue
        if TASK in words:
            yield f"still runs: process {file.parent.name}: {words}"


def wrong(root: Path = Path("/")) -> Iterator[str]:
    """Return what is wrong with the host."""
    yield from (f"failed: {line}" for line in ask("systemctl", "--failed", "--no-legend", "--plain"))
    yield from (f"dpkg --audit: {line}" for line in ask("sh", "-c", "dpkg --audit || true"))
    yield from (f"cut off: {file}" for file in sorted(root.glob("var/lib/dpkg/updates/*")))
    locks = sorted({file for pattern in LOCKS for file in root.glob(pattern) if file.is_file()})
    yield from (f"held: {file}" for file in locks if held(file))
    yield from tasks()


if __name__ == "__main__":
    found = wrong() if sys.argv[1:] == ["wrong"] else (*units(unit_files()), *packages(), *bridges())
    sys.stdout.write(json.dumps([*found]))
