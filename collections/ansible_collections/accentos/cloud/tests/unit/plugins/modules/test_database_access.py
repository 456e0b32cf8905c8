# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module in this process: what it reads from tables of a server, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.database_access import Database, User, password_digest
from ansible_collections.accentos.cloud.plugins.modules import database_access

DIGEST = password_digest("word-of-nova")
ALL = {"Select_priv": "Y", "Drop_priv": "Y", "Grant_priv": "N"}
# As MariaDB 11.8 has them.
ACCOUNTS = {
    ("root", "localhost"): {"access": 18446744073709551615, "plugin": "mysql_native_password", "auth_or": [{}]},
    ("mariadb.sys", "localhost"): {"access": 0, "plugin": "mysql_native_password", "account_locked": True},
    ("reader", ""): {"access": 0, "is_role": True},
    ("nova", "%"): {
        "access": 0,
        "plugin": "mysql_native_password",
        "authentication_string": DIGEST,
        "ssl_type": 1,
    },
    ("old", "%"): {"access": 1, "plugin": "ed25519", "authentication_string": "x"},
}
GRANTS = [
    {"Host": "%", "Db": r"nova\_api", "User": "nova", **ALL},
    {"Host": "%", "Db": "nova_api", "User": "nova", **ALL},
    {"Host": "%", "Db": "nova%", "User": "nova", **ALL},
    {"Host": "%", "Db": "glance", "User": "nova", **ALL, "Drop_priv": "N"},
    {"Host": "%", "Db": "heat", "User": "nova", **ALL, "Grant_priv": "Y"},
]
SCHEMATA = [{"name": "nova_api", "character_set": "utf8mb4", "collation": "utf8mb4_general_ci"}]
WANTED = {
    "databases": [{"name": "nova_api"}],
    "users": [{"name": "nova", "password": "word-of-nova", "databases": ["nova_api"]}],
}
Run = Callable[..., dict[str, Any]]


class ServerError(Exception):
    """What the library raises."""


class Server:
    """A server that knows the statements that it was given, in place of the library's connection and cursor."""

    def __init__(self, grants: list[dict[str, str]]) -> None:
        self.grants = grants
        self.given: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.refuses = ""
        self.code = 1045

    def connect(self, **options: Any) -> Server:
        assert options["user"] == "root"
        assert "password" not in options
        return self

    def cursor(self) -> Server:
        return self

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def close(self) -> None:
        self.given.append("closed")

    def execute(self, sql: str) -> None:
        if self.refuses and sql.startswith(self.refuses):
            raise ServerError(self.code, "Access denied")
        self.rows = []
        if sql.startswith("SELECT * FROM mysql.db"):
            self.rows = self.grants
        elif "global_priv" in sql:
            self.rows = [{"User": u, "Host": h, "Priv": json.dumps(about)} for (u, h), about in ACCOUNTS.items()]
        elif "SCHEMATA" in sql:
            self.rows = SCHEMATA
        else:
            self.given.append(sql)

    def fetchall(self) -> list[dict[str, Any]]:
        return self.rows


@pytest.fixture(name="server")
def _server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server(GRANTS[:1])
    cursors = SimpleNamespace(DictCursor=None)
    library = SimpleNamespace(connect=server.connect, cursors=cursors, MySQLError=ServerError)
    monkeypatch.setattr(database_access, "pymysql", library, raising=False)
    monkeypatch.setattr(database_access, "PYMYSQL_ERROR", None)
    return server


@pytest.fixture(name="run")
def _run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "socket").touch()

    def run(wanted: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        arguments = {"socket": str(tmp_path / "socket"), **(wanted or WANTED), **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            database_access.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        told = json.dumps({**result, "invocation": None})
        assert "word-of-nova" not in told
        assert DIGEST not in told
        return result

    return run


def test_what_the_tables_say() -> None:
    server = Server(GRANTS)

    def query(sql: str) -> list[dict[str, Any]]:
        server.execute(sql)
        return server.fetchall()

    found = database_access.read_server(query)
    assert found.databases == {"nova_api": Database("nova_api", "utf8mb4", "utf8mb4_general_ci")}
    assert found.users == {("nova", "%"): User("nova", "%", DIGEST, frozenset({"nova_api"}))}
    assert found.others == {("root", "localhost"), ("mariadb.sys", "localhost"), ("old", "%")}
    assert found.everywhere == {("root", "localhost"), ("old", "%")}
    # Without the backslash an underscore stands for any letter.
    assert {row[2] for row in found.partial} == {"nova_api", "nova%", "glance", "heat"}


def test_a_settled_server_is_left_alone(server: Server, run: Run) -> None:
    assert not run()["changed"]
    assert server.given == ["closed"]


def test_a_new_password_is_planned_then_set(server: Server, run: Run) -> None:
    wanted = {**WANTED, "users": [{"name": "nova", "password": "new", "databases": ["nova_api"]}]}
    planned = run(wanted, _ansible_check_mode=True, _ansible_diff=True)
    assert server.given == ["closed"]
    done = run(wanted, _ansible_diff=True)
    assert (planned["changed"], planned["diff"]) == (done["changed"], done["diff"])
    assert done["statements"] == [
        "ALTER USER 'nova'@'%' IDENTIFIED VIA mysql_native_password USING '(hidden)' REQUIRE SSL"
    ]
    assert server.given[1:] == [done["statements"][0].replace("(hidden)", password_digest("new")), "closed"]


@pytest.mark.parametrize(("code", "remedy"), [(1698, "runuser -u mysql -- mariadb"), (1047, "journalctl")])
def test_a_server_that_does_not_follow(server: Server, run: Run, code: int, remedy: str) -> None:
    server.refuses, server.code = "DROP USER", code
    failed = run({"absent_users": ["old"]})
    assert failed["failed"]
    assert "Access denied" in failed["msg"]
    assert remedy in failed["remedy"]
    assert server.given == ["closed"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"users": [{"name": "root", "password": "x"}]}, "belongs to the server itself"),
        ({"users": [{"name": "nova", "password": ""}]}, "empty password"),
        ({"databases": [{"name": "a b"}]}, "no name of a database"),
        ({"databases": [{"name": "a", "collation": "x y"}]}, "no character set"),
    ],
)
def test_bad_input_never_reaches_the_server(server: Server, run: Run, wanted: dict[str, Any], words: str) -> None:
    failed = run(wanted)
    assert words in failed["msg"]
    assert failed["remedy"]
    assert server.given == []


def test_in_check_mode_server_and_library_may_be_missing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_access, "PYMYSQL_ERROR", "no module")
    assert len(run(_ansible_check_mode=True)["statements"]) == 3
    assert "PyMySQL" in run()["msg"]


def test_in_check_mode_the_socket_may_be_missing(server: Server, run: Run, tmp_path: Path) -> None:
    (tmp_path / "socket").unlink()
    assert len(run(_ansible_check_mode=True)["statements"]) == 3
    assert server.given == []
