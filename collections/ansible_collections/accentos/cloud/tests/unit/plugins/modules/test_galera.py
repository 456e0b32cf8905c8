# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules galera_state and galera_begin in this process, on a host that is a folder with a systemctl of its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import galera_begin, galera_state

CLUSTER = "6b8b2f0e-c98f-11f0-9b7e-b2a1d3f1c6d1"
STATE = f"version: 2.1\nuuid:    {CLUSTER}\nseqno:   {{}}\nsafe_to_bootstrap: 0\n"
SYSTEMCTL = """\
#!/bin/sh
cd {folder} || exit 9
[ "$1" = show ] && {{ echo "ActiveState=$(head -n 1 states)"; sed -i '1{{$!d}}' states; exit 0; }}
echo "$*" >>calls
[ "$1" = "$(cat refuses)" ] && {{ echo "Job failed." >&2; exit 1; }}
[ "$1" = stop ] && echo inactive >states
[ "$1" = start ] && cp order ordered 2>/dev/null
exit 0
"""
JOURNALCTL = "#!/bin/sh\necho WSREP: no space\n"
DAEMON = '#!/bin/sh\necho "$*" >>{folder}/recovered\ncat {folder}/position >&2\n'


class ServerError(Exception):
    """What the library raises."""


SILENT = ServerError(2003, "Can't connect to MySQL server on 'localhost' ([Errno 2] No such file or directory)")


class Answer:
    """What a server says of itself, in place of the library's connection and cursor."""

    def __init__(self, status: dict[str, str] | Exception) -> None:
        self.status = status

    def connect(self, **options: Any) -> Answer:
        assert options["read_timeout"] > 0
        if isinstance(self.status, Exception):
            raise self.status
        return self

    def cursor(self) -> Answer:
        return self

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def execute(self, sql: str) -> None:
        assert "wsrep_cluster_status" in sql

    def fetchall(self) -> list[tuple[str, str]]:
        assert isinstance(self.status, dict)
        return list(self.status.items())


