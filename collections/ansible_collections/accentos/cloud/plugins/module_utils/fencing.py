# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides how a lost host is proved dead, by which ways in which order. Nothing here touches a host.

That a host is silent, that a controller does not answer and that time has passed prove nothing. A host is dead when its
power is seen to be off, or when a watchdog that the site calls armed must have fired; it is isolated when Ceph lets it
write no more; and it is unknown in every other case, which is a failure.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

BMC, PDU, WATCHDOG, BLOCKLIST, OPERATOR = "bmc", "pdu", "watchdog", "blocklist", "operator"
# In the order in which they are tried: what is proved at once and wholly comes first.
WAYS = (BMC, PDU, WATCHDOG, BLOCKLIST)
POWER_WAYS = frozenset({BMC, PDU})
DEAD, ISOLATED, UNKNOWN = "dead", "isolated", "unknown"

_ENTRY = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+)):0/0\s+(?P<until>\S+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Watchdog:
    """A watchdog that resets its host at the latest TIMEOUT seconds after the host was cut off, if it is ARMED."""

    armed: bool
    timeout: float
    margin: float = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """A lost host: how its power can be switched, and since when it has been SILENT_FOR seconds.

    CLIENTS are its addresses as a client of Ceph; ADDRESS is where it would answer if it were alive.
    """

    name: str
    address: str | None = None
    has_bmc: bool = False
    has_pdu: bool = False
    watchdog: Watchdog | None = None
    clients: Sequence[str] = ()
    silent_for: float = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of all hosts. CEPH tells whether a cluster was named. FORCED are fenced although they answer."""

    ways: Sequence[str] = WAYS
    ceph: bool = False
    max_hosts: int = 1
    expect_silent: bool = True
    confirmed: Collection[str] = ()
    forced: Collection[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A way, and what the host or the order lacks for it; nothing if it can be tried."""

    way: str
    lack: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a way: whether it PROVED something, and otherwise why not."""

    way: str
    proved: bool
    seconds: float = 0
    reason: str = ""

    def told(self) -> dict[str, Any]:
        """Return what people see of it."""
        return {**dataclasses.asdict(self), "seconds": round(self.seconds, 1)}


def refusals(machines: Sequence[Machine], order: Order) -> list[str]:
    """Return why nothing is begun at all, a sentence each."""
    told = []
    names = [machine.name for machine in machines]
    if len(names) > order.max_hosts:
        told.append(
            f"{len(names)} hosts are to be fenced at once and max_hosts is {order.max_hosts}. If so many are lost, it "
            "may be this host that is cut off."
        )
    told += [f"{name} is named twice." for name in dict.fromkeys(names) if names.count(name) > 1]
    for option, listed in (("confirmed_dead", order.confirmed), ("fence_alive", order.forced)):
        told += [f"{option} names {name}, which is none of the machines." for name in listed if name not in names]
    for machine in machines:
        told += [f"{machine.name}: {words}" for words in _mistakes(machine, order)]
    return told


def _mistakes(machine: Machine, order: Order) -> Iterable[str]:
    if order.expect_silent and not machine.address:
        yield "it has no address to ask for a sign of life; give it one, or set expect_silent to false."
    if machine.silent_for < 0:
        yield f"silent_for is {machine.silent_for:g}, a time to come."
    if machine.watchdog and (machine.watchdog.timeout <= 0 or machine.watchdog.margin < 0):
        yield "the time-out of a watchdog is above 0, and its margin 0 or more."
    for address in machine.clients:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield f"{address!r} in ceph_addresses is no IP address."


def plan(machine: Machine, order: Order) -> list[Step]:
    """Return the ways of a host in their order, those that cannot be tried too.

    The word of the operator takes the place of what is waited for and of what does not prove death. Power is still
    tried, since an operator may have looked at the wrong machine.
    """
    confirmed = machine.name in order.confirmed
    steps = [
        Step(way, _lack(machine, way, order)) for way in dict.fromkeys(order.ways) if way in POWER_WAYS or not confirmed
    ]
    return [*steps, Step(OPERATOR)] if confirmed else steps


def _lack(machine: Machine, way: str, order: Order) -> str:
    match way:
        case "bmc":
            return "" if machine.has_bmc else "no management controller is described"
        case "pdu":
            return "" if machine.has_pdu else "no outlets of power distribution units are described"
        case "watchdog":
            if machine.watchdog is None:
                return "no watchdog is described"
            return "" if machine.watchdog.armed else "nobody says that the watchdog is armed"
        case _:
            if not order.ceph:
                return "no Ceph cluster is named"
            return "" if machine.clients else "no address of the host as a client of Ceph is named"


def next_way(steps: Sequence[Step], attempts: Sequence[Attempt]) -> str | None:
    """Return the way to try now; None when one has proved something or none is left."""
    if any(attempt.proved for attempt in attempts):
        return None
    tried = {attempt.way for attempt in attempts}
    return next((step.way for step in steps if not step.lack and step.way not in tried), None)


def seconds_to_wait(watchdog: Watchdog, silent_for: float) -> float:
    """Return how long the watchdog of a host may still take that has been silent for some seconds."""
    return max(0.0, watchdog.timeout + watchdog.margin - silent_for)


def verdict(machine: Machine, steps: Sequence[Step], attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return the result of a host: what it is, by which way, and what came of each way before."""
    made = {attempt.way: attempt for attempt in attempts}
    told = [made.get(step.way, Attempt(step.way, proved=False, reason=step.lack)) for step in steps]
    proof = next((attempt for attempt in attempts if attempt.proved), None)
    # Ways behind the one that proved it were not needed.
    reached = told if proof is None else told[: told.index(proof) + 1]
    result: dict[str, Any] = {
        "order": [step.way for step in steps if not step.lack],
        "attempts": [attempt.told() for attempt in reached],
        "way": proof.way if proof else None,
        "state": UNKNOWN if proof is None else ISOLATED if proof.way == BLOCKLIST else DEAD,
    }
    if proof is None:
        reasons = "; ".join(f"{attempt.way}: {attempt.reason}" for attempt in told) or "no way was allowed"
        result |= {
            "failed": True,
            "msg": f"nothing proves that {machine.name} is dead. {reasons}",
            "remedy": "Nobody may take over its guests or disks. Look at the machine and turn it off by hand; when you "
            f"have seen it off, confirm that by name and run this again: confirmed_dead: [{machine.name}]",
        }
    return result


def refused(machine: Machine, steps: Sequence[Step], sign: str) -> dict[str, Any]:
    """Return the result of a host that is not fenced because of a SIGN of life."""
    return {
        "failed": True,
        "changed": False,
        "order": [step.way for step in steps if not step.lack],
        "attempts": [],
        "way": None,
        "state": UNKNOWN,
        "msg": f"{machine.name} is not fenced: {sign}",
        "remedy": "Nothing was done to it. Find out why it was taken for lost; to fence it all the same, name it "
        f"in fence_alive: [{machine.name}]",
    }


def parse_blocklist(text: str) -> dict[str, datetime.datetime]:
    """Return the addresses that Ceph lets in no more, as a whole, and until when.

    TEXT is what ``ceph osd blocklist ls`` prints. An entry with a port or a nonce is about one client of a host only.
    """
    found = {}
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            continue
        try:
            until = datetime.datetime.fromisoformat(entry["until"])
            address = str(ipaddress.ip_address(entry["six"] or entry["four"]))
        except ValueError:
            continue
        if until.tzinfo is not None:
            found[address] = until
    return found


def entry_of(address: str) -> str:
    """Return an address as Ceph's blocklist has it, all ports and clients of it."""
    return f"[{address}]:0/0" if ":" in address else f"{address}:0/0"


def normal(addresses: Iterable[str]) -> list[str]:
    """Return addresses in the form that Ceph writes them, each once."""
    return list(dict.fromkeys(str(ipaddress.ip_address(address)) for address in addresses))


def not_listed(
    clients: Iterable[str], listed: Mapping[str, datetime.datetime], now: datetime.datetime, expire: float
) -> list[str]:
    """Return the addresses that are not on the list, or for less than half of the EXPIRE seconds that are wanted."""
    least = now + datetime.timedelta(seconds=expire / 2)
    return [address for address in normal(clients) if address not in listed or listed[address] < least]
