# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about network ports, on literals."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, Suggester
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_port_rules import (
    SitePort,
    find_bad_ports,
    find_networks_without_vlan,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located


def at(line: int, text: str) -> Located:
    return Located(text, Place("f.yml", line, 1, "key"))


def found(interfaces: list[SitePort], bonds: list[SitePort] | None) -> list[tuple[int, str, str]]:
    findings: list[Finding] = find_bad_ports(interfaces, bonds, Suggester())
    return [(finding.line, finding.problem, finding.suggestion) for finding in findings]


def test_good_ports() -> None:
    ports = [SitePort(at(1, "eth0"), at(2, "bond0")), SitePort(at(3, "eth1"), at(4, "bond0")), SitePort(at(5, "eth2"))]
    assert found(ports, [SitePort(at(6, "bond0"))]) == []


def test_a_name_twice() -> None:
    same = "in f.yml:1 have the same interface name"
    assert found([SitePort(at(1, "eth0")), SitePort(at(2, "eth0"))], []) == [
        (2, f"an interface and an interface {same}", "")
    ]
    assert found([SitePort(at(1, "eth0"))], [SitePort(at(2, "eth0"))]) == [(2, f"a bond and an interface {same}", "")]


def test_a_bond_that_is_not_there() -> None:
    ports = [SitePort(at(1, "eth0"), at(2, "bond7"))]
    problem = "there is no such bond in host_bonds"
    assert found(ports, []) == [(2, problem, "")]
    assert found(ports, [SitePort(at(3, "bond0"))]) == [(2, problem, "bond0")]
    assert found(ports, None) == []


def test_a_network_without_a_number_is_reported_where_it_is_first_carried() -> None:
    ports = [SitePort(at(line, "eth0"), tagged=[at(line, "tunnel"), at(line, "storage")]) for line in (1, 2)]
    findings = find_networks_without_vlan(ports, ["tunnel", "external"])
    assert [(finding.line, finding.value) for finding in findings] == [(1, '"tunnel"')]
    assert find_networks_without_vlan(ports, []) == []
