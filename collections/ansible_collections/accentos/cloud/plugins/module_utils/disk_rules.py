# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks as the kernel shows them, and the rules by which a site names them. Pure.

The deploy ramdisk has this file too, by a link, so that a rule means the same disks there and on an installed host. The
standard library only, therefore, and imports of neighbours by a dot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class DiskRule:
    """Which disks are meant; every given property must hold. Sizes in GiB."""

    path: str | None = None
    serial: str | None = None
    model: str | None = None
    size_min_gib: int | None = None
    size_max_gib: int | None = None
    rotational: bool | None = None


@dataclass(frozen=True)
class Holder:
    """A device built on others, such as ``md127`` or ``dm-0``: its own names and all disks below it."""

    name: str
    disks: frozenset[str]


@dataclass(frozen=True)
class Disk:
    """A disk as the kernel shows it. ``path`` is /dev/<name>; ``links`` are its other names; ``size`` is in bytes."""

    path: str
    size: int
    model: str = ""
    serial: str = ""
    wwn: str = ""
    rotational: bool = False
    links: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    mounted: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()

    def describe(self) -> str:
        """Return one line for a person."""
        words = [f"{self.path}: {self.size / GIB:.1f} GiB", "rotational" if self.rotational else "not rotational"]
        words += [f"{name} {value}" for name, value in (("model", self.model), ("serial", self.serial)) if value]
        words += [f"mounted at {', '.join(self.mounted)}"] if self.mounted else []
        return ", ".join(words)


def matches(disk: Disk, rule: DiskRule) -> bool:
    """Tell whether every property that RULE gives holds for DISK; outer blanks do not count."""
    return all(
        (
            rule.path is None or rule.path in (disk.path, *disk.links),
            rule.serial is None or rule.serial.strip() == disk.serial,
            rule.model is None or rule.model.strip() == disk.model,
            rule.size_min_gib is None or disk.size >= rule.size_min_gib * GIB,
            rule.size_max_gib is None or disk.size <= rule.size_max_gib * GIB,
            rule.rotational is None or rule.rotational == disk.rotational,
        )
    )


def parse_mounts(text: str, swaps: str = "") -> dict[str, list[str]]:
    """Return mount points by device number (8:1) from /proc/self/mountinfo, and by path for /proc/swaps."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 4:  # noqa: PLR2004  the fifth word is the mount point
            found.setdefault(words[2], []).append(_unescape(words[4]))
    for line in swaps.splitlines()[1:]:
        found.setdefault(line.split()[0], []).append("swap")
    return found


def _unescape(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)
