# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes a new folder with files in one step: it is there whole, or not at all. What is there is never changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.files import (
    holds,
    leftover_name,
    opened_folder,
    replace_file,
)


def find_others(folder: Path, files: Mapping[str, str]) -> list[str] | None:
    """Return those of the files that a folder does not have, or has with another content.

    None where there is nothing yet: no folder, or an empty one. What else is in the folder does not matter.

    :param files: path in the folder -> content.
    :raises OSError: it cannot be read, or is no folder.
    """
    try:
        if not any(folder.iterdir()):
            return None
    except FileNotFoundError:
        return None
    return [name for name, content in files.items() if not holds(folder / name, content.encode())]


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files into a folder, which is made. Raises OSError."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.encode(), mode=0o644)


def make_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Make a folder with these files where there is none, or an empty one. Raises OSError.

    They are written beside it, under a name that is the same every time: the next run removes what a killed one left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(leftover_name(folder.name))
    if new.is_dir() and not new.is_symlink():
        shutil.rmtree(new)
    else:
        new.unlink(missing_ok=True)
    write_files(new, files)
    # Fails where something else came into the folder meanwhile.
    new.rename(folder)
    with opened_folder(folder.parent) as parent:
        os.fsync(parent)
