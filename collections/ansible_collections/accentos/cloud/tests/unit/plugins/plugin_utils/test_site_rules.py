# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules across values, on literals."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Place
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import (
    LIVES,
    Located,
    SiteHost,
    SiteNetwork,
    SiteOutlet,
    find_conflicts,
    find_short_lives,
    normal_mac,
)


def at(line: int, text: str) -> Located:
    return Located(text, Place("f.yml", line, 1, "key"))


NETWORKS = [
    SiteNetwork("management", at(1, "10.1.0.0/24"), at(2, "10.1.0.1")),
    SiteNetwork("tunnel", at(3, "10.2.0.0/24")),
    SiteNetwork("out_of_band", at(4, "10.5.0.0/24")),
]


def findings(networks: list[SiteNetwork], *hosts: SiteHost) -> list[tuple[int, str]]:
    return [(finding.line, finding.problem) for finding in find_conflicts(networks, hosts)]


def test_a_good_site() -> None:
    one = SiteHost("a", {"management": at(10, "10.1.0.11")}, at(11, "10.5.0.11"), [at(12, "52:54:00:00:00:01")])
    two = SiteHost("b", {"management": at(20, "10.1.0.12"), "tunnel": at(21, "10.2.0.2")}, serial=at(22, "1"))
    assert findings(NETWORKS, one, two) == []


def test_the_bmc_takes_the_derived_address_but_not_a_written_one() -> None:
    written = SiteHost("a", {"management": at(10, "10.1.0.11"), "out_of_band": at(11, "10.5.0.9")}, at(12, "10.5.0.9"))
    assert findings(NETWORKS, written) == [
        (12, "host a (BMC) and host a (out_of_band) in f.yml:11 have the same address 10.5.0.9")
    ]


def test_one_address_twice_is_one_mistake_although_the_derived_ones_are_the_same_too() -> None:
    hosts = [SiteHost(name, {"management": at(line, "10.1.0.11")}) for line, name in ((10, "a"), (20, "b"), (30, "c"))]
    assert findings(NETWORKS, *hosts) == [
        (20, "host b (management) and host a (management) in f.yml:10 have the same address 10.1.0.11"),
        (30, "host c (management) and host a (management) in f.yml:10 have the same address 10.1.0.11"),
    ]


def test_nothing_follows_from_a_network_that_overlaps_or_is_not_there() -> None:
    networks = [*NETWORKS[:2], SiteNetwork("storage", at(5, "10.2.0.0/16"), at(6, "10.9.0.1"))]
    host = SiteHost("a", {"management": at(10, "10.1.0.11"), "storage": at(11, "10.8.0.1")}, at(12, "10.7.0.1"))
    assert findings(networks, host) == [(5, "overlaps network tunnel (10.2.0.0/24) in f.yml:3")]


def test_nothing_follows_from_a_management_address_that_is_outside() -> None:
    host = SiteHost("a", {"management": at(10, "10.3.0.11")})
    assert findings(NETWORKS, host) == [(10, "is outside network management (10.1.0.0/24)")]
    assert findings(NETWORKS, SiteHost("a", {"tunnel": at(10, "10.2.0.11")})) == []


def test_the_address_of_the_api_is_in_management_and_nobody_elses() -> None:
    host = SiteHost("a", {"management": at(10, "10.1.0.11")})

    def found(text: str) -> list[tuple[int, str]]:
        return [(item.line, item.problem) for item in find_conflicts(NETWORKS, [host], at(7, text))]

    assert found("10.1.0.5") == []
    assert found("10.2.0.5") == [(7, "is outside network management (10.1.0.0/24)")]
    assert found("10.1.0.255") == [(7, "is the broadcast address of network management (10.1.0.0/24)")]
    same = "the address of the API and {} have the same address {}"
    assert found("10.1.0.11") == [(7, same.format("host a (management) in f.yml:10", "10.1.0.11"))]
    assert found("10.1.0.1") == [(7, same.format("the gateway of management in f.yml:2", "10.1.0.1"))]
    assert find_conflicts(NETWORKS[1:], [], at(7, "10.1.0.5")) == []


def test_networks_without_room_are_named_together() -> None:
    networks = [*NETWORKS, SiteNetwork("storage", at(5, "10.3.0.0/28")), SiteNetwork("external", at(6, "10.4.0.0/28"))]
    host = SiteHost("a", {"management": at(10, "10.1.0.15")})
    assert findings(networks, host) == [(10, "has no counterpart with the same offset in storage, external")]


def test_macs_and_serial_numbers() -> None:
    one = SiteHost("a", {}, None, [at(10, "52:54:00:AA:00:01")], at(11, "S1"))
    two = SiteHost("b", {}, None, [at(20, "5254.00aa.0001")], at(21, "S1"))
    three = SiteHost("c", {}, None, [at(30, "52-54-00-aa-00-02")], at(31, "s1"))
    assert findings(NETWORKS, one, two, three) == [
        (20, "host b and host a in f.yml:10 have the same MAC address"),
        (21, "host b and host a in f.yml:11 have the same serial number"),
        (31, "host c and host a in f.yml:11 have the same serial number"),
    ]
    assert normal_mac("52:54:00:AA:00:01") == "525400aa0001"


