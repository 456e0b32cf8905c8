# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered: digests of real files, and their markers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import (
    digest_content,
    digest_files,
    recall,
    remember,
    why_again,
)


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
    below = [conf / "conf.d" / "one.conf", conf / "conf.d" / "deep" / "two.conf"]
    assert set(digest) == {str(path) for path in (conf / "main.conf", conf / "missing", *below)}
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
    lists = [[], ["main.conf"], ["conf.d"], ["missing"], ["main.conf", "conf.d"]]
    digests = [digest_files(conf / name for name in names) for names in lists]
    assert all(one != other for i, one in enumerate(digests) for other in digests[:i])


def test_the_target_of_a_link_counts(conf: Path) -> None:
    link = conf / "link.conf"
    link.symlink_to(conf / "main.conf")
    before = digest_files([link])
    change_file(conf)
    assert digest_files([link]) != before
    link.unlink()
    link.symlink_to(conf / "nothing")
    assert digest_files([link]) == {str(link): "missing"}


def test_names_and_contents_that_are_no_text(conf: Path) -> None:
    file = conf / "conf.d" / os.fsdecode(b"caf\xe9.conf")
    file.write_bytes(b"\xff\x00")
    before = digest_files([conf / "conf.d"])
    file.write_bytes(b"\xff\x01")
    assert digest_files([conf / "conf.d"]) != before


def test_a_marker_is_recalled_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    marker = tmp_path / "new" / "marker"
    assert recall(marker) is None
    for digests in ({"/a": "ab" * 32}, {"/a": "cd" * 32, "/\udcff": "missing"}, {}):
        remember(marker, digests)
        assert recall(marker) == digests
    assert [path.name for path in marker.parent.iterdir()] == ["marker"]
    for content in (b"\xff\0", b"", b"0", b"[]", b"ab" * 32):
        marker.write_bytes(content)
        assert recall(marker) is None


@pytest.mark.parametrize(
    ("expected", "inputs", "found"),
    [
        # In what is found 1 and 2 stand for the digests of the contents that are there.
        ({}, ["main.conf", "new.conf"], {"main.conf": "1", "new.conf": "missing"}),
        ({"main.conf": "x", "new.conf": "y"}, ["main.conf", "new.conf"], {"main.conf": "x", "new.conf": "y"}),
        ({"main.conf": "", "other": "x"}, ["main.conf"], {"main.conf": ""}),
        ({"main.conf": "missing"}, ["main.conf"], {"main.conf": "missing"}),
        ({"conf.d/one.conf": "x"}, ["conf.d/"], {"conf.d/one.conf": "x", "conf.d/link.conf": "1"}),
        ({"conf.d/a/b.conf": ""}, ["conf.d"], {"conf.d/a/b.conf": "", "conf.d/one.conf": "2", "conf.d/link.conf": "1"}),
        ({"conf.d/one.conf": "missing"}, ["conf.d"], {"conf.d/link.conf": "1"}),
        ({"conf.db": "x"}, ["conf.d"], {"conf.d/one.conf": "2", "conf.d/link.conf": "1"}),
        ({"conf.d": ""}, ["main.conf"], {"main.conf": "1"}),
        # A folder that an earlier task would make.
        ({"new.d/a.conf": "x"}, ["new.d"], {"new.d/a.conf": "x"}),
        # Links: what they point to, or they themselves.
        ({"main.conf": "x"}, ["conf.d"], {"conf.d/one.conf": "2", "conf.d/link.conf": "x"}),
        ({"main.conf": "missing"}, ["conf.d"], {"conf.d/one.conf": "2"}),
        ({"nothing": "x"}, ["dangling"], {"dangling": "x"}),
        ({"conf.d/link.conf": "x"}, ["main.conf", "conf.d/link.conf"], {"main.conf": "1", "conf.d/link.conf": "x"}),
    ],
)
def test_what_is_expected_stands_in_the_place_of_what_is_there(
    tmp_path: Path, expected: dict[str, str], inputs: list[str], found: dict[str, str]
) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "main.conf").write_text("1", encoding="utf-8")
    (tmp_path / "conf.d/one.conf").write_text("2", encoding="utf-8")
    (tmp_path / "conf.d/link.conf").symlink_to(tmp_path / "main.conf")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    present = {text: digest_content(text.encode()) for text in ("1", "2")}
    assert digest_files(
        (tmp_path / name for name in inputs), {f"{tmp_path}/{name}": digest for name, digest in expected.items()}
    ) == {f"{tmp_path}/{name}": present.get(digest, digest) for name, digest in found.items()}


@pytest.mark.parametrize(
    ("known", "now", "why"),
    [
        (None, {"/a": "1"}, "what it was last done with is not known"),
        ({"/a": "1"}, {"/a": "1"}, ""),
        ({"/a": "1"}, {"/a": ""}, "/a"),
        ({"/a": "1", "/b": "1"}, {"/a": "2", "/b": "1"}, "/a"),
        ({"/b": "1"}, {"/a": "1"}, "/a, /b"),
        ({"/b": "1", "/a": "1"}, {"/b": "2", "/a": ""}, "/a, /b"),
        ({}, {}, ""),
    ],
)
def test_why_again(known: dict[str, str] | None, now: dict[str, str], why: str) -> None:
    assert why_again(known, now) == why
