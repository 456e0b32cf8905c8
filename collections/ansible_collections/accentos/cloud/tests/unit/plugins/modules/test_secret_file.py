# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on files of this user."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.files import leftover_name
from ansible_collections.accentos.cloud.plugins.modules import secret_file

CONTENT = "0123456789abcdef secret\n"
OWNER = pwd.getpwuid(os.geteuid()).pw_name
GROUP = grp.getgrgid(os.getegid()).gr_name


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = folder / "keys"
        self._capsys = capsys

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {"path": str(self.path), "content": CONTENT, **options}
        args |= {"_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            secret_file.main()
        printed = self._capsys.readouterr().out
        assert CONTENT.strip() not in printed
        result: dict[str, Any] = json.loads(printed)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


def test_created_then_unchanged_then_changed(host: Host) -> None:
    assert host.run(check_mode=True)["changed"] is True
    assert not host.path.exists()
    created = host.run()
    after = f"owner: {OWNER}\ngroup: {GROUP}\nmode: 0600\ncontent: the wanted one\n"
    assert (created["changed"], created["diff"]["before"], created["diff"]["after"]) == (True, "", after)
    assert host.path.read_text(encoding="utf-8") == CONTENT
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o600
    again = host.run()
    assert (again["changed"], again["paths"], again["digests"]) == (False, [], {})
    assert host.run(check_mode=True)["changed"] is False
    host.path.write_text("old", encoding="utf-8")
    planned = host.run(check_mode=True)
    assert (planned["changed"], planned["diff"]["before"]) == (True, after.replace("the wanted", "another"))
    # Whoever sees the result must not be able to try out what the content is.
    assert (planned["paths"], planned["digests"]) == ([str(host.path)], {str(host.path): ""})
    assert host.path.read_text(encoding="utf-8") == "old"
    assert host.run()["changed"] is True
    assert [path.name for path in host.path.parent.iterdir()] == ["keys"]


def test_mode_is_mended_by_a_new_file(host: Host) -> None:
    host.path.write_text(CONTENT, encoding="utf-8")
    host.path.chmod(0o644)
    before = host.path.stat().st_ino
    made = host.run(mode="0640", owner=OWNER, group=GROUP)
    assert (made["changed"], made["paths"], made["digests"]) == (True, [], {})
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o640
    assert host.path.stat().st_ino != before
    assert host.run(mode="0640")["changed"] is False


def test_the_content_is_never_readable_for_more_users(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def spy(file: int, mode: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(file).st_mode))
        real(file, mode)

    real = os.fchmod
    monkeypatch.setattr(os, "fchmod", spy)
    previous = os.umask(0)
    try:
        host.run(mode="0640")
    finally:
        os.umask(previous)
    assert seen == [0o600]


def test_what_a_killed_run_left_is_removed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt), patch_module_args({"path": str(host.path), "content": CONTENT}):
            secret_file.main()
    left = host.path.with_name(leftover_name("keys"))
    assert [path.name for path in host.path.parent.iterdir()] == [left.name]
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    assert host.run()["changed"] is True
    assert [path.name for path in host.path.parent.iterdir()] == ["keys"]
    left.write_text(CONTENT, encoding="utf-8")
    assert host.run(check_mode=True)["changed"] is True
    assert host.run()["changed"] is True
    assert not left.exists()


def test_a_link_is_replaced_and_what_it_points_to_left_alone(host: Host) -> None:
    other = host.path.with_name("other")
    other.write_text("kept", encoding="utf-8")
    host.path.symlink_to(other)
    result = host.run()
    assert (result["changed"], result["diff"]["before"]) == (True, "a symbolic link\n")
    assert (other.read_text(encoding="utf-8"), host.path.is_symlink()) == ("kept", False)


def test_what_an_earlier_task_would_make_may_be_missing_in_check_mode(host: Host) -> None:
    assert "group no-such, which is still to be made" in host.run(check_mode=True, group="no-such")["diff"]["after"]
    host.path = host.path.with_name("missing") / "keys"
    assert host.run(check_mode=True)["changed"] is True
    assert host.run()["msg"] == f"The folder of {host.path} does not exist."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"owner": "no-such"}, "owner no-such"),
        ({"group": "no-such"}, "group no-such"),
        ({"mode": "0644"}, "every user"),
        ({"mode": "416"}, "not understood"),
        ({"mode": "u=rw"}, "not understood"),
    ],
)
def test_bad_options_write_nothing(host: Host, options: dict[str, Any], words: str) -> None:
    result = host.run(**options)
    assert result["failed"] is True
    assert words in result["msg"]
    assert result["remedy"]
    assert list(host.path.parent.iterdir()) == []


def test_a_path_that_goes_up_again_is_refused(host: Host) -> None:
    folder = host.path.parent
    host.path = folder / ".." / folder.name / "keys"
    assert host.run()["msg"].startswith(f"The path {host.path} goes up again")
    assert list(folder.iterdir()) == []


def test_a_folder_at_the_place_is_refused(host: Host) -> None:
    host.path.mkdir()
    assert host.run()["msg"] == f"{host.path} is no file."


def test_an_error_of_the_system_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in host.run()["msg"]
    assert not host.path.exists()


def test_ids_without_a_name_are_shown_as_numbers() -> None:
    assert secret_file.describe(4242424, 4242425, 0o640, "x").startswith("owner: 4242424\ngroup: 4242425\n")
