# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a unit needs: the plan with literals, the digests with real files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.units import (
    UnitState,
    digest_files,
    parse_properties,
    plan_unit,
)


def state(active: str, file: str = "enabled", *, needs_reload: bool = False) -> UnitState:
    return UnitState(load="loaded", active=active, file=file, needs_reload=needs_reload)


@pytest.mark.parametrize(
    ("before", "enabled", "started", "differ", "on_change", "expected"),
    [
        # Nothing to do.
        (state("active"), True, True, False, "restart", []),
        (state("reloading"), True, True, False, "restart", []),
        (state("activating"), True, True, False, "restart", []),
        (state("inactive", "disabled"), False, False, False, "restart", []),
        (state("failed", "disabled"), False, False, False, "restart", []),
        (state("deactivating", "disabled"), False, False, False, "restart", []),
        # Start and stop.
        (state("inactive"), True, True, False, "restart", ["start"]),
        (state("deactivating"), True, True, False, "restart", ["start"]),
        (state("failed"), True, True, False, "restart", ["reset-failed", "start"]),
        (state("active"), True, False, False, "restart", ["stop"]),
        (state("activating"), True, False, False, "restart", ["stop"]),
        (state("reloading"), True, False, False, "restart", ["stop"]),
        # Start at boot.
        (state("active", "disabled"), True, True, False, "restart", ["enable"]),
        (state("active", "enabled"), False, True, False, "restart", ["disable"]),
        (state("active", "disabled"), False, True, False, "restart", []),
        (state("inactive", "disabled"), True, True, False, "restart", ["enable", "start"]),
        (state("active", "enabled"), False, False, False, "restart", ["disable", "stop"]),
        # Units that can be neither enabled nor disabled.
        (state("active", "static"), True, True, False, "restart", []),
        (state("active", "static"), False, True, False, "restart", []),
        (state("active", "generated"), True, True, False, "restart", []),
        (state("active", "indirect"), False, True, False, "restart", []),
        (state("active", ""), True, True, False, "restart", []),
        (state("inactive", "masked"), True, True, False, "restart", ["start"]),
        # The inputs differ.
        (state("active"), True, True, True, "restart", ["daemon-reload", "restart"]),
        (state("active"), True, True, True, "reload", ["daemon-reload", "reload"]),
        (state("activating"), True, True, True, "restart", ["daemon-reload", "restart"]),
        # A start takes the present inputs along.
        (state("inactive"), True, True, True, "restart", ["daemon-reload", "start"]),
        (state("inactive"), True, True, True, "reload", ["daemon-reload", "start"]),
        (state("failed"), True, True, True, "restart", ["daemon-reload", "reset-failed", "start"]),
        (state("inactive"), True, False, True, "restart", ["daemon-reload"]),
        (state("active"), True, False, True, "restart", ["daemon-reload", "stop"]),
        (state("active", "disabled"), True, True, True, "reload", ["daemon-reload", "enable", "reload"]),
        # Somebody changed the unit file.
        (state("active", needs_reload=True), True, True, False, "restart", ["daemon-reload"]),
        (state("active", needs_reload=True), True, True, True, "restart", ["daemon-reload", "restart"]),
        (state("inactive", needs_reload=True), True, True, False, "restart", ["daemon-reload", "start"]),
    ],
)
def test_plan_unit(
    before: UnitState, enabled: bool, started: bool, differ: bool, on_change: str, expected: list[str]
) -> None:
    plan = plan_unit(before, enabled=enabled, started=started, inputs_differ=differ, on_change=on_change)
    assert [list(command) for command in plan] == [[word] for word in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("LoadState=loaded\nActiveState=active\n", {"LoadState": "loaded", "ActiveState": "active"}),
        ("UnitFileState=\n", {"UnitFileState": ""}),
        (
            "ExecStart={ path=/bin/true ; argv[]=/bin/true --a=b }\n",
            {"ExecStart": "{ path=/bin/true ; argv[]=/bin/true --a=b }"},
        ),
        ("a line without a sign\n\nLoadState=loaded", {"LoadState": "loaded"}),
    ],
)
def test_parse_properties(text: str, expected: dict[str, str]) -> None:
    assert parse_properties(text) == expected


