# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Doors and who knocks at them.

doors.py open DOOR ... serves until killed; doors.py knock DOOR ADDRESS tells whether it opens. A DOOR is
tcp/443 or udp/623. Nobody answers for a second, or a refusal, is shut.
"""

from __future__ import annotations

import selectors
import socket
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def serve(doors: list[str]) -> None:
    """Answer whoever comes to one of DOORS."""
    waiting = selectors.DefaultSelector()
    for door in doors:
        kind, port = door.split("/")
        made = socket.socket(socket.AF_INET, KINDS[kind])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", int(port)))
        if kind == "tcp":
            made.listen()
        waiting.register(made, selectors.EVENT_READ, kind)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _events in waiting.select():
            one = key.fileobj
            assert isinstance(one, socket.socket)
            if key.data == "tcp":
                one.accept()[0].close()
            else:
                data, sender = one.recvfrom(100)
                one.sendto(data, sender)


def knock(door: str, address: str) -> bool:
    """Tell whether DOOR at ADDRESS opens."""
    kind, port = door.split("/")
    with socket.socket(socket.AF_INET, KINDS[kind]) as one:
        one.settimeout(1)
        try:
            one.connect((address, int(port)))
            if kind == "udp":
                one.send(b"?")
                one.recv(100)
        except OSError:
            return False
        return True


if __name__ == "__main__":
    if sys.argv[1] == "open":
        serve(sys.argv[2:])
    sys.stdout.write("open\n" if knock(*sys.argv[2:]) else "shut\n")
