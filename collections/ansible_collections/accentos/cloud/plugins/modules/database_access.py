#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: databases and database users."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_access
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Databases and users of a MariaDB server, all in one call
description:
  - Makes any number of databases, and users who own some of them, and changes passwords, in one connection.
  - Connects as root over the server's socket, so it needs no password itself. Of the users' passwords the server is
    told the digest only, so they are in no log of statements.
  - Databases that are not named stay as they are. Of a named user, accounts for other hosts and rights on other
    databases are removed. Users without a name, system users from other hosts and the database C(test) are always
    removed.
options:
  databases:
    description: Databases that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      character_set:
        description: Character set of new tables.
        type: str
        default: utf8mb4
      collation:
        description: Collation of new tables.
        type: str
        default: utf8mb4_general_ci
  users:
    description: Users that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password of the user.
        type: str
        required: true
      host:
        description: Where the user comes from, an address or a pattern of SQL.
        type: str
        default: "%"
      databases:
        description: Databases on which the user has all rights.
        type: list
        elements: str
        default: []
      tls:
        description: Whether the user is let in over TLS only.
        type: bool
        default: true
  absent_users:
    description: Names of users that must not be there.
    type: list
    elements: str
    default: []
  socket:
    description: Socket of the server.
    type: path
    default: /run/mysqld/mysqld.sock
requirements: [PyMySQL]
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. There the server may be missing, since an
      earlier task would install it.
    support: full
  diff_mode:
    description: Shows the statements, without digests of passwords.
    support: full
"""

EXAMPLES = r"""
- name: Make the databases of the services and who uses them
  accentos.cloud.database_access:
    databases:
      - name: keystone
    users:
      - name: keystone
        password: "{{ lookup('accentos.cloud.secret', 'keystone_database_password') }}"
        databases: [keystone]
"""

RETURN = r"""
statements:
  description: Statements given to the server, in check mode those that would be, without digests of passwords.
  returned: always
  type: list
  elements: str
  sample: ["CREATE DATABASE `keystone` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"]
"""

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.accentos.cloud.plugins.module_utils.database_access import (
    PLUGIN,
    ROOT_LOGIN,
    ROOT_REFUSED,
    AccessError,
    Database,
    Server,
    User,
    check_charset,
    check_name,
    password_digest,
    plan,
)

try:
    import pymysql
except ImportError:
    PYMYSQL_ERROR: str | None = traceback.format_exc()
else:
    PYMYSQL_ERROR = None

SILENT = "See that it runs and is in the primary part of its cluster: journalctl --unit mariadb"
REFUSED = f'Give root back its login over the socket: runuser -u mysql -- mariadb --execute "{ROOT_LOGIN}"'
Query = Callable[[str], list[dict[str, Any]]]

_SCHEMATA = (
    "SELECT SCHEMA_NAME AS name, DEFAULT_CHARACTER_SET_NAME AS character_set, DEFAULT_COLLATION_NAME AS collation"
    " FROM information_schema.SCHEMATA"
)
_RIGHT = "_priv"
_HAND_ON = "Grant_priv"


def read_server(query: Query) -> Server:
    """Ask a server what it holds."""
    users: dict[tuple[str, str], User] = {}
    others, everywhere = set(), set()
    owned: dict[tuple[str, str], set[str]] = {}
    partial = set()
    for row in query("SELECT * FROM mysql.db"):
        key = (row["User"], row["Host"])
        rights = {name: value for name, value in row.items() if name.endswith(_RIGHT)}
        database = row["Db"].replace(r"\_", "_")
        complete = all((value == "Y") == (name != _HAND_ON) for name, value in rights.items())
        if complete and row["Db"].count("_") == row["Db"].count(r"\_") and "%" not in row["Db"]:
            owned.setdefault(key, set()).add(database)
        else:
            partial.add((*key, row["Db"]))
    for row in query("SELECT User, Host, Priv FROM mysql.global_priv"):
        key, about = (row["User"], row["Host"]), json.loads(row["Priv"])
        if about.get("access"):
            everywhere.add(key)
        if about.get("plugin") == PLUGIN and "auth_or" not in about and not about.get("account_locked"):
            digest, tls = about.get("authentication_string", ""), about.get("ssl_type", 0) == 1
            users[key] = User(*key, digest, frozenset(owned.get(key, ())), tls)
        elif not about.get("is_role"):
            others.add(key)
    databases = {row["name"]: Database(**row) for row in query(_SCHEMATA)}
    return Server(databases, users, frozenset(others), frozenset(partial), frozenset(everywhere))


def wanted_databases(rows: list[dict[str, Any]]) -> list[Database]:
    """Return the databases of an option. Raises AccessError."""
    return [
        Database(
            check_name("database", row["name"]), check_charset(row["character_set"]), check_charset(row["collation"])
        )
        for row in rows
    ]


def wanted_users(rows: list[dict[str, Any]]) -> list[User]:
    """Return the users of an option. Raises AccessError."""
    for row in rows:
        if not row["password"]:
            raise AccessError(f"The user {row['name']} has an empty password.", "Give a password.")
    return [
        User(
            check_name("user", row["name"]),
            check_name("host", row["host"]),
            password_digest(row["password"]),
            frozenset(check_name("database", name) for name in row["databases"]),
            row["tls"],
        )
        for row in rows
    ]


def main() -> None:
    """Run the module."""
    database = {
        "name": {"type": "str", "required": True},
        "character_set": {"type": "str", "default": "utf8mb4"},
        "collation": {"type": "str", "default": "utf8mb4_general_ci"},
    }
    user = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "host": {"type": "str", "default": "%"},
        "databases": {"type": "list", "elements": "str", "default": []},
        "tls": {"type": "bool", "default": True},
    }
    module = AnsibleModule(
        argument_spec={
            "databases": {"type": "list", "elements": "dict", "default": [], "options": database},
            "users": {"type": "list", "elements": "dict", "default": [], "options": user},
            "absent_users": {"type": "list", "elements": "str", "default": []},
            "socket": {"type": "path", "default": "/run/mysqld/mysqld.sock"},
        },
        supports_check_mode=True,
    )
    socket = module.params["socket"]
    connection = None
    if PYMYSQL_ERROR and not module.check_mode:
        module.fail_json(msg=missing_required_lib("PyMySQL"), exception=PYMYSQL_ERROR)
    try:
        databases, users = wanted_databases(module.params["databases"]), wanted_users(module.params["users"])
        absent = [check_name("user", name) for name in module.params["absent_users"]]
        server = Server()
        if not PYMYSQL_ERROR and (Path(socket).exists() or not module.check_mode):
            connection = pymysql.connect(
                unix_socket=socket, user="root", autocommit=True, cursorclass=pymysql.cursors.DictCursor
            )

            def query(sql: str) -> list[dict[str, Any]]:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    return list(cursor.fetchall())

            server = read_server(query)
        statements = plan(server, databases, users, absent)
        if not module.check_mode:
            for statement in statements:
                query(statement.sql)
    except AccessError as error:
        module.fail_json(msg=error.args[0], remedy=error.args[1])
    except pymysql.MySQLError as error:
        module.fail_json(
            msg=f"The server behind {socket} does not follow: {error.args[-1] if error.args else error!r}",
            remedy=REFUSED if error.args and error.args[0] in ROOT_REFUSED else SILENT,
        )
    finally:
        if connection:
            connection.close()
    shown = [statement.shown for statement in statements]
    module.exit_json(
        changed=bool(shown), statements=shown, diff={"before": "", "after": "".join(f"{line}\n" for line in shown)}
    )


if __name__ == "__main__":
    main()
