# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The new system while it is mounted: its mounts, commands inside of it, and its end. Every mount is undone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .configuration import ESP_FOLDERS, inside
from .disks import Layout
from .programs import Command, run

BY_UUID = Path("/dev/disk/by-uuid")
UDEV_DATA = Path("/run/udev")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True)
class Target:
    """The mounted root of the new system."""

    root: Path

    def run(self, command: Command) -> str:
        """Run COMMAND inside the new system. Raises AgentError."""
        return run(Command(("chroot", str(self.root), *command.argv), command.stdin), environment=_ENVIRONMENT)


def plan_mounts(
    root: Path, layout: Layout, *, uefi: bool, udev: bool = False
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what is mounted, in order, as folder below ROOT and arguments of mount without it."""
    mounts: list[tuple[str, tuple[str, ...]]] = [("", ("-t", "ext4", "-o", "noatime", layout.root))]
    mounts += [
        (folder, ("-t", "vfat", "-o", "umask=0077", device))
        for (device, _volume), folder in zip(layout.esps, ESP_FOLDERS, strict=False)
    ]
    mounts += [
        ("dev", ("--bind", "/dev")),
        ("proc", ("-t", "proc", "proc")),
        ("sys", ("-t", "sysfs", "sysfs")),
        ("run", ("-t", "tmpfs", "-o", "mode=0755", "tmpfs")),
    ]
    if udev:
        # Without udev's data LVM waits ten seconds for each device, at every call.
        mounts.append(("run/udev", ("--bind", str(UDEV_DATA))))
    if uefi:
        mounts.append(("sys/firmware/efi/efivars", ("-t", "efivarfs", "efivarfs")))
    return tuple((str(root / folder), arguments) for folder, arguments in mounts)


@contextlib.contextmanager
def mounted(root: Path, layout: Layout, *, uefi: bool) -> Iterator[Target]:
    """Mount the new system at ROOT for as long as the context lasts. Raises AgentError and OSError."""
    with contextlib.ExitStack() as stack:
        root.mkdir(parents=True, exist_ok=True)
        for folder, arguments in plan_mounts(root, layout, uefi=uefi, udev=UDEV_DATA.is_dir()):
            place = inside(root, str(Path(folder).relative_to(root)))
            place.mkdir(parents=True, exist_ok=True)
            run(Command(("mount", *arguments, str(place))))
            stack.callback(run, Command(("umount", str(place))))
        # grub-probe and update-grub look for the root by UUID; without it, /etc/fstab and GRUB would name the device.
        link = BY_UUID / layout.root_uuid
        if not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(layout.root)
            stack.callback(link.unlink, missing_ok=True)
        yield Target(root)
