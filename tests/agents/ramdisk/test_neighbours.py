# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The switches that a new machine hears: announcements taken apart, and heard from a real network of the kernel."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import accentos_ramdisk
import pytest
from accentos_ramdisk import neighbours
from accentos_ramdisk.inventory import carriers, with_neighbours
from accentos_ramdisk.neighbours import collect, listen, parse_announcement

SENDER = Path(__file__).parents[3] / "molecule/shared/files/rack/announce.py"
HEADER = 14


def load() -> ModuleType:
    """Return the sender of the lab's rack, which makes announcements."""
    spec = importlib.util.spec_from_file_location("announce", SENDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


announce = load()
MAC = bytes.fromhex("001c73000001")
FRAME: bytes = announce.announcement(MAC, "leaf-1", "Ethernet7")[HEADER:]
# lldpd 1.0.18 of Debian 13 at one end of a wire, with "-S switch of lldpd".
LLDPD = bytes.fromhex(
    "0207041a9493f330030407031a9493f33003060200780a02766d0c0f737769746368206f66206c6c6470640e04009c010010181102fe80000000"
    "000000189493fffef330030200000002000805706f727430fe0900120f030100000000fe0900120f0100000000360000"
)
LEAF = {"switch": "leaf-1", "switch_id": "00:1c:73:00:00:01", "port": "Ethernet7", "port_description": "to Ethernet7"}


def made(*parts: tuple[int, bytes]) -> bytes:
    """Return an announcement of these parts."""
    return b"".join(announce.part(kind, value) for kind, value in parts)


def test_an_announcement_is_understood() -> None:
    assert parse_announcement(FRAME) == LEAF
    assert parse_announcement(LLDPD) == {
        "switch": "vm",
        "switch_id": "1a:94:93:f3:30:03",
        "port": "1a:94:93:f3:30:03",
        "port_description": "port0",
    }
    # What follows its end is padding, and unknown parts are none of our business.
    assert parse_announcement(FRAME + b"\xff" * 9) == LEAF
    assert parse_announcement(made((1, b"\x04" + MAC), (2, b"\x05x"), (3, b"\0\x78"), (127, b"\0\x12\x0f\1"))) == {
        "switch": "",
        "switch_id": "00:1c:73:00:00:01",
        "port": "x",
        "port_description": "",
    }


@pytest.mark.parametrize(
    ("chassis", "port", "wanted"),
    [
        (b"\x04" + MAC, b"\x03" + MAC, ("00:1c:73:00:00:01", "00:1c:73:00:00:01")),
        (b"\x05\x01\x0a\x00\x00\x01", b"\x04\x02" + bytes(15) + b"\x01", ("10.0.0.1", "::1")),
        (b"\x05\x01\x0a\x00", b"\x04\x07ab", ("01:0a:00", "07:61:62")),
        # The numbers of the two kinds differ: 3 is text for a switch, 5 is text for a port.
        (b"\x03chassis", b"\x05ge-0/0/1", ("chassis", "ge-0/0/1")),
        (b"\x07leaf\xff\0", b"\x07 7 ", ("leaf\ufffd", "7")),
    ],
)
def test_names_that_are_no_text(chassis: bytes, port: bytes, wanted: tuple[str, str]) -> None:
    found = parse_announcement(made((1, chassis), (2, port), (3, b"\0\x78")))
    assert found is not None
    assert (found["switch_id"], found["port"]) == wanted


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"\x02",
        made((2, b"\x05x"), (1, b"\x04" + MAC), (3, b"\0\x78")),
        made((1, b"\x04" + MAC), (2, b"\x05x")),
        made((1, b"\x04"), (2, b"\x05x"), (3, b"\0\x78")),
        # The port is taken out of service.
        made((1, b"\x04" + MAC), (2, b"\x05x"), (3, b"\0\0")),
    ],
)
def test_what_breaks_the_standard_is_no_neighbour(odd: bytes) -> None:
    assert parse_announcement(odd) is None


