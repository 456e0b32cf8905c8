# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides how checks of a cloud follow each other, and what programs and guests said. Nothing here asks a cloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OK, FAILED, LEFT_OUT = "ok", "failed", "left out"


class CheckFailedError(Exception):
    """A check found something wrong. The first argument says what, the second what helps."""


class LeftOutError(Exception):
    """A check has no meaning in this cloud. The argument says why."""


@dataclass(frozen=True)
class Check:
    """One check: its NAME, the checks that it NEEDS, and what it does; that returns what was seen, or raises."""

    name: str
    needs: tuple[str, ...]
    act: Callable[[], str]


@dataclass(frozen=True)
class Row:
    """What came of a check; SECONDS that it took, a DETAIL of what was seen or is wrong, and a REMEDY if it failed."""

    check: str
    result: str
    seconds: float
    detail: str
    remedy: str = ""


def run(checks: Iterable[Check], clock: Callable[[], float]) -> list[Row]:
    """Do the checks in their order and return a row for each.

    A check whose needs were not met is left out; it fails nothing by itself.
    """
    rows: dict[str, Row] = {}
    for check in checks:
        start = clock()
        unmet = [name for name in check.needs if rows[name].result != OK]
        remedy = ""
        if unmet:
            result, detail = LEFT_OUT, f"needs {unmet[0]}, which is {rows[unmet[0]].result}"
        else:
            try:
                result, detail = OK, check.act()
            except LeftOutError as error:
                result, detail = LEFT_OUT, str(error)
            except CheckFailedError as error:
                result, (detail, remedy) = FAILED, error.args
        rows[check.name] = Row(check.name, result, round(clock() - start, 1), detail, remedy)
    return list(rows.values())


@dataclass(frozen=True)
class Console:
    """What the guest of role guest_image said: uptimes are in seconds, None is what it did not say."""

    started: float | None = None
    host_key: str | None = None
    address: str | None = None
    hostname: str | None = None
    has_key: bool = False
    ready: float | None = None
    failure: str = ""


_SAID = re.compile(r"accentos-guest: (?P<uptime>\d+\.\d+) (?P<what>[a-zA-Z-]+) ?(?P<more>[^\r\n]*)")
_HOST_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+")


def read_console(text: str) -> Console:
    """Return what a guest said on its console."""
    found: dict[str, Any] = {}
    for said in _SAID.finditer(text):
        uptime, words = float(said["uptime"]), said["more"].split()
        match said["what"]:
            case "start":
                # The guest starts again after a reset; only its last life counts.
                found = {"started": uptime}
            case "host-key" if _HOST_KEY.fullmatch(said["more"].strip()):
                found["host_key"] = said["more"].strip()
            case "lease" if words[:1] == ["eth0"] and len(words) > 1:
                found["address"] = words[1].partition("/")[0]
            case "metadata" if words:
                found |= {"hostname": words[0], "has_key": words[1:] == ["key"]}
            case "ready":
                found["ready"] = uptime
            case "FAILED":
                found["failure"] = said["more"].strip()
    return Console(**found)


@dataclass(frozen=True)
class Pings:
    """How many echo requests were SENT and answered (RECEIVED), and milliseconds of a round trip on AVERAGE."""

    sent: int
    received: int
    average: float | None

    def describe(self) -> str:
        """Return one phrase for people."""
        mean = "" if self.average is None else f", {self.average:.1f} ms"
        return f"{self.received} of {self.sent} answered{mean}"


_PINGS = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received")
_TIMES = re.compile(r"min/avg/max(?:/mdev)? = [\d.]+/([\d.]+)/")


def read_pings(text: str) -> Pings:
    """Return what ping said at its end, that of iputils or busybox."""
    counts, times = _PINGS.search(text), _TIMES.search(text)
    if not counts:
        return Pings(0, 0, None)
    return Pings(int(counts[1]), int(counts[2]), float(times[1]) if times else None)


def usable_computes(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the computes that take guests, in order, from what the compute service lists."""
    return sorted(
        {
            str(one["host"])
            for one in services
            if one["binary"] == "nova-compute" and one["state"] == "up" and one["status"] == "enabled"
        }
    )


def dead_services(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the services, ``binary@host``, that ought to run and do not."""
    return sorted(
        f"{one['binary']}@{one['host']}" for one in services if one["status"] == "enabled" and one["state"] != "up"
    )


# Agents that every compute has where they are not parts of OVN, and those that the cloud has somewhere.
_EVERYWHERE = ("L3 agent", "Metadata agent", "Open vSwitch agent")
_SOMEWHERE = ("DHCP agent",)


def missing_agents(agents: Iterable[Mapping[str, Any]], computes: Iterable[str]) -> list[str]:
    """Return the agents, ``type@host``, that a cloud with the driver openvswitch lacks; a dead one is no lack."""
    found = {(str(one["agent_type"]), str(one["host"])) for one in agents}
    kinds = {kind for kind, _host in found}
    lacks = [f"{kind}@{host}" for host in computes for kind in _EVERYWHERE if (kind, host) not in found]
    return sorted([*lacks, *(f"{kind}@any host" for kind in _SOMEWHERE if kind not in kinds)])


def dead_agents(agents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the agents of the network service, ``type@host``, that ought to run and do not."""
    return sorted(f"{one['agent_type']}@{one['host']}" for one in agents if one["admin_state_up"] and not one["alive"])


def external_network(networks: Sequence[Mapping[str, Any]], wanted: str | None) -> Mapping[str, Any] | None:
    """Return the external network named WANTED, or by default the first by name; None if there is none.

    Raises CheckFailedError.
    """
    known = {str(one["name"]): one for one in networks}
    if wanted:
        if wanted not in known:
            raise CheckFailedError(
                f"There is no external network {wanted}; there are {', '.join(sorted(known)) or 'none'}.",
                "Name one that is there, or none, so that one is made for the checks.",
            )
        return known[wanted]
    return known[min(known)] if known else None


def back_end_types(types: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return, for each back end that TYPES of volumes name, the first of them by its name."""
    found: dict[str, str] = {}
    for one in types:
        back_end = (one.get("extra_specs") or {}).get("volume_backend_name")
        if back_end:
            found[back_end] = min(found.get(back_end, one["name"]), one["name"])
    return sorted(found.values())


def migration_target(computes: Collection[str], host: str, kinds: Mapping[str, str]) -> str:
    """Return the compute to which a guest on HOST moves. Raises LeftOutError.

    KINDS are how computes run guests, kvm or qemu, as far as that is known: none moves from one kind to the other.
    """
    others = sorted(set(computes) - {host})
    if not others:
        raise LeftOutError("there is one compute only")
    own = kinds.get(host)
    fit = [other for other in others if not own or kinds.get(other, own) == own]
    if not fit:
        seen = ", ".join(f"{other} by {kinds[other]}" for other in others)
        raise LeftOutError(f"guests run by {own} on {host} and on {seen}: none moves from one kind to the other")
    return fit[0]
