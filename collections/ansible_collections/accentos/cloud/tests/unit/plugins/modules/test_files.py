# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process on files of this user."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.files import leftover_name
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_content
from ansible_collections.accentos.cloud.plugins.modules import files


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.conf = folder / "new.d" / "a.conf"
        self.zone = folder / "zone"
        self.zone.touch()
        self.link = folder / "localtime"
        self.old = folder / "old"
        self._capsys = capsys

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        wanted = [{"path": str(self.conf), "content": "a\n"}, {"path": str(self.link), "link": str(self.zone)}]
        args = {"files": wanted, "absent": [str(self.old)], **options}
        args |= {"_ansible_check_mode": check_mode, "_ansible_diff": True}
        with patch_module_args(args), pytest.raises(SystemExit):
            files.main()
        result: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


def test_content_that_its_program_refuses_is_not_written(host: Host) -> None:
    judge = ["sh", "-c", 'echo "line 1: $(cat "$0")" >&2; grep -q good "$0"', "%s"]
    bad = {"path": str(host.conf), "content": "bad\n", "validate": judge}
    failed = host.run(files=[bad])
    assert f"new content of {host.conf} is refused by sh" in failed["msg"]
    assert "line 1: bad" in failed["msg"]
    assert failed["remedy"]
    assert not host.conf.exists()
    # What it needs may be brought by an earlier task.
    assert host.run(files=[bad], check_mode=True)["changed"]
    assert host.run(files=[{**bad, "content": "good\n"}])["changed"]
    assert host.conf.read_text(encoding="utf-8") == "good\n"
    # What is there already is not judged again.
    assert not host.run(files=[{**bad, "content": "good\n", "validate": ["false"]}])["changed"]


def test_written_then_unchanged_then_changed(host: Host) -> None:
    host.old.write_text("old\n", encoding="utf-8")
    planned = host.run(check_mode=True)
    assert (planned["changed"], host.conf.parent.exists(), host.old.exists()) == (True, False, True)
    made = host.run()
    assert made["paths"] == planned["paths"] == [str(host.conf), str(host.link), str(host.old)]
    assert made["diff"] == planned["diff"]
    digests = {str(host.conf): digest_content(b"a\n"), str(host.link): digest_content(b""), str(host.old): "missing"}
    assert made["digests"] == planned["digests"] == digests
    assert [(part["before"], part["after"]) for part in made["diff"]] == [
        ("", "mode 0644\na\n"),
        ("", f"link to {host.zone}\n"),
        ("mode 0644\nold\n", ""),
    ]
    assert (host.conf.read_text(encoding="utf-8"), host.link.readlink(), host.old.exists()) == ("a\n", host.zone, False)
    for check_mode in (False, True):
        again = host.run(check_mode=check_mode)
        assert (again["changed"], again["paths"], again["digests"], again["diff"]) == (False, [], {}, [])
    host.conf.write_text("b\n", encoding="utf-8")
    assert host.run(check_mode=True)["diff"][0]["before"] == "mode 0644\nb\n"
    assert host.run()["paths"] == [str(host.conf)]


def test_links_and_files_take_each_others_place(host: Host) -> None:
    host.link.write_text("a zone\n", encoding="utf-8")
    host.conf.parent.mkdir()
    host.conf.symlink_to(host.zone)
    assert host.run(check_mode=True)["paths"] == [str(host.conf), str(host.link)]
    assert host.run()["changed"] is True
    assert (host.conf.is_symlink(), host.link.is_symlink()) == (False, True)
    assert host.zone.read_text(encoding="utf-8") == ""
    assert host.run()["changed"] is False


def test_the_digest_of_a_link_is_that_of_what_it_will_point_to(host: Host) -> None:
    links = [
        {"path": str(host.link), "link": str(host.conf)},
        {"path": f"{host.link}-late", "link": "/no/such/file"},
        {"path": f"{host.link}-folder", "link": str(host.conf.parent.parent)},
    ]
    wanted = [*links, {"path": str(host.conf), "content": "a\n"}]
    digests = host.run(files=wanted, check_mode=True)["digests"]
    known = digest_content(b"a\n")
    assert digests == dict(zip((one["path"] for one in wanted), (known, "", "", known), strict=True))


def test_modes_are_mended(host: Host) -> None:
    wanted = [{"path": str(host.conf), "content": "a\n", "mode": "0600"}]
    host.run(files=wanted)
    assert stat.S_IMODE(host.conf.stat().st_mode) == 0o600
    host.conf.chmod(0o666)
    made = host.run(files=wanted)
    # Nobody who reads the content needs to hear of it.
    assert (made["changed"], made["paths"], len(made["diff"])) == (True, [], 1)
    # But systemd does, of a unit.
    assert made["digests"] == {str(host.conf): digest_content(b"a\n")}
    assert stat.S_IMODE(host.conf.stat().st_mode) == 0o600


def test_bytes_that_are_no_text_differ(host: Host) -> None:
    host.run()
    host.conf.write_bytes(b"\xff")
    wanted = [{"path": str(host.conf), "content": "\ufffd"}]
    assert host.run(files=wanted)["changed"] is True
    assert host.conf.read_text(encoding="utf-8") == "\ufffd"


def test_what_a_killed_run_left_is_overwritten(host: Host) -> None:
    host.conf.parent.mkdir()
    for path in (host.conf, host.link):
        path.with_name(leftover_name(path.name)).write_text("half", encoding="utf-8")
    host.run()
    assert [path.name for path in host.conf.parent.iterdir()] == ["a.conf"]
    assert not host.link.with_name(leftover_name(host.link.name)).exists()


def test_a_link_to_nothing_is_refused(host: Host) -> None:
    wanted = [{"path": str(host.link), "link": f"{host.zone}/missing"}]
    result = host.run(files=wanted)
    assert result["msg"] == f"{host.link} would point to {host.zone}/missing, which does not exist."
    assert not os.path.lexists(host.link)
    # The package that brings it may not be there yet.
    assert host.run(files=wanted, check_mode=True)["changed"] is True


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"content": "a", "mode": "644"}, "mode 644"),
        ({}, "one of the following"),
        ({"content": "", "link": "/"}, "mutually"),
    ],
)
def test_bad_options(host: Host, wanted: dict[str, str], words: str) -> None:
    result = host.run(files=[{"path": str(host.conf), **wanted}])
    assert result["failed"] is True
    assert words in result["msg"]


def test_folders_in_the_way(host: Host) -> None:
    host.old.mkdir()
    assert host.run()["msg"] == f"{host.old} is neither file nor link."
    assert host.run(files=[{"path": f"{host.zone}/x", "content": "a"}])["msg"] == f"{host.zone}/x: Not a directory"


def test_a_path_that_goes_up_again_is_refused_before_anything_is_written(host: Host) -> None:
    good = {"path": str(host.conf), "content": "a\n"}
    climbing = f"{host.conf.parent}/../x"
    for options in (
        {"files": [good, {"path": climbing, "content": "a\n"}]},
        {"files": [good, {"path": str(host.link), "link": climbing}]},
        {"files": [good], "absent": [climbing]},
    ):
        failed = host.run(**options)
        assert f"The path {climbing} goes up again" in failed["msg"]
        assert failed["remedy"]
        assert not host.conf.exists()
    # A link may be relative to its own folder.
    assert host.run(
        files=[{"path": str(host.conf.parent / "a"), "link": f"../{host.conf.parent.name}"}], check_mode=True
    )["changed"]
