# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides whether a host has the room and the kernel that its roles need. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# Features of the kernel: the names by which a running kernel lists what it has (/proc/misc, devices, filesystems), and
# the module that brings it where it is not built in.
FEATURES: Mapping[str, tuple[str, str]] = {
    "btrfs": ("btrfs", "btrfs"),
    "device_mapper": ("device-mapper", "dm_mod"),
    "fuse": ("fuse", "fuse"),
    "iscsi": ("", "iscsi_tcp"),
    "iscsi_target": ("", "iscsi_target_mod"),
    "loop": ("loop", "loop"),
    "nbd": ("nbd", "nbd"),
    "nfs": ("nfs4", "nfsv4"),
    "openvswitch": ("", "openvswitch"),
    "tun": ("tun", "tun"),
    "xfs": ("xfs", "xfs"),
}


@dataclass(frozen=True)
class Need:
    """What must be free at a path."""

    path: str
    free_mib: int
    free_inodes: int


@dataclass(frozen=True)
class Room:
    """What is free in the file system at ``mount``; no number of inodes where there is no end of them."""

    mount: str
    free_mib: int
    free_inodes: int | None


@dataclass(frozen=True)
class Kernel:
    """What the running kernel lists of itself, and the modules that it has or could load."""

    release: str
    listed: Collection[str]
    modules: Collection[str]


def parse_names(text: str) -> set[str]:
    """Return all words of /proc/misc, /proc/devices or /proc/filesystems, the names of features among them."""
    return set(text.split())


def parse_modules(listing: str) -> set[str]:
    """Return the names of the modules in the text of modules.dep or modules.builtin, as the kernel writes them."""
    paths = (PurePosixPath(line.partition(":")[0]) for line in listing.splitlines())
    return {path.name.partition(".")[0].replace("-", "_") for path in paths}


def most(needs: Iterable[Need]) -> list[Need]:
    """Return one need for each path: of several, for the groups that a host is in, the greatest."""
    found: dict[str, Need] = {}
    for need in needs:
        other = found.get(need.path, need)
        found[need.path] = Need(need.path, max(need.free_mib, other.free_mib), max(need.free_inodes, other.free_inodes))
    return list(found.values())


def find_lacks(needs: Iterable[Need], rooms: Mapping[str, Room]) -> list[str]:
    """Return what is missing, one text for each file system; ``rooms`` are those of the paths.

    Paths in the same file system share its room, so what they need adds up.
    """
    together: dict[Room, list[Need]] = {}
    for need in most(needs):
        together.setdefault(rooms[need.path], []).append(need)
    told = []
    for room, sharing in together.items():
        paths = " and ".join(need.path for need in sharing)
        where = paths if paths == room.mount else f"{paths} (file system {room.mount})"
        wants = [(sum(need.free_mib for need in sharing), room.free_mib, "MiB")]
        if room.free_inodes is not None:
            wants.append((sum(need.free_inodes for need in sharing), room.free_inodes, "inodes"))
        told += [
            f"{where} has {free} {unit} free and needs {wanted}: {wanted - free} {unit} are missing"
            for wanted, free, unit in wants
            if free < wanted
        ]
    return told


def find_missing(features: Iterable[str], kernel: Kernel) -> list[str]:
    """Return the features that a kernel neither has nor can load, in the order of their names."""
    return [name for name in sorted(set(features)) if not _has(FEATURES[name], kernel)]


def _has(feature: tuple[str, str], kernel: Kernel) -> bool:
    listed, module = feature
    return (bool(listed) and listed in kernel.listed) or module in kernel.modules


def failure(lacks: Sequence[str], missing: Sequence[str], kernel: Kernel) -> tuple[str, str]:
    """Return what a host lacks and what helps, each in one text."""
    told, remedies = list(lacks), []
    if lacks:
        remedies.append(
            "Free what is not needed there (apt-get clean; journalctl --vacuum-size=200M; old files below /var/log and "
            "/var/lib) or enlarge the file system. What a host must have free is told by host_check_folders."
        )
    if missing:
        told.append(f"the kernel {kernel.release} neither has nor can load {', '.join(missing)}")
        modules = ", ".join(FEATURES[name][1] for name in missing)
        remedies.append(
            f"Start the host with a kernel of its distribution that has {modules}; after an update of the kernel a "
            "restart is enough. In a container the machine under it has to have them. See host_check_kernel."
        )
    return f"This host lacks what its roles need: {'; '.join(told)}. Nothing was changed.", " ".join(remedies)
