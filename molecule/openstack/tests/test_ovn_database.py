# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The databases of OVN, looked at from outside."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1"]
pytestmark = pytest.mark.network_driver("ovn")

PKI = "/etc/accentos/pki"
PORTS = (6641, 6642, 6643, 6644)
PROVEN = f"-cert {PKI}/host.crt -key {PKI}/host.key"


def address(host: Host) -> str:
    """Return the address of a host in the management network."""
    return host.check_output("getent hosts $(hostname --short)").split()[0]


def handshake(host: Host, port: int, options: str) -> str:
    """Return what openssl tells of a connection; the pause lets an alert arrive that comes after the handshake."""
    command = f"sleep 1 | openssl s_client -connect {address(host)}:{port} -CAfile {PKI}/ca.crt {options} 2>&1"
    return str(host.run(command).stdout)


@pytest.mark.parametrize("port", PORTS)
def test_only_tls_1_3_and_only_for_who_has_a_certificate(host: Host, port: int) -> None:
    assert "Verify return code: 0 (ok)" in handshake(host, port, PROVEN)
    assert "alert" not in handshake(host, port, PROVEN)
    assert "alert certificate required" in handshake(host, port, "")
    assert "alert protocol version" in handshake(host, port, f"{PROVEN} -tls1_2")


def test_the_databases_answer_on_one_address_only(host: Host) -> None:
    lines = host.check_output("ss --listening --tcp --numeric --no-header --processes").splitlines()
    own = [line.split()[3] for line in lines if "ovsdb-server" in line and "127.0.0.1" not in line]
    assert sorted(own) == [f"{address(host)}:{port}" for port in PORTS]


def test_both_databases_are_clusters(host: Host) -> None:
    for short, name in (("nb", "OVN_Northbound"), ("sb", "OVN_Southbound")):
        status = host.check_output(f"ovn-appctl -t /run/ovn/ovn{short}_db.ctl cluster/status {name}")
        assert "Status: cluster member" in status
        assert f"Address: ssl:{address(host)}:" in status


def test_every_host_is_in_the_overlay(host: Host) -> None:
    shown = host.check_output("ovn-sbctl --bare --columns=hostname list Chassis").split()
    assert sorted(shown) == ["compute-1", "compute-2", "controller-1"]


def test_northd_leaves_the_databases_alone_when_it_stops(host: Host) -> None:
    before = host.check_output("cat /run/ovn/ovnnb_db.pid /run/ovn/ovnsb_db.pid")
    host.check_output("systemctl restart ovn-northd.service")
    assert host.check_output("cat /run/ovn/ovnnb_db.pid /run/ovn/ovnsb_db.pid") == before
    assert host.service("ovn-ovsdb-server-nb.service").is_running
    assert host.service("ovn-ovsdb-server-sb.service").is_running
