# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses of a host in all networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import (
    AddressError,
    derive_addresses,
    same_offset,
    unusable_reason,
)

NETWORKS = {
    "management": {"cidr": "10.20.0.0/23", "gateway": "10.20.0.1"},
    "tunnel": {"cidr": "10.22.0.0/23"},
    "storage": {"cidr": "fd00:1::/64"},
    "external": {"cidr": "203.0.113.0/24"},
}


def test_missing_networks_get_the_same_offset_in_the_order_of_the_networks() -> None:
    found = derive_addresses(NETWORKS, {"management": "10.20.0.11"})
    assert list(found.items()) == [
        ("management", "10.20.0.11"),
        ("tunnel", "10.22.0.11"),
        ("storage", "fd00:1::b"),
        ("external", "203.0.113.11"),
    ]


def test_what_is_written_wins() -> None:
    found = derive_addresses(NETWORKS, {"external": "203.0.113.99", "management": "10.20.1.11", "tunnel": "10.22.0.1"})
    assert found == {
        "management": "10.20.1.11",
        "tunnel": "10.22.0.1",
        "storage": "fd00:1::10b",
        "external": "203.0.113.99",
    }


ERRORS: dict[str, tuple[Mapping[str, Any], dict[str, str], str]] = {
    "no room": (NETWORKS, {"management": "10.20.1.11"}, "its offset in 10.20.0.0/23 has no place in external"),
    "room only for broadcast": (NETWORKS, {"management": "10.20.0.255"}, "give host_addresses.external"),
    "outside": (
        NETWORKS,
        {"management": "10.30.0.1"},
        "host_addresses.management: 10.30.0.1 is outside network management",
    ),
    "network address": (NETWORKS, {"management": "10.20.0.0"}, "is the network address of"),
    "no management": (NETWORKS, {"tunnel": "10.22.0.1"}, "host_addresses has no 'management'"),
    "no management network": ({"tunnel": {"cidr": "10.22.0.0/24"}}, {}, "site_networks has no 'management'"),
    "unknown network": (NETWORKS, {"managment": "10.20.0.1"}, "no network 'managment', only management, tunnel"),
    "no address": (NETWORKS, {"management": "ten"}, "host_addresses.management: 'ten' does not appear"),
    "zone": (NETWORKS, {"management": "10.20.0.1", "storage": "fd00:1::1%eth0"}, "has a zone identifier"),
    "no cidr": ({"management": {}}, {"management": "10.20.0.1"}, "site_networks.management has no cidr"),
    "no mapping": ({"management": "10.20.0.0/24"}, {"management": "10.20.0.1"}, "site_networks.management has no cidr"),
    "host bits": ({"management": {"cidr": "10.20.0.1/24"}}, {"management": "10.20.0.1"}, "has host bits set"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_which_value(name: str) -> None:
    networks, addresses, words = ERRORS[name]
    with pytest.raises(AddressError) as caught:
        derive_addresses(networks, addresses)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("network", "address", "reason"),
    [
        ("10.0.0.0/24", "10.0.0.1", ""),
        ("10.0.0.0/24", "10.0.0.0", "is the network address of"),
        ("10.0.0.0/24", "10.0.0.255", "is the broadcast address of"),
        ("10.0.0.0/24", "10.0.1.1", "is outside"),
        ("10.0.0.0/24", "fd00::1", "is outside"),
        ("10.0.0.0/31", "10.0.0.0", ""),
        ("10.0.0.0/31", "10.0.0.1", ""),
        ("10.0.0.7/32", "10.0.0.7", ""),
        ("fd00::/64", "fd00::", "is the network address of"),
        ("fd00::/64", "fd00::ffff:ffff:ffff:ffff", ""),
        ("fd00::/127", "fd00::", ""),
    ],
)
def test_unusable_addresses(network: str, address: str, reason: str) -> None:
    assert unusable_reason(ipaddress.ip_network(network), ipaddress.ip_address(address)) == reason


def test_the_last_network_of_all_has_no_address_behind_it() -> None:
    base, last = ipaddress.ip_network("10.0.0.0/23"), ipaddress.ip_network("255.255.255.0/24")
    assert same_offset(base, ipaddress.ip_address("10.0.1.0"), last) is None


def test_an_address_below_its_network_has_no_offset() -> None:
    base, target = ipaddress.ip_network("10.0.1.0/24"), ipaddress.ip_network("10.0.2.0/24")
    assert same_offset(base, ipaddress.ip_address("10.0.0.9"), target) is None
