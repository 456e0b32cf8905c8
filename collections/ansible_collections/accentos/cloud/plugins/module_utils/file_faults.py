# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says what a full disk, a file system that is read-only, or a wrong path has to do with a file, and what helps."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

_ROOM = "Make room in its file system, then run again. These tell what it lacks, blocks or inodes: df {0}; df -i {0}"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "A disk with an error makes it read-only: mend what dmesg tells, then run again.",
    errno.EIO: "The disk below it fails: dmesg tells of it. Mend or replace it, then run again.",
}
_OTHERS = "See to the file system and to what stands at that path, then run again."


class Failing(Protocol):
    """What ends with a message, such as a module."""

    def fail_json(self, msg: str, **details: Any) -> object:
        """End with a message."""


def name_file(error: OSError, path: Path) -> None:
    """Let ERROR name a file by its whole path.

    PATH is what was to be written. That of a full disk names none, and one of an open folder names what is in there.
    """
    # Of the two of a rename, the second is the one that people know.
    named = error.filename if error.filename2 is None else error.filename2
    error.filename, error.filename2 = str(path.parent / named if isinstance(named, str) else path), None


def describe_fault(error: OSError) -> tuple[str, str]:
    """Return what happened to which file, and what helps."""
    reason = error.strerror or str(error)
    named = error.filename if isinstance(error.filename, str) else ""
    remedy = _REMEDIES.get(error.errno or 0, _OTHERS).format(Path(named).parent if named else "/")
    return f"{named or 'A file'}: {reason}", remedy


@contextlib.contextmanager
def told(module: Failing) -> Iterator[None]:
    """End MODULE with a message and a remedy where a file or its file system is the reason, not with a traceback."""
    try:
        yield
    except OSError as error:
        message, remedy = describe_fault(error)
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1) from error
