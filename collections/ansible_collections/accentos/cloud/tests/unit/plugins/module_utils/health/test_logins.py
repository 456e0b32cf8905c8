# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which logins stand in files, and what comes of trying them."""

from __future__ import annotations

import io
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.health import read_logins
from ansible_collections.accentos.cloud.plugins.module_utils.health.read_logins import (
    Login,
    logins,
    logins_of,
    try_logins,
)

CA = "/pki/ca.crt"
TEXT = """\
[DEFAULT]
transport_url = rabbit://nova:wo%2Frd@a.example.test:5671,nova:wo%2Frd@b.example.test:5671/
[database]
connection = mysql+pymysql://nova:word@api.example.test:3306/nova?charset=utf8mb4&ssl_ca=/other/ca.crt
[keystone_authtoken]
auth_url = https://api.example.test:5000/v3/
username = nova
password = a$$b
project_name = service
[placement]
auth_url = https://api.example.test:5000/v3
username = placement
[cache]
connection = none
odd
"""
DATABASE = Login("database", "nova", "word", ("api.example.test:3306",), ("nova",), "/other/ca.crt")
MESSAGING = Login("messaging", "nova", "wo/rd", ("a.example.test:5671", "b.example.test:5671"), ("/",), CA)
IDENTITY = Login(
    "identity", "nova", "a$b", ("https://api.example.test:5000/v3",), ("service", "Default", "Default"), CA
)


class FakeDatabaseError(Exception):
    pass


class FakeMessagingError(Exception):
    pass


class FakeRefusedError(FakeMessagingError):
    pass


class FakeConnection:
    """Connects to a server of messages that fails as ``answer`` says, by server."""

    answer: ClassVar[dict[str, Exception]] = {}
    asked: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **options: Any) -> None:
        self.asked.append(options)
        self._server = options["host"]

    def connect(self) -> None:
        if error := self.answer.get(self._server):
            raise error

    def close(self) -> None:
        pass


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for the libraries; return what they were asked, and what they answer."""
    state = SimpleNamespace(database=None, identity=None, asked=[], messages={})

    def connect(**options: Any) -> Any:
        state.asked.append(options)
        if state.database:
            raise state.database
        return SimpleNamespace(close=lambda: None)

    def open_url(url: str, **options: Any) -> Any:
        state.asked.append({"url": url, **options})
        if state.identity:
            raise state.identity
        return io.BytesIO(b"{}")

    monkeypatch.setattr(read_logins, "pymysql", SimpleNamespace(connect=connect, MySQLError=FakeDatabaseError))
    monkeypatch.setattr(FakeConnection, "answer", state.messages)
    monkeypatch.setattr(FakeConnection, "asked", state.asked)
    monkeypatch.setattr(
        read_logins,
        "amqp",
        SimpleNamespace(
            Connection=FakeConnection,
            AccessRefused=FakeRefusedError,
            NotAllowed=FakeRefusedError,
            AMQPError=FakeMessagingError,
        ),
    )
    monkeypatch.setattr(read_logins, "open_url", open_url)
    return state


def tried(login: Login) -> tuple[str, bool]:
    (found,) = try_logins([login])
    assert login.password not in str(found)
    return found["problem"], found["judged"]


def test_logins_are_found_where_services_look_for_them() -> None:
    assert logins_of(TEXT, CA) == [MESSAGING, DATABASE, IDENTITY]
    assert logins_of("no options", CA) == []
    assert "word" not in repr(DATABASE)


def test_each_login_is_tried_once_for_all_of_its_files(tmp_path: Path) -> None:
    for name in ("a.conf", "b.conf"):
        (tmp_path / name).write_text(TEXT)
    paths = [str(tmp_path / name) for name in ("a.conf", "b.conf", "missing.conf")]
    units = [{"name": "a", "inputs": paths[:1]}, {"name": "b", "inputs": [*paths[1:], str(tmp_path)]}, {"name": "c"}]
    found = logins({"units": units}, CA)
    assert {kind: [login.files for login in mine] for kind, mine in found.items()} == {
        "messaging": [tuple(paths[:2])],
        "database": [tuple(paths[:2])],
        "identity": [tuple(paths[:2])],
    }
    assert set(read_logins.collectors(found)) == {"messaging_logins", "database_logins", "identity_logins"}


def test_who_is_let_in_has_no_problem(servers: SimpleNamespace) -> None:
    for login in (DATABASE, MESSAGING, IDENTITY):
        assert tried(login) == ("", True)
    database, messaging, identity = servers.asked
    assert (database["host"], database["port"], database["database"]) == ("api.example.test", 3306, "nova")
    assert database["ssl_verify_cert"]
    assert database["ssl_verify_identity"]
    assert messaging["ssl"]["server_hostname"] == "a.example.test"
    assert identity["url"] == "https://api.example.test:5000/v3/auth/tokens?nocatalog"
    assert (identity["ca_path"], identity["follow_redirects"], identity["use_proxy"]) == (CA, "none", False)


def test_a_wrong_password_is_told_and_no_other_server_is_asked(servers: SimpleNamespace) -> None:
    servers.database = FakeDatabaseError(1045, "Access denied for user 'nova'")
    servers.messages["a.example.test:5671"] = FakeRefusedError("ACCESS_REFUSED")
    servers.identity = urllib.error.HTTPError("u", 401, "Unauthorized", {}, None)  # type: ignore[arg-type]
    assert tried(DATABASE) == ("api.example.test:3306: Access denied for user 'nova'", True)
    assert tried(MESSAGING) == ("a.example.test:5671: ACCESS_REFUSED", True)
    assert tried(IDENTITY) == ("https://api.example.test:5000/v3 answers with status 401", True)


def test_a_server_that_does_not_answer_judges_nobody(servers: SimpleNamespace) -> None:
    servers.database = FakeDatabaseError(2003, "Can't connect")
    servers.messages["a.example.test:5671"] = OSError("no route")
    assert tried(DATABASE) == ("api.example.test:3306: Can't connect", False)
    # The other server lets the user in.
    assert tried(MESSAGING) == ("", True)
    servers.messages["b.example.test:5671"] = FakeMessagingError("closed")
    assert tried(MESSAGING) == ("a.example.test:5671: no route; b.example.test:5671: closed", False)
    servers.identity = urllib.error.URLError("refused")
    assert tried(IDENTITY) == ("https://api.example.test:5000/v3: refused", False)
    servers.identity = urllib.error.HTTPError("u", 503, "Unavailable", {}, None)  # type: ignore[arg-type]
    assert tried(IDENTITY)[1] is False


@pytest.mark.parametrize(("library", "login"), [("pymysql", DATABASE), ("amqp", MESSAGING)])
def test_without_a_library_nobody_is_asked(library: str, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_logins, library, None)
    problem, judged = tried(login)
    assert f"python3-{library} is not installed" in problem
    assert not judged
