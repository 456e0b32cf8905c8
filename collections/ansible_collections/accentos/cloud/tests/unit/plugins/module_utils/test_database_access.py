# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which statements a database server gets, on literals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.database_access import (
    AccessError,
    Database,
    Server,
    User,
    check_charset,
    check_name,
    password_digest,
    pattern,
    plan,
)

NOVA = Database("nova_api", "utf8mb4", "utf8mb4_general_ci")
USER = User("nova", "%", password_digest("word"), frozenset({"nova_api"}))
KEY = ("nova", "%")
SETTLED = Server({"nova_api": NOVA}, {KEY: USER}, frozenset({("root", "localhost"), ("mysql", "localhost")}))


def statements(server: Server, *users: User, absent: tuple[str, ...] = ()) -> list[str]:
    return [statement.shown for statement in plan(server, [NOVA], users, absent)]


def test_a_digest_is_what_the_server_makes() -> None:
    # SELECT PASSWORD('word') of a server.
    assert password_digest("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_an_empty_server() -> None:
    found = plan(Server(), [NOVA], [USER])
    assert [statement.sql for statement in found] == [
        "CREATE DATABASE `nova_api` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        f"CREATE USER 'nova'@'%' IDENTIFIED VIA mysql_native_password USING '{USER.digest}' REQUIRE SSL",
        r"GRANT ALL PRIVILEGES ON `nova\_api`.* TO 'nova'@'%'",
    ]
    assert USER.digest not in " ".join(statement.shown for statement in found)


def test_a_settled_server_is_left_alone() -> None:
    assert statements(SETTLED, USER) == []
    assert statements(SETTLED) == []


def test_a_new_password_or_tls_changes_the_user_and_nothing_else() -> None:
    altered = ["ALTER USER 'nova'@'%' IDENTIFIED VIA mysql_native_password USING '(hidden)' REQUIRE SSL"]
    assert statements(SETTLED, replace(USER, digest=password_digest("new"))) == altered
    assert statements(SETTLED, replace(USER, tls=False)) == [altered[0].replace("SSL", "NONE")]
    # An account that logs in some other way is made one with a password.
    others = replace(SETTLED, users={}, others=frozenset({KEY}))
    assert statements(others, replace(USER, databases=frozenset())) == altered


def test_a_collation_is_changed() -> None:
    server = replace(SETTLED, databases={"nova_api": replace(NOVA, collation="utf8mb4_bin")})
    assert statements(server) == ["ALTER DATABASE `nova_api` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"]


def test_rights_on_other_databases_go() -> None:
    more = replace(USER, databases=frozenset({"nova_api", "old_one"}))
    server = replace(
        SETTLED,
        users={KEY: more},
        partial=frozenset({(*KEY, "%"), ("other", "%", "x")}),
        everywhere=frozenset({KEY}),
    )
    assert statements(server, USER) == [
        "REVOKE ALL PRIVILEGES ON *.* FROM 'nova'@'%'",
        "REVOKE ALL PRIVILEGES, GRANT OPTION ON `%`.* FROM 'nova'@'%'",
        r"REVOKE ALL PRIVILEGES, GRANT OPTION ON `old\_one`.* FROM 'nova'@'%'",
    ]


def test_partial_rights_become_all_rights() -> None:
    server = replace(
        SETTLED,
        users={KEY: replace(USER, databases=frozenset())},
        partial=frozenset({(*KEY, pattern("nova_api"))}),
    )
    assert statements(server, USER) == [r"GRANT ALL PRIVILEGES ON `nova\_api`.* TO 'nova'@'%'"]


def test_what_lets_everybody_in_goes() -> None:
    server = replace(
        SETTLED,
        databases={"nova_api": NOVA, "test": replace(NOVA, name="test")},
        others=SETTLED.others | {("", "localhost"), ("root", "%"), ("nova", "localhost"), ("old", "%")},
    )
    assert statements(server, USER, absent=("old",)) == [
        "DROP DATABASE `test`",
        "DROP USER ''@'localhost'",
        "DROP USER 'nova'@'localhost'",
        "DROP USER 'old'@'%'",
        "DROP USER 'root'@'%'",
    ]


@pytest.mark.parametrize(
    ("users", "absent", "words"),
    [
        ([USER], ["nova"], "wanted and to be absent"),
        ([USER, replace(USER, tls=False)], [], "listed twice"),
        ([replace(USER, databases=frozenset({"no"}))], [], "to own no, which does not exist"),
    ],
)
def test_contradictions_are_refused(users: list[User], absent: list[str], words: str) -> None:
    with pytest.raises(AccessError, match=words):
        plan(Server(), [NOVA], users, absent)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("database", "a`b"), ("database", "mysql"), ("user", "root"), ("user", ""), ("host", "a'b"), ("user", "a'b")],
)
def test_names_that_need_quoting_or_belong_to_the_server_are_refused(kind: str, name: str) -> None:
    with pytest.raises(AccessError):
        check_name(kind, name)


def test_names_and_character_sets() -> None:
    assert check_name("host", "10.0.0.%") == "10.0.0.%"
    assert check_charset("utf8mb4") == "utf8mb4"
    with pytest.raises(AccessError):
        check_charset("utf8; DROP")
