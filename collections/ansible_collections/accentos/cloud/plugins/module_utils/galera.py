# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides how the servers of a Galera cluster start: which one, if any, begins and which ones join. Pure functions.

A server that joins takes the data of the others; one that begins a cluster keeps its own. To begin with the wrong
server, or with a second one, loses data. So nothing is begun while any server works, and nothing before each server's
position is known. A server that runs and cannot be asked may work: it is neither stopped nor passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.database_access import ROOT_LOGIN

NOBODY = "00000000-0000-0000-0000-000000000000"
_POSITION = re.compile(r"WSREP: Recovered position:?\s*([0-9a-f-]{36}):(-?\d+)")
# What a client says of a server that it does not reach, or that goes away: no socket, no connection, no reply.
_SILENT = frozenset({2002, 2003, 2006, 2013})
# What a server says without the quorum: "WSREP has not yet prepared node for application use".
_NOT_PREPARED = 1047
_STATE_LINE = re.compile(r"^(uuid|seqno|safe_to_bootstrap):\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Member:
    """What is known of a server.

    ``active`` says that it runs, ``primary`` that it serves in the part of a cluster that has the quorum. ``joined``
    says that it was told once to be in a cluster, whether or not it got its data. ``uuid`` is its cluster's, empty if
    it has data of none; ``seqno`` its position there, None if unknown. ``databases`` are not the system's. ``obstacle``
    is why one that runs could not be asked, an empty text if it could or if nothing else is to be expected.
    """

    active: bool = False
    primary: bool = False
    joined: bool = False
    uuid: str = ""
    seqno: int | None = None
    databases: Sequence[str] = ()
    obstacle: str = ""

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> Member:
        """Read a server from the result of the module galera_state."""
        return cls(**{field.name: result[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Start:
    """The server that begins a cluster, empty if none has to; or why nothing can be begun, and what helps.

    ``running`` are the servers that work, ``stop`` those that have to be stopped before their position can be read,
    ``closed`` those that run and could not be asked.
    """

    begin: str = ""
    refusal: str = ""
    remedy: str = ""
    running: Sequence[str] = ()
    stop: Sequence[str] = ()
    closed: Sequence[str] = ()


def parse_state(text: str) -> tuple[str, int | None]:
    """Return cluster and position in a grastate.dat: an empty text for no cluster, None for an unknown position."""
    found = dict(_STATE_LINE.findall(text))
    uuid, seqno = found.get("uuid", NOBODY), found.get("seqno", "-1")
    known = re.fullmatch(r"\d+", seqno)
    return ("" if uuid == NOBODY else uuid), (int(seqno) if known else None)


def parse_recovered(text: str) -> tuple[str, int | None]:
    """Return cluster and position that a server found in its own tables, in the form of ``parse_state``."""
    found = _POSITION.search(text)
    if not found or found[1] == NOBODY:
        return "", None
    return found[1], (int(found[2]) if int(found[2]) >= 0 else None)


def allow_start(text: str) -> str:
    """Return a grastate.dat with which its server may begin a cluster."""
    return re.sub(r"^safe_to_bootstrap:.*$", "safe_to_bootstrap: 1", text, flags=re.MULTILINE)


def find_obstacle(code: int, text: str, *, starting: bool) -> str:
    """Return why a server could not be asked, from what it or its client said; an empty text if it has no quorum.

    One that is still starting has no quorum when nothing answers: it waits for the others. One that refuses the user,
    or has no connection left, is at work, and so may one be whose answer does not come.
    """
    if code == _NOT_PREPARED or (code in _SILENT and starting):
        return ""
    return f"{text} ({code})" if code else text


def plan_start(members: Mapping[str, Member | None], start_from: str = "") -> Start:
    """Decide how the servers start.

    :param members: each server by name, in the order of the inventory; None for one that cannot be asked.
    :param start_from: the server that the operator wants to begin with although others cannot be asked.
    """
    known = {name: member for name, member in members.items() if member}
    closed = {name: member.obstacle for name, member in known.items() if member.obstacle}
    return _closed(closed) if closed else _start(members, known, start_from)


def _start(members: Mapping[str, Member | None], known: Mapping[str, Member], start_from: str) -> Start:
    """Decide how servers start all of which that run could be asked."""
    running = tuple(name for name, member in known.items() if member.primary)
    # It was never told to be in a cluster, yet it has data: joining would erase them.
    strangers = {name: member for name, member in known.items() if not member.joined and member.databases}
    clusters = {member.uuid for member in known.values() if member.uuid}
    if len(clusters) > 1:
        return Start(
            refusal=f"The servers have the data of {len(clusters)} different clusters: {_told(known)}.",
            remedy="Keep one. On the others move /var/lib/mysql away and make an empty one, then run again.",
            running=running,
        )
    begun = running or any(member.uuid for member in known.values())
    if strangers and (begun or len(strangers) > 1):
        owned = "; ".join(f"{name} has {', '.join(member.databases)}" for name, member in strangers.items())
        return Start(
            refusal=f"Servers that are in no cluster have databases of their own, which joining would erase: {owned}.",
            remedy="Save what is needed, move /var/lib/mysql of these servers away, make an empty one, run again.",
            running=running,
        )
    if running:
        return Start(running=running)
    if start_from:
        if start_from not in known:
            return Start(
                refusal=f"mariadb_start_from names {start_from}, which is no controller that can be asked.",
                remedy="Name one of " + ", ".join(known) + ".",
            )
        return Start(begin=start_from)
    return _first(members, known, strangers)


def _closed(closed: Mapping[str, str]) -> Start:
    """Refuse everything while a server that runs cannot be asked."""
    alike = {obstacle: [name for name in closed if closed[name] == obstacle] for obstacle in closed.values()}
    told = "; ".join(f"{', '.join(names)}: {obstacle}" for obstacle, names in alike.items())
    return Start(
        refusal=(
            f"MariaDB runs but does not let root ask whether it has the quorum, on {told}. It may be at work, so no "
            "server of the cluster was stopped, started or begun with."
        ),
        remedy=(
            "If root is refused (1045, 1698), give it back its login over the socket, on such a host: "
            f'runuser -u mysql -- mariadb --execute "{ROOT_LOGIN}". Otherwise see what holds the server up: '
            "journalctl --unit mariadb; if it does not work, stop it: systemctl stop mariadb. Then run again."
        ),
        closed=tuple(closed),
    )


def _first(members: Mapping[str, Member | None], known: Mapping[str, Member], strangers: Mapping[str, Member]) -> Start:
    """Decide who begins while no server works."""
    positions = {name: member.seqno for name, member in known.items() if member.uuid}
    unknown = [name for name in members if name not in known or (name in positions and positions[name] is None)]
    if unknown and all(name in known and known[name].active for name in unknown):
        return Start(stop=tuple(unknown))
    if unknown:
        return Start(
            refusal=(
                f"No server works, and how far {' and '.join(unknown)} came cannot be found out ({_told(known)}): "
                "to begin without it could lose what was acknowledged."
            ),
            remedy=(
                "Bring it up so that it can be asked, and run again. If it is lost for good, name the server that is "
                "to begin in mariadb_start_from, for this run only: --extra-vars mariadb_start_from=<controller>"
            ),
        )
    if positions:
        farthest = max(seqno for seqno in positions.values() if seqno is not None)
        return Start(begin=next(name for name, seqno in positions.items() if seqno == farthest))
    return Start(begin=next(iter(strangers or members)))


def _told(known: Mapping[str, Member]) -> str:
    rows = [f"{name} at {member.uuid or 'no cluster'}:{member.seqno}" for name, member in known.items()]
    return ", ".join(rows) or "no server answers"
