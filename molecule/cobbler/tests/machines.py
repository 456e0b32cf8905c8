# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A machine that boots from its network, as far as that is a matter of DHCP, TFTP and HTTP. Runs on a lab host.

It speaks the real protocols over sockets, so it can be any machine: any MAC, any architecture, firmware or iPXE.
Standard library only, since it is sent to the host over standard input.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import urllib.error
import urllib.request
from collections.abc import Callable

_COOKIE = b"\x63\x82\x53\x63"
_BROADCAST = 0x8000
_DISCOVER, _OFFER = 1, 2


def dhcp_offer(interface: str, mac: str, arch: int, ipxe: bool = False, vendor: str = "PXEClient") -> dict[str, object]:
    """Ask for an address as the machine MAC of an architecture (RFC 4578); return what the server offers."""
    xid = os.urandom(4)
    hardware = bytes.fromhex(mac.replace(":", "")) + bytes(10)
    header = struct.pack("!BBBB4sHH16s16s", 1, 1, 6, 0, xid, 0, _BROADCAST, bytes(16), hardware) + bytes(192)
    options = bytes([53, 1, _DISCOVER]) + bytes([60, len(vendor)]) + vendor.encode()
    options += bytes([93, 2]) + struct.pack("!H", arch) + bytes([55, 6, 1, 3, 6, 12, 66, 67])
    # iPXE says what it can do in option 175.
    options += bytes([175, 3, 19, 1, 1]) if ipxe else b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        client.bind(("", 68))
        client.settimeout(6)
        client.sendto(header + _COOKIE + options + b"\xff", ("255.255.255.255", 67))
        while True:
            answer = client.recv(4096)
            if answer[4:8] == xid:
                break
    found: dict[int, bytes] = {}
    at = 240
    while at < len(answer) and answer[at] != 255:
        if answer[at] == 0:
            at += 1
            continue
        length = answer[at + 1]
        found[answer[at]] = answer[at + 2 : at + 2 + length]
        at += 2 + length
    return {
        "offer": found[53] == bytes([_OFFER]),
        "address": socket.inet_ntoa(answer[16:20]),
        "next_server": socket.inet_ntoa(answer[20:24]),
        "file": (found.get(67) or answer[108:236]).split(b"\0")[0].decode(),
        "host_name": found.get(12, b"").decode(),
        "vendor": found.get(60, b"").decode(),
        "dns": [socket.inet_ntoa(found[6][i : i + 4]) for i in range(0, len(found.get(6, b"")), 4)],
    }


def tftp_get(server: str, name: str) -> bytes:
    """Fetch a file by TFTP (RFC 1350) in blocks of 512 bytes."""
    content, expected = b"", 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"\x00\x01" + name.encode() + b"\0octet\0", (server, 69))
        while True:
            block, peer = client.recvfrom(4 + 512)
            code, number = struct.unpack("!HH", block[:4])
            if code != 3:
                raise OSError(block[4:].decode(errors="replace"))
            if number == expected & 0xFFFF:
                content += block[4:]
                expected += 1
            client.sendto(struct.pack("!HH", 4, number), peer)
            if len(block) < 4 + 512:
                return content


def http(url: str, data: str | None = None) -> dict[str, object]:
    """Fetch a URL, or post DATA to it; return status and text. The system's own authorities are trusted."""
    request = urllib.request.Request(url, data=data.encode() if data is not None else None)  # noqa: S310 - the tests' own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the tests' own
            return {"status": answer.status, "text": answer.read().decode("latin-1")}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "text": error.read().decode("latin-1")}
    except OSError as error:
        return {"status": 0, "text": str(error)}


def main() -> None:
    """Answer one question, JSON in the first argument, with JSON."""
    question = json.loads(sys.argv[1])
    verbs: dict[str, Callable[..., object]] = {"dhcp": dhcp_offer, "http": http, "tftp": tftp_get}
    answer = verbs[question.pop("verb")](**question)
    sys.stdout.write(json.dumps(answer.hex() if isinstance(answer, bytes) else answer))


if __name__ == "__main__":
    main()
