# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against a systemctl that keeps the state of one unit in a folder."""

from __future__ import annotations

import functools
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import secret_file, unit

from .planned_inputs import EACH_CASE, Case
from .python_samples import run_module

NAME = "example.service"

# Files of the folder: a property each; "refuses" holds the verb that the unit does not follow, "calls" what was asked.
SYSTEMCTL = """\
#!/bin/sh
cd {folder} || exit 9
case "$1" in
  show)
    [ "$3" = "--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload" ] || exit 8
    for name in LoadState ActiveState UnitFileState NeedDaemonReload; do echo "$name=$(cat $name)"; done
    exit 0 ;;
esac
echo "$*" >>calls
[ "$1" = "$(cat refuses)" ] && {{ echo "Job for $2 failed." >&2; exit 1; }}
case "$1" in
  daemon-reload) echo no >NeedDaemonReload ;;
  enable) echo enabled >UnitFileState ;;
  disable) echo disabled >UnitFileState ;;
  start|restart|reload) echo active >ActiveState ;;
  reset-failed|stop) echo inactive >ActiveState ;;
  *) exit 7 ;;
esac
"""
JOURNALCTL = """\
#!/bin/sh
echo "$*" >{folder}/journal_arguments
echo "example[1]: line 3 of example.conf: unknown word"
"""


class Host:
    """A host with one unit, its two input files and Ansible on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "systemd"
        self.markers = folder / "markers"
        self.conf = folder / "example.conf"
        self.conf.write_text("a = 1\n", encoding="utf-8")
        self.extra = folder / "example.d"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._capsys = capsys
        bin_folder = folder / "bin"
        for below in (self.folder, bin_folder):
            below.mkdir()
        for name, script in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
            (bin_folder / name).write_text(script.format(folder=shlex.quote(str(self.folder))), encoding="utf-8")
            (bin_folder / name).chmod(0o755)
        self.set(
            LoadState="loaded", ActiveState="inactive", UnitFileState="disabled", NeedDaemonReload="no", refuses=""
        )

    def set(self, **values: str) -> None:
        for name, value in values.items():
            (self.folder / name).write_text(f"{value}\n", encoding="utf-8")

    def get(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8").strip()

    def calls(self) -> list[str]:
        """Return the commands since the last question."""
        file = self.folder / "calls"
        found = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module, by default with both inputs, and return what it hands to Ansible."""
        args = {
            "name": NAME,
            "inputs": [str(self.conf), str(self.extra)],
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
            "_ansible_tmpdir": str(self.temporary),
        }
        with patch_module_args(args), pytest.raises(SystemExit):
            unit.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result

    def settle(self) -> None:
        """Bring the unit to the wanted state."""
        self.run()
        self.calls()


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(unit, "MARKER_FOLDER", made.markers)
    return made


def test_a_new_unit_is_enabled_and_started_and_then_left_alone(host: Host) -> None:
    expected = ["daemon-reload", f"enable {NAME}", f"start {NAME}"]
    result = host.run()
    assert (result["changed"], result["commands"]) == (True, expected)
    assert result["diff"] == {"before": "", "after": "".join(f"systemctl {line}\n" for line in expected)}
    assert host.calls() == expected
    assert (host.get("ActiveState"), host.get("UnitFileState")) == ("active", "enabled")
    again = host.run()
    assert (again["changed"], again["commands"], again["diff"]) == (False, [], {"before": "", "after": ""})
    assert host.calls() == []


def test_the_marker_holds_digests_and_nothing_else_is_left(host: Host) -> None:
    host.run()
    marker = host.markers / NAME
    digests = json.loads(marker.read_text(encoding="ascii"))
    assert {name: len(digest) for name, digest in digests.items()} == {
        str(host.conf): 64,
        str(host.extra): len("missing"),
    }
    assert [path.name for path in host.markers.iterdir()] == [NAME]
    assert list(host.temporary.iterdir()) == []


