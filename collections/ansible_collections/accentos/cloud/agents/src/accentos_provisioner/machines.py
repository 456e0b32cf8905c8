# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may happen to a machine, as pure functions: no clock, no disk, no network. Times are seconds since 1970.

armed -> installing -> deployed, or failed. Tokens and sessions are known by their SHA-256 only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ServiceError

STAGES = ("specification", "disks", "image", "configuration", "boot_loader", "finish")
STATUSES = ("started", "done", "failed")
# Seconds after the last sign of life for which an installation counts as going on.
PATIENCE = 3600.0
# Seconds that a token may live: the shortest, the longest.
LIFETIMES = (60, 86400)
DETAIL_LIMIT = 4000

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_KEY = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/=]{1,4096}")
_HIDDEN = ("token_sha256", "session_sha256", "deployed_at")
_REFUSED = "Arm the host again (module provision_machine); the journal of accentos-provisioner.service says why."


@dataclass(frozen=True)
class Stage:
    """A stage of an installation: its last status, seconds that it took, a line for people, and when."""

    stage: str
    status: str
    seconds: float
    detail: str
    at: float


@dataclass(frozen=True)
class Machine:
    """All that is known of a machine. ``deployed_at`` and ``host_keys`` stay until an installation touches disks."""

    host: str
    state: str
    macs: tuple[str, ...]
    address: str | None
    armed_at: float
    expires_at: float
    stages: tuple[Stage, ...] = ()
    host_keys: tuple[str, ...] = ()
    inventory: Mapping[str, Any] | None = None
    token_sha256: str | None = None
    session_sha256: str | None = None
    deployed_at: float | None = None


@dataclass(frozen=True)
class Order:
    """What arming a host asks for; ``lifetime`` of the token in seconds."""

    macs: tuple[str, ...]
    address: str | None
    lifetime: float
    reinstall: bool


def digest(secret: str) -> str:
    """Return what is kept of a token or session."""
    return hashlib.sha256(secret.encode()).hexdigest()


def to_record(machine: Machine) -> dict[str, Any]:
    """Return MACHINE as it is stored."""
    return dataclasses.asdict(machine)


def from_record(record: Mapping[str, Any]) -> Machine:
    """Return the machine of a stored RECORD. Raises TypeError and KeyError if it is none."""
    values = dict(record)
    values["stages"] = tuple(Stage(**stage) for stage in values["stages"])
    for name in ("macs", "host_keys"):
        values[name] = tuple(values[name])
    return Machine(**values)


def view(machine: Machine) -> dict[str, Any]:
    """Return MACHINE as administrators see it, without any digest."""
    return {name: value for name, value in to_record(machine).items() if name not in _HIDDEN}


def check_host(host: object) -> str:
    """Return HOST if it can be the name of a host. Raises ServiceError."""
    if not isinstance(host, str) or not _HOST.fullmatch(host):
        raise ServiceError(
            400, f"{host!r} is no name of a host", "Give the host's name without domain, in small letters."
        )
    return host


def check_macs(macs: object, *, limit: int = 64) -> tuple[str, ...]:
    """Return MACS, in small letters and in order, if they are a list of one to LIMIT. Raises ServiceError."""
    found = [mac.lower() for mac in macs if isinstance(mac, str)] if isinstance(macs, list) else []
    if (
        not isinstance(macs, list)
        or not 1 <= len(macs) <= limit
        or not all(map(_MAC.fullmatch, found))
        or len(found) != len(macs)
    ):
        raise ServiceError(400, "macs must be a list of MAC addresses such as 52:54:00:00:00:01", "Mend the request.")
    return tuple(sorted(set(found)))


def check_address(address: object) -> str | None:
    """Return ADDRESS in its usual form, or None. Raises ServiceError."""
    if address is None:
        return None
    try:
        return str(ipaddress.ip_address(str(address)))
    except ValueError as error:
        raise ServiceError(400, f"address: {error}", "Give the address that the machine gets from DHCP.") from error


