# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides which commands give a Ceph cluster the users and pools that it should have. Pure.

Nothing is ever removed: a pool holds data, and a user may be somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FIRST_PLACEMENT_GROUPS = 32


class PlanError(Exception):
    """What is wanted cannot be; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class User:
    """A user of the cluster such as ``client.glance``: its key, and what it may do by kind of daemon."""

    name: str
    key: str = field(repr=False)
    caps: Mapping[str, str]


@dataclass(frozen=True)
class Pool:
    """A replicated pool: copies, how many must be there to write, and on what they must differ (``host``)."""

    name: str
    application: str
    size: int
    min_size: int
    failure_domain: str
    device_class: str | None = None

    @property
    def rule(self) -> str:
        """Name of the CRUSH rule."""
        return "-".join(["replicated", self.failure_domain, *([self.device_class] if self.device_class else [])])


@dataclass(frozen=True)
class Found:
    """What the cluster has: users by name, CRUSH rules by name, pools by name with their values as text."""

    users: Mapping[str, User] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    pools: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """A command for the monitors, its secret input, and the same for a person without secrets."""

    command: Mapping[str, Any]
    shown: str
    data: str = field(default="", repr=False)


def read_users(caps: Mapping[str, Any], keys: Mapping[str, str]) -> list[User]:
    """Return the users of a mapping of names to what they may do. Raises PlanError."""
    for name, allowed in caps.items():
        if not isinstance(allowed, Mapping) or not all(isinstance(what, str) for what in allowed.values()):
            raise PlanError(
                f"what {name} may do is no mapping of kinds of daemons to texts",
                "Write it such as {mon: profile rbd, osd: profile rbd pool=images}.",
            )
        if name not in keys:
            raise PlanError(f"user {name} has no key", "Give one in keys.")
    return [User(name, keys[name], allowed) for name, allowed in caps.items()]


def read_found(users: Mapping[str, Any], rules: Sequence[Mapping[str, Any]], osds: Mapping[str, Any]) -> Found:
    """Return what the answers to ``auth ls``, ``osd crush rule dump`` and ``osd dump`` say, as JSON gives them."""
    names = {rule["rule_id"]: rule["rule_name"] for rule in rules}
    return Found(
        users={row["entity"]: User(row["entity"], row["key"], row["caps"]) for row in users["auth_dump"]},
        rules=frozenset(names.values()),
        pools={
            pool["pool_name"]: {
                "size": str(pool["size"]),
                "min_size": str(pool["min_size"]),
                "crush_rule": names.get(pool["crush_rule"], ""),
                "applications": " ".join(sorted(pool.get("application_metadata", {}))),
            }
            for pool in osds["pools"]
        },
    )


def keyring(user: User) -> str:
    """Return a user as a keyring says it."""
    lines = [f"[{user.name}]", f"\tkey = {user.key}"]
    lines += [f'\tcaps {kind} = "{what}"' for kind, what in sorted(user.caps.items())]
    return "\n".join(lines) + "\n"


def _grants(what: str) -> list[str]:
    return [grant for part in what.split(",") if (grant := " ".join(part.split()))]


def keep_pools(user: User, known: User, pools: Iterable[str]) -> User:
    """Return a user that may still use the pools that it used, as long as they are there.

    Clients keep what is in a pool open after nobody wants to make anything new there.
    """
    profiles = {f"profile rbd pool={name}" for name in pools}
    caps = {}
    for kind, what in user.caps.items():
        wanted, had = _grants(what), _grants(known.caps.get(kind, ""))
        kept = [grant for grant in had if grant in profiles and grant not in wanted]
        # What says the same in another order stays as it is.
        same = sorted([*wanted, *kept]) == sorted(had)
        caps[kind] = known.caps[kind] if same else ", ".join([what, *kept])
    return User(user.name, user.key, caps)


def plan_users(wanted: Iterable[User], found: Found) -> list[Action]:
    """Return the commands for users."""
    actions = []
    for one in wanted:
        known = found.users.get(one.name)
        user = one if known is None else keep_pools(one, known, found.pools)
        if known is not None and known.key == user.key and dict(known.caps) == dict(user.caps):
            continue
        caps = ", ".join(f"{kind} '{what}'" for kind, what in sorted(user.caps.items()))
        why = "new" if known is None else "another key" if known.key != user.key else "other rights"
        shown = f"user {user.name} ({why}): {caps}"
        actions.append(Action({"prefix": "auth import"}, shown, keyring(user)))
    return actions


def plan_pools(wanted: Sequence[Pool], found: Found) -> list[Action]:
    """Return the commands for CRUSH rules and pools. Raises PlanError."""
    actions: list[Action] = []
    made = set(found.rules)
    for pool in wanted:
        if not 1 <= pool.min_size <= pool.size or pool.size < 2:  # noqa: PLR2004  one copy is no copy
            raise PlanError(
                f"pool {pool.name} would have {pool.size} copies, {pool.min_size} of them needed to write",
                "Keep at least two copies, and need at least one and no more than there are.",
            )
        if pool.rule not in made:
            made.add(pool.rule)
            command = {"prefix": "osd crush rule create-replicated", "name": pool.rule, "root": "default"}
            command |= {"type": pool.failure_domain} | ({"class": pool.device_class} if pool.device_class else {})
            actions.append(Action(command, f"rule {pool.rule}: one copy for each {pool.failure_domain}"))
        actions += _plan_pool(pool, found.pools.get(pool.name))
    return actions


def _plan_pool(pool: Pool, known: Mapping[str, str] | None) -> list[Action]:
    actions = []
    if known is None:
        command: dict[str, Any] = {
            "prefix": "osd pool create",
            "pool": pool.name,
            "pool_type": "replicated",
            "rule": pool.rule,
        }
        command |= {"pg_num": _FIRST_PLACEMENT_GROUPS, "size": pool.size}
        actions.append(Action(command, f"pool {pool.name}: new, {pool.size} copies by rule {pool.rule}"))
        known = {"size": str(pool.size), "crush_rule": pool.rule}
    wanted = {"size": str(pool.size), "min_size": str(pool.min_size), "crush_rule": pool.rule}
    for name, value in wanted.items():
        if known.get(name) != value:
            change = {"prefix": "osd pool set", "pool": pool.name, "var": name, "val": value}
            actions.append(Action(change, f"pool {pool.name}: {name} {known.get(name, '(default)')} -> {value}"))
    if pool.application not in known.get("applications", "").split():
        use = {"prefix": "osd pool application enable", "pool": pool.name, "app": pool.application}
        actions.append(Action(use, f"pool {pool.name}: used by {pool.application}"))
    return actions
