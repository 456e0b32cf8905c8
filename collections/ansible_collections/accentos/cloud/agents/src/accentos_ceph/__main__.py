# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds the disk of an OSD by its label and fills the OSD's folder from it: accentos_ceph NUMBER CLUSTER.

The kernel may give a disk another name at every boot, and a disk may come late.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .bluestore import LABEL_BYTES, parse_label

# No disks, though the kernel lists them beside those.
_OTHERS = ("ram", "zram", "sr", "fd")


@dataclass(frozen=True)
class Host:
    """Where things are, and how long a disk may take to appear, in seconds."""

    block: Path = Path("/sys/block")
    devices: Path = Path("/dev")
    folders: Path = Path("/var/lib/ceph/osd")
    patience: float = 120


def candidates(host: Host) -> Iterator[Path]:
    """Give the devices that an OSD may be on: whole ones that nothing else is built on."""
    for device in sorted(host.block.iterdir()):
        if not device.name.startswith(_OTHERS) and not any((device / "holders").glob("*")):
            yield host.devices / device.name


def find(host: Host, number: int, cluster: str) -> list[Path]:
    """Return the devices whose label is that of the OSD."""
    found = []
    for device in candidates(host):
        try:
            with device.open("rb") as stream:
                label = parse_label(stream.read(LABEL_BYTES))
        except OSError:
            # No medium in it, or none that can be read: not where an OSD is.
            continue
        if label is not None and (label.number, label.cluster, label.complete) == (number, cluster, True):
            found.append(device)
    return found


def fill(folder: Path, device: Path) -> None:
    """Make the folder of the OSD, with its keyring and the link to the device, all the daemon's own."""
    state = folder.parent.stat()
    folder.mkdir(mode=0o750, exist_ok=True)
    block = folder / "block"
    block.unlink(missing_ok=True)
    tool = ["ceph-bluestore-tool", "prime-osd-dir", "--no-mon-config", "--dev", str(device), "--path", str(folder)]
    subprocess.run(tool, check=True)  # noqa: S603  the device is one of /sys/block
    block.unlink(missing_ok=True)
    block.symlink_to(device)
    for path in (folder, *folder.iterdir()):
        os.lchown(path, state.st_uid, state.st_gid)
    os.chown(device, state.st_uid, state.st_gid)


def main(arguments: list[str], host: Host) -> str | None:
    """Wait for the disk and fill the folder; return what went wrong."""
    number, cluster = int(arguments[0]), arguments[1]
    deadline = time.monotonic() + host.patience
    while not (found := find(host, number, cluster)) and time.monotonic() < deadline:
        time.sleep(1)
    if len(found) != 1:
        names = " and ".join(map(str, found)) or "no disk"
        return (
            f"osd.{number} of cluster {cluster} is on {names}, and must be on exactly one. Put its disk in, or take "
            "the copy out, then start ceph-osd again."
        )
    fill(host.folders / f"ceph-{number}", found[0])
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Host()))
