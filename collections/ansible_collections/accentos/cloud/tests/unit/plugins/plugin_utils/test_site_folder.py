# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new folder is there whole or not at all, also when it is killed; what is there is not changed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_folder
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_folder import find_others, make_folder

FILES = {"hosts.yml": "---\n", "group_vars/all/site.yml": "site_name: köln\n", ".gitignore": ".vault_key*\n"}


def contents(folder: Path) -> dict[str, str]:
    """Return the files below FOLDER with what is in them."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "sites/production"
    assert find_others(folder, FILES) is None
    make_folder(folder, FILES)
    assert contents(folder.parent) == {f"production/{name}": content for name, content in FILES.items()}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o644}
    (folder / ".vault_key").write_text("made later")
    assert find_others(folder, FILES) == []
    (folder / "hosts.yml").write_text("all:\n")
    (folder / ".gitignore").unlink()
    assert find_others(folder, FILES) == ["hosts.yml", ".gitignore"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    folder = tmp_path / "production"
    folder.mkdir()
    assert find_others(folder, FILES) is None
    make_folder(folder, FILES)
    assert contents(folder) == FILES


def test_what_came_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "production"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        make_folder(folder, FILES)
    assert contents(folder) == {"mine": "mine"}


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "production").write_text("mine")
    with pytest.raises(NotADirectoryError):
        find_others(tmp_path / "production", FILES)


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_leftovers_of_a_killed_run_do_not_matter(kind: str, tmp_path: Path) -> None:
    leftover, elsewhere = tmp_path / ".production.accentos-new", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    if kind == "folder":
        (leftover / "group_vars").mkdir(parents=True)
        (leftover / "group_vars/half").write_text("ha")
    elif kind == "file":
        leftover.write_text("half")
    else:
        leftover.symlink_to(elsewhere)
    make_folder(tmp_path / "production", FILES)
    assert contents(tmp_path / "production") == FILES
    assert not os.path.lexists(leftover)
    assert contents(elsewhere) == {"mine": "mine"}


@pytest.mark.parametrize("number", range(len(FILES) + 1))
def test_a_run_that_is_killed_leaves_no_folder_and_the_next_one_makes_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "production"
    child = os.fork()
    if not child:
        written = 0
        replace = replace_file

        def replace_and_die(path: Path, content: bytes, *, mode: int) -> None:
            nonlocal written
            if written == number:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(path, content, mode=mode)
            written += 1
            if written == number == len(FILES):
                os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(site_folder, "replace_file", replace_and_die)
        make_folder(folder, FILES)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not folder.exists()
    make_folder(folder, FILES)
    assert contents(tmp_path) == {f"production/{name}": content for name, content in FILES.items()}
