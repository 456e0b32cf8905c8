# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses are asked for where, what goes over the wire, and what an answer means; without any wire."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.address_probe import (
    Claim,
    Conflict,
    Interface,
    find_conflicts,
    make_probe,
    plan_probes,
    read_frame,
    read_interfaces,
)

OWN, OTHER, THIRD = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
ETH0 = Interface("eth0", OWN, (IPv4Interface("192.0.2.10/24"),))
# An answer of Linux to a probe for 192.0.2.21, from OTHER to OWN, as RFC 826 writes it.
REPLY = bytes.fromhex("02000000000a 02000000000b 0806 0001 0800 06 04 0002 02000000000b c0000215 02000000000a 00000000")


def claim(address: str, host: str = "compute-1", *macs: str) -> Claim:
    return Claim(host, IPv4Interface(address), frozenset(macs))


def test_interfaces_are_those_of_ethernet_with_addresses() -> None:
    inet = {"family": "inet", "local": "192.0.2.10", "prefixlen": 24}
    rows: list[dict[str, Any]] = [
        {"ifname": "lo", "link_type": "loopback", "address": "00:00:00:00:00:00", "addr_info": [inet]},
        {"ifname": "eth0", "link_type": "ether", "address": OWN.upper(), "addr_info": [inet, {"family": "inet6"}]},
        {"ifname": "eth1", "link_type": "ether", "address": OTHER, "addr_info": []},
        {},
    ]
    assert read_interfaces(rows) == [ETH0]


def test_an_address_is_asked_for_where_this_host_is_in_its_network() -> None:
    near, wide, away = claim("192.0.2.21/24"), claim("192.0.2.22/16"), claim("198.51.100.21/24")
    assert plan_probes([near, wide, away, away], [ETH0]) == ({ETH0: [near, wide]}, ["198.51.100.0/24"])


def test_a_probe_tells_no_address_of_its_sender() -> None:
    frame = make_probe(OWN, IPv4Address("192.0.2.21"))
    assert frame.hex(" ", -2) == (
        "ffff ffff ffff 0200 0000 000a 0806 0001 0800 0604 0001 0200 0000 000a 0000 0000 0000 0000 0000 c000 0215"
    )


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (REPLY, ("192.0.2.21", OTHER)),
        # Padded to the least length of Ethernet.
        (REPLY + bytes(18), ("192.0.2.21", OTHER)),
        # A request of whoever has an address tells of it as well, and a probe of whoever is about to take it.
        (REPLY.replace(b"\x00\x02\x02", b"\x00\x01\x02", 1), ("192.0.2.21", OTHER)),
        (make_probe(OTHER, IPv4Address("192.0.2.21")), ("192.0.2.21", OTHER)),
        (REPLY[:-1], None),
        (REPLY.replace(b"\x08\x06", b"\x08\x00", 1), None),
        (REPLY.replace(bytes([192, 0, 2, 21]), bytes(4)), None),
        (REPLY.replace(b"\x06\x04\x00\x02", b"\x06\x04\x00\x08"), None),
    ],
)
def test_what_a_frame_tells(frame: bytes, told: tuple[str, str] | None) -> None:
    assert read_frame(frame) == told


def test_an_address_is_refused_unless_the_host_itself_has_it() -> None:
    claims = [claim(f"192.0.2.{last}/24", host, mac) for last, host, mac in ((21, "a", OTHER), (22, "b", THIRD))]
    heard = [("192.0.2.21", OTHER), ("192.0.2.22", OTHER), ("192.0.2.99", OTHER)]
    (found,) = find_conflicts(ETH0, claims, heard, {OTHER: "a", THIRD: "b"}, "deploy-1")
    assert found == Conflict("b", "192.0.2.22", "eth0", OTHER, "a")
    assert str(found) == f"192.0.2.22 is to be an address of b, and a ({OTHER}) has it on eth0"


def test_who_has_it_is_told_by_its_mac_where_nobody_knows_it() -> None:
    (found,) = find_conflicts(ETH0, [claim("192.0.2.21/24")], [("192.0.2.21", THIRD)], {}, "deploy-1")
    assert f"the machine with the MAC {THIRD} has it" in str(found)


def test_the_own_address_is_nobody_elses() -> None:
    (found,) = find_conflicts(ETH0, [claim("192.0.2.10/24")], [], {}, "deploy-1")
    assert (found.owner, found.mac) == ("deploy-1", OWN)