def check_order(body: Mapping[str, Any]) -> Order:
    """Return the order in BODY. Raises ServiceError; unknown keys are errors."""
    unknown = sorted(set(body) - {"macs", "address", "lifetime", "reinstall"})
    lifetime, reinstall = body.get("lifetime", 3600), body.get("reinstall", False)
    if unknown:
        raise ServiceError(400, f"{unknown[0]} is not known", "Mend the request.")
    shortest, longest = LIFETIMES
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not shortest <= lifetime <= longest:
        raise ServiceError(400, f"lifetime must be from {shortest} to {longest} seconds", "Mend the request.")
    if not isinstance(reinstall, bool):
        raise ServiceError(400, "reinstall must be true or false", "Mend the request.")
    return Order(check_macs(body.get("macs")), check_address(body.get("address")), float(lifetime), reinstall)


def is_satisfied(machine: Machine | None, order: Order, now: float) -> bool:
    """Tell whether MACHINE already is what ORDER wants: armed like that, or being installed."""
    if machine is None or now >= machine.expires_at:
        return False
    if machine.state == "installing":
        return True
    return machine.state == "armed" and (machine.macs, machine.address) == (order.macs, order.address)


def check_arming(machines: Iterable[Machine], host: str, order: Order) -> None:
    """Raise ServiceError if HOST may not be armed: it is deployed, or another host has one of its MACs."""
    for machine in machines:
        if machine.host == host and machine.deployed_at is not None and not order.reinstall:
            raise ServiceError(
                409,
                f"{host} is deployed; installing it again erases its disks",
                f"If that is what you want, name {host} as one to reinstall.",
            )
        double = sorted(set(machine.macs) & set(order.macs)) if machine.host != host else []
        if double:
            raise ServiceError(
                409,
                f"{host} and {machine.host} both claim the MAC {double[0]}",
                "Mend the MAC in the site folder; if the card moved, disarm or forget the other host first.",
            )


def arm(machine: Machine | None, host: str, order: Order, token_sha256: str, now: float) -> Machine:
    """Return HOST ready to be installed once by the holder of the token. check_arming has agreed."""
    return Machine(
        host=host,
        state="armed",
        macs=order.macs,
        address=order.address,
        armed_at=now,
        expires_at=now + order.lifetime,
        inventory=machine.inventory if machine else None,
        token_sha256=token_sha256,
        deployed_at=machine.deployed_at if machine else None,
        host_keys=machine.host_keys if machine and machine.deployed_at is not None else (),
    )


def exchange_cards(machine: Machine, macs: tuple[str, ...], machines: Iterable[Machine]) -> Machine:
    """Return MACHINE, which is deployed, with the MACS that it has now: a card was replaced, or moved to another host.

    Raises ServiceError. That another deployed host still claims one is no reason: it may be the next to be told.
    """
    if machine.state != "deployed":
        raise ServiceError(
            409,
            f"{machine.host} is {machine.state}: its cards are those that it was armed with",
            "Arm it again, or disarm it first.",
        )
    for other in machines:
        double = sorted(set(macs) & set(other.macs))
        if double and other.host != machine.host and other.state != "deployed":
            raise ServiceError(
                409,
                f"{machine.host} and {other.host}, which is {other.state}, both claim the MAC {double[0]}",
                "Mend the MAC in the site folder; if the card moved, disarm the other host first.",
            )
    return dataclasses.replace(machine, macs=macs)


def disarm(machine: Machine, now: float) -> Machine | None:
    """Return MACHINE after it was taken off the list of installations; None if nothing is left to remember.

    One whose disks are still those of a deployed host is deployed again, without stages: nothing installed it.
    """
    if machine.state == "deployed":
        return machine
    if machine.deployed_at is not None:
        # A machine that waits in its ramdisk asks before it touches a disk, and is refused without its session.
        return dataclasses.replace(
            machine, state="deployed", stages=(), token_sha256=None, session_sha256=None, expires_at=now
        )
    if machine.state == "installing":
        return dataclasses.replace(machine, state="failed", session_sha256=None, expires_at=now)
    return None


def has_expired(machine: Machine, now: float) -> bool:
    """Tell whether MACHINE is armed with a token that is no longer valid."""
    return machine.state == "armed" and now >= machine.expires_at


def refusal(machine: Machine | None, macs: Iterable[str], peer: str, now: float) -> str | None:
    """Return why MACHINE, found by its token, may not have its specification; for the journal, not for the asker."""
    if machine is None or machine.state != "armed":
        return "no armed host has this token"
    if now >= machine.expires_at:
        return f"the token of {machine.host} has expired"
    if not set(macs) & set(machine.macs):
        return f"none of its MACs belongs to {machine.host}"
    if machine.address is not None and machine.address != peer:
        return f"the token of {machine.host} is bound to {machine.address}"
    return None


