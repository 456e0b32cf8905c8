# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides which disk is meant and how it is laid out, as data; carries nothing out.

sfdisk makes the partitions: it belongs to util-linux, which the ramdisk has anyway, takes the whole table as one text,
and, unlike sgdisk, needs no C++ library. systemd-repart knows neither md nor LVM and would bring systemd's libraries.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .disk_rules import GIB, Disk, DiskRule, matches
from .errors import AgentError
from .programs import Command

ESP_MIB = 256
VOLUME_GROUP = "system"
LOGICAL_VOLUME = "root"
ARRAY = "/dev/md/root"
_FRESH = ("--yes", "--wipesignatures", "y", "--zero", "y")

_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_RAID = "A19D880F-05FC-4D3B-A006-743F0F84911E"
_LVM = "E6D6D379-F507-44C2-A23C-238F2A3DF928"


@dataclass(frozen=True)
class Layout:
    """What the disks will be: commands in order, then the devices that they make.

    ``esps`` holds device and volume id (ABCD-1234) of each EFI system partition, one for each disk.
    ``boot_disks`` are the disks that take a boot loader. ``array`` and ``volume_group`` are None where not asked for.
    """

    commands: tuple[Command, ...]
    root: str
    root_uuid: str
    esps: tuple[tuple[str, str], ...]
    boot_disks: tuple[str, ...]
    array: str | None = None
    volume_group: str | None = None


def select_disks(disks: Sequence[Disk], rule: DiskRule, layout: str) -> tuple[Disk, ...]:
    """Return the disks that RULE means: exactly one, or two for raid1, none of them in use. Raises AgentError."""
    wanted = 2 if layout.startswith("raid1") else 1
    found = tuple(sorted((disk for disk in disks if matches(disk, rule)), key=lambda disk: disk.path))
    listing = "\n".join(f"  {disk.describe()}" for disk in disks) or "  (the machine has no disk)"
    if len(found) != wanted:
        raise AgentError(
            f"the disk rule matches {len(found)} disks where {layout} needs {wanted}; no disk was touched. "
            f"All disks of the machine:\n{listing}",
            "Mend the rule for the root disk in the site folder so that it means exactly the right ones.",
        )
    names = frozenset(disk.path for disk in found)
    for disk in found:
        foreign = [holder.name for holder in disk.holders if not holder.disks <= names]
        used = [f"mounted at {place}" for place in disk.mounted] + [
            f"part of {name} together with other disks" for name in foreign
        ]
        if used:
            raise AgentError(
                f"{disk.path} is in use ({'; '.join(used)}); no disk was touched. All disks of the machine:\n{listing}",
                "Mend the rule if this is the wrong disk; otherwise unmount it, or take it out of the array.",
            )
    return found


def check_sizes(disks: Sequence[Disk], raw_size: int) -> None:
    """Raise AgentError if an image of RAW_SIZE bytes cannot fit on one of DISKS."""
    needed = raw_size + (ESP_MIB + 16) * 2**20
    for disk in disks:
        if disk.size < needed:
            raise AgentError(
                f"{disk.path} has {disk.size / GIB:.2f} GiB and the image needs {needed / GIB:.2f} GiB; "
                "no disk was touched",
                "Choose a larger disk, or a smaller image.",
            )


def partition(disk: str, number: int) -> str:
    """Return the device of partition NUMBER of DISK."""
    return f"{disk}{'p' if disk[-1].isdigit() else ''}{number}"


def partition_table(kind: str, identifiers: Sequence[str]) -> str:
    """Return sfdisk's text for GPT with BIOS boot partition, ESP and the rest of type KIND.

    Both boot partitions are always there, so that the firmware's mode can change. IDENTIFIERS are four UUIDs:
    of the table and of its partitions.
    """
    table, *parts = (identifier.upper() for identifier in identifiers)
    return (
        f"label: gpt\nlabel-id: {table}\nfirst-lba: 2048\n"
        f"size=1MiB, type={_BIOS_BOOT}, uuid={parts[0]}, name=bios-boot\n"
        f"size={ESP_MIB}MiB, type={_ESP}, uuid={parts[1]}, name=esp\n"
        f"type={kind}, uuid={parts[2]}, name=root\n"
    )


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """Return WANTED, or with a number where that is TAKEN."""
    names = set(taken)
    number = 1
    name = wanted
    while name in names:
        number += 1
        name = f"{wanted}{number}"
    return name


