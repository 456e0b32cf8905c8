# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environments are built for real, from wheels without an index."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.modules import python_environment

from .python_samples import make_wheel, run_module


def version_in(path: Path) -> str:
    """Return what the package in the environment says of its version."""
    program = "import accentos_tiny; print(accentos_tiny.VERSION)"
    return subprocess.check_output([path / "bin/python", "-c", program], text=True).strip()


def test_life_of_an_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "opt/tiny"
    wheels = tmp_path / "wheels"
    _wheel, lock = make_wheel(wheels)
    wanted: dict[str, Any] = {"path": str(path), "wheels": str(wheels), "python": sys.executable}

    planned = run_module(python_environment, capsys, **wanted, lock=lock, _ansible_check_mode=True)
    assert (planned["changed"], planned["current"]) == (True, False)
    assert planned["diff"] == {"before": "", "after": "accentos-tiny 1.0\n"}
    assert not path.parent.exists()

    # What a killed run left: the folder without the file that tells it is whole.
    first = Path(planned["environment"])
    first.mkdir(parents=True)
    (first / "half").touch()
    done = run_module(python_environment, capsys, **wanted, lock=lock)
    assert (done["changed"], Path(done["environment"])) == (True, first)
    assert not (first / "half").exists()
    assert version_in(path) == "1.0"
    assert path.readlink() == first
    assert not wheels.exists()

    # Neither wheels nor index are needed for an environment that is there.
    again = run_module(python_environment, capsys, **wanted, lock=lock)
    assert (again["changed"], again["current"], again["diff"]["before"]) == (False, True, "accentos-tiny 1.0\n")

    # A run that was killed between building and switching is finished without building anew.
    path.unlink()
    assert run_module(python_environment, capsys, **wanted, lock=lock)["changed"] is True
    assert version_in(path) == "1.0"

    stale = path.parent / ".environments/tiny-0123456789abcdef"
    stale.mkdir()
    stranger = path.parent / ".environments/tiny-two-0123456789abcdef"
    stranger.mkdir()
    _wheel, newer = make_wheel(wheels, "2.0")
    assert run_module(python_environment, capsys, **wanted, lock=newer)["changed"] is True
    assert version_in(path) == "2.0"
    assert first.is_dir()
    assert not stale.exists()
    assert stranger.is_dir()


def test_missing_wheel_leaves_the_old_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _wheel, lock = make_wheel(tmp_path / "wheels")
    shutil.rmtree(tmp_path / "wheels")
    path = tmp_path / "opt/tiny"
    refused = run_module(python_environment, capsys, path=str(path), lock=lock, python=sys.executable)
    assert refused["failed"] is True
    assert "Installing the wheels" in refused["msg"]
    assert "python3-venv" in refused["remedy"]
    assert not path.is_symlink()


def test_bad_input_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _wheel, lock = make_wheel(tmp_path / "wheels")
    taken = run_module(python_environment, capsys, path=str(tmp_path), lock=lock, python=sys.executable)
    assert "is no link to an environment" in taken["msg"]
    wrong = run_module(python_environment, capsys, path=str(tmp_path / "x"), lock="tiny", python=sys.executable)
    assert "is not of the form" in wrong["msg"]
    missing = run_module(python_environment, capsys, path=str(tmp_path / "x"), lock=lock, python="/bin/false")
    assert "Asking /bin/false for its version failed" in missing["msg"]
