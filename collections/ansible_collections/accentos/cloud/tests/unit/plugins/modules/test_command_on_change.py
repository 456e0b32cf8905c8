# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process with a command that counts its calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import command_on_change

from .planned_inputs import EACH_CASE, Case


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.input = folder / "input"
        self.input.write_text("1", encoding="utf-8")
        self.calls = folder / "calls"
        self.markers = folder / "markers"
        self._capsys = capsys

    def count(self) -> int:
        return self.calls.stat().st_size if self.calls.exists() else 0

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        script = f"printf x >>{self.calls}; echo done"
        args = {"name": "example", "argv": ["/bin/sh", "-c", script], "inputs": [str(self.input)], **options}
        args |= {"_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            command_on_change.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path, capsys)
    monkeypatch.setattr(command_on_change, "MARKER_FOLDER", made.markers)
    return made


def test_it_runs_once_for_each_content(host: Host) -> None:
    planned = host.run(check_mode=True)
    assert (planned["changed"], host.count(), host.markers.exists()) == (True, 0, False)
    first = host.run()
    assert (first["changed"], first["stdout"], first["diff"]) == (True, "done\n", planned["diff"])
    assert "printf x" in first["diff"]["after"]
    again = host.run()
    assert (again["changed"], again["stdout"], again["diff"], host.count()) == (
        False,
        "",
        {"before": "", "after": ""},
        1,
    )
    # The run that changed the file may have been killed before it came to the command: only the content counts.
    host.input.write_text("2", encoding="utf-8")
    again = host.run()
    assert (again["changed"], again["reason"]) == (True, str(host.input))
    assert host.count() == 2


def test_a_failure_is_told_and_tried_again(host: Host) -> None:
    for _attempt in range(2):
        result = host.run(argv=["/bin/sh", "-c", "echo no such mirror >&2; exit 3"])
        assert result["failed"] is True
        assert result["msg"].endswith("ended with code 3: no such mirror")
    assert host.run()["changed"] is True


@EACH_CASE
def test_a_plan_says_what_the_run_does(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    planned, made, why = case.play(tmp_path, capsys, host.run)
    assert (planned["changed"], planned["reason"], planned["diff"]) == (made["changed"], made["reason"], made["diff"])
    assert (made["changed"], made["reason"], host.count()) == (bool(why), why, 2 if why else 1)


def test_inputs_changed_matters_in_check_mode_only(host: Host) -> None:
    host.run()
    changed = {str(host.input): "", "/etc/other": ""}
    assert host.run(inputs_changed=changed)["changed"] is False
    planned = host.run(check_mode=True, inputs_changed=changed)
    assert (planned["changed"], planned["reason"]) == (True, str(host.input))
    assert host.run(check_mode=True, inputs_changed={"/etc/other": ""})["changed"] is False
    assert host.count() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [({"name": "../x"}, "name '../x'"), ({"argv": []}, "no argv"), ({"inputs": []}, "no inputs")],
)
def test_bad_options(host: Host, options: dict[str, Any], words: str) -> None:
    result = host.run(**options)
    assert result["failed"] is True
    assert words in result["msg"]
    assert result["remedy"]
    assert not host.markers.exists()


def test_a_mark_that_cannot_be_kept_is_told(host: Host) -> None:
    host.markers.write_text("no folder", encoding="utf-8")
    result = host.run()
    assert result["failed"] is True
    assert result["msg"] == f"{host.markers}: File exists"
    assert "then run again" in result["remedy"]