def test_from_properties() -> None:
    # As systemctl of systemd 257 prints them.
    text = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes\n"
    assert UnitState.from_properties(parse_properties(text)) == UnitState("loaded", "active", "enabled", True)
    text = "LoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n"
    assert UnitState.from_properties(parse_properties(text)) == UnitState("not-found", "inactive", "", False)
    assert UnitState.from_properties({}) == UnitState("", "", "", False)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A folder with a configuration file and a folder of further ones."""
    (tmp_path / "conf.d" / "deep").mkdir(parents=True)
    (tmp_path / "main.conf").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / "conf.d" / "one.conf").write_text("b = 2\n", encoding="utf-8")
    (tmp_path / "conf.d" / "deep" / "two.conf").write_text("c = 3\n", encoding="utf-8")
    return tmp_path


def test_the_digest_is_stable(conf: Path) -> None:
    paths = [conf / "main.conf", conf / "conf.d", conf / "missing"]
    digest = digest_files(paths)
    assert len(digest) == 64
    assert digest_files(reversed(paths)) == digest
    assert digest_files(iter(paths)) == digest
    # Only the content counts.
    (conf / "main.conf").chmod(0o600)
    os.utime(conf / "main.conf", (1, 1))
    assert digest_files(paths) == digest


def change_file(conf: Path) -> None:
    (conf / "main.conf").write_text("a = 2\n", encoding="utf-8")


def change_file_in_folder(conf: Path) -> None:
    (conf / "conf.d" / "deep" / "two.conf").write_text("c = 4\n", encoding="utf-8")


def add_file_to_folder(conf: Path) -> None:
    (conf / "conf.d" / "empty.conf").touch()


def rename_file_in_folder(conf: Path) -> None:
    (conf / "conf.d" / "one.conf").rename(conf / "conf.d" / "uno.conf")


def remove_file(conf: Path) -> None:
    (conf / "main.conf").unlink()


def empty_file(conf: Path) -> None:
    (conf / "main.conf").write_text("", encoding="utf-8")


def make_missing_file(conf: Path) -> None:
    (conf / "missing").touch()


def swap_contents(conf: Path) -> None:
    (conf / "main.conf").write_text("b = 2\n", encoding="utf-8")
    (conf / "conf.d" / "one.conf").write_text("a = 1\n", encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        change_file,
        change_file_in_folder,
        add_file_to_folder,
        rename_file_in_folder,
        remove_file,
        empty_file,
        make_missing_file,
        swap_contents,
    ],
)
def test_every_change_of_the_inputs_changes_the_digest(conf: Path, change: Callable[[Path], None]) -> None:
    paths = [conf / "main.conf", conf / "conf.d", conf / "missing"]
    before = digest_files(paths)
    change(conf)
    assert digest_files(paths) != before


def test_the_list_of_the_inputs_counts(conf: Path) -> None:
    digests = {
        digest_files([]),
        digest_files([conf / "main.conf"]),
        digest_files([conf / "conf.d"]),
        digest_files([conf / "missing"]),
        digest_files([conf / "main.conf", conf / "conf.d"]),
    }
    assert len(digests) == 5


def test_the_target_of_a_link_counts(conf: Path) -> None:
    link = conf / "link.conf"
    link.symlink_to(conf / "main.conf")
    before = digest_files([link])
    change_file(conf)
    assert digest_files([link]) != before
    link.unlink()
    link.symlink_to(conf / "nothing")
    assert digest_files([link]) not in (before, "")


def test_names_and_contents_that_are_no_text(conf: Path) -> None:
    file = conf / "conf.d" / os.fsdecode(b"caf\xe9.conf")
    file.write_bytes(b"\xff\x00")
    before = digest_files([conf / "conf.d"])
    file.write_bytes(b"\xff\x01")
    assert digest_files([conf / "conf.d"]) != before
