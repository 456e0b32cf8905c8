# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what brings virtual hosts and users of a RabbitMQ server to what is wanted. Pure functions.

The server's own form of exchange is used, its definitions: JSON with digests of passwords instead of passwords.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ALGORITHM = "rabbit_password_hashing_sha256"
SALT_BYTES = 4
# The server's own user with a password that everybody knows.
GUEST = "guest"
RIGHTS = ("configure", "write", "read")


class AccessError(ValueError):
    """What is wanted cannot be. The first argument says what and why, the second what helps."""


@dataclass(frozen=True)
class Plan:
    """Definitions to import, commands to give afterwards, and what both mean, line by line for people."""

    definitions: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    commands: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()


def password_digest(password: str, salt: bytes) -> str:
    """Return what the server stores of a password. ``salt`` has SALT_BYTES bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode("ascii")


def has_password(user: Mapping[str, Any], password: str) -> bool:
    """Tell whether a user of the server's definitions logs in with a password."""
    try:
        salt = base64.b64decode(user.get("password_hash", ""), validate=True)[:SALT_BYTES]
    except (binascii.Error, ValueError):
        return False
    same = user.get("password_hash") == password_digest(password, salt)
    return same and user.get("hashing_algorithm") == ALGORITHM


def plan(
    present: Mapping[str, Any],
    vhosts: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    absent: Iterable[str],
    salt: bytes,
) -> Plan:
    """Return what makes virtual hosts and users as wanted, and removes the users in ``absent``.

    :param present: the server's definitions.
    :param vhosts: each with name and queue_type.
    :param users: each with name, password, tags and permissions, a list of vhost, configure, write and read.
    :param salt: for passwords that are set.
    :raises AccessError: what is wanted contradicts itself.

    Virtual hosts and users that are not named stay. A named user loses rights on other virtual hosts.
    """
    _refuse(present, vhosts, users, absent)
    lines: list[str] = []
    document: dict[str, list[dict[str, Any]]] = {"vhosts": [], "users": [], "permissions": []}
    commands: list[list[str]] = []
    known = {vhost["name"]: vhost for vhost in present.get("vhosts", [])}
    for vhost in vhosts:
        if vhost["name"] not in known or known[vhost["name"]].get("default_queue_type") != vhost["queue_type"]:
            document["vhosts"].append({"name": vhost["name"], "default_queue_type": vhost["queue_type"]})
            lines.append(f"virtual host {vhost['name']}: {vhost['queue_type']} queues")
    people = {user["name"]: user for user in present.get("users", [])}
    rights = {(row["user"], row["vhost"]): row for row in present.get("permissions", [])}
    for user in users:
        name, old = user["name"], people.get(user["name"])
        right = old is not None and has_password(old, user["password"])
        if old is None or not right or sorted(old.get("tags", [])) != sorted(user["tags"]):
            digest = old["password_hash"] if old and right else password_digest(user["password"], salt)
            document["users"].append(
                {"name": name, "password_hash": digest, "hashing_algorithm": ALGORITHM, "tags": user["tags"]}
            )
            what = "made" if old is None else "changed" if right else "changed, new password"
            lines.append(f"user {name}: {what}, tags {', '.join(user['tags']) or 'none'}")
        granted = set()
        for row in user["permissions"]:
            granted.add(row["vhost"])
            wanted = {key: row[key] for key in RIGHTS}
            now = rights.get((name, row["vhost"]), {})
            if {key: now.get(key) for key in RIGHTS} != wanted:
                document["permissions"].append({"user": name, "vhost": row["vhost"], **wanted})
                told = ", ".join(f"{key} {value}" for key, value in wanted.items())
                lines.append(f"rights of {name} on {row['vhost']}: {told}")
        for vhost_name in sorted(vhost for who, vhost in rights if who == name and vhost not in granted):
            commands.append(["clear_permissions", "--vhost", vhost_name, name])
            lines.append(f"rights of {name} on {vhost_name}: none")
    for name in sorted({GUEST, *absent} & set(people)):
        commands.append(["delete_user", name])
        lines.append(f"user {name}: removed")
    return Plan({kind: rows for kind, rows in document.items() if rows}, commands, lines)


def _refuse(
    present: Mapping[str, Any],
    vhosts: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    absent: Iterable[str],
) -> None:
    names = [user["name"] for user in users]
    if GUEST in names:
        raise AccessError("The user guest is everybody's.", "Use a name of its own for each service.")
    if both := sorted(set(names) & set(absent)):
        raise AccessError(f"{', '.join(both)} is wanted and to be absent.", "Take the name out of one of the lists.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise AccessError(f"{', '.join(twice)} is listed twice.", "Merge the entries into one.")
    known = {vhost["name"] for vhost in (*vhosts, *present.get("vhosts", []))}
    for user in users:
        if not user["password"] or not user["name"]:
            raise AccessError(f"The user {user['name']!r} lacks a name or password.", "Give both.")
        if unknown := sorted({row["vhost"] for row in user["permissions"]} - known):
            raise AccessError(
                f"{user['name']} is to have rights on {', '.join(unknown)}, which does not exist.", "List it in vhosts."
            )
