# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process: real commands, as the user of the test."""

from __future__ import annotations

import fcntl
import grp
import json
import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import openstack_config, openstack_sync

from .python_samples import run_module

USER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name
DPKG_QUERY = """#!/bin/sh
echo "ii |nova-api|$(cat {folder}/version)"
echo "rc |gone|1"
"""


class Host:
    """A host whose commands write into a file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.conf = folder / "nova.conf"
        self.conf.write_text("[DEFAULT]\ndebug = false\n[database]\nconnection = a\n", encoding="utf-8")
        self.version("1")
        (folder / "bin").mkdir()
        query = folder / "bin" / "dpkg-query"
        query.write_text(DPKG_QUERY.format(folder=folder), encoding="utf-8")
        query.chmod(0o755)
        self._capsys = capsys

    def version(self, text: str) -> None:
        (self.folder / "version").write_text(text, encoding="utf-8")

    def sync(self, name: str, *after: str, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "argv": ["/bin/sh", "-c", f"echo {name} >>{self.folder}/ran; env >{self.folder}/environment"],
            "user": USER,
            "after": list(after),
            "reads": {str(self.conf): ["database"]},
            "packages": ["nova-api", "gone"],
            **more,
        }

    def run(self, *syncs: dict[str, Any], check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {"syncs": list(syncs), **options, "_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            openstack_sync.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result

    def ran(self) -> list[str]:
        file = self.folder / "ran"
        found = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("CALLER", "of the module")
    monkeypatch.setattr(openstack_sync, "MARKER_FOLDER", tmp_path / "markers")
    monkeypatch.setattr(openstack_sync, "LOCK", tmp_path / "run" / "lock")
    return Host(tmp_path, capsys)


def test_commands_run_once_and_in_order(host: Host) -> None:
    syncs = [host.sync("second", "first"), host.sync("first")]
    planned = host.run(*syncs, check_mode=True)
    assert (planned["changed"], planned["names"], host.ran()) == (True, ["first", "second"], [])
    made = host.run(*syncs)
    assert (made["changed"], made["names"], made["diff"]) == (True, planned["names"], planned["diff"])
    assert made["diff"]["after"].count("\n") == 2
    assert host.ran() == ["first", "second"]
    for check_mode in (True, False):
        again = host.run(*syncs, check_mode=check_mode)
        assert (again["changed"], again["seconds"], again["diff"]["after"]) == (False, {}, "")
    assert host.ran() == []


def test_commands_get_no_environment_of_the_caller(host: Host) -> None:
    host.run(host.sync("first"))
    environment = (host.folder / "environment").read_text(encoding="utf-8")
    assert "CALLER" not in environment
    assert f"HOME={pwd.getpwuid(os.geteuid()).pw_dir}\n" in environment


def test_what_it_reads_lets_a_command_run_again(host: Host) -> None:
    sync = host.sync("first")
    host.run(sync)
    host.conf.write_text(host.conf.read_text(encoding="utf-8").replace("false", "true"), encoding="utf-8")
    assert not host.run(sync)["changed"]
    host.conf.write_text("[database]\nconnection = b\n", encoding="utf-8")
    assert host.run(sync)["reasons"] == {"first": f"{host.conf} [database]"}
    host.version("2")
    assert host.run(sync)["reasons"] == {"first": "package nova-api"}
    # In check mode the file is still the old one.
    changed = {f"{host.conf} [DEFAULT]": "", f"{host.conf} [database]": ""}
    planned = host.run(sync, check_mode=True, inputs_changed=changed)
    assert planned["reasons"] == {"first": f"{host.conf} [database]"}
    assert not host.run(sync, inputs_changed=changed)["changed"]
    for changed in ({f"{host.conf} [DEFAULT]": ""}, {"/etc/other [database]": ""}, {str(host.conf): ""}):
        assert not host.run(sync, check_mode=True, inputs_changed=changed)["changed"]


@pytest.mark.parametrize(
    ("did", "wanted", "due"),
    [
        ({}, {}, False),
        ({}, {"database": {"connection": "b"}}, True),
        ({"database": {"connection": "of a stranger"}}, {}, False),
        ({"database": {"connection": "of a stranger"}}, {"database": {"connection": "b"}}, True),
        ({"DEFAULT": {"debug": True}}, {}, False),
        ({"database": {}}, {}, False),
        ({}, {"database": {}}, True),
    ],
)
def test_a_plan_says_what_the_run_does(
    host: Host, capsys: pytest.CaptureFixture[str], did: dict[str, Any], wanted: dict[str, Any], *, due: bool
) -> None:
    def write(more: dict[str, Any], *, check_mode: bool = False) -> dict[str, str]:
        sections = {"DEFAULT": {"debug": False}, "database": {"connection": "a"}, **more}
        file = {"path": str(host.conf), "sections": sections, "owner": USER, "group": GROUP}
        result = run_module(openstack_config, capsys, files=[file], _ansible_check_mode=check_mode)
        return dict(result["sections"])

    sync = host.sync("first")
    write({})
    host.run(sync)
    host.ran()
    write(did)
    planned = host.run(sync, check_mode=True, inputs_changed=write(wanted, check_mode=True))
    made = host.run(sync, inputs_changed=write(wanted))
    expected = {"first": f"{host.conf} [database]"} if due else {}
    assert planned["reasons"] == made["reasons"] == expected
    assert (planned["names"], host.ran()) == (made["names"], ["first"] if due else [])


def test_a_command_that_needs_one_which_is_not_due(host: Host) -> None:
    host.run(host.sync("first"))
    host.ran()
    host.run(host.sync("first"), host.sync("second", "first"))
    assert host.ran() == ["second"]


def test_a_failure_tells_the_end_of_the_output_and_is_tried_again(host: Host) -> None:
    failing = host.sync("bad", argv=["/bin/sh", "-c", "seq 100; echo broken >&2; exit 3"], packages=[])
    for _again in range(2):
        refused = host.run(failing, host.sync("needs-bad", "bad"), host.sync("other"))
        assert refused["failed"]
        told = refused["msg"].splitlines()
        assert told[0] == "/bin/sh -c 'seq 100; echo broken >&2; exit 3' ended with code 3:"
        assert (told[-1], len(told)) == ("broken", 16)
    assert host.ran() == ["other"]


def test_other_codes_can_mean_success(host: Host) -> None:
    sync = host.sync("first", argv=["/bin/sh", "-c", "exit 2"], codes=[0, 2])
    assert (host.run(sync)["changed"], host.run(sync)["changed"]) == (True, False)


def test_a_command_that_did_its_work_already_is_not_run_again(host: Host) -> None:
    sync = host.sync("first", unless_argv=["/bin/echo", "| cell1 |"], unless_matches=r"\|\s+cell1\s+\|")
    assert (host.run(sync)["changed"], host.ran()) == (True, [])
    assert not host.run(sync)["changed"]
    other = host.sync("second", unless_argv=["/bin/echo", "| cell10 |"], unless_matches=r"\|\s+cell1\s+\|")
    assert (host.run(other)["changed"], host.ran()) == (True, ["second"])


def runs(pid: int) -> bool:
    """Tell whether a process has not ended, even if nobody has waited for it."""
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_command_that_does_not_end_is_stopped_with_its_children(host: Host) -> None:
    argv = ["/bin/sh", "-c", f"sleep 600 & echo $! >{host.folder}/child; wait"]
    # Long enough for a loaded machine to start the child.
    refused = host.run(host.sync("slow", argv=argv), timeout=3)
    assert refused["msg"].endswith("did not end within 3 seconds and was stopped.")
    child = int((host.folder / "child").read_text(encoding="ascii"))
    # It was killed; on a loaded machine it ends a moment later.
    end = time.monotonic() + 20
    while runs(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(child)


def test_commands_of_a_killed_run_are_waited_for(host: Host) -> None:
    openstack_sync.LOCK.parent.mkdir()
    with openstack_sync.LOCK.open("w", encoding="ascii") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = host.run(host.sync("first"), timeout=1)
        assert refused["msg"] == "Commands of an earlier run have been going on for 1 seconds."
        assert host.ran() == []
    assert host.run(host.sync("first"), timeout=1)["changed"]


def test_a_command_holds_the_lock_as_long_as_it_runs(host: Host) -> None:
    # It finds the lock among its open files.
    argv = ["/bin/sh", "-c", f"ls -l /proc/self/fd | grep -q {openstack_sync.LOCK}"]
    assert host.run(host.sync("first", argv=argv))["changed"]


def test_bad_input_is_refused(host: Host) -> None:
    cases = [
        (host.sync("First"), "The command 'First' has no argv, or a name with other characters."),
        (host.sync("first", argv=[]), "The command 'first' has no argv, or a name with other characters."),
        (host.sync("first", "zeroth"), "zeroth is not among the commands."),
        (host.sync("first", argv=["/no/such"]), "/no/such cannot run: No such file or directory."),
        (host.sync("first", user="no-such-user", argv=["x"]), "x cannot run: there is no user no-such-user."),
    ]
    for sync, told in cases:
        refused = host.run(sync)
        assert (refused["failed"], refused["msg"]) == (True, told)


def test_a_folder_that_cannot_be_made_is_told(host: Host) -> None:
    (host.folder / "markers").touch()
    refused = host.run(host.sync("first"))
    assert refused["msg"].startswith(str(host.folder / "markers"))
