# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against a systemctl that keeps the states of units in a folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import units

from .planned_inputs import EACH_CASE, Case

A, B = "nova-a.service", "nova-b.service"
# A folder for each unit holds a file for each property; "refuses" holds the units that do not start, "later" those that
# only start when they are told so a second time.
SYSTEMCTL = """#!/bin/sh
cd {folder} || exit 9
verb=$1; shift
if [ "$verb" = show ]; then
  first=yes
  for unit in "$@"; do
    case "$unit" in --*) continue ;; esac
    [ $first = yes ] || echo
    first=no
    if [ -d "$unit" ]; then
      for name in LoadState ActiveState UnitFileState NeedDaemonReload; do echo "$name=$(cat $unit/$name)"; done
    else
      echo LoadState=not-found
    fi
  done
  exit 0
fi
echo "$verb $*" >>calls
code=0
for unit in "$@"; do
  if [ $verb = enable ]; then echo enabled >$unit/UnitFileState
  elif grep -qx "$unit" refuses; then echo failed >$unit/ActiveState; echo "Job for $unit failed." >&2; code=1
  elif [ $verb != reset-failed ] && grep -qx "$unit" later; then
    sed -i "/$unit/d" later; echo activating >$unit/ActiveState; echo "Job for $unit failed." >&2; code=1
  elif [ $verb != reset-failed ]; then echo active >$unit/ActiveState; fi
done
exit $code
"""
JOURNALCTL = """#!/bin/sh
echo "journal of $2"
"""
DPKG_QUERY = """#!/bin/sh
echo "nova-a|$(cat {folder}/version)"
echo "no packages found matching nova-b" >&2
exit 1
"""


