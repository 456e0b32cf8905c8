# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packed modules are kept whole, for the same code only, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.packed_modules import (
    VERSIONS,
    Source,
    fingerprint,
    keep,
    take,
)

OURS = "ansible_collections.accentos.cloud.plugins.modules"
MODULE = f"{OURS}.files-ZIP_DEFLATED-none"
SOURCES = [Source(OURS, Path("/nonexistent"))]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """What a run leaves: a module of a source, two of others, a lock, and a module that was being written."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (
        MODULE,
        "ansible.legacy.setup-ZIP_DEFLATED-none",
        f"{OURS}_of_others.setup-ZIP_DEFLATED-none",
        f"{MODULE}.lock",
        f"{OURS}.unit-ZIP_DEFLATED-none-part",
    ):
        (folder / name).write_bytes(name.encode())
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_next_run_gets_whole_modules_of_known_sources_only(tmp_path: Path, packed: Path) -> None:
    kept, later = tmp_path / "kept" / "a", tmp_path / "later"
    keep(packed, kept, SOURCES)
    take(kept, later)
    assert names(later) == [MODULE]
    assert (later / MODULE).read_bytes() == MODULE.encode()
    assert names(kept.parent) == ["a"]
    assert kept.parent.stat().st_mode & 0o777 == kept.stat().st_mode & 0o777 == 0o700


def test_what_a_run_has_packed_itself_stays(tmp_path: Path, packed: Path) -> None:
    kept, later = tmp_path / "kept" / "a", tmp_path / "later"
    keep(packed, kept, SOURCES)
    later.mkdir()
    (later / MODULE).write_text("its own")
    take(kept, later)
    keep(later, kept, SOURCES)
    assert (later / MODULE).read_text() == "its own"
    assert (kept / MODULE).read_bytes() == MODULE.encode()


def test_a_run_that_packed_nothing_new_writes_nothing(tmp_path: Path, packed: Path) -> None:
    for path in packed.glob(f"{OURS}.*"):
        path.unlink()
    keep(packed, tmp_path / "kept" / "a", SOURCES)
    assert not (tmp_path / "kept").exists()
    take(tmp_path / "kept" / "a", tmp_path / "later")
    assert not (tmp_path / "later").exists()


def test_the_versions_that_were_used_last_are_kept(tmp_path: Path, packed: Path) -> None:
    folder = tmp_path / "kept"
    for number in range(VERSIONS):
        keep(packed, folder / f"version-{number}", SOURCES)
        os.utime(folder / f"version-{number}", (number, number))
    # Used again, so not the oldest any more.
    take(folder / "version-0", tmp_path / "later")
    keep(packed, folder / "newest", SOURCES)
    assert names(folder) == ["newest", "version-0", *(f"version-{number}" for number in range(2, VERSIONS))]


def test_modules_of_another_user_are_not_taken(tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept" / "a"
    keep(packed, kept, SOURCES)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    take(kept, tmp_path / "later")
    assert not (tmp_path / "later").exists()


def test_modules_are_packed_from_modules_and_what_they_share(tmp_path: Path) -> None:
    made = ["modules/a.py", "module_utils/b.py", "module_utils/inner/c.py"]
    for name in (*made, "action/a.py", "modules/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(str(path.relative_to(tmp_path)) for path in Source("x", tmp_path).files()) == sorted(made)


def test_other_code_has_another_fingerprint(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    for path in (one, two):
        path.write_text("a = 1\n")
    facts = ["2.19.0", "3.11.2"]
    before = fingerprint([one, two], facts)
    assert fingerprint([two, one], facts) == before
    assert fingerprint([one], facts) != before
    assert fingerprint([one, two], ["2.19.1", "3.11.2"]) != before
    os.utime(two, (1, 1))
    touched = fingerprint([one, two], facts)
    assert touched != before
    two.write_text("a = 10\n")
    os.utime(two, (1, 1))
    assert fingerprint([one, two], facts) not in (before, touched)
