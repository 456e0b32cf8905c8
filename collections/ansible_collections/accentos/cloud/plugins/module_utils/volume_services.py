# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides whether the back ends of a volume service work, from what cinder says of them. Pure functions.

Cinder counts a service as up for a minute after each start, whether its driver came up or not. What proves a driver is
what it tells the scheduler of its room, when it has come up and once a minute from then on.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# A driver that has told nothing for this long does not work any more; some would have been late.
_STALE = timedelta(minutes=5)
# Cinder counts a service as down that has not reported for a minute. Before that it says nothing.
_HOPELESS = timedelta(seconds=90)
_MESSAGE = re.compile(r" ERROR \S+ (?:\[[^\]]*\] )?(?!Traceback)(\S.*)")
_MESSAGES, _CHARACTERS = 6, 300


@dataclass(frozen=True)
class VolumeHost:
    """What cinder.conf of a host says: its back ends, each with the name that cinder has for it, and where it logs."""

    services: Mapping[str, str]
    log: str


def read_configuration(text: str, host: str) -> VolumeHost:
    """Read cinder.conf of the host with this name. Raises configparser.Error."""
    # Cinder's files may have an option several times, and % is no sign of theirs.
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.read_string(text)
    defaults = parser.defaults()
    names = [name.strip() for name in (defaults.get("enabled_backends") or "").split(",")]
    # A section has the options of DEFAULT, too.
    places = {
        name: parser.get(name, "backend_host", fallback=None) or defaults.get("host") or host for name in names if name
    }
    log = defaults.get("log_file") or "cinder-volume.log"
    return VolumeHost(
        {name: f"{place}@{name}" for name, place in places.items()},
        log if log.startswith("/") else f"{defaults.get('log_dir') or '/var/log/cinder'}/{log}",
    )


@dataclass(frozen=True)
class Look:
    """What cinder says at a moment: NOW, when the volume service of the host was STARTED, SERVICES and POOLS.

    The latter are as its API lists them: ``/os-services`` and, with details, ``/scheduler-stats/get_pools``.
    """

    now: datetime
    started: datetime
    services: Sequence[Mapping[str, Any]]
    pools: Sequence[Mapping[str, Any]]

    def silent(self, names: Iterable[str]) -> list[str]:
        """Return those of some services that have proved nothing since the start. Who disabled one knows of it."""
        told: dict[str, datetime] = {}
        for pool in self.pools:
            name = str(pool["name"]).partition("#")[0]
            moment = parse_moment((pool.get("capabilities") or {}).get("timestamp"))
            told[name] = max(moment, told.get(name, moment))
        disabled = {one["host"] for one in self.services if one["status"] == "disabled"}
        since = max(self.started, self.now - _STALE)
        return [name for name in names if name not in disabled and told.get(name, _NEVER) < since]

    def hopeless(self, names: Iterable[str]) -> bool:
        """Tell whether nobody need wait for one of some services any longer."""
        down = {one["host"] for one in self.services if one["state"] == "down"}
        return self.now - self.started > _HOPELESS and not down.isdisjoint(names)


_NEVER = datetime.min.replace(tzinfo=UTC)


def parse_moment(text: object) -> datetime:
    """Read a moment as cinder writes it, in UTC; what is none is long ago."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def parse_start(shown: str) -> datetime:
    """Read when a unit became active, as systemctl shows it with --timestamp=us+utc. Raises ValueError."""
    return datetime.strptime(shown.strip(), "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)


def complaints(log: str) -> list[str]:
    """Return the last errors in a log of cinder, each once and without the lines of code that led to it."""
    found = [match[1].strip()[:_CHARACTERS] for line in log.splitlines() if (match := _MESSAGE.search(line))]
    return list(dict.fromkeys(found))[-_MESSAGES:]
