# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""libvirt and QEMU on computes, looked at from outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://compute-1"]

PKI = "/etc/accentos/pki"
THERE = "qemu+tls://compute-2/system"
GUEST = """<domain type="qemu">
  <name>accentos-test</name><memory unit="MiB">64</memory>
  <os><type arch="{architecture}" machine="{machine}">hvm</type></os>
  <devices><graphics type="vnc" autoport="yes"/></devices>
</domain>"""
# Asks a console which kinds of security it offers, and which of VeNCrypt: 19 is VeNCrypt, 260 its TLS without password.
VNC = """
import socket
with socket.create_connection(("127.0.0.1", 5900), 10) as peer:
    peer.recv(12)
    peer.sendall(b"RFB 003.008\\n")
    print(*peer.recv(peer.recv(1)[0]))
    peer.sendall(bytes([19]))
    peer.recv(2)
    peer.sendall(bytes([0, 2]))
    peer.recv(1)
    print(*(int.from_bytes(peer.recv(4), "big") for _each in range(peer.recv(1)[0])))
"""


def address(host: Host) -> str:
    """Return the address of a host in the management network."""
    return host.check_output("getent hosts $(hostname --short)").split()[0]


@pytest.fixture
def guest(host: Host) -> Iterator[str]:
    """Give the name of a guest without disk, on compute-1."""
    arm = host.check_output("uname --machine") == "aarch64"
    definition = GUEST.format(architecture="aarch64" if arm else "x86_64", machine="virt" if arm else "pc")
    host.check_output("printf %s >/run/accentos-test.xml", definition)
    host.check_output("virsh create /run/accentos-test.xml")
    try:
        yield "accentos-test"
    finally:
        host.run("virsh destroy accentos-test")
        host.run(f"virsh --connect {THERE} destroy accentos-test")


def test_only_libvirt_of_the_site_comes_in(host: Host) -> None:
    assert host.check_output(f"virsh --connect {THERE} hostname").startswith("compute-2")
    wrong = "/run/accentos-test-pki"
    host.check_output(
        f"mkdir -p {wrong} && cp {PKI}/ca.crt {wrong}/cacert.pem"
        f" && cp {PKI}/host.crt {wrong}/clientcert.pem && cp {PKI}/host.key {wrong}/clientkey.pem"
    )
    refused = host.run(f"virsh --connect '{THERE}?pkipath={wrong}' hostname")
    host.check_output(f"rm -r {wrong}")
    assert refused.rc != 0


def test_libvirt_listens_on_one_address_and_speaks_tls_1_3(host: Host) -> None:
    lines = host.check_output("ss --listening --tcp --numeric --no-header --processes").splitlines()
    assert [line.split()[3] for line in lines if "libvirtd" in line] == [f"{address(host)}:16514"]
    proven = f"-cert {PKI}/libvirt.crt -key {PKI}/libvirt.key -CAfile {PKI}/ca.crt"
    connect = f"sleep 1 | openssl s_client -connect {address(host)}:16514 {proven}"
    assert "Verify return code: 0 (ok)" in host.run(connect).stdout
    assert "Cipher is (NONE)" in host.run(f"{connect} -tls1_2").stdout


def test_each_host_has_an_identity_of_its_own(host: Host) -> None:
    own = host.check_output("virsh capabilities --xpath //host/uuid")
    assert own != host.check_output(f"virsh --connect {THERE} capabilities --xpath //host/uuid")


def test_consoles_are_encrypted(host: Host, guest: str) -> None:
    assert host.check_output(f"python3 -c '{VNC}'").splitlines() == ["19", "260"]
    assert guest in host.check_output("virsh list --name")


def test_a_guest_moves_over_tls_and_not_otherwise(host: Host, guest: str) -> None:
    plain = host.run(f"virsh migrate --live --p2p {guest} {THERE}")
    assert plain.rc != 0
    assert "VIR_MIGRATE_TLS" in plain.stderr
    host.check_output(f"virsh migrate --live --p2p --tls {guest} {THERE}")
    assert host.check_output(f"virsh --connect {THERE} list --name").strip() == guest
    assert host.check_output("virsh list --name").strip() == ""


def test_the_key_of_qemu_opens_no_libvirt(host: Host) -> None:
    assert host.file(f"{PKI}/libvirt.key").group == "root"
    assert host.file(f"{PKI}/qemu.key").group == "libvirt-qemu"
    subject = host.check_output(f"openssl x509 -noout -subject -in {PKI}/qemu.crt")
    assert "libvirt." not in subject
