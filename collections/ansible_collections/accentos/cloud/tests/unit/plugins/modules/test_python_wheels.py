# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wheels are downloaded by the real pip, out of a folder instead of an index."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.modules import python_wheels

from .python_samples import make_wheel, run_module

HOST = {"python_version": "3.13", "machine": "x86_64", "glibc": "2.41", "python": sys.executable}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the whole index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_wheels_come_once(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel, lock = make_wheel(index)
    folder = tmp_path / "cache/tiny"
    wanted: dict[str, Any] = {**HOST, "lock": lock, "folder": str(folder)}

    planned = run_module(python_wheels, capsys, **wanted, _ansible_check_mode=True)
    assert (planned["changed"], planned["wheels"]) == (True, [])
    assert planned["diff"] == {"before": "", "after": "accentos-tiny 1.0\n"}
    assert not folder.exists()

    done = run_module(python_wheels, capsys, **wanted)
    assert (done["changed"], done["wheels"]) == (True, [wheel.name])
    wheel.rename(index / "away")
    assert run_module(python_wheels, capsys, **wanted)["changed"] is False
    assert run_module(python_wheels, capsys, **wanted, _ansible_check_mode=True)["changed"] is False
    assert [entry.name for entry in folder.parent.iterdir()] == ["tiny"]


def test_what_is_damaged_or_left_by_a_killed_run_is_replaced(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel, lock = make_wheel(index)
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / wheel.name).write_bytes(b"half")
    (tmp_path / "tiny.partial.x").mkdir()
    (tmp_path / "tiny.partial.y").write_text("")
    done = run_module(python_wheels, capsys, **HOST, lock=lock, folder=str(folder))
    assert done["changed"] is True
    assert (folder / wheel.name).read_bytes() == wheel.read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["index", "tiny"]


def test_file_with_another_digest_is_refused(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _wheel, lock = make_wheel(index)
    make_wheel(index)[0].write_bytes(b"forged")
    refused = run_module(python_wheels, capsys, **HOST, lock=lock, folder=str(tmp_path / "tiny"))
    assert refused["failed"] is True
    assert "does not download the wheels" in refused["msg"]
    assert "package index" in refused["remedy"]
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lock": "tiny==1.0"}, "is not of the form"),
        ({"python_version": "3.13.5"}, "python_version '3.13.5'"),
        ({"glibc": "new"}, "glibc 'new'"),
        ({"glibc": "2.1"}, "No wheels exist"),
    ],
)
def test_bad_input_is_told(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], told: str
) -> None:
    _wheel, lock = make_wheel(index)
    refused = run_module(python_wheels, capsys, **{**HOST, "lock": lock, "folder": str(tmp_path / "tiny"), **change})
    assert told in refused["msg"]
    assert refused["remedy"]


def test_pip_that_leaves_something_else_is_refused(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _wheel, lock = make_wheel(index)
    nothing = tmp_path / "python"
    nothing.write_text("#!/bin/sh\nexit 0\n")
    nothing.chmod(0o755)
    refused = run_module(
        python_wheels, capsys, **{**HOST, "python": str(nothing)}, lock=lock, folder=str(tmp_path / "tiny")
    )
    assert "accentos-tiny 1.0 is missing" in refused["msg"]
