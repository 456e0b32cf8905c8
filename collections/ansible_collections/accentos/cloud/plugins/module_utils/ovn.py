# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides how the file of a clustered OVN database comes to be. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

# Milliseconds without a sign of the leader after which another is elected. With OVN's default of 1000 a busy controller
# loses its place again and again.
ELECTION_TIMER = 4000


class OvnError(Exception):
    """A database cannot be as wanted. The first argument says why, the second what helps."""


class Kind(Enum):
    """What the file of a database is."""

    ABSENT = "absent"
    STANDALONE = "standalone"
    # It was told whom to join and has heard from nobody yet: it holds no data.
    JOINING = "joining"
    MEMBER = "member"


def plan_file(kind: Kind, wanted: Mapping[str, Any]) -> Sequence[str]:
    """Return the arguments of ``ovsdb-tool`` that make the file; none if it may stay.

    ``{file}`` stands for the file. ``wanted`` is one of the databases of the module ``ovn_cluster``.
    Raises OvnError.
    """
    if kind is Kind.STANDALONE:
        raise OvnError(
            f"{wanted['path']} holds a database that is in no cluster.",
            "If its content is needed, stop the server and convert it with ovsdb-tool create-cluster, else move it.",
        )
    if kind is Kind.MEMBER:
        return []
    if wanted["create"]:
        return [f"--election-timer={ELECTION_TIMER}", "create-cluster", "{file}", wanted["schema"], wanted["local"]]
    if kind is Kind.JOINING:
        return []
    others = [address for address in wanted["members"] if address != wanted["local"]]
    if not others:
        raise OvnError(
            f"The database {wanted['name']} has no other member to join, and may not be created.",
            "Name the other members, or let one host create it.",
        )
    return ["join-cluster", "{file}", wanted["name"], wanted["local"], *others]
