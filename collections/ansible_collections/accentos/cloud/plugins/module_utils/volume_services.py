# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides whether the back ends of a volume service work, from what cinder says of them. Pure functions.

Cinder counts a service as up for a minute after each start, whether its driver came up or not. What proves a driver is
what it tells the scheduler of its room, when it has come up and once a minute from then on. Where several hosts have a
back end together, each of them may speak for all, so what the log of the host says of its own driver counts, too.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# A driver that has told nothing for this long, or for so many of its intervals, does not work any more.
_STALE = timedelta(minutes=5)
_INTERVALS = 3
_INTERVAL = "60"
# What the service logs once a minute for a driver that did not come up.
_NOT_UP = re.compile(r"Update driver status failed: \(config name ([^)]+)\) is uninitialized")
_MESSAGE = re.compile(r" ERROR \S+ (?:\[[^\]]*\] )?(?!Traceback)(\S.*)")
_MESSAGES, _CHARACTERS = 6, 300
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class VolumeHost:
    """What cinder.conf of a host says: back ends with what cinder calls each, where it logs, and the oldest news.

    A back end has two names where services form a cluster: that of its service, and that of the cluster.
    """

    services: Mapping[str, Sequence[str]]
    log: str
    stale: timedelta = _STALE


def read_configuration(text: str, host: str) -> VolumeHost:
    """Read cinder.conf of the host with this name. Raises configparser.Error."""
    # Cinder's files may have an option several times, and % is no sign of theirs.
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.read_string(text)
    defaults = parser.defaults()
    names = [name.strip() for name in (defaults.get("enabled_backends") or "").split(",")]
    # A section has the options of DEFAULT, too.
    places = {
        name: [parser.get(name, "backend_host", fallback=None) or defaults.get("host") or host, defaults.get("cluster")]
        for name in names
        if name
    }
    log = defaults.get("log_file") or "cinder-volume.log"
    interval = defaults.get("backend_stats_polling_interval") or _INTERVAL
    seconds = int(interval if interval.isdecimal() else _INTERVAL)
    return VolumeHost(
        {name: [f"{place}@{name}" for place in known if place] for name, known in places.items()},
        log if log.startswith("/") else f"{defaults.get('log_dir') or '/var/log/cinder'}/{log}",
        max(_STALE, _INTERVALS * timedelta(seconds=seconds)),
    )


@dataclass(frozen=True)
class Look:
    """What there is to see at a moment: NOW, when the volume service of the host was STARTED, and what is said.

    SERVICES and POOLS are as the API of cinder lists them: ``/os-services`` and, with details,
    ``/scheduler-stats/get_pools``. LOG is the end of the log of the service on this host.
    """

    now: datetime
    started: datetime
    services: Sequence[Mapping[str, Any]]
    pools: Sequence[Mapping[str, Any]]
    log: str

    def silent(self, host: VolumeHost) -> list[str]:
        """Return the back ends of a host that do not work, as far as can be known. Whoever disabled one knows of it."""
        told: dict[str, datetime] = {}
        for pool in self.pools:
            name, found = str(pool["name"]).partition("#")[0], pool.get("capabilities") or {}
            moment = _NEVER if found.get("backend_state") == "down" else parse_moment(found.get("timestamp"))
            told[name] = max(moment, told.get(name, moment))
        # The scheduler passes these over.
        resting = {one["host"] for one in self.services if one["status"] == "disabled" or one.get("frozen")}
        since = max(self.started, self.now - host.stale)
        failed = self.failed()
        return [
            name
            for name, services in host.services.items()
            if resting.isdisjoint(services)
            and (name in failed or max(told.get(service, _NEVER) for service in services) < since)
        ]

    def failed(self) -> set[str]:
        """Return the back ends of which the service says itself that their drivers did not come up."""
        return {match[1] for line in self._log_since() if (match := _NOT_UP.search(line))}

    def complaints(self) -> list[str]:
        """Return the last errors that the service logged, each once and without the lines of code that led to it."""
        found = [match[1].strip()[:_CHARACTERS] for line in self._log_since() if (match := _MESSAGE.search(line))]
        return list(dict.fromkeys(found))[-_MESSAGES:]

    def _log_since(self) -> Iterable[str]:
        # Services log in the time of their host.
        start = self.started.astimezone().replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        return (line for line in self.log.splitlines() if line[: len(start)] >= start)


def parse_moment(text: object) -> datetime:
    """Read a moment as cinder writes it, in UTC; what is none is long ago."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return _NEVER
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def parse_start(shown: str) -> datetime:
    """Read when a unit became active, as systemctl shows it with --timestamp=us+utc. Raises ValueError."""
    # The name of the day is in the language of the host, or in that of this process.
    moment = shown.strip().partition(" ")[2]
    return datetime.strptime(moment, "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
