# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine gets that boots from its network."""

from __future__ import annotations

import hashlib
import time

import pytest

from .conftest import Site

KNOWN, STRANGER = "02:aa:00:00:00:01", "02:aa:00:00:00:99"
LOADERS = {
    "undionly.kpxe": "/usr/lib/ipxe/undionly.kpxe",
    "snponly.efi": "/usr/lib/ipxe/snponly.efi",
    "ipxe-arm64.efi": "/usr/lib/ipxe/ipxe-arm64.efi",
    "grub/shimx64.efi": "/usr/lib/shim/shimx64.efi.signed",
    "grub/grubx64.efi": "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
}
BOOTED = "${base}/images/accentos-amd64/vmlinuz initrd=initrd.magic BOOTIF=01-${netX/mac:hexhyp}"


@pytest.mark.parametrize("name", LOADERS)
def test_boot_loaders_are_those_of_debian(site: Site, name: str) -> None:
    fetched = bytes.fromhex(site.machine("tftp", server=site.address, name=name))
    wanted = site.sh("deploy-1", f"sha256sum {LOADERS[name]}").split()[0]
    assert hashlib.sha256(fetched).hexdigest() == wanted


@pytest.mark.parametrize(
    ("arch", "ipxe", "vendor", "file"),
    [
        (0, False, "PXEClient", "undionly.kpxe"),
        (7, False, "PXEClient", "snponly.efi"),
        (9, False, "PXEClient", "snponly.efi"),
        (11, False, "PXEClient", "ipxe-arm64.efi"),
        (16, False, "HTTPClient", "http://{address}/netboot/ipxe-amd64.efi"),
        (19, False, "HTTPClient", "http://{address}/netboot/ipxe-arm64.efi"),
        (0, True, "PXEClient", "http://{address}/boot.ipxe"),
        (7, True, "PXEClient", "http://{address}/boot.ipxe"),
    ],
)
def test_each_kind_of_machine_is_told_its_boot_loader(
    site: Site, arch: int, ipxe: bool, vendor: str, file: str
) -> None:
    offer = site.machine("dhcp", interface="eth0", mac=STRANGER, arch=arch, ipxe=ipxe, vendor=vendor)
    assert offer["offer"]
    assert offer["file"] == file.format(address=site.address)
    if file.startswith("http:") and not ipxe:
        assert offer["vendor"] == "HTTPClient"
        assert site.http(offer["file"])["status"] == 200
    # No name server is given where the site has none: dnsmasq would otherwise name itself.
    assert offer["dns"] == []


def test_known_machine_has_its_address_and_a_stranger_one_of_the_few(site: Site) -> None:
    network = site.address.rsplit(".", 1)[0]
    known = site.machine("dhcp", interface="eth0", mac=KNOWN, arch=0)
    assert (known["address"], known["host_name"]) == (f"{network}.61", "machine-1")
    stranger = site.machine("dhcp", interface="eth0", mac=STRANGER, arch=0)
    assert 216 <= int(stranger["address"].rsplit(".", 1)[1]) <= 245


def test_change_of_a_machine_reaches_dhcp_without_a_restart(site: Site) -> None:
    network = site.address.rsplit(".", 1)[0]
    started = site.sh("deploy-1", "systemctl show --property=ExecMainStartTimestamp accentos-dhcp")
    for last in (62, 61):
        interface = {"ipaddress-eth0": f"{network}.{last}"}
        site.direct(f"change('system', 'machine-1', 'modify_interface', {interface!r})")
        for _attempt in range(20):
            if site.machine("dhcp", interface="eth0", mac=KNOWN, arch=0)["address"] == f"{network}.{last}":
                break
            time.sleep(0.5)
        else:
            raise AssertionError(
                site.sh("deploy-1", "cat /srv/accentos/netboot/dhcp-hosts; journalctl -u 'accentos-*'")
            )
    assert site.sh("deploy-1", "systemctl show --property=ExecMainStartTimestamp accentos-dhcp") == started


