# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The overlay network, looked at from outside: who listens, where addresses are, what gets through."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import testinfra
from testinfra.host import Host

testinfra_hosts = ["ssh://compute-1"]

UNIT = "accentos-bridge-addresses.service"
# Two ports of a switch, on computes 1 and 2.
PORTS = {number: (f"02:00:00:00:77:0{number}", f"192.168.77.1{number}") for number in (1, 2)}
SPACE = "overlay-test"
SENDER = """
import hashlib, os, socket
data = os.urandom(4 << 20)
with socket.create_connection(("{address}", 7777), 20) as peer:
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
    print(peer.recv(64).decode() == hashlib.sha256(data).hexdigest())
"""
RECEIVER = """
import hashlib, socket
with socket.create_server(("{address}", 7777)) as server:
    peer, _address = server.accept()
    total = hashlib.sha256()
    while data := peer.recv(65536):
        total.update(data)
    peer.sendall(total.hexdigest().encode())
"""


def other(host: Host, name: str) -> Host:
    """Return another host of the scenario."""
    return testinfra.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config)


def moved_addresses(host: Host) -> list[tuple[str, str, str]]:
    """Return bridge, device and address for each bridge of which the unit knows an address."""
    settings = json.loads(host.check_output("cat /etc/accentos/bridge_addresses.json"))
    known = json.loads(host.check_output("cat /run/accentos-bridge-addresses/known.json"))
    return [
        (entry["bridge"], entry["interface"], address)
        for entry in settings["bridges"]
        for address in known[entry["bridge"]]["addresses"]
    ]


def test_addresses_are_on_their_bridges_and_come_back_with_the_switch(host: Host) -> None:
    for name in ("controller-1", "compute-1", "compute-2"):
        there = other(host, name)
        expected = moved_addresses(there)
        there.check_output("systemctl restart ovs-vswitchd.service")
        assert there.service(UNIT).is_running
        assert moved_addresses(there) == expected
        for bridge, device, address in expected:
            assert address in there.check_output(f"ip -oneline address show dev {bridge} scope global")
            assert there.check_output(f"ip -oneline address show dev {device} scope global") == ""


def test_the_switch_listens_on_loopback_only(host: Host) -> None:
    lines = host.check_output("ss --listening --tcp --numeric --no-header --processes").splitlines()
    assert [line.split()[3] for line in lines if "ovsdb-server" in line] == ["127.0.0.1:6640"]


@pytest.mark.network_driver("ovn")
def test_the_controller_speaks_tls_with_every_database(host: Host) -> None:
    remotes = host.check_output("ovs-vsctl get Open_vSwitch . external_ids:ovn-remote").strip('"').split(",")
    assert all(remote.startswith("ssl:") for remote in remotes)


def test_nothing_of_the_switch_has_an_error(host: Host) -> None:
    assert host.check_output("ovs-vsctl --bare --columns=name,error find Interface 'error!=[]'") == ""


@pytest.fixture
def computes(host: Host) -> Iterator[dict[int, Host]]:
    """Give both computes with a port of one logical switch each, in a network namespace."""
    controller = other(host, "controller-1")
    controller.check_output("ovn-nbctl --may-exist ls-add overlay-test")
    found = {number: other(host, f"compute-{number}") for number in PORTS}
    try:
        for number, (mac, address) in PORTS.items():
            name = f"overlay-test-{number}"
            controller.check_output(f"ovn-nbctl --may-exist lsp-add overlay-test {name}")
            controller.check_output(f"ovn-nbctl lsp-set-addresses {name} '{mac} {address}'")
            found[number].check_output(
                f"ovs-vsctl add-port br-int probe -- set Interface probe type=internal external_ids:iface-id={name}"
                f" && ip netns add {SPACE} && ip link set probe netns {SPACE}"
                f" && ip -n {SPACE} link set probe address {mac} mtu 1442 up"
                f" && ip -n {SPACE} address add {address}/24 dev probe"
            )
        controller.check_output("ovn-nbctl --wait=hv --timeout=60 sync")
        yield found
    finally:
        for compute in found.values():
            compute.run(f"ip netns delete {SPACE}")
            compute.run("ovs-vsctl --if-exists del-port probe")
        controller.run("ovn-nbctl --if-exists ls-del overlay-test")


@pytest.mark.network_driver("ovn")
def test_two_computes_exchange_data_unharmed(computes: dict[int, Host]) -> None:
    address = PORTS[2][1]
    inside = f"ip netns exec {SPACE} python3 -c"
    computes[2].check_output(f"nohup {inside} '{RECEIVER.format(address=address)}' >/dev/null 2>&1 &")
    time.sleep(2)
    assert computes[1].check_output(f"{inside} '{SENDER.format(address=address)}'") == "True"
    for compute in computes.values():
        # Wrong checksums are what a userspace datapath gives that is not set up for it.
        counted = compute.check_output(f"ip netns exec {SPACE} nstat --zeros --ignore TcpInCsumErrors")
        assert counted.split()[-2] == "0"
