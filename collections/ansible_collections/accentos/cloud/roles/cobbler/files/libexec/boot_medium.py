# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds the image of a CD for machines that do not boot from the network: boot_medium.py IMAGE SCRIPT.

It starts iPXE. A BIOS starts ISOLINUX, which loads iPXE and hands it the script. UEFI starts the iPXE of its
architecture from a small FAT file system within the image, where iPXE finds the script as autoexec.ipxe. All programs
are Debian's. The same inputs give the same image, which takes the place of the old one in one step.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Names in the image, and where their content comes from. Those of UEFI are fixed by its specification.
BIOS = {
    "isolinux.bin": Path("/usr/lib/ISOLINUX/isolinux.bin"),
    "ldlinux.c32": Path("/usr/lib/syslinux/modules/bios/ldlinux.c32"),
    "ipxe.lkrn": Path("/usr/lib/ipxe/ipxe.lkrn"),
}
UEFI = {
    "BOOTX64.EFI": Path("/usr/lib/ipxe/ipxe-amd64.efi"),
    "BOOTAA64.EFI": Path("/usr/lib/ipxe/ipxe-arm64.efi"),
}
SCRIPT = "autoexec.ipxe"
MENU = f"DEFAULT ipxe\nPROMPT 0\nLABEL ipxe\n  KERNEL ipxe.lkrn\n  INITRD {SCRIPT}\n"
FAT = "efi.img"
# Bytes of a cylinder of 16 heads with 63 sectors, and of what the file system needs besides its files.
CYLINDER = 16 * 63 * 512
_ROOM = 256 << 10
# 2020-01-01, the time of all files: without it each image would be another one.
_EPOCH = 1577836800


def fat_cylinders(sizes: Sequence[int]) -> int:
    """Return how many cylinders a FAT file system needs for files of these sizes."""
    return -(-(sum(sizes) + _ROOM) // CYLINDER)


def fat_commands(image: Path, folder: Path, cylinders: int) -> list[list[str]]:
    """Return the commands that make a FAT file system with the files of a folder."""
    return [
        ["mformat", "-i", str(image), "-C", "-t", str(cylinders), "-h", "16", "-s", "63", "-N", "acce0500", "::"],
        ["mcopy", "-i", str(image), "-m", "-s", *sorted(str(path) for path in folder.iterdir()), "::"],
    ]


def iso_command(image: Path, folder: Path) -> list[str]:
    """Return the command that makes the image of a CD with the files of a folder."""
    bios = ["-eltorito-boot", "isolinux.bin", "-eltorito-catalog", "boot.cat"]
    bios += ["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    uefi = ["-eltorito-alt-boot", "-e", FAT, "-no-emul-boot"]
    names = ["-full-iso9660-filenames", "-joliet", "-rock"]
    return ["xorrisofs", "-quiet", "-volid", "ACCENTOS", *names, *bios, *uefi, "-o", str(image), str(folder)]


def run(command: Sequence[str]) -> None:
    """Run a command. Raises CalledProcessError and OSError."""
    environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(_EPOCH), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    subprocess.run(  # noqa: S603 - the commands above
        command, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def fill(folder: Path, files: Mapping[str, Path]) -> None:
    """Copy files into a new folder, all with the same time."""
    folder.mkdir(parents=True)
    for name, source in files.items():
        shutil.copyfile(source, folder / name)
    set_times(folder)


def set_times(folder: Path) -> None:
    """Give all files and folders below a folder the same time."""
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (_EPOCH, _EPOCH))


def build(image: Path, script: Path, bios: Mapping[str, Path], uefi: Mapping[str, Path]) -> None:
    """Build the image from boot programs by their names and the script. Raises CalledProcessError and OSError."""
    # Not beside the image: all that is there is copied with the boot programs.
    work = image.parent.parent / "boot-medium"
    shutil.rmtree(work, ignore_errors=True)
    try:
        cd, fat = work / "cd", work / "fat"
        fill(fat / "EFI/BOOT", uefi)
        shutil.copyfile(script, fat / SCRIPT)
        set_times(fat)
        fill(cd, {**bios, SCRIPT: script})
        (cd / "isolinux.cfg").write_text(MENU, encoding="ascii")
        sizes = [path.stat().st_size for path in (*uefi.values(), script)]
        for command in fat_commands(cd / FAT, fat, fat_cylinders(sizes)):
            run(command)
        set_times(cd)
        made = work / "made.iso"
        run(iso_command(made, cd))
        made.chmod(0o644)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(image)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def main(image: str, script: str) -> int:
    """Build the image and return the exit code."""
    try:
        build(Path(image), Path(script), BIOS, UEFI)
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]}: {error.stderr.strip()}", file=sys.stderr)  # noqa: T201 - goes to the play
        return 1
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201 - goes to the play
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
