# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process: an identity service that speaks TLS, and a keystone that keeps what it is told."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import keystone_bootstrap

from .tls_server import TlsHandler, TlsServer, serving

USER = pwd.getpwuid(os.geteuid()).pw_name
EXEMPTION = "ignore_lockout_failure_attempts"
# What the module uses of keystone: without its package here, this is the shape of release 2025.1.
KEYSTONE = {
    "__init__.py": "",
    "conf/__init__.py": """\
import types
class Conf:
    identity = types.SimpleNamespace(default_domain_id="default")
    def __call__(self, args, project): assert (args, project) == ([], "keystone")
CONF = Conf()
def configure(): pass
""",
    "exception.py": """\
class Unauthorized(Exception): pass
class AccountLocked(Unauthorized): pass
class UserNotFound(Exception): pass
""",
    "common/__init__.py": "",
    "common/sql.py": "def initialize(): pass\n",
    "common/provider_api.py": "class ProviderAPIs: pass\n",
    "users.py": """\
import json, pathlib
from keystone import exception
FOLDER = pathlib.Path(__file__).parents[1]
FILE = FOLDER / "administrator"
class Users:
    def get_user_by_name(self, name, domain):
        if (FOLDER / "broken").exists():
            raise RuntimeError("no such table")
        if not FILE.exists() or (name, domain) != ("admin", "default"):
            raise exception.UserNotFound(name)
        return {**json.loads(FILE.read_text()), "id": "id-1"}
    def authenticate(self, number, password):
        user = self.get_user_by_name("admin", "default")
        if user["failures"] >= 10 and user["options"].get("ignore_lockout_failure_attempts") is not True:
            raise exception.AccountLocked(number)
        if user["password"] != password:
            raise AssertionError("Invalid user / password")
    def create_user(self, user_ref):
        FILE.write_text(json.dumps({"options": {}, "failures": 0, "passwords": 1, "admin": False, **user_ref}))
        return {**user_ref, "id": "id-1"}
    def update_user(self, number, values):
        assert number == "id-1"
        user = self.get_user_by_name("admin", "default")
        user["passwords"] += "password" in values
        user |= {**values, "options": {**user["options"], **values.get("options", {})}, "failures": 0}
        FILE.write_text(json.dumps(user))
        return user
""",
    "cmd/__init__.py": "",
    "cmd/bootstrap.py": """\
import json, os
from keystone import exception
from keystone.common.provider_api import ProviderAPIs
from keystone.users import FILE, FOLDER, Users
class Bootstrapper:
    def __init__(self):
        ProviderAPIs.identity_api = Users()
    def bootstrap(self):
        users = ProviderAPIs.identity_api
        try:
            user = users.get_user_by_name(self.admin_username, "default")
            try:
                users.authenticate(user["id"], self.admin_password)
            except AssertionError:
                users.update_user(user["id"], {"password": self.admin_password})
        except exception.UserNotFound:
            user = users.create_user({"name": self.admin_username, "password": self.admin_password})
        self.admin_user_id = user["id"]
        FILE.write_text(json.dumps({**json.loads(FILE.read_text()), "admin": True}))
        told = {**vars(self), "environment": dict(os.environ)}
        (FOLDER / "bootstrapped").write_text(json.dumps(told))
""",
}


