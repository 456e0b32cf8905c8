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
# What the module uses of keystone: without its package here, this is the shape of release 2025.1.
KEYSTONE = {
    "__init__.py": "",
    "conf/__init__.py": "def configure(): pass\ndef CONF(args, project): assert (args, project) == ([], 'keystone')\n",
    "common/__init__.py": "",
    "common/sql.py": "def initialize(): pass\n",
    "cmd/__init__.py": "",
    "cmd/bootstrap.py": """\
import json, os, pathlib
class Bootstrapper:
    def bootstrap(self):
        folder = pathlib.Path(__file__).parents[2]
        if (folder / "broken").exists():
            raise RuntimeError("no such table")
        told = {**vars(self), "environment": dict(os.environ)}
        (folder / "bootstrapped").write_text(json.dumps(told))
        (folder / "password").write_text(self.admin_password)
""",
}


class Identity(TlsServer):
    """Lets the administrator in whose password a file holds; ``codes`` are answers to give before."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Handler)
        self.folder = folder
        self.codes: list[int] = []


class Handler(TlsHandler):
    server: Identity

    def handle_one(self, _method: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        given = body["auth"]["identity"]["password"]["user"]["password"]
        known = self.server.folder / "password"
        right = self.path == "/v3/auth/tokens" and known.exists() and known.read_text(encoding="utf-8") == given
        self.send_response(self.server.codes.pop(0) if self.server.codes else 201 if right else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()


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
    for check_mode in (True, False):
        again = run(identity, capsys, _ansible_check_mode=check_mode)
        assert (again["changed"], again["diff"]["after"]) == (False, "")


def test_nothing_of_the_child_stays_in_the_module(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    run(identity, capsys)
    assert "keystone" not in sys.modules


def test_a_service_that_starts_is_waited_for(identity: Identity, capsys: pytest.CaptureFixture[str]) -> None:
    (identity.folder / "password").write_text("Zq7-canary", encoding="utf-8")
    identity.codes = [503, 503]
    assert not run(identity, capsys, timeout=20)["changed"]
    identity.codes = [503]
    refused = run(identity, capsys)
    assert refused["msg"].startswith(f"The identity service at {identity.url('/v3')} gives no answer to a login: ")
    identity.codes = [503]
    assert run(identity, capsys, _ansible_check_mode=True)["changed"]


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
