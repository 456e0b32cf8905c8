# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Announces, as a switch does by LLDP, who is at the other end of a wire: announce.py INTERFACE SWITCH PORT [TIMES].

INTERFACE may be a bridge. What one of its ports receives for the group of LLDP a bridge keeps to itself, but what its
own host sends it gives to all ports, so each machine in it hears the announcement. One is sent each second, 600 TIMES.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

GROUP = bytes.fromhex("0180c200000e")
PROTOCOL = 0x88CC
LIFETIME = 120


def part(kind: int, value: bytes) -> bytes:
    """Return a part of an announcement, as IEEE 802.1AB wants it."""
    return struct.pack("!H", kind << 9 | len(value)) + value


def announcement(address: bytes, switch: str, port: str, lifetime: int = LIFETIME) -> bytes:
    """Return the announcement of PORT of SWITCH, whose MAC is ADDRESS, as a whole Ethernet frame."""
    parts = [
        part(1, b"\x04" + address),
        part(2, b"\x05" + port.encode()),
        part(3, struct.pack("!H", lifetime)),
        part(4, f"to {port}".encode()),
        part(5, switch.encode()),
        part(0, b""),
    ]
    return GROUP + address + struct.pack("!H", PROTOCOL) + b"".join(parts)


def main(interface: str, switch: str, port: str, times: str = "600") -> None:
    """Send the announcements. Raises OSError."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        frame = announcement(wire.getsockname()[4], switch, port)
        for _time in range(int(times)):
            wire.send(frame)
            time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