def test_an_address_is_shown_once_and_a_derived_one_with_what_it_comes_from() -> None:
    one = SiteHost("a", {"management": at(10, "10.1.0.11"), "tunnel": at(11, "10.2.0.12")})
    two = SiteHost("b", {"management": at(20, "10.1.0.12")})
    three = SiteHost("c", {"management": at(30, "10.1.0.12")})
    found = find_conflicts(NETWORKS, [one, two, three])
    assert [(finding.line, finding.value) for finding in found] == [(30, ""), (20, '"10.1.0.12"')]


def test_ipv6_is_refused_once_and_nothing_follows_from_it() -> None:
    networks = [NETWORKS[0], SiteNetwork("tunnel", at(3, "fd00::/64"), at(4, "fd01::b"))]
    hosts = [SiteHost(name, {"management": at(10, f"10.1.0.{name}"), "tunnel": at(11, "fd00::1")}) for name in "45"]
    assert findings(networks, *hosts) == [(3, "IPv6 is not supported for the networks of a site yet (tunnel)")]
    networks = [SiteNetwork(name, at(line, "fd00::/64")) for line, name in enumerate(("management", "tunnel"), 1)]
    hosts = [SiteHost(name, {"management": at(10, "fd00::1")}, at(11, "fd00::1")) for name in "ab"]
    (finding,) = find_conflicts(networks, hosts, at(5, "fd01::1"))
    assert str(finding) == (
        "f.yml:1:1: key: IPv6 is not supported for the networks of a site yet (management, tunnel), "
        'found "fd00::/64"; expected a network of IPv4 such as 10.20.0.0/24, and addresses in it'
    )


def test_a_vlan_is_one_network() -> None:
    networks = [
        SiteNetwork(name, at(line, f"10.{line}.0.0/24"), vlan=at(line + 10, vlan))
        for line, name, vlan in ((1, "a", "20"), (2, "b", "21"), (3, "c", "20"))
    ]
    assert findings(networks) == [(13, "network c and network a in f.yml:11 have the same vlan")]


def lives(validity: int, renew: int, authority: int, *, written: bool = True) -> list[tuple[int, str]]:
    days = (validity, renew, authority)
    places = [Place("f.yml", line, 1, "key") if written else None for line in (1, 2, 3)]
    found = find_short_lives(dict(zip(LIVES, zip(days, places, strict=True), strict=True)))
    return [(finding.line, finding.problem) for finding in found]


def test_lives_of_certificates() -> None:
    assert lives(397, 30, 3650) == lives(31, 30, 62) == []
    assert lives(30, 30, 3650) == [
        (1, "certificates are valid for 30 days and renewed 30 days before their end, at every run")
    ]
    assert lives(397, 30, 427) == [
        (3, "the authority's certificate is valid for 427 days and must last longer than 427")
    ]
    # Nothing of the site is to blame.
    assert lives(30, 30, 3650, written=False) == lives(397, 30, 427, written=False) == []


def outlet(line: int, unit: str, index: str) -> SiteOutlet:
    return SiteOutlet(at(line, unit), at(line, index))


def test_a_unit_feeds_many_hosts_and_an_outlet_one() -> None:
    one = SiteHost("a", {}, outlets=[outlet(10, "10.5.0.90", "3"), outlet(11, "10.5.0.91", "3")])
    two = SiteHost("b", {}, at(20, "10.5.0.90"), outlets=[outlet(21, "10.5.0.90", "4")], bmc_is_unit=True)
    assert findings(NETWORKS, one, two) == []
    three = SiteHost("c", {}, outlets=[outlet(30, "10.5.0.91", "3"), outlet(31, "10.5.0.90", "4")])
    assert findings(NETWORKS, one, two, three) == [
        (30, "host c and host a in f.yml:11 have the same outlet"),
        (31, "host c and host b in f.yml:21 have the same outlet"),
    ]


def test_a_unit_is_in_out_of_band_and_no_hosts_own() -> None:
    one = SiteHost("a", {}, at(10, "10.5.0.11"), outlets=[outlet(11, "10.6.0.90", "3"), outlet(12, "10.5.0.11", "3")])
    assert findings(NETWORKS, one) == [
        (11, "is outside network out_of_band (10.5.0.0/24)"),
        (12, "a power distribution unit and host a (BMC) in f.yml:10 have the same address 10.5.0.11"),
    ]
    assert findings(NETWORKS, SiteHost("b", {}, at(20, "10.6.0.1"), bmc_is_unit=True)) == [
        (20, "is outside network out_of_band (10.5.0.0/24)")
    ]
