# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of the new system, literally; systemd's own tools judge them in tests of whole machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from accentos_ramdisk.configuration import (
    File,
    inside,
    read_host_keys,
    remove_identity,
    render_files,
    render_fstab,
    render_mdadm,
    render_network,
    write_files,
)
from accentos_ramdisk.disks import Layout
from accentos_ramdisk.specification import Bond, Interface, Network, Vlan, parse_specification

from .samples import KEY, specification

PLAIN = Layout((), "/dev/sda3", "root-uuid", (("/dev/sda2", "AAAA-0001"),), ("/dev/sda",))
PAIR = Layout(
    (),
    "/dev/md/root",
    "root-uuid",
    (("/dev/sda2", "A-1"), ("/dev/sdb2", "B-2")),
    ("/dev/sda", "/dev/sdb"),
    "/dev/md/root",
)
MAC1, MAC2, MAC3 = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"


def test_a_plain_machine() -> None:
    files = render_files(parse_specification(specification()), PLAIN)
    assert files == {
        "etc/hostname": File("compute-1\n"),
        "etc/hosts": File(
            "127.0.0.1 localhost\n127.0.1.1 compute-1.example.test compute-1\n"
            "::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
        ),
        "etc/fstab": File(
            "UUID=root-uuid / ext4 errors=remount-ro 0 1\n"
            "UUID=AAAA-0001 /boot/efi vfat umask=0077,nofail,x-systemd.device-timeout=10min 0 2\n"
        ),
        "etc/machine-id": File("", 0o444),
        "etc/resolv.conf": File("nameserver 10.0.0.10\n"),
        "etc/systemd/network/10-eth0.link": File(f"[Match]\nPermanentMACAddress={MAC1}\n\n[Link]\nName=eth0\n"),
        "etc/systemd/network/20-eth0.network": File(
            f"[Match]\nPermanentMACAddress={MAC1}\n\n[Link]\nMTUBytes=1500\n\n"
            "[Network]\nDHCP=no\nAddress=10.0.0.11/24\nGateway=10.0.0.1\nDNS=10.0.0.10\n"
        ),
        "root/.ssh/authorized_keys": File(f"{KEY}\n", 0o600),
    }


def test_a_mirrored_machine_knows_both_disks() -> None:
    assert render_fstab(PAIR).splitlines()[1:] == [
        "UUID=A-1 /boot/efi vfat umask=0077,nofail,x-systemd.device-timeout=10min 0 2",
        "UUID=B-2 /boot/efi2 vfat umask=0077,nofail,x-systemd.device-timeout=10min 0 2",
    ]
    value = specification(network__dns=[])
    files = render_files(parse_specification(value), PAIR, "ARRAY /dev/md/root UUID=1\nnoise\n")
    assert "etc/resolv.conf" not in files
    assert files["etc/mdadm/mdadm.conf"].text == render_mdadm("compute-1", "ARRAY /dev/md/root UUID=1\n")
    assert render_mdadm("a", "ARRAY x\nnoise\n") == (
        "HOMEHOST <system>\nMAILADDR root\n# Made when a was installed.\nARRAY x\n"
    )


def test_dhcp_needs_no_address() -> None:
    files = render_network(Network((Interface("eth0", MAC1, dhcp=True),), dns=("10.0.0.1",)))
    assert files["20-eth0.network"] == f"[Match]\nPermanentMACAddress={MAC1}\n\n[Network]\nDHCP=yes\nDNS=10.0.0.1\n"


