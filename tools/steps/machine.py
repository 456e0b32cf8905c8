# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the machine before anything is changed: what is missing, why it matters, what to do.

The checks take facts and return a Problem or None, so that they can be tried with literals; `gather` reads the facts.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import lab
from .engine import Needs

ENVIRONMENT_STAMP = ".venv/.complete"
LAB = ".lab"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RELEASES = ("12", "13")
ARCHITECTURES = ("x86_64", "aarch64")
STORAGE = Path("/var/lib/containers")
STORAGE_CONFIGURATIONS = (Path("/etc/containers/storage.conf"), Path("/usr/share/containers/storage.conf"))
# The kernel keeps a part for itself: a machine with 4 GiB shows about 3900 MiB.
KERNEL_SHARE = 0.95
MIB = 1024 * 1024
# The parts of what a verb asks for that go to the environment and to a lab, with room to grow: they measure 450 and
# 1000 MiB at first. What is made already is not asked for again, but a run always needs room to work: for logs, results
# and packages that are replaced.
ENVIRONMENT_MIB = 1024
LAB_MIB = 5120
# What the hosts of a cloud, its images and its machines take beyond that.
CLOUD_MIB = 10240
WORKING_MIB = 1024
# What a run below sudo must still know: where packages come from, how to show things, whether this is CI.
KEPT_VARIABLES = (
    "ACCENTOS_PID",
    "ACCENTOS_VERB",
    "ALL_PROXY",
    "CI",
    "COLUMNS",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_COLOR",
    "NO_PROXY",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_TRUSTED_HOST",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


@dataclass(frozen=True)
class Problem:
    """Why the machine cannot be used as it is."""

    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        """Return the one message that a person reads."""
        return f"{self.what} {self.why} {self.remedy}"


@dataclass(frozen=True)
class Folder:
    """Free space, in MiB, where PATH is or will be; `device` tells file systems apart.

    there_mib: how much of what a verb needs an earlier run has already put there.
    """

    path: str
    free_mib: int
    device: int
    there_mib: int = 0


@dataclass(frozen=True)
class Facts:
    """What `preflight` looks at."""

    system: str
    release: Mapping[str, str]
    architecture: str
    euid: int
    sudo: bool
    memory_mib: int
    checkout: Folder
    storage: Folder
    writable: bool
    has_apt: bool
    read_only: str = ""


def parse_release(text: str) -> dict[str, str]:
    """Return the assignments of an os-release file TEXT, without their quotes."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def check_system(system: str, release: Mapping[str, str]) -> Problem | None:
    """Check kernel name SYSTEM and os-release RELEASE."""
    if system == "Linux" and release.get("ID") == "debian" and release.get("VERSION_ID") in RELEASES:
        return None
    name = release.get("PRETTY_NAME") or (f"Linux {release.get('ID', '')}".strip() if system == "Linux" else system)
    return Problem(
        f"This is {name}, not Debian 12 or 13.",
        "Packages, container tools and their versions are known for these two only.",
        "Use a Debian 12 or 13 machine, real or virtual.",
    )


def check_architecture(architecture: str) -> Problem | None:
    """Check the kernel's name for the ARCHITECTURE."""
    if architecture in ARCHITECTURES:
        return None
    return Problem(
        f"The architecture is {architecture}, not {' or '.join(ARCHITECTURES)}.",
        "The pinned Python packages are published as binaries for these.",
        "Use a machine of one of these architectures as the control node.",
    )


def check_rights(needed: bool, reason: str, euid: int, sudo: bool) -> Problem | None:
    """Check that administrator rights can be had when they are NEEDED for REASON, such as "to make containers"."""
    if not needed or euid == 0 or sudo:
        return None
    return Problem(
        "Administrator rights are missing: this is not root, and sudo does not work here.",
        f"They are needed {reason}.",
        "Run it as root, or have your account allowed to use sudo.",
    )


def check_disk(needed_mib: int, folders: Sequence[Folder]) -> list[Problem]:
    """Check that NEEDED_MIB are free in FOLDERS, less what is already there; one problem for each file system."""
    problems: list[Problem] = []
    seen: set[int] = set()
    for folder in folders:
        there = sum(other.there_mib for other in folders if other.device == folder.device)
        needed = max(needed_mib - there, min(needed_mib, WORKING_MIB))
        missing = needed - folder.free_mib
        if missing > 0 and folder.device not in seen:
            problems.append(
                Problem(
                    f"{missing} MiB of disk space are missing in {folder.path}:"
                    f" {folder.free_mib} MiB are free, {needed} MiB are needed.",
                    "Packages, images and logs would fill the disk midway.",
                    f"Free {missing} MiB there, or put it on a larger file system.",
                )
            )
        seen.add(folder.device)
    return problems


def check_memory(needed_mib: int, memory_mib: int) -> Problem | None:
    """Check MEMORY_MIB as the kernel reports it against NEEDED_MIB as the machine is sold."""
    if memory_mib >= needed_mib * KERNEL_SHARE:
        return None
    return Problem(
        f"The machine has {memory_mib} MiB of memory, {needed_mib} MiB are needed.",
        "The hosts of the lab would be killed for lack of it.",
        f"Give it at least {needed_mib // 1024} GiB.",
    )


def check_path(path: str) -> Problem | None:
    """Check that the PATH of the checkout has only characters that all programs take as they are."""
    others = sorted(set(re.sub(r"[\w/.+@=~-]", "", path)))
    if not others:
        return None
    return Problem(
        f"The path of the checkout, {path!r}, has {' '.join(map(repr, others))} in it.",
        "ssh, Ansible, pip or the shell would take that for something else, some of them only after minutes.",
        "Move the checkout to a path that has only letters, digits and _ . + @ = ~ - in its names.",
    )


def check_writable(writable: bool, read_only: str, path: str) -> Problem | None:
    """Check that the checkout at PATH is WRITABLE; READ_ONLY is a place of it on a file system mounted so."""
    why = "The log and the virtual environment are kept there."
    if read_only:
        place = shlex.quote(read_only)
        return Problem(
            f"{place} is on a file system that is mounted read-only.",
            why,
            f"Have it mounted writable (findmnt --target {place} shows how it is now), or use a checkout elsewhere.",
        )
    if writable:
        return None
    return Problem(
        f"{shlex.quote(path)} is not writable for you.",
        why,
        f'Make it yours: sudo chown -R "$(id -u)" {shlex.quote(path)}',
    )


def check_apt(packages: Sequence[str], has_apt: bool) -> Problem | None:
    """Check that missing PACKAGES can be installed at all."""
    if has_apt or not packages:
        return None
    return Problem(
        f"apt-get is missing, and so are these packages: {' '.join(packages)}.",
        "The following steps run programs from them.",
        "Install them with the tool that this machine has for it.",
    )


def check_program(program: str, package: str, path: str, folder: str) -> Problem:
    """Return what is wrong about PROGRAM of PACKAGE that is not in PATH; FOLDER is where it is, or nothing."""
    return Problem(
        f"The program {program} is not found in PATH ({path}).",
        f"Steps run it; Debian's package {package} brings it.",
        f"It is in {folder}: put that into the PATH of root."
        if folder
        else f"Bring it back: apt-get install --reinstall {package}",
    )


def check_programs(programs: Mapping[str, str], path: str, system: str = SYSTEM_PATH) -> list[Problem]:
    """Check that PROGRAMS, each with its package, are in PATH; those in the folders of SYSTEM are told to be there."""
    absent = {name: package for name, package in programs.items() if shutil.which(name, path=path) is None}
    places = {name: shutil.which(name, path=system) for name in absent}
    return [
        check_program(name, package, path, str(Path(place).parent) if (place := places[name]) else "")
        for name, package in absent.items()
    ]


def preflight(needs: Needs, packages: Sequence[str], facts: Facts) -> list[Problem]:
    """Return all that keeps a verb with NEEDS, for which PACKAGES have to be installed, from running."""
    reasons = ["to make containers and networks"] if needs.root else []
    reasons += [f"to install {' '.join(packages)}"] if packages else []
    folders = [facts.checkout, facts.storage] if needs.containers else [facts.checkout]
    room = [*check_disk(needs.disk_mib, folders), check_memory(needs.memory_mib, facts.memory_mib)]
    if needs.smaller:
        room = [problem and replace(problem, remedy=f"{problem.remedy} {needs.smaller}") for problem in room]
    found = [
        check_system(facts.system, facts.release),
        check_architecture(facts.architecture),
        check_rights(bool(reasons), " and ".join(reasons), facts.euid, facts.sudo),
        *room,
        check_path(facts.checkout.path) if needs.plain_path else None,
        check_writable(facts.writable, facts.read_only, facts.checkout.path),
        check_apt(packages, facts.has_apt),
    ]
    return [problem for problem in found if problem is not None]


def storage_path(texts: Sequence[str]) -> Path:
    """Return where podman keeps its images, from the TEXTS of its configuration files, strongest first."""
    for text in texts:
        try:
            graph = tomllib.loads(text).get("storage", {}).get("graphroot")
        except tomllib.TOMLDecodeError:
            continue
        if isinstance(graph, str) and graph:
            return Path(graph)
    return STORAGE


def memory_mib(meminfo: str) -> int:
    """Return the memory of the machine from the text of /proc/meminfo, or 0 when it is not told."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 0


def folder(path: Path) -> Folder:
    """Measure the file system where PATH is, or will be. Raises OSError."""
    existing = next(place for place in (path, *path.parents) if place.exists())
    return Folder(str(path), shutil.disk_usage(existing).free // MIB, existing.stat().st_dev)


def there(path: Path) -> bool:
    """Tell whether PATH exists, as far as one can see: what root keeps to itself counts as absent."""
    try:
        return path.exists()
    except OSError:
        return False


def sudo_works() -> bool:
    """Tell whether sudo can be used, asking for the password when a person is there."""
    if shutil.which("sudo") is None:
        return False
    quiet = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    if quiet.returncode == 0:
        return True
    return sys.stdin.isatty() and subprocess.run(["sudo", "-v"], check=False).returncode == 0


def read(path: Path) -> str:
    """Return the text of PATH, or nothing when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def gather(root: Path, rights_needed: bool) -> Facts:
    """Read the facts of this machine for checkout ROOT; sudo is tried only when RIGHTS_NEEDED and this is not root."""
    euid = os.geteuid()
    own = [root, *(place for place in (root / ".cache", root / ".venv") if place.exists())]
    # What an earlier run left as root can be written by a run that becomes root.
    sudo = rights_needed and euid != 0 and sudo_works()
    return Facts(
        system=platform.system(),
        release=parse_release(read(Path("/etc/os-release"))),
        architecture=platform.machine(),
        euid=euid,
        sudo=sudo,
        memory_mib=memory_mib(read(Path("/proc/meminfo"))),
        checkout=replace(folder(root), there_mib=ENVIRONMENT_MIB if there(root / ENVIRONMENT_STAMP) else 0),
        storage=replace(
            folder(storage_path([read(path) for path in STORAGE_CONFIGURATIONS])),
            # Written once the hosts run, so image and hosts are there.
            there_mib=(LAB_MIB if any(there(place / "ssh_config") for place in lab_folders(root)) else 0)
            + (CLOUD_MIB if there(root / lab.summary_file("cloud")) else 0),
        ),
        writable=sudo or all(os.access(place, os.W_OK) for place in own),
        has_apt=shutil.which("apt-get") is not None,
        read_only=next((str(place) for place in own if os.statvfs(place).f_flag & os.ST_RDONLY), ""),
    )


def sudo_command(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the command that runs ARGV as root and keeps of ENVIRON only what is listed above."""
    kept = [name for name in KEPT_VARIABLES if name in environ]
    return ["sudo", *([f"--preserve-env={','.join(kept)}"] if kept else []), "--", *argv]


def lab_folders(root: Path) -> list[Path]:
    """Return the folders of the labs of checkout ROOT, one for each lab; none when root keeps them to itself."""
    try:
        return sorted(place for place in (root / LAB).iterdir() if place.is_dir() and not place.is_symlink())
    except OSError:
        return []


def labs_to_hand_back(root: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the folder of the labs of checkout ROOT when its keys may go to the person who called sudo.

    They go only to the owner of the checkout, who decides anyway what the next run does as root.
    """
    return [root / LAB] if environ.get("SUDO_UID", "") == str(root.stat().st_uid) else []


def hand_back(paths: Sequence[Path], environ: Mapping[str, str]) -> None:
    """Give PATHS, made by root, to the person who called sudo, so that a later run without sudo can write them."""
    uid, gid = environ.get("SUDO_UID", ""), environ.get("SUDO_GID", "")
    if os.geteuid() != 0 or not uid.isdigit() or not gid.isdigit():
        return
    for path in paths:
        if path.exists() and not path.is_symlink():
            subprocess.run(["chown", "-R", "-h", "-P", f"{uid}:{gid}", "--", str(path)], check=False)
