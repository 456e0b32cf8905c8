# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which port of which switch each network card is connected to, heard from the announcements of the switches.

They send them by LLDP (IEEE 802.1AB), every 30 s as a rule. Nothing is sent here. The agent listens itself: Debian's
lldpd needs the libraries of SNMP, XML and Perl, which would make each ramdisk 9 % larger for what only strangers ask.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

log = logging.getLogger(__name__)

# Seconds: the pause between announcements, and some more since it is varied and ports need a moment to come up.
LISTENING = 35.0
_PROTOCOL = 0x88CC
# Next hop, next bridge that is not a relay of two ports, next bridge of the customer.
_GROUPS = (b"\x01\x80\xc2\x00\x00\x0e", b"\x01\x80\xc2\x00\x00\x03", b"\x01\x80\xc2\x00\x00\x00")
# <linux/if_packet.h>; the socket module does not name them.
_SOL_PACKET, _ADD_MEMBERSHIP, _MULTICAST, _OUTGOING = 263, 1, 0, 4
_LONGEST_FRAME = 9216
_END, _CHASSIS, _PORT, _LIFETIME, _PORT_DESCRIPTION, _SYSTEM_NAME = 0, 1, 2, 3, 4, 5
# Subtypes of the two names that are no text, see tables 8-2 and 8-3 of the standard.
_MACS, _ADDRESSES = {_CHASSIS: 4, _PORT: 3}, {_CHASSIS: 5, _PORT: 4}
_FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}


class Receiver(Protocol):
    """What is needed of a socket; see socket.socket."""

    def settimeout(self, value: float | None, /) -> None:
        """Let recvfrom raise TimeoutError after VALUE seconds."""

    def recvfrom(self, bufsize: int, /) -> tuple[bytes, tuple[object, ...]]:
        """Return an announcement, and where it came from: card, protocol, kind and so on."""


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Give kind and value of each part of an announcement. Raises ValueError where it is cut off."""
    place = 0
    while place + 2 <= len(content):
        (head,) = struct.unpack_from("!H", content, place)
        kind, length = head >> 9, head & 0x1FF
        place += 2
        if place + length > len(content):
            raise ValueError("a part is cut off")
        if kind == _END:
            return
        yield kind, content[place : place + length]
        place += length


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace").strip()


def _name(kind: int, value: bytes) -> str:
    """Return the name of a switch or a port as a person reads it."""
    if len(value) < 2:  # noqa: PLR2004  a subtype and at least one byte
        raise ValueError("a name is empty")
    subtype, rest = value[0], value[1:]
    if subtype == _MACS[kind]:
        return rest.hex(":")
    if subtype == _ADDRESSES[kind]:
        family, length = _FAMILIES.get(rest[0], (None, 0))
        return socket.inet_ntop(family, rest[1:]) if family and len(rest) == 1 + length else rest.hex(":")
    return _text(rest)


def parse_announcement(content: bytes) -> dict[str, str] | None:
    """Return switch, switch_id, port and port_description of what follows the Ethernet header of an announcement.

    None for what breaks the standard, and for the last one of a port that says goodbye.
    """
    try:
        parts = list(_parts(content))
        if [kind for kind, _value in parts[:3]] != [_CHASSIS, _PORT, _LIFETIME]:
            return None
        if parts[2][1][:2] == b"\0\0":
            return None
        found = dict(reversed(parts))
        return {
            "switch": _text(found.get(_SYSTEM_NAME, b"")),
            "switch_id": _name(_CHASSIS, found[_CHASSIS]),
            "port": _name(_PORT, found[_PORT]),
            "port_description": _text(found.get(_PORT_DESCRIPTION, b"")),
        }
    except ValueError:
        return None


def open_receiver(cards: Collection[str]) -> socket.socket:
    """Return a socket that gets the announcements which CARDS receive. Raises OSError."""
    receiver = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_PROTOCOL))
    try:
        for card in cards:
            for group in _GROUPS:
                wanted = struct.pack("=iHH8s", socket.if_nametoindex(card), _MULTICAST, len(group), group)
                receiver.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, wanted)
    except OSError:
        receiver.close()
        raise
    return receiver


def collect(
    receiver: Receiver, cards: Mapping[str, bool], seconds: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, dict[str, str]]:
    """Return the first neighbour of each of CARDS that RECEIVER hears of within SECONDS.

    CARDS says of each whether it has a carrier; when all that have one have a neighbour, the wait is over.
    """
    found: dict[str, dict[str, str]] = {}
    end = clock() + seconds
    while not {card for card, carrier in cards.items() if carrier} <= found.keys() and (left := end - clock()) > 0:
        receiver.settimeout(left)
        try:
            content, source = receiver.recvfrom(_LONGEST_FRAME)
        except TimeoutError:
            break
        card, kind = str(source[0]), source[2]
        neighbour = parse_announcement(content) if card in cards and kind != _OUTGOING else None
        if neighbour and card not in found:
            found[card] = neighbour
            switch = neighbour["switch"] or neighbour["switch_id"]
            log.info("%s is connected to %s, port %s", card, switch, neighbour["port"])
    return found


def listen(cards: Mapping[str, bool], seconds: float = LISTENING) -> dict[str, dict[str, str]]:
    """Return the neighbours of CARDS, see collect. Without any that has a carrier nobody is waited for."""
    if not any(cards.values()):
        return {}
    log.info("listening for the switches of %s, for %.0f s at most", ", ".join(sorted(cards)), seconds)
    try:
        with open_receiver(cards) as receiver:
            return collect(receiver, cards, seconds)
    except OSError as error:
        # What a machine is made of is worth knowing without its switch, too.
        log.warning("the switches are not heard: %s", error)
        return {}