def test_a_changed_input_restarts_the_unit_once(host: Host) -> None:
    host.settle()
    host.conf.write_text("a = 2\n", encoding="utf-8")
    assert host.run()["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert host.calls() == ["daemon-reload", f"restart {NAME}"]
    assert host.run()["changed"] is False
    host.extra.mkdir()
    (host.extra / "more.conf").touch()
    assert host.run(on_change="reload")["commands"] == ["daemon-reload", f"reload {NAME}"]
    assert host.run(on_change="reload")["changed"] is False


def test_a_restart_that_an_earlier_run_owed_is_made_up_for(host: Host) -> None:
    host.settle()
    # The run that changed the file was killed before it came to the unit; this one finds the file as it should be.
    host.conf.write_text("a = 2\n", encoding="utf-8")
    assert host.run()["commands"] == ["daemon-reload", f"restart {NAME}"]


@pytest.mark.parametrize("content", [b"", b"0\n", b"\xff\xfe\x00", b"\0\0"])
def test_a_damaged_marker_means_that_nothing_is_known(host: Host, content: bytes) -> None:
    host.settle()
    (host.markers / NAME).write_bytes(content)
    assert host.run()["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert host.run()["changed"] is False


def test_a_unit_without_inputs_has_no_marker(host: Host) -> None:
    assert host.run(inputs=[])["commands"] == [f"enable {NAME}", f"start {NAME}"]
    assert host.run(inputs=[])["changed"] is False
    assert not host.markers.exists()


def test_check_mode_tells_what_would_be_done_and_does_nothing(host: Host) -> None:
    planned = host.run(check_mode=True)
    assert (planned["changed"], planned["commands"]) == (True, ["daemon-reload", f"enable {NAME}", f"start {NAME}"])
    assert host.calls() == []
    assert not host.markers.exists()
    assert host.run()["commands"] == planned["commands"]
    assert host.run(check_mode=True)["changed"] is False
    host.conf.write_text("a = 2\n", encoding="utf-8")
    marker = (host.markers / NAME).read_bytes()
    assert host.run(check_mode=True)["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert (host.markers / NAME).read_bytes() == marker


@EACH_CASE
def test_a_plan_says_what_the_run_does(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    planned, made, why = case.play(tmp_path, capsys, host.run)
    expected = (["daemon-reload", f"restart {NAME}"], {NAME: why}) if why else ([], {})
    assert (planned["commands"], planned["reasons"]) == (made["commands"], made["reasons"]) == expected


def test_what_only_the_run_makes_counts_as_different(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    key = host.conf.with_name("key")
    run = functools.partial(host.run, inputs=[str(host.conf), str(key)])
    run()
    told = [
        run_module(secret_file, capsys, path=str(key), content="of the run", _ansible_check_mode=check_mode)["digests"]
        for check_mode in (True, False)
    ]
    key.unlink()
    planned = run(check_mode=True, inputs_changed=told[0])
    key.write_text("of the run", encoding="utf-8")
    made = run(inputs_changed=told[1])
    assert planned["commands"] == made["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert planned["reasons"] == made["reasons"] == {NAME: str(key)}


def test_own_files_of_a_unit_that_are_written_are_read_again(host: Host) -> None:
    host.settle()
    written = {f"/etc/systemd/system/{NAME}.d/accentos.conf": "0" * 64}
    planned = host.run(check_mode=True, inputs_changed=written)
    # As systemd sees it after they were written, with whatever content.
    host.set(NeedDaemonReload="yes")
    assert host.run(inputs_changed=written)["commands"] == planned["commands"] == ["daemon-reload"]


def test_inputs_changed_matters_in_check_mode_only(host: Host) -> None:
    host.settle()
    changed = {str(host.conf): "0" * 64, "/etc/other.conf": ""}
    assert host.run(check_mode=True, inputs_changed=changed)["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert host.run(inputs_changed=changed)["changed"] is False
    assert host.run(check_mode=True, inputs_changed=changed, inputs=[])["changed"] is False
    assert host.calls() == []


def test_what_is_no_input_restarts_nothing(host: Host) -> None:
    host.settle()
    assert host.run(check_mode=True, inputs_changed={f"{host.conf}.bak": "", "/etc/other.conf": ""})["changed"] is False


def test_the_reason_is_the_same_in_the_plan_and_in_the_run(host: Host) -> None:
    assert host.run(check_mode=True)["reasons"] == host.run()["reasons"] == {}
    below = host.extra / "more.conf"
    planned = host.run(check_mode=True, inputs_changed=dict.fromkeys((str(below), str(host.conf), "/etc/other"), ""))
    # The folder was not there before, and what is not there is no folder.
    host.extra.mkdir()
    below.touch()
    host.conf.write_text("a = 2\n", encoding="utf-8")
    assert host.run()["reasons"] == planned["reasons"] == {NAME: f"{host.conf}, {host.extra}, {below}"}
    assert host.run()["reasons"] == {}


def test_a_unit_that_starts_needs_no_reason(host: Host) -> None:
    host.settle()
    host.set(ActiveState="inactive")
    host.conf.write_text("a = 2\n", encoding="utf-8")
    result = host.run()
    assert (result["commands"], result["reasons"]) == (["daemon-reload", f"start {NAME}"], {})


def test_stop_and_disable(host: Host) -> None:
    host.settle()
    expected = [f"disable {NAME}", f"stop {NAME}"]
    assert host.run(started=False, enabled=False)["commands"] == expected
    assert host.calls() == expected
    assert host.run(started=False, enabled=False)["changed"] is False
    assert (host.get("ActiveState"), host.get("UnitFileState")) == ("inactive", "disabled")


def test_a_unit_that_failed_is_started_again(host: Host) -> None:
    host.settle()
    host.set(ActiveState="failed")
    assert host.run()["commands"] == [f"reset-failed {NAME}", f"start {NAME}"]
    assert host.get("ActiveState") == "active"


def test_a_changed_unit_file_is_read_again(host: Host) -> None:
    host.settle()
    host.set(NeedDaemonReload="yes")
    assert host.run()["commands"] == ["daemon-reload"]
    assert host.run()["changed"] is False


def test_a_failure_shows_the_journal_and_is_tried_again(host: Host) -> None:
    host.settle()
    host.conf.write_text("a = x\n", encoding="utf-8")
    host.set(refuses="restart")
    for _attempt in range(2):
        result = host.run()
        assert result["failed"] is True
        assert result["msg"] == (
            f"{NAME} does not restart: Job for {NAME} failed.\n"
            f"The end of the journal of {NAME}:\nexample[1]: line 3 of example.conf: unknown word"
        )
        assert result["remedy"].endswith(f"More: journalctl --unit {NAME}")
        assert host.calls() == ["daemon-reload", f"restart {NAME}"]
    assert host.get("journal_arguments") == f"--unit {NAME} --lines 30 --no-pager --output cat"
    host.set(refuses="")
    assert host.run()["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert host.run()["changed"] is False


def test_nothing_follows_a_command_that_failed(host: Host) -> None:
    host.set(refuses="enable")
    assert host.run()["msg"].startswith(f"{NAME} does not enable: Job for {NAME} failed.")
    assert host.calls() == ["daemon-reload", f"enable {NAME}"]
    assert not host.markers.exists()


def test_an_unknown_unit_is_refused(host: Host) -> None:
    host.set(LoadState="not-found", UnitFileState="")
    result = host.run()
    assert result["failed"] is True
    assert result["msg"] == f"systemd does not know {NAME}."
    assert result["remedy"].startswith("Install the package that brings it")
    assert host.calls() == []
    # An earlier task of the run would install it.
    planned = host.run(check_mode=True)
    assert (planned["changed"], planned["commands"]) == (True, ["daemon-reload", f"start {NAME}"])


def test_a_unit_whose_number_only_the_run_gives_is_told_as_new(host: Host) -> None:
    name = "example@(number-of-/dev/sdb).service"
    # systemd would not know what to say of such a name.
    (host.folder.parent / "bin" / "systemctl").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    planned = host.run(name=name, check_mode=True)
    assert planned["commands"] == ["daemon-reload", f"enable {name}", f"start {name}"]
    assert planned["changed"] is True
    assert host.run(name=name, inputs=[], enabled=False, check_mode=True)["commands"] == [f"start {name}"]
    assert host.run(name=name)["failed"] is True


def test_systemd_that_does_not_answer(host: Host) -> None:
    (host.folder.parent / "bin" / "systemctl").write_text(
        "#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n", encoding="utf-8"
    )
    result = host.run()
    assert result["failed"] is True
    assert "System has not been booted with systemd" in result["msg"]


@pytest.mark.parametrize(
    ("options", "words"), [({"on_change": "kill"}, "on_change"), ({"started": "perhaps"}, "started")]
)
def test_wrong_options(host: Host, options: dict[str, Any], words: str) -> None:
    result = host.run(**options)
    assert result["failed"] is True
    assert words in result["msg"]
    assert host.calls() == []


def test_two_purposes_do_not_see_each_others_files(host: Host) -> None:
    host.settle()
    host.extra.mkdir()
    certificate = host.extra / "host.crt"
    certificate.touch()
    options: dict[str, Any] = {"inputs": [str(certificate)], "purpose": "certificate"}
    own: dict[str, Any] = {"inputs": [str(host.conf)]}
    host.run(**own)
    assert host.run(**options)["commands"] == ["daemon-reload", f"restart {NAME}"]
    for _run in range(2):
        assert host.run(**own)["changed"] is False
        assert host.run(**options)["changed"] is False
    certificate.write_text("new", encoding="utf-8")
    assert host.run(**own)["changed"] is False
    assert host.run(**options)["commands"] == ["daemon-reload", f"restart {NAME}"]
    assert sorted(path.name for path in host.markers.iterdir()) == [NAME, f"{NAME}~certificate"]


def test_a_purpose_that_is_no_short_name_is_refused(host: Host) -> None:
    result = host.run(purpose="../x")
    assert result["failed"] is True
    assert "purpose '../x'" in result["msg"]
    assert not host.markers.exists()
