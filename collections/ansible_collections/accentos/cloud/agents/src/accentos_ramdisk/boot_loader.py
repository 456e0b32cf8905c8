# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The boot loader of the new system, for both kinds of firmware wherever the image carries both."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from .configuration import ESP_FOLDERS
from .disks import Layout
from .errors import AgentError
from .programs import Command
from .specification import Boot

PLATFORMS = {"x86_64": ("i386-pc", "x86_64-efi"), "aarch64": ("arm64-efi",)}
GRUB_FOLDER = "usr/lib/grub"
DEFAULTS = "etc/default/grub.d/accentos.cfg"
_REMOVABLE = ("--bootloader-id=debian", "--force-extra-removable", "--no-nvram", "--recheck")


@dataclass(frozen=True)
class Kernel:
    """A kernel of the new system, by its version."""

    version: str

    @property
    def image(self) -> str:
        """Path of the kernel below the root."""
        return f"boot/vmlinuz-{self.version}"

    @property
    def ramdisk(self) -> str:
        """Path of its initial ramdisk below the root."""
        return f"boot/initrd.img-{self.version}"


def newest_kernel(names: Collection[str]) -> Kernel:
    """Return the newest kernel among the file NAMES of /boot that has its initial ramdisk. Raises AgentError."""
    versions = [
        name.removeprefix("vmlinuz-")
        for name in names
        if name.startswith("vmlinuz-") and f"initrd.img-{name.removeprefix('vmlinuz-')}" in names
    ]
    if not versions:
        raise AgentError(
            "the image has no kernel with an initial ramdisk in /boot", "Build the image anew with a kernel package."
        )

    def order(version: str) -> list[tuple[int, int, str]]:
        words = re.findall(r"[0-9]+|[^0-9]+", version)
        return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]

    return Kernel(max(versions, key=order))


def kernel_options(boot: Boot) -> str:
    """Return the kernel's options; the serial console comes last and so is /dev/console."""
    console = f"console=tty0 console={boot.console}" if boot.console else ""
    return " ".join(part for part in (console, boot.kernel_options.strip()) if part)


def render_defaults(boot: Boot) -> str:
    """Return the piece of /etc/default/grub that is ours; the specification allows no quotes in its values."""
    lines = [
        "# Written when the machine was installed.",
        "GRUB_TIMEOUT=2",
        "GRUB_DISABLE_OS_PROBER=true",
        'GRUB_CMDLINE_LINUX_DEFAULT=""',
        f'GRUB_CMDLINE_LINUX="{kernel_options(boot)}"',
    ]
    serial = re.match(r"ttyS([0-9]+)(?:,([0-9]+))?", boot.console)
    if serial:
        lines += [
            'GRUB_TERMINAL="console serial"',
            f'GRUB_SERIAL_COMMAND="serial --unit={serial[1]} --speed={serial[2] or 115200}"',
        ]
    return "\n".join(lines) + "\n"


def plan_boot_loader(layout: Layout, machine: str, platforms: Collection[str], *, uefi: bool) -> tuple[Command, ...]:
    """Return the commands, to be run inside the new system, that make it bootable.

    MACHINE is the processor's name (uname -m), PLATFORMS what the image has below /usr/lib/grub, UEFI the firmware's
    present mode, for which a boot loader must be there. Raises AgentError.

    The loader goes to the removable path too (shim and signed GRUB where the image has them), and no variable of the
    firmware is written: the firmware then finds it after a change of board or disk, and PXE stays where it was.
    """
    known = [name for name in PLATFORMS.get(machine, ()) if name in platforms]
    needed = next((name for name in PLATFORMS.get(machine, ()) if name.endswith("-efi") == uefi), None)
    if needed not in known:
        raise AgentError(
            f"the image has no boot loader for this machine ({machine}, {'UEFI' if uefi else 'BIOS'}); it has: "
            f"{', '.join(sorted(platforms)) or 'none'}",
            "Build the image with grub-pc-bin and grub-efi-amd64-bin (arm64: grub-efi-arm64-bin).",
        )
    # To be run one after the other: each installation creates the same environment block and locales below /boot/grub.
    commands = []
    for platform in known:
        if platform.endswith("-efi"):
            commands += [
                Command(("grub-install", f"--target={platform}", f"--efi-directory=/{folder}", *_REMOVABLE))
                for _esp, folder in zip(layout.esps, ESP_FOLDERS, strict=False)
            ]
        else:
            commands += [
                Command(("grub-install", f"--target={platform}", "--recheck", disk)) for disk in layout.boot_disks
            ]
    if layout.array or layout.volume_group:
        # The image was built on a machine without this array or volume group.
        commands.append(Command(("update-initramfs", "-u")))
    return (*commands, Command(("update-grub",)))
