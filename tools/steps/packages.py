# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Installs missing Debian packages: one transaction, nothing at all when none is missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .engine import Job, StepError
from .machine import read

LOCK_SECONDS = 120
MASKS = Path("/etc/systemd/system")
LOCKS = (Path("/var/lib/dpkg/lock-frontend"), Path("/var/lib/dpkg/lock"))
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "LC_ALL": "C.UTF-8"}
APT = ("apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Use-Pty=0")
INSTALL = (*APT, "install", "--yes", "--no-install-recommends")


def absent(wanted: Sequence[str], listing: str) -> list[str]:
    """Return those of WANTED that are not installed, from lines of `name status` as dpkg-query prints them."""
    installed = {
        words[0].partition(":")[0] for words in map(str.split, listing.splitlines()) if words[1:] == ["installed"]
    }
    return [name for name in wanted if name not in installed]


def missing(wanted: Sequence[str]) -> list[str]:
    """Return those of WANTED that this machine lacks."""
    if not wanted:
        return []
    try:
        result = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return list(wanted)
    return absent(wanted, result.stdout)


def lock_owner(locks: str, device: int, inode: int) -> int | None:
    """Return the pid that holds a lock on the file DEVICE, INODE, from the text of /proc/locks."""
    place = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    for line in locks.splitlines():
        words = line.split()
        # "1: POSIX  ADVISORY  WRITE 123 08:01:42 0 EOF"; a waiting one has an arrow after its number.
        if place in words and "->" not in words:
            return int(words[words.index(place) - 1])
    return None


def package_lock_owner() -> str:
    """Return the name and pid of the process that holds a lock of dpkg, or nothing."""
    for path in LOCKS:
        if path.exists():
            state = path.stat()
            pid = lock_owner(read(Path("/proc/locks")), state.st_dev, state.st_ino)
            if pid is not None:
                return f"{read(Path(f'/proc/{pid}/comm')).strip() or 'a process'} (pid {pid})"
    return ""


def interrupted(audit: str, journal: Sequence[str]) -> bool:
    """Tell whether dpkg was interrupted, from the output of `dpkg --audit` and the names in its JOURNAL folder."""
    return bool(audit.strip()) or any(name.isdigit() for name in journal)


def error_lines(output: Sequence[str]) -> str:
    """Return the last three error lines of apt, or its last three lines when it marked none."""
    marked = [line for line in output if line.startswith(("E:", "Err:", "dpkg: error"))]
    return " / ".join((marked or list(output))[-3:])


def wait_for_lock(job: Job, owner: Callable[[], str], seconds: float = LOCK_SECONDS) -> None:
    """Wait until OWNER names nobody any more. Raises StepError after SECONDS."""
    said = ""
    waited = 0.0
    while holder := owner():
        if waited >= seconds:
            raise StepError(f"{holder} has held the lock of the package manager for {seconds:.0f} s; let it finish.")
        if holder != said:
            job.say(f"{holder} holds the lock of the package manager; waiting at most {seconds:.0f} s")
            said = holder
        job.pause(1.0)
        waited += 1.0


def mask(unit: str, folder: Path = MASKS) -> bool:
    """Mask the systemd UNIT, which is not installed yet, in FOLDER; return False where FOLDER says something of it.

    Debian starts the service of a package once it is installed, and at each boot; one that is masked it leaves alone.
    """
    link = folder / unit
    if link.is_symlink() or link.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/dev/null")
    return True


def install(wanted: Sequence[str], asleep: Mapping[str, str]) -> Callable[[Job], None]:
    """Return the action that installs what is missing of WANTED.

    ASLEEP has the systemd unit of each package whose service must not run on this machine.
    """

    def action(job: Job) -> None:
        lacking = missing(wanted)
        if not lacking:
            job.say("nothing to install")
            return
        job.say(f"missing: {' '.join(lacking)}")
        wait_for_lock(job, package_lock_owner)
        audit = subprocess.run(["dpkg", "--audit"], capture_output=True, text=True, check=False)
        journal = Path("/var/lib/dpkg/updates")
        if interrupted(audit.stdout, [path.name for path in journal.iterdir()] if journal.is_dir() else []):
            job.say("an earlier installation was interrupted; it is finished first")
            job.call("dpkg", "--configure", "-a", env=QUIET)
        for name in lacking:
            if name in asleep and mask(asleep[name]):
                job.say(f"{asleep[name]} is masked, so that it is never started; `systemctl unmask` undoes it")
        try:
            # Fails when the lists are missing or do not know a package; nothing is changed by it.
            job.call(*INSTALL, "--simulate", *lacking, env=QUIET)
            job.call(*INSTALL, *lacking, env=QUIET)
        except StepError:
            # Old lists name versions that the mirror no longer has.
            job.say("the package lists are missing or old; they are fetched")
            try:
                job.call(*APT, "update", env=QUIET)
                job.call(*INSTALL, *lacking, env=QUIET)
            except StepError as error:
                told = error_lines(list(job.tail))
                raise StepError(f"apt-get cannot install {' '.join(lacking)}: {told}", error.exit_code) from error

    return action
