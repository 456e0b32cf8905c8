# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps records as one JSON file each; a file is replaced in one step, and SIGKILL leaves the old or the new one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ServiceError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUFFIX = ".json"
_UNFINISHED = ".new"


class Store:
    """A folder of records by name. Names are checked before they come here; a bad one is a mistake of the program."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self) -> dict[str, dict[str, Any]]:
        """Return all records; remove what an interrupted write left. Raises ServiceError on a broken file."""
        for left in self._folder.glob(f"*{_UNFINISHED}"):
            left.unlink()
        found = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if not isinstance(record, dict):
                    raise ValueError("it holds no object")
            except (OSError, ValueError) as error:
                raise ServiceError(
                    500, f"{path} cannot be read: {error}", "Restore the file, or move it away."
                ) from error
            found[path.name.removesuffix(_SUFFIX)] = record
        return found

    def save(self, name: str, record: Mapping[str, Any]) -> None:
        """Write RECORD so that it survives a loss of power from now on. Raises OSError."""
        path = self._path(name)
        new = path.with_suffix(_UNFINISHED)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        self._settle()

    def remove(self, name: str) -> None:
        """Remove a record for good. Raises OSError."""
        self._path(name).unlink(missing_ok=True)
        self._settle()

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a record")
        return self._folder / f"{name}{_SUFFIX}"

    def _settle(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