def plan_release(disks: Sequence[Disk]) -> tuple[Command, ...]:
    """Return the commands that stop what an earlier system on DISKS left assembled, none of it mounted.

    select_disks has refused devices that reach beyond DISKS.
    """
    names = {holder.name for disk in disks for holder in disk.holders}
    mapped = sorted(name for name in names if name.startswith("dm-"))
    arrays = sorted(name for name in names if name.startswith("md"))
    return (
        *(Command(("dmsetup", "remove", "--retry", f"/dev/{name}")) for name in mapped),
        *(Command(("mdadm", "--stop", f"/dev/{name}")) for name in arrays),
    )


def plan_layout(
    disks: Sequence[Disk], layout: str, host: str, taken_groups: Iterable[str], identifiers: Sequence[uuid.UUID]
) -> Layout:
    """Return how DISKS become LAYOUT.

    TAKEN_GROUPS are volume groups on other disks. IDENTIFIERS: one UUID for the root file system, then for each
    disk five: its table, three partitions, and its ESP's file system, whose first 32 bits are used.
    """
    raid, lvm = layout.startswith("raid1"), layout.endswith("lvm")
    kind = _RAID if raid else _LVM if lvm else _LINUX
    commands = list(plan_release(disks))
    esps = []
    for index, disk in enumerate(disks):
        own = [str(identifier) for identifier in identifiers[1 + 5 * index : 6 + 5 * index]]
        # Old partitions first: a signature that stays would shine through in a new partition at the same place.
        commands += [Command(("wipefs", "--all", path)) for path in (*disk.partitions, disk.path)]
        script = partition_table(kind, own[:4])
        sfdisk = ("sfdisk", "--quiet", "--wipe", "always", "--wipe-partitions", "always", disk.path)
        commands += [Command(sfdisk, script), Command(("udevadm", "settle", "--timeout=30"))]
        esp, volume = partition(disk.path, 2), own[4].replace("-", "")[:8].upper()
        commands.append(Command(("mkfs.vfat", "-F", "32", "-n", "ESP", "-i", volume, esp)))
        esps.append((esp, f"{volume[:4]}-{volume[4:]}"))
    root = partition(disks[0].path, 3)
    members = tuple(partition(disk.path, 3) for disk in disks)
    if raid:
        root = ARRAY
        create = ("mdadm", "--create", ARRAY, "--run", "--level=1", "--metadata=1.2", "--bitmap=internal")
        commands.append(Command((*create, f"--homehost={host}", f"--raid-devices={len(members)}", *members)))
    group = free_name(VOLUME_GROUP, taken_groups) if lvm else None
    if group:
        commands += [
            Command(("lvm", "pvcreate", "--yes", "-ff", "--devices", root, root)),
            Command(("lvm", "vgcreate", "--yes", "--devices", root, group, root)),
            Command(
                ("lvm", "lvcreate", *_FRESH, "--devices", root, "--extents", "100%FREE", "-n", LOGICAL_VOLUME, group)
            ),
        ]
        root = f"/dev/{group}/{LOGICAL_VOLUME}"
    commands.append(Command(("udevadm", "settle", "--timeout=30")))
    return Layout(
        commands=tuple(commands),
        root=root,
        root_uuid=str(identifiers[0]),
        esps=tuple(esps),
        boot_disks=tuple(disk.path for disk in disks),
        array=ARRAY if raid else None,
        volume_group=group,
    )


def describe_disks(disks: Iterable[Disk]) -> list[Mapping[str, object]]:
    """Return DISKS as the inventory shows them."""
    return [
        {
            "path": disk.path,
            "size": disk.size,
            "model": disk.model,
            "serial": disk.serial,
            "wwn": disk.wwn,
            "rotational": disk.rotational,
        }
        for disk in disks
    ]
