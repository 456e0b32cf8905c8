# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only one host may have is found, and what packages bring is no such thing."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.image_identity import File, identities

UUID = "0c9e5d3a-1b2f-4d68-9e01-23456789abcd"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"


def told(path: str, content: str = "") -> list[str]:
    return identities([File(path, content.encode)])


@pytest.mark.parametrize(
    ("path", "content", "what"),
    [
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n", "the identity of a machine"),
        ("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n", "the identity of a machine"),
        ("etc/hostname", "builder\n", "the name of a host"),
        ("etc/ssh/ssh_host_ed25519_key", KEY, "a host key of SSH"),
        ("etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA", "a host key of SSH"),
        ("etc/iscsi/initiatorname.iscsi", "## x\nInitiatorName=iqn.1993-08.org.debian:01:ab\n", "iSCSI initiator"),
        ("etc/nvme/hostid", f"{UUID}\n", "the name of an NVMe host"),
        ("etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:1\n", "the name of an NVMe host"),
        ("etc/openvswitch/system-id.conf", UUID, "the identity of an Open vSwitch"),
        ("var/lib/openvswitch/conf.db", "", "a database of Open vSwitch"),
        ("var/lib/ovn/ovnsb_db.db", "", "a database of Open vSwitch"),
        ("etc/libvirt/libvirtd.conf", f'host_uuid = "{UUID}"\n', "the identity of a libvirt"),
        ("etc/libvirt/qemu/networks/default.xml", f"<uuid>{UUID}</uuid>", "that libvirt made"),
        ("etc/libvirt/qemu/networks/default.xml", "<mac address='52:54:00:00:00:01'/>", "that libvirt made"),
        ("etc/ceph/ceph.client.admin.keyring", "", "a key of Ceph"),
        ("var/lib/ceph/bootstrap-osd/ceph.keyring", "", "a key of Ceph"),
        ("etc/chrony/chrony.keys", "# keys\n1 SHA256 HEX:00\n", "a key of the time service"),
        ("etc/mdadm/mdadm.conf", f"HOMEHOST <system>\nARRAY /dev/md/0 UUID={UUID}\n", "an array of the machine"),
        ("etc/lvm/backup/vg0", "", "volumes of the machine"),
        ("var/lib/systemd/credential.secret", "", "a secret of systemd"),
        ("etc/ssl/private/ssl-cert-snakeoil.key", "-----BEGIN PRIVATE KEY-----\n", "a private key"),
        ("var/lib/example/state.json", f'{{"node": "{UUID}"}}', "a UUID, so state of a host"),
    ],
)
def test_what_only_one_host_may_have_is_found(path: str, content: str, what: str) -> None:
    (line,) = told(path, content)
    assert line.startswith(f"{path}: ")
    assert what in line


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/machine-id", ""),
        ("etc/machine-id", "uninitialized\n"),
        ("etc/iscsi/initiatorname.iscsi", "GenerateName=yes\n"),
        ("etc/libvirt/libvirtd.conf", '#host_uuid = "00000000-0000-0000-0000-000000000000"\n'),
        ("etc/libvirt/qemu/networks/default.xml", "<network><name>default</name></network>"),
        ("etc/chrony/chrony.keys", "# This file is solely used for NTP authentication\n"),
        ("etc/mdadm/mdadm.conf", "# definitions of existing MD arrays\nHOMEHOST <system>\n"),
        ("etc/multipath/bindings", "# Multipath bindings, Version : 1.0\n"),
        ("var/lib/dpkg/info/example.postinst", f"{UUID} {KEY}"),
        ("var/lib/smartmontools/drivedb/drivedb.h", f"{UUID} is a disk's"),
        ("usr/share/example/key.pem", KEY),
        ("etc/ssh/sshd_config", "Port 22\n"),
    ],
)
def test_what_packages_bring_is_no_identity(path: str, content: str) -> None:
    assert told(path, content) == []


def test_each_file_is_told_once_and_in_order() -> None:
    key = File("etc/ssh/ssh_host_rsa_key", KEY.encode)
    assert identities([key, File("etc/hostid", b"1234".decode().encode)]) == [
        "etc/hostid: the name of a host",
        "etc/ssh/ssh_host_rsa_key: a host key of SSH",
    ]
