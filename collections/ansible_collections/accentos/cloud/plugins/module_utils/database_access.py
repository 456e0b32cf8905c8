# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides which statements bring databases and users of a MariaDB server to what is wanted. Pure functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

PLUGIN = "mysql_native_password"
# Debian's package lets in the users root and mysql of the system so, each known by its process.
ROOT_LOGIN = "ALTER USER root@localhost IDENTIFIED VIA unix_socket"
# What a server says that runs and refuses root.
ROOT_REFUSED = (1045, 1698)
SYSTEM_DATABASES = ("information_schema", "mysql", "performance_schema", "sys")
SYSTEM_USERS = ("", "mariadb.sys", "mysql", "root")
# Where a user of the system may be; from anywhere else it is somebody's mistake.
_AT_HOME = ("localhost", "127.0.0.1", "::1")
_NAMES = {"database": r"[A-Za-z0-9_]{1,64}", "user": r"[A-Za-z0-9_.-]{1,80}", "host": r"[A-Za-z0-9_.:%-]{1,255}"}
_CHARSET = r"[a-z0-9_]{1,64}"


class AccessError(ValueError):
    """What is wanted cannot be. The first argument says what and why, the second what helps."""


@dataclass(frozen=True)
class Database:
    """A database and the character set and collation that its new tables get."""

    name: str
    character_set: str
    collation: str


@dataclass(frozen=True)
class User:
    """A user who comes from a host (``%`` is any): digest of the password, and databases that are wholly theirs."""

    name: str
    host: str
    digest: str
    databases: frozenset[str]
    tls: bool = True

    @property
    def account(self) -> str:
        """The user as SQL writes it."""
        return f"'{self.name}'@'{self.host}'"


@dataclass(frozen=True)
class Server:
    """What a server holds.

    ``users`` has those who log in with a password by (name, host), ``others`` the accounts of another kind;
    ``partial`` has the grants that are not all rights on one database, as (account, database pattern), and
    ``everywhere`` the accounts with rights on all databases.
    """

    databases: Mapping[str, Database] = field(default_factory=dict)
    users: Mapping[tuple[str, str], User] = field(default_factory=dict)
    others: frozenset[tuple[str, str]] = frozenset()
    partial: frozenset[tuple[str, str, str]] = frozenset()
    everywhere: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Statement:
    """A statement, and how it is shown to people: without the digest of a password."""

    sql: str
    shown: str


def password_digest(password: str) -> str:
    """Return what the server stores of a password."""
    # The protocol of the server fixes the algorithm.
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def pattern(database: str) -> str:
    """Return the pattern that a grant has for exactly this database."""
    return database.replace("_", r"\_")


def check_name(kind: str, name: str) -> str:
    """Return a name that needs no quoting. ``kind`` is database, user or host. Raises AccessError."""
    if not re.fullmatch(_NAMES[kind], name):
        raise AccessError(f"{name!r} is no name of a {kind}.", f"Use a name that matches {_NAMES[kind]}.")
    if (kind == "database" and name in SYSTEM_DATABASES) or (kind == "user" and name in SYSTEM_USERS):
        raise AccessError(f"The {kind} {name} belongs to the server itself.", "Use another name.")
    return name


def check_charset(text: str) -> str:
    """Return the name of a character set or collation. Raises AccessError."""
    if not re.fullmatch(_CHARSET, text):
        raise AccessError(f"{text!r} is no character set or collation.", "Use one such as utf8mb4.")
    return text


def plan(
    server: Server, databases: Sequence[Database], users: Sequence[User], absent: Iterable[str] = ()
) -> list[Statement]:
    """Return the statements that make databases and users as wanted, and remove the users in ``absent``.

    Databases that are not named stay. Of a named user, accounts for other hosts and rights on other databases go.
    Nobody without a name, and no system user from elsewhere, is let in. Raises AccessError.
    """
    named = {user.name for user in users}
    if both := sorted(named & set(absent)):
        raise AccessError(f"{', '.join(both)} is wanted and to be absent.", "Take the name out of one of the lists.")
    known = {database.name for database in databases} | set(server.databases)
    for user in users:
        if unknown := sorted(user.databases - known):
            raise AccessError(
                f"{user.account} is to own {', '.join(unknown)}, which does not exist.", "List it in databases."
            )
    wanted_accounts = {(user.name, user.host) for user in users}
    if len(wanted_accounts) != len(users):
        raise AccessError("A user is listed twice for the same host.", "Merge the entries into one.")
    statements = [*_databases(server, databases)]
    for user in users:
        statements += _user(server, user)
    for name, host in sorted([*server.users, *server.others]):
        stray = name == "" or (name in SYSTEM_USERS and host not in _AT_HOME)
        moved = name in named and (name, host) not in wanted_accounts
        if stray or moved or name in absent:
            statements.append(_plain(f"DROP USER '{name}'@'{host}'"))
    return statements


def _plain(sql: str) -> Statement:
    return Statement(sql, sql)


def _databases(server: Server, databases: Sequence[Database]) -> Iterator[Statement]:
    for wanted in databases:
        present = server.databases.get(wanted.name)
        if present != wanted:
            verb = "ALTER" if present else "CREATE"
            yield _plain(
                f"{verb} DATABASE `{wanted.name}` CHARACTER SET {wanted.character_set} COLLATE {wanted.collation}"
            )
    # Old set-ups bring it, open to everybody.
    if "test" in server.databases and "test" not in {database.name for database in databases}:
        yield _plain("DROP DATABASE `test`")


def _user(server: Server, wanted: User) -> Iterator[Statement]:
    key = (wanted.name, wanted.host)
    present = server.users.get(key)
    if present is None or (present.digest, present.tls) != (wanted.digest, wanted.tls):
        verb = "ALTER" if present or key in server.others else "CREATE"
        tls = "SSL" if wanted.tls else "NONE"
        sql = f"{verb} USER {wanted.account} IDENTIFIED VIA {PLUGIN} USING '{{}}' REQUIRE {tls}"
        yield Statement(sql.format(wanted.digest), sql.format("(hidden)"))
    if key in server.everywhere:
        yield _plain(f"REVOKE ALL PRIVILEGES ON *.* FROM {wanted.account}")
    partial = {database for name, host, database in server.partial if (name, host) == key}
    owned = present.databases if present else frozenset()
    for database in sorted(wanted.databases - owned):
        yield _plain(f"GRANT ALL PRIVILEGES ON `{pattern(database)}`.* TO {wanted.account}")
    revoked = {pattern(database) for database in owned - wanted.databases}
    for database in sorted(revoked | (partial - {pattern(database) for database in wanted.databases})):
        yield _plain(f"REVOKE ALL PRIVILEGES, GRANT OPTION ON `{database}`.* FROM {wanted.account}")
