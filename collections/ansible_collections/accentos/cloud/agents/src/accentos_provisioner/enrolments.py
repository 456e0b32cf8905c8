# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Strangers: what may happen to a machine that nobody knows, as pure functions. They wait in quarantine, bounded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ServiceError
from .machines import check_macs

# Machines in quarantine, altogether and from one address; seconds after the last question until one is forgotten.
LIMIT, LIMIT_PER_PEER, FORGOTTEN_AFTER = 256, 4, 3600.0


@dataclass(frozen=True)
class Enrolment:
    """A machine in quarantine; ``state`` is pending, approved or rejected, ``host`` the name that it got."""

    id: str
    secret_sha256: str
    state: str
    macs: tuple[str, ...]
    peer: str
    inventory: Mapping[str, Any]
    created_at: float
    seen_at: float
    host: str | None = None
    lifetime: float = 3600.0


def to_record(enrolment: Enrolment) -> dict[str, Any]:
    """Return ENROLMENT as it is stored."""
    return dataclasses.asdict(enrolment)


def from_record(record: Mapping[str, Any]) -> Enrolment:
    """Return the enrolment of a stored RECORD. Raises TypeError and KeyError if it is none."""
    return Enrolment(**{**record, "macs": tuple(record["macs"])})


def view(enrolment: Enrolment) -> dict[str, Any]:
    """Return ENROLMENT as administrators see it."""
    return {name: value for name, value in to_record(enrolment).items() if name != "secret_sha256"}


def check_inventory(inventory: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return INVENTORY and its MACs. Raises ServiceError. Its text is a stranger's: whoever shows it must escape it."""
    cards = inventory.get("cards") if isinstance(inventory, dict) else None
    if not isinstance(inventory, dict) or not isinstance(cards, list):
        raise ServiceError(400, "inventory must be an object with a list of cards", "Compare ramdisk and service.")
    macs = [card.get("mac") for card in cards if isinstance(card, dict) and card.get("mac")]
    return inventory, check_macs(macs)


def forgotten(enrolments: Iterable[Enrolment], now: float) -> list[str]:
    """Return the ids of machines that stopped asking."""
    return [enrolment.id for enrolment in enrolments if now - enrolment.seen_at > FORGOTTEN_AFTER]


def replaced(enrolments: Iterable[Enrolment], macs: tuple[str, ...], peer: str) -> list[str]:
    """Return the ids of earlier, undecided introductions of the same machine from the same address."""
    return [row.id for row in enrolments if (row.macs, row.peer, row.state) == (macs, peer, "pending")]


def check_room(enrolments: Iterable[Enrolment], peer: str) -> None:
    """Raise ServiceError if the quarantine, or PEER's part of it, is full."""
    rows = list(enrolments)
    if len(rows) >= LIMIT or sum(row.peer == peer for row in rows) >= LIMIT_PER_PEER:
        raise ServiceError(429, "the quarantine is full", "Approve or reject waiting machines (module enrolment).")