def test_a_part_that_is_cut_off_is_no_neighbour() -> None:
    # The three parts that must be there end at byte 25, the description at 39, the name at 47.
    understood = [length for length in range(len(FRAME)) if parse_announcement(FRAME[:length])]
    assert understood == [25, 26, 39, 40, 47, 48]


class Wire:
    """Gives announcements, and ends the wait when there are no more; time passes with each."""

    def __init__(self, *heard: tuple[str, int, bytes]) -> None:
        self.heard: Iterator[tuple[str, int, bytes]] = iter(heard)
        self.now = 0.0

    def settimeout(self, value: float | None, /) -> None:
        assert value is not None
        assert value > 0

    def recvfrom(self, _size: int, /) -> tuple[bytes, tuple[object, ...]]:
        self.now += 1
        for card, kind, content in self.heard:
            return content, (card, 0x88CC, kind, 1, MAC)
        raise TimeoutError

    def collect(self, cards: dict[str, bool], seconds: float = 35.0) -> dict[str, dict[str, str]]:
        return collect(self, cards, seconds, lambda: self.now)


def test_nobody_is_waited_for_once_all_cards_with_a_carrier_have_a_neighbour() -> None:
    other: bytes = announce.announcement(MAC, "leaf-2", "Ethernet9")[HEADER:]
    wire = Wire(("lo", 2, FRAME), ("eth0", 4, other), ("eth0", 2, FRAME), ("eth0", 2, other), ("eth1", 2, b"x"))
    assert wire.collect({"eth0": True, "eth1": False}) == {"eth0": LEAF}
    assert wire.now == 3
    # A card that came up meanwhile counts, too, and one that hears nothing is waited for until the end.
    wire = Wire(("eth1", 2, FRAME))
    assert wire.collect({"eth0": True, "eth1": False}) == {"eth1": LEAF}
    noise = [("eth0", 2, b"x")] * 99
    wire = Wire(*noise)
    assert wire.collect({"eth0": True}, 5) == {}
    assert wire.now == 5


def test_a_kernel_without_it_is_no_hindrance(caplog: pytest.LogCaptureFixture) -> None:
    assert listen({}) == listen({"eth0": False}) == {}
    assert caplog.text == ""
    assert listen({"no-such-card": True}, 5) == {}
    assert "the switches are not heard" in caplog.text


def test_the_inventory_shows_them() -> None:
    inventory = {"version": 1, "cards": [{"name": "eth0", "carrier": True}, {"name": "eth1", "carrier": False}]}
    assert carriers(inventory) == {"eth0": True, "eth1": False}
    assert with_neighbours(inventory, {"eth0": LEAF})["cards"] == [
        {"name": "eth0", "carrier": True, "lldp": LEAF},
        {"name": "eth1", "carrier": False, "lldp": None},
    ]


# A machine in a bridge, as in the lab's rack; and one at the other end of a wire.
NETWORK = """
ip link set lo up
ip link add br0 type bridge forward_delay 0
ip link add card0 type veth peer name port0
ip link set port0 master br0 up
ip link set br0 up
ip link set card0 up
ip link add card1 type veth peer name port1
ip link set port1 up
ip link set card1 up
"$PYTHON" "$SENDER" br0 rack-1 br0 9 &
"$PYTHON" "$SENDER" port1 leaf-1 Ethernet7 9 &
"$PYTHON" -c 'import json, sys
from accentos_ramdisk.neighbours import listen
print(json.dumps(listen({"card0": True, "card1": True}, 8)))'
kill %1 %2
"""


def test_announcements_are_heard_through_a_bridge_and_over_a_wire() -> None:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    agents = str(Path(accentos_ramdisk.__file__).parents[1])
    done = subprocess.run(
        ["unshare", *user, "--net", "bash", "-euc", NETWORK],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHON": sys.executable,
            "PYTHONPATH": agents,
            "SENDER": str(SENDER),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout)
    assert (heard["card0"]["switch"], heard["card0"]["port"]) == ("rack-1", "br0")
    assert (heard["card1"]["switch"], heard["card1"]["port"]) == ("leaf-1", "Ethernet7")
    assert neighbours.LISTENING > 30
