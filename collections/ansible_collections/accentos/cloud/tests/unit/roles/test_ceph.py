# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role ceph puts in the place of bcrypt, compared with bcrypt itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import bcrypt
import pytest

PROGRAM = Path(__file__).parents[3] / "roles/ceph/files/mgr/bcrypt.py"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load the stand-in, which asks the library of this Python."""
    spec = importlib.util.spec_from_file_location("stand_in", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_PYTHON", sys.executable)
    return module


def test_hashes_are_those_of_the_library(stand_in: ModuleType) -> None:
    salt = stand_in.gensalt(4)
    assert salt.startswith(b"$2b$04$")
    hashed = stand_in.hashpw("pässword".encode(), salt)
    assert hashed == bcrypt.hashpw("pässword".encode(), salt)
    assert stand_in.checkpw("pässword".encode(), hashed) is True
    assert stand_in.checkpw(b"other", hashed) is False


def test_the_modules_of_the_manager_load_it_without_the_library(stand_in: ModuleType) -> None:
    assert stand_in.__file__ == str(PROGRAM)
    assert "bcrypt" not in vars(stand_in)
