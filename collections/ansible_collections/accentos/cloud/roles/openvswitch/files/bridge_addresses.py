# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moves the addresses and routes of network devices to the bridges that the devices are ports of.

Runs whenever the switch starts. The bridge gets an address before the device loses it. What was moved is noted, since
the bridge of a userspace datapath goes with the switch, and only the note then knows what stood on it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DEVICES = Path("/sys/class/net")
_IP = "/usr/sbin/ip"
_WAIT = 30.0
_PAUSE = 0.1
# Keys of a route as ip prints it, and the words that ip takes.
_ROUTE_WORDS = (("gateway", "via"), ("prefsrc", "src"), ("metric", "metric"))


class AddressError(Exception):
    """The addresses cannot be moved; the text says why."""


@dataclass(frozen=True)
class Note:
    """Addresses with their prefix, and routes as arguments of ``ip route``, that belong to one bridge."""

    addresses: tuple[str, ...] = ()
    routes: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Note:
        """Read a note from what ``to_json`` made."""
        return cls(tuple(value["addresses"]), tuple(tuple(route) for route in value["routes"]))

    def to_json(self) -> dict[str, Any]:
        """Return the note for a file."""
        return {"addresses": list(self.addresses), "routes": [list(route) for route in self.routes]}


def unique(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return values in their order, each once."""
    return tuple(dict.fromkeys(values))


def addresses_of(device: str, links: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the global addresses of a device from what ``ip -json address`` prints."""
    return tuple(
        f"{address['local']}/{address['prefixlen']}"
        for link in links
        if link.get("ifname") == device
        for address in link.get("addr_info", ())
        if address.get("scope") == "global"
    )


def routes_of(device: str, routes: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """Return the routes over a device from what ``ip -json route`` prints, without those that an address brings."""
    return tuple(
        (route["dst"], *(word for key, name in _ROUTE_WORDS if key in route for word in (name, str(route[key]))))
        for route in routes
        if route.get("dev") == device and route.get("protocol") not in ("kernel", "ra")
    )


def plan(bridge: str, interface: str, wanted: Note, on_bridge: Note, on_interface: Note) -> list[list[str]]:
    """Return the calls of ``ip`` after which the bridge has all and the interface nothing."""
    missing = [address for address in wanted.addresses if address not in on_bridge.addresses]
    calls = [["address", "replace", address, "dev", bridge] for address in missing]
    calls.append(["link", "set", "dev", bridge, "up"])
    calls += [["route", "replace", *route, "dev", bridge] for route in wanted.routes if route not in on_bridge.routes]
    calls += [["address", "delete", address, "dev", interface] for address in on_interface.addresses]
    return calls


def what_belongs(configured: Sequence[str], on_bridge: Note, on_interface: Note, noted: Note) -> Note:
    """Return what belongs on a bridge. The note counts only for a bridge that is empty, as after a restart."""
    found = (on_bridge, on_interface) if on_bridge.addresses or on_interface.addresses else (noted,)
    return Note(
        unique([*configured, *(address for note in found for address in note.addresses)]),
        unique(route for note in (*found, noted) for route in note.routes),
    )


def ip(arguments: Sequence[str]) -> str:
    """Run ``ip`` and return what it prints. Raises AddressError."""
    done = subprocess.run([_IP, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - root's settings
    if done.returncode != 0:
        raise AddressError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def observed(device: str) -> Note:
    """Return what a device has now. Raises AddressError."""
    links = json.loads(ip(["-json", "address", "show"]))
    routes = [route for family in ("-4", "-6") for route in json.loads(ip(["-json", family, "route", "show"]) or "[]")]
    return Note(addresses_of(device, links), routes_of(device, routes))


def wait_for(device: str) -> None:
    """Wait until the switch made a device. Raises AddressError."""
    end = time.monotonic() + _WAIT
    while not (_DEVICES / device).exists():
        if time.monotonic() > end:
            raise AddressError(f"Open vSwitch has made no device {device} within {_WAIT:.0f} s: see ovs-vsctl show")
        time.sleep(_PAUSE)


def move(settings: Mapping[str, Any], notes: Path) -> None:
    """Move the addresses of all bridges in ``settings``; ``notes`` is a file. Raises AddressError and OSError."""
    known = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    for entry in settings["bridges"]:
        bridge, interface = entry["bridge"], entry["interface"]
        wait_for(bridge)
        on_bridge, on_interface = observed(bridge), observed(interface)
        noted = Note.from_json(known[bridge]) if bridge in known else Note()
        wanted = what_belongs(entry["addresses"], on_bridge, on_interface, noted)
        known[bridge] = wanted.to_json()
        # Noted before anything is taken away, and in one step.
        new = notes.with_suffix(".new")
        new.write_text(json.dumps(known), encoding="utf-8")
        new.rename(notes)
        for call in plan(bridge, interface, wanted, on_bridge, on_interface):
            ip(call)


def main() -> None:
    """Read settings and notes from the paths in the arguments, and move."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        move(settings, Path(sys.argv[2]))
    except AddressError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
