# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The boot loader: both firmwares where the image can, no variable of the firmware, the newest kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from accentos_ramdisk.boot_loader import Kernel, kernel_options, newest_kernel, plan_boot_loader, render_defaults
from accentos_ramdisk.disks import Layout
from accentos_ramdisk.errors import AgentError
from accentos_ramdisk.specification import Boot
from accentos_ramdisk.target import plan_mounts

PLAIN = Layout((), "/dev/sda3", "uuid", (("/dev/sda2", "A-1"),), ("/dev/sda",))
PAIR = Layout(
    (), "/dev/md/root", "uuid", (("/dev/sda2", "A"), ("/dev/sdb2", "B")), ("/dev/sda", "/dev/sdb"), "/dev/md/root"
)
BOTH = ["i386-pc", "x86_64-efi", "i386-efi"]
EFI = (
    "grub-install --target=x86_64-efi --efi-directory=/boot/efi --bootloader-id=debian --force-extra-removable "
    "--no-nvram --recheck"
)


def plan(layout: Layout, machine: str, platforms: list[str], *, uefi: bool) -> list[str]:
    return [str(command) for command in plan_boot_loader(layout, machine, platforms, uefi=uefi)]


@pytest.mark.parametrize("uefi", [True, False])
def test_both_loaders_are_installed_whatever_the_firmware_is(uefi: bool) -> None:
    assert plan(PLAIN, "x86_64", BOTH, uefi=uefi) == [
        "grub-install --target=i386-pc --recheck /dev/sda",
        EFI,
        "update-grub",
    ]


def test_a_mirror_boots_from_either_disk() -> None:
    assert plan(PAIR, "x86_64", BOTH, uefi=True) == [
        "grub-install --target=i386-pc --recheck /dev/sda",
        "grub-install --target=i386-pc --recheck /dev/sdb",
        EFI,
        EFI.replace("/boot/efi", "/boot/efi2"),
        "update-initramfs -u",
        "update-grub",
    ]


def test_arm_has_uefi_only() -> None:
    (install, update) = plan(PLAIN, "aarch64", ["arm64-efi"], uefi=True)
    assert (install.split()[1], update) == ("--target=arm64-efi", "update-grub")


@pytest.mark.parametrize(
    ("machine", "platforms", "uefi"),
    [("x86_64", ["x86_64-efi"], False), ("x86_64", ["i386-pc"], True), ("aarch64", [], True), ("riscv64", BOTH, True)],
)
def test_an_image_without_the_needed_loader_is_refused(machine: str, platforms: list[str], uefi: bool) -> None:
    with pytest.raises(AgentError, match="has no boot loader for this machine"):
        plan(PLAIN, machine, platforms, uefi=uefi)


def test_the_newest_whole_kernel_is_taken() -> None:
    names = [
        f"{kind}-{version}"
        for version in ("6.12.9+deb13-amd64", "6.12.38+deb13-amd64")
        for kind in ("vmlinuz", "initrd.img")
    ]
    kernel = newest_kernel([*names, "vmlinuz-7.0", "grub"])
    assert kernel == Kernel("6.12.38+deb13-amd64")
    assert (kernel.image, kernel.ramdisk) == (f"boot/vmlinuz-{kernel.version}", f"boot/initrd.img-{kernel.version}")
    with pytest.raises(AgentError, match="has no kernel"):
        newest_kernel(["vmlinuz-7.0"])


def test_the_console_comes_last() -> None:
    assert kernel_options(Boot("ttyS0,115200n8", " a=1 ")) == "console=tty0 console=ttyS0,115200n8 a=1"
    assert kernel_options(Boot()) == ""


def test_grub_speaks_on_the_serial_console() -> None:
    assert render_defaults(Boot("ttyS1,9600n8", "nosmt")) == (
        "# Written when the machine was installed.\n"
        "GRUB_TIMEOUT=2\nGRUB_DISABLE_OS_PROBER=true\n"
        'GRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="console=tty0 console=ttyS1,9600n8 nosmt"\n'
        'GRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND="serial --unit=1 --speed=9600"\n'
    )
    assert "GRUB_TERMINAL" not in render_defaults(Boot("tty1"))
    assert "--speed=115200" in render_defaults(Boot("ttyS0"))


def test_mounts_go_from_the_root_outwards() -> None:
    root = Path("/t")
    assert [place for place, _arguments in plan_mounts(root, PAIR, uefi=True)] == [
        "/t",
        "/t/boot/efi",
        "/t/boot/efi2",
        "/t/dev",
        "/t/proc",
        "/t/sys",
        "/t/run",
        "/t/sys/firmware/efi/efivars",
    ]
    assert plan_mounts(root, PLAIN, uefi=False)[0] == ("/t", ("-t", "ext4", "-o", "noatime", "/dev/sda3"))
    assert plan_mounts(root, PLAIN, uefi=False)[-1][0] == "/t/run"
    assert plan_mounts(root, PLAIN, uefi=False, udev=True)[-1] == ("/t/run/udev", ("--bind", "/run/udev"))
