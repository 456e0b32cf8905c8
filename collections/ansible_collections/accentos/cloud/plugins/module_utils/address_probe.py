# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a network by ARP who has addresses that are about to be given away (RFC 5227). Only ``probe`` does I/O."""

from __future__ import annotations

import ipaddress
import random
import select
import socket
import struct
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ETHERTYPE = 0x0806
_BROADCAST = b"\xff" * 6
# Ethernet header, then hardware and protocol with their lengths, the operation, and sender and target of ARP (RFC 826).
_FRAME = struct.Struct("!6s6sH HHBBH 6s4s6s4s")
_KIND = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
_NOBODY = bytes(4)
# Seconds at which each address is asked for; the last one is followed by as long a wait as there is between them. RFC
# 5227 has 1 to 2 s between probes, for hosts that come up together; here who has an address is up already.
ROUNDS = (0.0, 0.7, 1.4)
_END = 2.1
# Frames in one go, and seconds until the next go: a switch shall not take the probes of a thousand hosts for a storm.
_BURST, _PAUSE = 64, 0.01


@dataclass(frozen=True)
class Claim:
    """An address with its prefix length, the host that is to have it, and the MACs of that host."""

    host: str
    address: ipaddress.IPv4Interface
    macs: frozenset[str]


@dataclass(frozen=True)
class Interface:
    """A network interface of this host with its MAC and its addresses."""

    name: str
    mac: str
    addresses: tuple[ipaddress.IPv4Interface, ...]


@dataclass(frozen=True)
class Conflict:
    """An address that HOST is to have and MAC has; OWNER is who that is, if it is known."""

    host: str
    address: str
    interface: str
    mac: str
    owner: str | None

    def __str__(self) -> str:
        who = f"{self.owner} ({self.mac})" if self.owner else f"the machine with the MAC {self.mac}"
        return f"{self.address} is to be an address of {self.host}, and {who} has it on {self.interface}"


def read_interfaces(rows: Iterable[Mapping[str, Any]]) -> list[Interface]:
    """Return the Ethernet interfaces with addresses of IPv4 in what ``ip -json address`` printed."""
    found = []
    for row in rows:
        addresses = tuple(
            ipaddress.IPv4Interface(f"{one['local']}/{one['prefixlen']}")
            for one in row.get("addr_info", ())
            if one.get("family") == "inet" and one.get("local")
        )
        if row.get("link_type") == "ether" and addresses:
            found.append(Interface(row["ifname"], row["address"].lower(), addresses))
    return found


def plan_probes(
    claims: Iterable[Claim], interfaces: Iterable[Interface]
) -> tuple[dict[Interface, list[Claim]], list[str]]:
    """Return the claims by the interface that is in their network, and the networks that no interface is in."""
    places = [(address.network, interface) for interface in interfaces for address in interface.addresses]
    planned: dict[Interface, list[Claim]] = {}
    away = set()
    for claim in claims:
        place = next((interface for network, interface in places if claim.address.ip in network), None)
        if place is None:
            away.add(claim.address.network)
        else:
            planned.setdefault(place, []).append(claim)
    return planned, [str(network) for network in sorted(away)]


def make_probe(mac: str, address: ipaddress.IPv4Address) -> bytes:
    """Return the frame of a probe: a request without an address of the sender, which changes no table of neighbours."""
    own = _raw(mac)
    head = (_BROADCAST, own, _ETHERTYPE, *_KIND, _REQUEST)
    return _FRAME.pack(*head, own, _NOBODY, bytes(6), address.packed)


def read_frame(frame: bytes) -> tuple[str, str] | None:
    """Return address and MAC of whoever has an address or is about to take it, by a FRAME of ARP, or None."""
    if len(frame) < _FRAME.size:
        return None
    _to, _by, ethertype, *kind, operation, sender, has, _target, wants = _FRAME.unpack_from(frame)
    if ethertype != _ETHERTYPE or tuple(kind) != _KIND or operation not in (_REQUEST, _REPLY):
        return None
    if has == _NOBODY:
        # A probe of somebody else: both would take it (RFC 5227, 2.1.1).
        has = wants if operation == _REQUEST else _NOBODY
    return None if has == _NOBODY else (str(ipaddress.IPv4Address(has)), sender.hex(":"))


def find_conflicts(
    interface: Interface,
    claims: Iterable[Claim],
    heard: Iterable[tuple[str, str]],
    owners: Mapping[str, str],
    own_name: str,
    restarted: Collection[str] = (),
) -> list[Conflict]:
    """Return the claims to addresses that others have.

    :param heard: address and MAC of each answer. This host does not answer itself, and counts by its INTERFACE.
    :param owners: MAC to the name of the host that has it. OWN_NAME: that of this host.
    :param restarted: MACs of machines that lose the addresses that they have now.
    """
    known = {**owners, interface.mac: own_name}
    leaving = frozenset(restarted)
    answers: dict[str, set[str]] = {}
    for address, mac in [*heard, *((str(one.ip), interface.mac) for one in interface.addresses)]:
        answers.setdefault(address, set()).add(mac)
    return [
        Conflict(claim.host, str(claim.address.ip), interface.name, mac, known.get(mac))
        for claim in claims
        for mac in sorted(answers.get(str(claim.address.ip), set()) - claim.macs - leaving)
    ]


def probe(asked: Mapping[Interface, Sequence[ipaddress.IPv4Address]]) -> dict[Interface, set[tuple[str, str]]]:
    """Ask on each interface for its addresses, on all at the same time; return address and MAC of the answers.

    It takes 2.1 s, and more than that only from 4000 addresses on. Raises OSError; PermissionError without CAP_NET_RAW.
    """
    sockets: dict[socket.socket, Interface] = {}
    try:
        for interface in asked:
            # Made for no protocol: until it is bound to the interface it would hear all of them.
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sockets[made] = interface
            made.bind((interface.name, _ETHERTYPE))
        frames = [
            (one, make_probe(interface.mac, address))
            for one, interface in sockets.items()
            for address in asked[interface]
        ]
        return _exchange(sockets, frames)
    finally:
        for one in sockets:
            one.close()


def _exchange(
    sockets: Mapping[socket.socket, Interface], frames: Sequence[tuple[socket.socket, bytes]]
) -> dict[Interface, set[tuple[str, str]]]:
    heard: dict[Interface, set[tuple[str, str]]] = {interface: set() for interface in sockets.values()}
    started = time.monotonic()
    for begin, end in zip(ROUNDS, (*ROUNDS[1:], _END), strict=True):
        _listen(sockets, heard, started + begin)
        mixed = random.sample(frames, len(frames))
        for first in range(0, len(mixed), _BURST):
            for one, frame in mixed[first : first + _BURST]:
                one.send(frame)
            _listen(sockets, heard, time.monotonic() + _PAUSE)
        _listen(sockets, heard, started + end)
    return heard


def _listen(
    sockets: Mapping[socket.socket, Interface], heard: Mapping[Interface, set[tuple[str, str]]], until: float
) -> None:
    """Add to HEARD what comes in UNTIL then, by the monotonic clock."""
    while (left := until - time.monotonic()) > 0:
        for one in select.select(list(sockets), [], [], left)[0]:
            frame, (_name, _protocol, kind, *_rest) = one.recvfrom(_FRAME.size)
            # What is for others is of a VLAN that ends nowhere here; what goes out are the own probes.
            told = read_frame(frame) if kind in (socket.PACKET_HOST, socket.PACKET_BROADCAST) else None
            if told is not None:
                heard[sockets[one]].add(told)


def _raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
