# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads lock files of Python environments and decides which wheels fit a host. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)(?P<hashes>(?:\s+--hash=sha256:[0-9a-f]{64})+)"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Before manylinux_2_N there were three names: for glibc 2.5, 2.12 and 2.17.
_OLD_NAMES: Mapping[int, str] = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_OLDEST_GLIBC = 5
# A larger number makes every host build its environments anew: raise it when the way of building changes.
_BUILD = 1


class LockError(ValueError):
    """A lock file says something that cannot be installed safely; the text names the line and the remedy."""


@dataclass(frozen=True)
class Pin:
    """One package of a lock: name as written, exact version, and the SHA-256 digests that its file may have."""

    name: str
    version: str
    digests: frozenset[str]


def parse_lock(text: str) -> tuple[Pin, ...]:
    """Read a lock file: ``name==version --hash=sha256:...`` entries, with backslashes at line ends and comments.

    Conditions (``; python_version < "3.12"``) are refused: pip would judge them by the control node's Python and not by
    the host's. Raises LockError.
    """
    pins = []
    for line in text.replace("\\\n", " ").splitlines():
        entry = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not entry:
            continue
        match = _PIN.fullmatch(entry)
        if match is None:
            raise LockError(
                f"{entry[:80]!r} is not of the form name==version --hash=sha256:<64 digits>. "
                "Write the lock with: uv pip compile --generate-hashes --python-version <that of the hosts>"
            )
        pins.append(Pin(match["name"], match["version"], frozenset(_HASH.findall(match["hashes"]))))
    if not pins:
        raise LockError("The lock names no package.")
    names = [normal_name(pin.name) for pin in pins]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LockError(f"The lock names {', '.join(twice)} more than once. Keep one entry of each.")
    return tuple(pins)


def normal_name(name: str) -> str:
    """Return the name of a package in its normal form (PEP 503), with underscores as wheels write it."""
    return re.sub(r"[-_.]+", "_", name).lower()


def wheel_platforms(machine: str, glibc: tuple[int, int]) -> tuple[str, ...]:
    """Return the platform tags of wheels that run on ``machine`` (``x86_64``, ``aarch64``) with that ``glibc``.

    The best fitting one comes first. Raises LockError for a C library before the oldest that wheels know.
    """
    major, minor = glibc
    if major != 2 or minor < _OLDEST_GLIBC:  # noqa: PLR2004 - there never was another major version
        raise LockError(f"No wheels exist for glibc {major}.{minor}. Use a supported Debian release on the host.")
    tags = []
    for number in range(minor, _OLDEST_GLIBC - 1, -1):
        tags.append(f"manylinux_2_{number}_{machine}")
        if number in _OLD_NAMES:
            tags.append(f"{_OLD_NAMES[number]}_{machine}")
    return (*tags, f"linux_{machine}")


def environment_digest(lock: str, python: str, *, system_site_packages: bool) -> str:
    """Return 16 hexadecimal digits that differ when an environment has to be built anew.

    ``python`` is the version that counts for an environment, such as ``3.13``. Comments and layout of the lock do not
    count. Raises LockError.
    """
    pins = sorted((normal_name(pin.name), pin.version, sorted(pin.digests)) for pin in parse_lock(lock))
    return hashlib.sha256(repr((_BUILD, python, system_site_packages, pins)).encode()).hexdigest()[:16]


def wheel_problems(pins: Iterable[Pin], wheels: Mapping[str, str]) -> Sequence[str]:
    """Compare a folder of ``wheels`` (SHA-256 digest by file name) with a lock; return what is wrong, in sentences."""
    found: dict[str, str] = {normal_name(file.split("-")[0]): file for file in wheels}
    problems = []
    for pin in pins:
        file = found.pop(normal_name(pin.name), None)
        if file is None:
            problems.append(f"{pin.name} {pin.version} is missing")
        elif wheels[file] not in pin.digests:
            problems.append(f"{file} has the digest {wheels[file]}, which the lock does not name")
    return [*problems, *(f"{file} is not in the lock" for file in sorted(found.values()))]


def outdated(present: Collection[str], keep: Collection[str]) -> Sequence[str]:
    """Return which of the ``present`` environments of one path are neither in use nor to ``keep``."""
    return sorted(set(present) - set(keep))
