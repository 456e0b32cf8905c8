# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives a lab host disks: each argument NAME=BYTES is a sparse file as a loop device with a link in /dev/disk/by-id.

The kernel frees a loop device that is set to do so when nobody has it open any more. This program keeps them open: they
go with the host, however that ends, and leave nothing on the machine that carries the lab.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import stat
import sys
from pathlib import Path

FILES = Path("/var/lib/lab-disks")
LINKS = Path("/dev/disk/by-id")
MAJOR = 7
# From linux/loop.h.
LOOP_CONFIGURE, LOOP_CTL_GET_FREE = 0x4C0A, 0x4C82
AUTOCLEAR = 4


class Information(ctypes.Structure):
    """struct loop_info64."""

    _fields_ = (
        ("places", ctypes.c_uint64 * 5),
        ("numbers", ctypes.c_uint32 * 3),
        ("flags", ctypes.c_uint32),
        ("names", ctypes.c_uint8 * 160),
        ("init", ctypes.c_uint64 * 2),
    )


class Configuration(ctypes.Structure):
    """struct loop_config."""

    _fields_ = (
        ("file", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("information", Information),
        ("reserved", ctypes.c_uint64 * 8),
    )


def attach(file: int) -> tuple[str, int]:
    """Return the path and a descriptor of a loop device on an open file."""
    with Path("/dev/loop-control").open("rb") as control:
        while True:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            path = f"/dev/loop{number}"
            # A container sees only the devices that were there when it started.
            if not Path(path).exists():
                os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(MAJOR, number))
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            wanted = Configuration(file=file, information=Information(flags=AUTOCLEAR))
            try:
                fcntl.ioctl(device, LOOP_CONFIGURE, wanted)
            except BlockingIOError:
                pass
            except OSError as error:
                # Another host took the same number in between.
                if error.errno != 16:  # noqa: PLR2004  EBUSY
                    raise
            else:
                return path, device
            os.close(device)


def main() -> None:
    """Attach the disks, say so to systemd, and wait for the end."""
    FILES.mkdir(mode=0o700, exist_ok=True)
    LINKS.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[1:]:
        name, _equals, size = argument.partition("=")
        file = os.open(FILES / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(file).st_size < int(size):
            os.ftruncate(file, int(size))
        path, _device = attach(file)
        os.close(file)
        link = LINKS / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../{Path(path).name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"])
        notify.send(b"READY=1")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
