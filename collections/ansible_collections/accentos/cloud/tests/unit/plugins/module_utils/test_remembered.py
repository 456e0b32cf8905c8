# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered: digests of real files, and their markers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_files, recall, remember


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


def test_a_marker_is_recalled_and_a_damaged_one_equals_no_digest(tmp_path: Path) -> None:
    marker = tmp_path / "new" / "marker"
    assert recall(marker) == ""
    remember(marker, "ab" * 32)
    assert recall(marker) == "ab" * 32
    remember(marker, "cd" * 32)
    assert recall(marker) == "cd" * 32
    assert [path.name for path in marker.parent.iterdir()] == ["marker"]
    marker.write_bytes(b"\xff\0")
    assert recall(marker) != "cd" * 32