class Host:
    """A host with the server's unit and folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._capsys = capsys
        for name in ("data/mysql", "data/sys", "bin"):
            (folder / name).mkdir(parents=True)
        for name, script in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL), ("mariadbd", DAEMON)):
            program = folder / "bin" / name
            program.write_text(script.format(folder=folder))
            program.chmod(0o755)
        for name in ("calls", "refuses", "position"):
            (folder / name).touch()
        monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        monkeypatch.setattr(galera_state, "_DAEMON", f"{folder}/bin/mariadbd")
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        monkeypatch.setattr(galera_begin, "ORDER", folder / "order")
        monkeypatch.setattr(galera_begin, "MARKER_FOLDER", folder / "markers")
        self.answers(SILENT, monkeypatch)

    def answers(self, status: dict[str, str] | Exception, monkeypatch: pytest.MonkeyPatch) -> None:
        library = SimpleNamespace(connect=Answer(status).connect, MySQLError=ServerError)
        monkeypatch.setattr(galera_state, "pymysql", library, raising=False)
        monkeypatch.setattr(galera_state, "PYMYSQL_ERROR", None)

    def states(self, *states: str) -> None:
        (self.folder / "states").write_text("".join(f"{state}\n" for state in states))

    def run(self, module: ModuleType, **options: Any) -> dict[str, Any]:
        with patch_module_args({"folder": str(self.data), **options}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture(name="host")
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, monkeypatch, capsys)


def member(**known: Any) -> dict[str, Any]:
    return {
        "active": False,
        "primary": False,
        "joined": False,
        "uuid": "",
        "seqno": None,
        "databases": [],
        "obstacle": "",
        **known,
    }


def test_a_new_server(host: Host) -> None:
    host.states("inactive")
    assert host.run(galera_state)["member"] == member()
    assert not (host.folder / "recovered").exists()
    host.data = host.folder / "none"
    assert host.run(galera_state)["member"] == member()


def test_a_server_that_works_is_only_asked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.states("activating", "active")
    host.answers({"wsrep_cluster_status": "Primary", "wsrep_cluster_state_uuid": CLUSTER}, monkeypatch)
    (host.data / "grastate.dat").write_text(STATE.format(-1))
    found = host.run(galera_state, stop=True)
    assert not found["changed"]
    assert found["member"] == member(active=True, primary=True, joined=True, uuid=CLUSTER)
    assert host.calls() == []


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("active", {"wsrep_cluster_status": "non-Primary"}),
        ("active", {}),
        ("active", ServerError(1047, "WSREP has not yet prepared node for application use")),
        # It waits for the others.
        ("activating", SILENT),
    ],
)
def test_a_server_without_quorum_is_stopped_and_its_position_read(
    host: Host, monkeypatch: pytest.MonkeyPatch, state: str, status: dict[str, str] | Exception
) -> None:
    host.answers(status, monkeypatch)
    (host.data / "grastate.dat").write_text(STATE.format(-1))
    (host.data / "nova").mkdir()
    (host.folder / "position").write_text(f"WSREP: Recovered position: {CLUSTER}:17\n")
    host.states(state)
    unknown = member(active=True, joined=True, uuid=CLUSTER, databases=["nova"])
    planned = host.run(galera_state, stop=True, timeout=0, _ansible_check_mode=True)
    assert (planned["changed"], planned["member"], host.calls()) == (True, unknown, [])
    # Without leave it goes on, and how far it came stays unknown.
    left = host.run(galera_state, timeout=0)
    assert (left["changed"], left["member"], host.calls()) == (False, unknown, [])
    stopped = host.run(galera_state, stop=True, timeout=0)
    assert stopped["changed"]
    assert stopped["member"] == {**unknown, "active": False, "seqno": 17}
    assert host.calls() == ["stop mariadb.service"]


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ("active", ServerError(1698, "Access denied for user 'root'@'localhost'"), "Access denied .* \\(1698\\)"),
        ("active", ServerError(1045, "Access denied (using password: NO)"), "Access denied .* \\(1045\\)"),
        ("activating", ServerError(1698, "Access denied for user 'root'@'localhost'"), "Access denied"),
        ("active", ServerError(1040, "Too many connections"), "Too many connections \\(1040\\)"),
        ("active", RuntimeError("'pynacl' package is required for ed25519_password auth method"), "pynacl"),
        # A silence is no proof that it does not work.
        ("active", ServerError(2013, "Lost connection to MySQL server (timed out)"), "timed out"),
        ("active", ServerError(), "ServerError"),
    ],
)
def test_a_server_that_runs_and_cannot_be_asked_is_left_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, state: str, error: Exception, words: str
) -> None:
    host.answers(error, monkeypatch)
    (host.data / "grastate.dat").write_text(STATE.format(-1))
    host.states(state)
    for options in ({}, {"stop": True}, {"stop": True, "_ansible_check_mode": True}):
        found = host.run(galera_state, timeout=0, **options)
        assert not found["changed"]
        assert re.search(words, found["member"]["obstacle"])
        assert (found["member"]["active"], found["member"]["primary"], host.calls()) == (True, False, [])


def test_a_server_that_runs_is_not_asked_without_the_library(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(galera_state, "PYMYSQL_ERROR", "no module named pymysql")
    host.states("active")
    found = host.run(galera_state, stop=True)
    assert "PyMySQL" in found["member"]["obstacle"]
    assert host.calls() == []
    # In check mode the package that has it may not be there yet.
    assert host.run(galera_state, _ansible_check_mode=True)["member"]["obstacle"] == ""


def test_after_an_orderly_stop_the_position_is_in_a_file(host: Host) -> None:
    host.states("failed")
    (host.data / "grastate.dat").write_text(STATE.format(9))
    assert host.run(galera_state)["member"]["seqno"] == 9
    assert not (host.folder / "recovered").exists()


def test_a_position_that_is_not_found_is_unknown(host: Host) -> None:
    host.states("inactive")
    (host.data / "grastate.dat").write_text(STATE.format(-1))
    assert host.run(galera_state)["member"] == member(joined=True, uuid=CLUSTER)
    assert (host.folder / "recovered").read_text().count("--wsrep-recover") == 1


def test_a_server_begins(host: Host) -> None:
    host.states("inactive")
    state = host.data / "grastate.dat"
    state.write_text(STATE.format(9))
    conf = host.folder / "conf"
    conf.touch()
    planned = host.run(galera_begin, inputs=[str(conf)], _ansible_check_mode=True)
    assert planned["changed"]
    assert host.calls() == []
    assert "safe_to_bootstrap: 0" in state.read_text()
    done = host.run(galera_begin, inputs=[str(conf)])
    assert done["commands"] == planned["commands"]
    assert host.calls() == ["daemon-reload", "reset-failed mariadb.service", "start mariadb.service"]
    assert (host.folder / "ordered").read_text() == "_WSREP_NEW_CLUSTER=--wsrep-new-cluster\n"
    assert "safe_to_bootstrap: 1" in state.read_text()
    # No later start begins a second cluster, and none is needed for the sake of the configuration.
    assert not (host.folder / "order").exists()
    assert (host.folder / "markers" / "mariadb.service").is_file()


def test_a_server_that_does_not_start(host: Host) -> None:
    host.states("failed")
    (host.folder / "refuses").write_text("start")
    failed = host.run(galera_begin)
    assert "does not start: Job failed.\nThe end of the journal of mariadb.service:\nWSREP: no space" in failed["msg"]
    assert failed["remedy"]
    assert not (host.folder / "order").exists()


def test_a_server_that_runs_is_stopped_first(host: Host) -> None:
    host.states("active")
    assert host.run(galera_begin)["commands"][0] == "stop mariadb.service"
    assert host.calls()[0] == "stop mariadb.service"
