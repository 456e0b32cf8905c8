# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Agents of Neutron that set up Open vSwitch, in a lab with the driver openvswitch, looked at from outside."""

from __future__ import annotations

import json

import pytest
import testinfra
from testinfra.host import Host

from .administrator import Administrator

testinfra_hosts = ["ssh://controller-1"]
pytestmark = pytest.mark.network_driver("openvswitch")

EVERYWHERE = {"neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent"}
AGENTS = """
import json
agents = list(cloud.network.agents())
print(json.dumps({
    "agents": sorted([one.host, one.binary, one.is_alive] for one in agents),
    "modes": {one.host: one.configuration["agent_mode"] for one in agents if one.binary == "neutron-l3-agent"},
}))
"""


def test_agents_report_and_route_as_their_host_can(administrator: Administrator) -> None:
    found = administrator(AGENTS)
    expected = {(host, kind, True) for host in ("compute-1", "compute-2", "controller-1") for kind in EVERYWHERE}
    assert {tuple(one) for one in found["agents"]} == expected | {("controller-1", "neutron-dhcp-agent", True)}
    # Computes of the lab have no device in the external network.
    assert found["modes"] == {
        "compute-1": "dvr_no_external",
        "compute-2": "dvr_no_external",
        "controller-1": "dvr_snat",
    }


def test_bridges_switch_alike_and_the_agent_speaks_on_loopback_only(host: Host) -> None:
    for name in ("compute-1", "compute-2", "controller-1"):
        there = testinfra.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config)
        rows = json.loads(there.check_output("ovs-vsctl --format=json --columns=name,datapath_type list Bridge"))[
            "data"
        ]
        bridges = dict(rows)
        assert {"br-int", "br-tun"} <= set(bridges)
        assert ("br-ex" in bridges) == (name == "controller-1")
        assert len(set(bridges.values())) == 1
        lines = there.check_output("ss --listening --tcp --numeric --no-header").splitlines()
        assert [line.split()[3] for line in lines if line.split()[3].endswith(":6633")] == ["127.0.0.1:6633"]


def test_nothing_of_ovn_is_there(host: Host) -> None:
    for name in ("compute-1", "controller-1"):
        there = testinfra.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config)
        for package in ("neutron-ovn-metadata-agent", "ovn-central", "ovn-host"):
            assert (name, package, there.package(package).is_installed) == (name, package, False)