def test_bonds_and_vlans() -> None:
    network = Network(
        interfaces=(Interface("eth0", MAC1), Interface("mgmt", MAC3, ("10.1.0.5/24",))),
        bonds=(Bond("bond0", "802.3ad", (MAC1, MAC2), mtu=9000),),
        vlans=(Vlan("bond0.21", "bond0", 21, ("10.0.0.5/24",), "10.0.0.1"),),
        dns=("10.0.0.2",),
    )
    files = render_network(network)
    assert files == {
        "10-eth0.link": f"[Match]\nPermanentMACAddress={MAC1}\n\n[Link]\nName=eth0\n",
        "10-mgmt.link": f"[Match]\nPermanentMACAddress={MAC3}\n\n[Link]\nName=mgmt\n",
        "15-bond0.21.netdev": "[NetDev]\nName=bond0.21\nKind=vlan\n\n[VLAN]\nId=21\n",
        "15-bond0.netdev": (
            f"[NetDev]\nName=bond0\nKind=bond\nMACAddress={MAC1}\n\n"
            "[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\nLACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n"
        ),
        "20-bond0-member1.network": f"[Match]\nPermanentMACAddress={MAC2}\n\n[Network]\nBond=bond0\n",
        "20-eth0.network": (
            f"[Match]\nPermanentMACAddress={MAC1}\n\n[Link]\nRequiredForOnline=no\n\n"
            "[Network]\nBond=bond0\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
        "20-mgmt.network": f"[Match]\nPermanentMACAddress={MAC3}\n\n[Network]\nDHCP=no\nAddress=10.1.0.5/24\n",
        "25-bond0.network": (
            "[Match]\nName=bond0\n\n[Link]\nMTUBytes=9000\nRequiredForOnline=no\n\n"
            "[Network]\nVLAN=bond0.21\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
        "30-bond0.21.network": (
            "[Match]\nName=bond0.21\n\n[Network]\nDHCP=no\nAddress=10.0.0.5/24\nGateway=10.0.0.1\nDNS=10.0.0.2\n"
        ),
    }


def test_an_unconfigured_network_has_no_name_servers() -> None:
    files = render_network(
        Network((Interface("eth0", MAC1),), (Bond("b", "active-backup", (MAC2,)),), dns=("1.1.1.1",))
    )
    assert "DNS" not in "".join(files.values())
    assert files["15-b.netdev"].endswith("[Bond]\nMode=active-backup\nMIIMonitorSec=100ms\n")


def test_links_of_the_image_do_not_lead_out_of_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/etc").mkdir(parents=True)
    (root / "etc").symlink_to("/usr/etc")
    (root / "up").symlink_to("../../../../..")
    (root / "here").symlink_to("usr")
    (root / "loop").symlink_to("loop")
    assert inside(root, "etc/hostname") == root / "usr/etc/hostname"
    assert inside(root, "/up/etc/passwd") == root / "usr/etc/passwd"
    assert inside(root, "here/./x") == root / "usr/x"
    with pytest.raises(OSError, match="too many links"):
        inside(root, "loop/x")


def test_files_are_written_and_links_replaced_but_resolv_conf(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hostname").symlink_to(outside)
    (root / "etc/resolv.conf").symlink_to("../run/x")
    write_files(
        root, {"etc/hostname": File("a\n"), "etc/resolv.conf": File("b"), "root/.ssh/authorized_keys": File("k", 0o600)}
    )
    assert outside.read_text() == "mine"
    assert (root / "etc/hostname").read_text() == "a\n"
    assert (root / "etc/resolv.conf").is_symlink()
    keys = root / "root/.ssh/authorized_keys"
    assert (keys.stat().st_mode & 0o777, keys.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_must_not_be_shared_is_removed(tmp_path: Path) -> None:
    names = ("ssh_host_rsa_key", "ssh_host_rsa_key.pub", "sshd_config")
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "etc/systemd/network").mkdir(parents=True)
    for name in names:
        (tmp_path / "etc/ssh" / name).write_text("x")
    (tmp_path / "etc/systemd/network/99-all.network").write_text("x")
    remove_identity(tmp_path)
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["sshd_config"]


def test_host_keys_are_read_without_comments(tmp_path: Path) -> None:
    folder = tmp_path / "etc/ssh"
    folder.mkdir(parents=True)
    (folder / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@ramdisk\n")
    (folder / "ssh_host_odd_key.pub").write_text("\x1b[2J AAAA\n")
    (folder / "ssh_host_empty_key.pub").write_text("")
    assert read_host_keys(tmp_path) == ["ssh-ed25519 AAAA"]