class Host:
    """A host with two units that share a file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "systemd"
        self.markers = folder / "markers"
        self.shared, self.own = folder / "nova.conf", folder / "b.conf"
        for file in (self.shared, self.own):
            file.write_text("a = 1\n", encoding="utf-8")
        (folder / "bin").mkdir()
        for unit in (A, B):
            (self.folder / unit).mkdir(parents=True)
            for name, value in {
                "LoadState": "loaded",
                "ActiveState": "inactive",
                "UnitFileState": "disabled",
                "NeedDaemonReload": "no",
            }.items():
                (self.folder / unit / name).write_text(f"{value}\n", encoding="utf-8")
        self.write("refuses", "")
        self.write("later", "")
        self.write("version", "1")
        for name, script in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL), ("dpkg-query", DPKG_QUERY)):
            program = folder / "bin" / name
            program.write_text(script.format(folder=shlex.quote(str(self.folder))), encoding="utf-8")
            program.chmod(0o755)
        self._capsys = capsys

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"{text}\n" if text else "", encoding="utf-8")

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {
            "units": [
                {"name": A, "inputs": [str(self.shared)], "packages": ["nova-a"]},
                {"name": B, "inputs": [str(self.shared), str(self.own)]},
            ],
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
        }
        with patch_module_args(args), pytest.raises(SystemExit):
            units.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        found = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return found


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(units, "MARKER_FOLDER", made.markers)
    return made


def test_new_units_are_started_together_and_then_left_alone(host: Host) -> None:
    expected = ["daemon-reload", f"enable {A} {B}", f"start {A} {B}"]
    planned = host.run(check_mode=True)
    assert (planned["changed"], planned["commands"], host.calls()) == (True, expected, [])
    made = host.run()
    assert made["commands"] == host.calls() == expected
    assert made["diff"]["after"] == "".join(f"systemctl {line}\n" for line in expected)
    for check_mode in (True, False):
        again = host.run(check_mode=check_mode)
        assert (again["changed"], again["diff"]["after"], host.calls()) == (False, "", [])


def test_only_the_units_whose_files_differ_restart(host: Host) -> None:
    host.run()
    host.calls()
    host.own.write_text("a = 2\n", encoding="utf-8")
    assert host.run(check_mode=True)["commands"] == ["daemon-reload", f"restart {B}"]
    assert host.run()["commands"] == ["daemon-reload", f"restart {B}"]
    host.shared.write_text("a = 2\n", encoding="utf-8")
    made = host.run()
    assert made["commands"] == ["daemon-reload", f"restart {A} {B}"]
    assert made["reasons"] == {A: str(host.shared), B: str(host.shared)}
    assert not host.run()["changed"]


def test_a_new_version_of_the_package_restarts_its_unit(host: Host) -> None:
    host.run()
    host.write("version", "2")
    made = host.run()
    assert (made["commands"], made["reasons"]) == (["daemon-reload", f"restart {A}"], {A: "package nova-a"})
    assert not host.run()["changed"]


@EACH_CASE
def test_a_plan_says_what_the_run_does(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    own = {"name": A, "inputs": [str(host.own)]}
    planned, made, why = case.play(
        tmp_path, capsys, host.run, lambda paths: {"units": [own, {"name": B, "inputs": [str(host.shared), *paths]}]}
    )
    expected = (["daemon-reload", f"restart {B}"], {B: why}) if why else ([], {})
    assert (planned["commands"], planned["reasons"]) == (made["commands"], made["reasons"]) == expected


def test_in_check_mode_an_earlier_task_tells_what_it_would_change(host: Host) -> None:
    host.run()
    changed = {str(host.own): "", "/etc/other.conf": ""}
    planned = host.run(check_mode=True, inputs_changed=changed)
    assert (planned["commands"], planned["reasons"]) == (["daemon-reload", f"restart {B}"], {B: str(host.own)})
    assert not host.run(inputs_changed=changed)["changed"]


def test_own_files_of_a_unit_that_are_written_are_read_again(host: Host) -> None:
    host.run()
    written = {f"/etc/systemd/system/{B}.d/accentos.conf": "0" * 64}
    planned = host.run(check_mode=True, inputs_changed=written)
    # As systemd sees it after they were written, with whatever content.
    host.write(f"{B}/NeedDaemonReload", "yes")
    assert host.run(inputs_changed=written)["commands"] == planned["commands"] == ["daemon-reload"]


def test_a_unit_that_does_not_start_shows_its_journal_and_is_tried_again(host: Host) -> None:
    host.write("refuses", B)
    refused = host.run()
    assert refused["failed"]
    assert refused["msg"] == f"{B} does not start: Job for {B} failed.\nThe end of the journal of {B}:\njournal of {B}"
    assert refused["remedy"].endswith(f"journalctl --unit {B}")
    assert host.calls()[-2:] == [f"reset-failed {B}", f"start {B}"]
    host.write("refuses", "")
    host.run()
    # What ran already may run with old files for all that anybody knows.
    assert host.calls() == ["daemon-reload", f"reset-failed {B}", f"start {B}", f"restart {A}"]
    assert not host.run()["changed"]


def test_a_unit_that_needs_another_one_is_started_again_when_that_runs(host: Host) -> None:
    host.write("later", B)
    made = host.run()
    assert not made.get("failed")
    assert host.calls() == ["daemon-reload", f"enable {A} {B}", f"start {A} {B}", f"reset-failed {B}", f"start {B}"]
    assert made["started_again"] == [B]
    # Nothing has changed since.
    assert not host.run()["changed"]


def test_an_unknown_unit_is_refused_but_no_matter_for_a_plan(host: Host) -> None:
    wanted = [{"name": "new.service", "inputs": ["/no/such/file"]}, {"name": A}]
    assert host.run(units=wanted, check_mode=True)["changed"]
    refused = host.run(units=wanted)
    assert refused["msg"] == "systemd does not know new.service."
    assert host.calls() == []


def test_no_units_are_no_change(host: Host) -> None:
    result = host.run(units=[])
    assert (result["changed"], result["commands"]) == (False, [])
