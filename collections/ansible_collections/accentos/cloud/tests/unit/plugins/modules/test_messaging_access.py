# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against a rabbitmqctl that keeps definitions in a folder."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import messaging_access

# Files of the folder: what the server holds, what it was asked; "refuses" holds the command that fails.
RABBITMQCTL = """\
#!{python}
import json, os, sys
os.chdir({folder!r})
command, *rest = sys.argv[4:]
assert sys.argv[1:4] == ["--quiet", "--timeout", "60"]
with open("calls", "a") as calls: print(command, *rest, file=calls)
if command == open("refuses").read().strip(): sys.exit("Error: unable to perform an operation")
held = json.load(open("held"))
if command == "export_definitions":
    print(json.dumps(held))
elif command == "import_definitions":
    assert os.stat(rest[0]).st_mode & 0o777 == 0o400
    for kind, rows in json.load(open(rest[0])).items():
        keys = ("user", "vhost") if kind == "permissions" else ("name",)
        new = {{tuple(row[key] for key in keys): row for row in held[kind] + rows}}
        held[kind] = list(new.values())
elif command == "delete_user":
    held["users"] = [row for row in held["users"] if row["name"] != rest[0]]
json.dump(held, open("held", "w"))
"""
WANTED: dict[str, Any] = {
    "vhosts": [{"name": "/"}],
    "users": [{"name": "nova", "password": "word-of-nova", "permissions": [{"vhost": "/"}]}],
}
Run = Callable[..., dict[str, Any]]


@pytest.fixture(name="server")
def _server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "held").write_text('{"vhosts": [], "users": [{"name": "guest", "tags": []}], "permissions": []}')
    (folder / "refuses").write_text("")
    program = tmp_path / "bin" / "rabbitmqctl"
    program.parent.mkdir()
    program.write_text(RABBITMQCTL.format(python=sys.executable, folder=str(folder)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(messaging_access, "DEFINITIONS", tmp_path / "definitions.json")
    monkeypatch.setattr(messaging_access, "_OWNER", pwd.getpwuid(os.geteuid()).pw_name)
    return folder


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(wanted: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        with patch_module_args({**(wanted or WANTED), **options}), pytest.raises(SystemExit):
            messaging_access.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert "word-of-nova" not in json.dumps({**result, "invocation": None})
        return result

    return run


def calls(server: Path) -> list[str]:
    found = (server / "calls").read_text().splitlines()
    (server / "calls").unlink()
    return [line.split()[0] for line in found]


def test_made_then_left_alone_then_changed(server: Path, run: Run) -> None:
    planned = run(_ansible_check_mode=True, _ansible_diff=True)
    assert calls(server) == ["ping", "export_definitions"]
    made = run(_ansible_diff=True)
    assert planned["changes"] == made["changes"]
    assert planned["diff"] == made["diff"]
    assert made["changed"]
    assert calls(server) == ["export_definitions", "import_definitions", "delete_user"]
    assert not messaging_access.DEFINITIONS.exists()
    held = (server / "held").read_text()
    assert "word-of-nova" not in held
    assert "guest" not in held
    assert not run()["changed"]
    assert calls(server) == ["export_definitions"]
    changed = run({**WANTED, "users": [{**WANTED["users"][0], "password": "another"}]})
    assert changed["changes"] == ["user nova: changed, new password, tags none"]
    assert (server / "held").read_text() != held


def test_what_a_killed_run_left_is_removed(server: Path, run: Run) -> None:
    run()
    messaging_access.DEFINITIONS.write_text("{}")
    assert not run()["changed"]
    assert not messaging_access.DEFINITIONS.exists()


def test_a_server_that_does_not_follow(server: Path, run: Run) -> None:
    (server / "refuses").write_text("import_definitions")
    failed = run()
    assert failed["failed"]
    assert "rabbitmqctl import_definitions ended with code 1: Error: unable" in failed["msg"]
    assert failed["remedy"]
    assert not messaging_access.DEFINITIONS.exists()


def test_in_check_mode_the_server_may_be_missing(server: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (server / "refuses").write_text("ping")
    assert run(_ansible_check_mode=True)["changes"][0] == "virtual host /: quorum queues"
    assert calls(server) == ["ping"]
    monkeypatch.setenv("PATH", str(server))
    assert run(_ansible_check_mode=True)["changed"]
    # A new server has the virtual host on which most users are.
    nova = {"name": "nova", "password": "word-of-nova", "permissions": [{"vhost": "/"}]}
    assert run({"users": [nova]}, _ansible_check_mode=True)["changed"]
    assert run()["failed"]


def test_a_contradiction_is_refused_before_anything_is_done(server: Path, run: Run) -> None:
    failed = run({"users": [{"name": "guest", "password": "word-of-nova"}]})
    assert (failed["msg"], bool(failed["remedy"])) == ("The user guest is everybody's.", True)
    assert calls(server) == ["export_definitions"]