class Identity(TlsServer):
    """Lets the administrator in that a file holds, its database; ``codes`` are answers to give before.

    So many tokens are refused first, as those of the second in which the password was set are.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Handler)
        self.folder = folder
        self.database = folder / "administrator"
        self.codes: list[int] = []
        self.refused_tokens = 0

    def add(self, **values: Any) -> None:
        """Add an administrator whom a number of wrong passwords locks out."""
        user = {"password": "Zq7-canary", "options": {}, "failures": 0, "passwords": 1, "admin": True, **values}
        self.database.write_text(json.dumps(user), encoding="utf-8")

    def administrator(self) -> dict[str, Any]:
        """Return what is known of the administrator."""
        found = json.loads(self.database.read_text(encoding="utf-8")) if self.database.exists() else {}
        return dict(found)


class Handler(TlsHandler):
    server: Identity

    def handle_one(self, method: str) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"] or 0))
        user = self.server.administrator()
        if self.server.codes:
            self.answer(self.server.codes.pop(0))
        elif (method, self.path) == ("POST", "/v3/auth/tokens"):
            given = json.loads(text)["auth"]["identity"]["password"]["user"]["password"]
            locked = user and user["failures"] >= 10 and user["options"].get(EXEMPTION) is not True
            right = user and not locked and user["password"] == given
            self.answer(201 if right else 401, {}, **({"X-Subject-Token": "token"} if right else {}))
        elif (method, self.path) == ("GET", "/v3/users?domain_id=default&name=admin"):
            assert self.headers["X-Auth-Token"] == "token"
            if self.server.refused_tokens:
                self.server.refused_tokens -= 1
                self.answer(401)
                return
            self.answer(*(200, {"users": [{"name": "admin", "options": user["options"]}]}) if user["admin"] else (403,))
        else:
            self.answer(404)


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    for name, text in KEYSTONE.items():
        (tmp_path / "keystone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "keystone" / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Identity(tmp_path)
    with serving(made):
        yield made


def run(identity: Identity, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    args = {
        "url": identity.url("/v3"),
        "ca_file": str(identity.certificate),
        "password": "Zq7-canary",
        "region": "RegionOne",
        "user": USER,
        "timeout": 0,
        "_ansible_diff": True,
        **options,
    }
    with patch_module_args(args), pytest.raises(SystemExit):
        keystone_bootstrap.main()
    out = capsys.readouterr().out
    assert "Zq7-canary" not in out
    result: dict[str, Any] = json.loads(out)
    return result


def test_an_administrator_is_made_once(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    planned = run(identity, capsys, _ansible_check_mode=True)
    assert (planned["changed"], (identity.folder / "bootstrapped").exists()) == (True, False)
    made = run(identity, capsys)
    assert (made["changed"], made["diff"]) == (True, planned["diff"])
    assert made["diff"]["after"] == "user admin, project admin, region RegionOne\n"
    told = json.loads((identity.folder / "bootstrapped").read_text(encoding="utf-8"))
    assert (told["admin_password"], told["public_url"], told["region_id"]) == (
        "Zq7-canary",
        identity.url("/v3"),
        "RegionOne",
    )
    assert "Zq7-canary" not in json.dumps(told["environment"])
    assert identity.administrator()["options"] == {EXEMPTION: True}
    for check_mode in (True, False):
        again = run(identity, capsys, _ansible_check_mode=check_mode)
        assert (again["changed"], again["diff"]["after"]) == (False, "")


def test_an_administrator_who_could_be_locked_out_no_longer_can(
    identity: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    identity.add(options={"lock_password": True})
    planned = run(identity, capsys, _ansible_check_mode=True)
    assert (planned["changed"], identity.administrator()["options"]) == (True, {"lock_password": True})
    made = run(identity, capsys)
    assert (made["changed"], made["diff"]) == (True, planned["diff"])
    assert made["diff"] == {
        "before": f"user admin: {EXEMPTION} = False\n",
        "after": f"user admin: {EXEMPTION} = True\n",
    }
    assert identity.administrator()["options"] == {"lock_password": True, EXEMPTION: True}
    assert not (identity.folder / "bootstrapped").exists()
    for check_mode in (True, False):
        again = run(identity, capsys, _ansible_check_mode=check_mode)
        assert (again["changed"], again["diff"]) == (False, {"before": "", "after": ""})


@pytest.mark.parametrize(("password", "passwords"), [("Zq7-canary", 1), ("another", 2)])
def test_an_administrator_who_is_locked_out_is_let_in(
    identity: Identity, capsys: pytest.CaptureFixture[str], password: str, passwords: int
) -> None:
    identity.add(password=password, failures=10)
    assert run(identity, capsys)["changed"]
    user = identity.administrator()
    # The password that is right already is not set again, which would end all sessions.
    assert (user["password"], user["passwords"], user["options"]) == ("Zq7-canary", passwords, {EXEMPTION: True})
    identity.add(failures=10, options={EXEMPTION: True})
    assert not run(identity, capsys)["changed"]


def test_an_administrator_without_the_role_gets_it(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    identity.add(admin=False)
    assert run(identity, capsys)["changed"]
    assert identity.administrator()["admin"]
    assert not run(identity, capsys)["changed"]


def test_nothing_of_the_child_stays_in_the_module(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    run(identity, capsys)
    assert "keystone" not in sys.modules


def test_a_service_that_starts_is_waited_for(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    identity.add(options={EXEMPTION: True})
    identity.codes = [503, 503]
    assert not run(identity, capsys, timeout=20)["changed"]
    identity.codes = [503]
    refused = run(identity, capsys)
    assert refused["msg"].startswith(f"The identity service at {identity.url('/v3')} gives no answer to a login: ")
    identity.codes = [503]
    assert run(identity, capsys, _ansible_check_mode=True)["changed"]


def test_a_token_of_the_second_in_which_the_password_was_set_is_not_the_last_word(
    identity: Identity, capsys: pytest.CaptureFixture[str]
) -> None:
    identity.add(options={EXEMPTION: True})
    identity.refused_tokens = 2
    assert not run(identity, capsys, timeout=20)["changed"]
    assert not (identity.folder / "bootstrapped").exists()
    identity.refused_tokens = 1
    assert "401" in run(identity, capsys)["msg"]


def test_authorities_that_cannot_be_read(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    refused = run(identity, capsys, ca_file="/no/such/file")
    assert refused["msg"].startswith("The authorities in /no/such/file cannot be read: ")
    assert run(identity, capsys, ca_file="/no/such/file", _ansible_check_mode=True)["changed"]


def test_errors_of_keystone_are_told(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    (identity.folder / "broken").touch()
    refused = run(identity, capsys)
    assert refused["msg"] == "keystone cannot make its administrator: RuntimeError: no such table"
    (identity.folder / "broken").unlink()
    (identity.folder / "keystone" / "cmd" / "bootstrap.py").write_text("raise SystemExit(3)", encoding="utf-8")
    assert run(identity, capsys)["msg"] == "keystone cannot make its administrator: SystemExit: 3"
    assert run(identity, capsys, user="no-such-user")["msg"] == "There is no user no-such-user."


def test_a_service_with_another_database_is_told(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    identity.codes = [401, 401]
    refused = run(identity, capsys)
    assert refused["msg"] == "admin was made, but the identity service still refuses the login."
    # In this one somebody can log in, who is not in that of the host, and then is.
    here, identity.database = identity.database, identity.folder / "elsewhere"
    identity.add()
    here.unlink()
    assert (
        run(identity, capsys)["msg"] == "keystone cannot make its administrator: keystone.exception.UserNotFound: admin"
    )
    here.write_text(identity.database.read_text(encoding="utf-8"), encoding="utf-8")
    refused = run(identity, capsys)
    assert refused["msg"] == "admin was exempted from lockouts, but the identity service does not know."