def mix_up(machine: Machine, macs: Iterable[str], machines: Iterable[Machine]) -> str | None:
    """Return whose card is in MACHINE, by the MACs that it tells and those of all MACHINES; None if it has its own."""
    told = set(macs)
    for other in machines:
        if other.host != machine.host and (strange := sorted(told & set(other.macs))):
            return f"the machine that boots as {machine.host} has the card {strange[0]}, which belongs to {other.host}"
    return None


def give_up(machine: Machine, reason: str, now: float) -> Machine:
    """Return MACHINE, which is armed, after it was refused its specification for a REASON that people shall see."""
    return dataclasses.replace(
        machine,
        state="failed",
        token_sha256=None,
        stages=(Stage(STAGES[0], "failed", 0.0, reason, now),),
        expires_at=now,
    )


def refused() -> ServiceError:
    """Return the one answer for every refused token: it tells a stranger nothing."""
    return ServiceError(403, "the token is not known, was used, has expired, or belongs to another machine", _REFUSED)


def begin(machine: Machine, session_sha256: str, now: float) -> Machine:
    """Return MACHINE after its token was used."""
    return dataclasses.replace(
        machine,
        state="installing",
        token_sha256=None,
        session_sha256=session_sha256,
        stages=(),
        host_keys=machine.host_keys if machine.deployed_at is not None else (),
        expires_at=now + PATIENCE,
    )


@dataclass(frozen=True)
class Report:
    """What the machine tells of one stage."""

    stage: str
    status: str
    seconds: float
    detail: str
    host_keys: tuple[str, ...]


def check_report(body: Mapping[str, Any]) -> Report:
    """Return the report in BODY. Raises ServiceError. Characters that a terminal would obey are dropped."""
    stage, status = body.get("stage"), body.get("status")
    seconds, detail, keys = body.get("seconds", 0), body.get("detail", ""), body.get("host_keys", [])
    valid = (
        stage in STAGES
        and status in STATUSES
        and isinstance(seconds, int | float)
        and 0 <= seconds <= 10**6
        and isinstance(detail, str)
        and isinstance(keys, list)
        and len(keys) <= 8  # noqa: PLR2004  sshd has four kinds of key
        and all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys)
    )
    if not valid:
        raise ServiceError(400, "the report is not understood", "Compare the versions of ramdisk and service.")
    shown = "".join(char for char in detail[:DETAIL_LIMIT] if char.isprintable() or char == "\n")
    return Report(str(stage), str(status), float(seconds), shown, tuple(keys))


def is_repeated(machine: Machine, report: Report) -> bool:
    """Tell whether REPORT is the last one again, because its answer was lost."""
    return bool(machine.stages) and (machine.stages[-1].stage, machine.stages[-1].status) == (
        report.stage,
        report.status,
    )


def take_report(machine: Machine, report: Report, now: float) -> Machine:
    """Return MACHINE after REPORT. Raises ServiceError if it is out of order."""
    last = machine.stages[-1] if machine.stages else None
    if report.status == "started":
        fits = last is None or last.status == "done"
        expected = STAGES[len(machine.stages)] if len(machine.stages) < len(STAGES) else None
        kept = machine.stages
    else:
        fits = last is not None and last.status == "started"
        expected = last.stage if last else None
        kept = machine.stages[:-1]
    if machine.state != "installing" or not fits or report.stage != expected:
        raise ServiceError(
            409, f"{machine.host}: {report.stage} {report.status} is out of order", "Arm the host again and restart it."
        )
    done = (report.stage, report.status) == ("finish", "done")
    state = "deployed" if done else "failed" if report.status == "failed" else "installing"
    touched = report.stage == "disks" and report.status != "failed"
    return dataclasses.replace(
        machine,
        state=state,
        stages=(*kept, Stage(report.stage, report.status, report.seconds, report.detail, now)),
        host_keys=report.host_keys or (() if touched else machine.host_keys),
        expires_at=now + PATIENCE,
        deployed_at=now if done else None if touched else machine.deployed_at,
    )
