# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the disks of the machine from /sys and /dev; changes nothing.

The deploy ramdisk has this file too, by a link.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .disk_rules import Disk, Holder, parse_mounts

_SECTOR = 512


def text(path: Path) -> str:
    """Return the content of PATH without outer blanks and without bytes that cannot be shown, or nothing."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    return "".join(char for char in data.decode("utf-8", "replace") if char.isprintable()).strip()


def parse_vpd_serial(page: bytes) -> str:
    """Return the serial number in a SCSI unit serial number page (0x80), or nothing."""
    if len(page) < 4 or page[1] != 0x80:  # noqa: PLR2004  the page's header has four bytes
        return ""
    length = int.from_bytes(page[2:4], "big")
    return page[4 : 4 + length].decode("ascii", "replace").strip(" \0")


def _serial(device: Path) -> str:
    for place in (device / "serial", device / "device/serial"):
        found = text(place)
        if found:
            return found
    try:
        return parse_vpd_serial((device / "device/vpd_pg80").read_bytes())
    except OSError:
        return ""


def _links(device_folder: Path, name: str) -> tuple[str, ...]:
    found = []
    for folder in sorted(device_folder.glob("disk/by-*")):
        found += [
            f"/dev/{link.relative_to(device_folder)}"
            for link in sorted(folder.iterdir())
            if link.is_symlink() and link.readlink().name == name
        ]
    return tuple(found)


def _disks_below(block: Path, name: str) -> frozenset[str]:
    """Return the disks that device NAME is made of, through all layers."""
    slaves = [slave.name for slave in (block / name / "slaves").glob("*")]
    if slaves:
        return frozenset().union(*(_disks_below(block, slave) for slave in slaves))
    if (block / name).is_dir():
        return frozenset({f"/dev/{name}"})
    # A partition: its disk is the folder that holds it.
    return frozenset(f"/dev/{found.parent.name}" for found in block.glob(f"*/{name}"))


def _holders(block: Path, device: Path) -> dict[str, Holder]:
    found: dict[str, Holder] = {}
    for place in (device, *device.glob(f"{device.name}*")):
        for holder in (place / "holders").glob("*"):
            found[holder.name] = Holder(holder.name, _disks_below(block, holder.name))
            found.update(_holders(block, block / holder.name))
    return found


def _is_disk(device: Path) -> bool:
    """Tell whether DEVICE is a disk of the machine: hardware, not removable, not read-only, not empty."""
    return (
        (device / "device").exists()
        and not device.name.startswith(("sr", "fd", "mtd", "mmcblk0boot", "mmcblk0rpmb"))
        and text(device / "removable") != "1"
        and text(device / "ro") != "1"
        and text(device / "hidden") != "1"
    )


def read_disks(root: Path = Path("/"), extra: Collection[str] = ()) -> list[Disk]:
    """Return the disks below ROOT's /sys, ordered by name; devices named EXTRA (such as loop7) count as disks too."""
    block = root / "sys/block"
    swaps = (root / "proc/swaps").read_text() if (root / "proc/swaps").exists() else ""
    mounts = parse_mounts((root / "proc/self/mountinfo").read_text(), swaps)
    found = []
    for device in sorted(block.iterdir()):
        size = int(text(device / "size") or 0) * _SECTOR
        if not size or not (device.name in extra or _is_disk(device)):
            continue
        parts = sorted(part.name for part in device.glob(f"{device.name}*") if (part / "partition").exists())
        holders = _holders(block, device)
        numbers = [text(device / "dev"), *(text(device / part / "dev") for part in parts)]
        numbers += [text(block / name / "dev") for name in holders]
        numbers += [f"/dev/{name}" for name in (device.name, *parts, *holders)]
        found.append(
            Disk(
                path=f"/dev/{device.name}",
                size=size,
                model=text(device / "device/model"),
                serial=_serial(device),
                wwn=text(device / "wwid") or text(device / "device/wwid"),
                rotational=text(device / "queue/rotational") == "1",
                links=_links(root / "dev", device.name),
                partitions=tuple(f"/dev/{part}" for part in parts),
                mounted=tuple(place for number in numbers for place in mounts.get(number, ())),
                holders=tuple(holders[name] for name in sorted(holders)),
            )
        )
    return found