def test_scripts_of_a_known_machine(site: Site) -> None:
    base = f"http://{site.address}"
    first = site.http(f"{base}/boot.ipxe")["text"]
    assert first.startswith("#!ipxe\n")
    assert "01-${netX/mac:hexhyp}" in first
    script = f"{base}/netboot/pxelinux.cfg/01-{KNOWN.replace(':', '-')}"
    assert site.http(script)["text"] == (
        f"#!ipxe\nset base http://{site.address}/netboot\n"
        f"kernel {BOOTED} accentos.token=canary  console=ttyS0,115200\n"
        "initrd ${base}/images/accentos-amd64/ramdisk.img\nboot\n# end\n"
    )
    site.direct("change('system', 'machine-1', 'netboot_enabled', False)")
    try:
        local = site.http(script)["text"]
    finally:
        site.direct("change('system', 'machine-1', 'netboot_enabled', True)")
    assert "sanboot" in local
    assert "kernel" not in local
    # The API of Cobbler gives the same text.
    assert "accentos.token=canary" in site.direct("print(server.generate_ipxe(None, None, 'machine-1'))")


def test_kernel_and_ramdisk_come_whole(site: Site) -> None:
    for name in ("vmlinuz", "ramdisk.img"):
        answer = site.http(f"http://{site.address}/netboot/images/accentos-amd64/{name}")
        wanted = site.sh("deploy-1", f"sha256sum /srv/accentos/boot/amd64/{name}").split()[0]
        assert hashlib.sha256(answer["text"].encode("latin-1")).hexdigest() == wanted


def test_secure_boot_machine_finds_its_menu(site: Site) -> None:
    def fetch(name: str) -> str:
        return bytes.fromhex(site.machine("tftp", server=site.address, name=name)).decode()

    menu = fetch("grub/grub.cfg")
    assert "$prefix/system/$net_default_mac" in menu
    assert menu.index("menuentry local") < menu.index("source")
    own = fetch(f"grub/system/{KNOWN}")
    assert 'set default="machine-1"' in own
    assert "linux /images/accentos-amd64/vmlinuz accentos.token=canary" in own
    assert "linuxefi" not in own + menu


def test_stranger_boots_its_disk_until_there_is_a_profile_for_it(site: Site) -> None:
    script = f"http://{site.address}/netboot/pxelinux.cfg/default"
    assert site.http(f"http://{site.address}/netboot/pxelinux.cfg/01-{STRANGER.replace(':', '-')}")["status"] == 404
    before = site.http(script)["text"]
    assert ":accentos-enrol" not in before
    assert "goto accentos-enrol-${arch} || goto accentos-enrol || goto local" in before
    site.direct("make('profile', name='accentos-enrol', distro='accentos-amd64', kernel_options='accentos.enrol=1')")
    try:
        lines = site.http(script)["text"].splitlines()
    finally:
        site.direct("server.remove_profile('accentos-enrol', token)")
    at = lines.index(":accentos-enrol")
    assert lines[at + 1 : at + 5] == [
        "iseq ${arch} x86_64 || goto local",
        f"kernel {BOOTED} accentos.enrol=1",
        "initrd ${base}/images/accentos-amd64/ramdisk.img",
        "boot || goto local",
    ]
    assert ":accentos-deploy" not in lines


def test_the_boot_medium_is_published_and_goes_on_as_a_machine_that_booted_from_the_network(site: Site) -> None:
    fetched = site.http(f"http://{site.address}/netboot/boot.iso")
    assert fetched["status"] == 200
    built = site.sh("deploy-1", "sha256sum /etc/cobbler/loaders/boot.iso").split()[0]
    assert hashlib.sha256(fetched["text"].encode("latin-1")).hexdigest() == built
    told = site.sh("deploy-1", "xorriso -indev /etc/cobbler/loaders/boot.iso -report_el_torito plain 2>&1")
    assert [line.split()[5:7] for line in told.splitlines() if line.startswith("El Torito boot img")] == [
        ["1", "BIOS"],
        ["2", "UEFI"],
    ]
    extract = "xorriso -osirrox on -indev /etc/cobbler/loaders/boot.iso -extract"
    bios = site.sh("deploy-1", f"{extract} /autoexec.ipxe /tmp/medium.ipxe 2>/dev/null && cat /tmp/medium.ipxe")
    uefi = site.sh("deploy-1", f"{extract} /efi.img /tmp/efi.img 2>/dev/null && mtype -i /tmp/efi.img ::autoexec.ipxe")
    assert f"chain --autofree --replace http://{site.address}/boot.ipxe" in bios
    assert uefi == bios
    for name, program in {"BOOTX64": "ipxe-amd64", "BOOTAA64": "ipxe-arm64"}.items():
        site.sh("deploy-1", f"mtype -i /tmp/efi.img ::EFI/BOOT/{name}.EFI | cmp - /usr/lib/ipxe/{program}.efi")
    site.sh("deploy-1", "rm -f /tmp/efi.img /tmp/medium.ipxe")
