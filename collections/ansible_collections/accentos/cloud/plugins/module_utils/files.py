# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replaces files in one step: a reader, or a run after a killed one, finds the old content or the new, never half."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import name_file

# What is left of 255 bytes for suffixes and for leftover_name.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}")
PLAIN_NAME = "at most 200 letters, digits, dots, dashes and underscores, beginning with a letter, digit or underscore"


def is_plain_name(name: str) -> bool:
    """Tell whether a name of the site can be part of the name of a file: such a file does not leave its folder."""
    return bool(_PLAIN_NAME.fullmatch(name))


def climbs(path: str | Path) -> bool:
    """Tell whether a path goes up again on its way. A name of the site that became part of it may be the reason."""
    return ".." in Path(path).parts


def climbing(path: str | Path) -> tuple[str, str]:
    """Return why a path that climbs is refused, and what helps."""
    return (
        f"The path {path} goes up again with '..', so it may leave the folder that it should be in.",
        "Mend the name that the path is made from. Nothing was written.",
    )


def leftover_name(name: str) -> str:
    """Return the name under which the new content of a file is written, beside it.

    It is the same every time, so that the next write removes what a killed one left. The dot keeps it out of folders
    of configuration files such as /etc/sudoers.d.
    """
    return f".{name}.accentos-new"


def holds(path: Path, content: bytes) -> bool:
    """Tell whether a file, or what a link points to, has this content. Raises OSError."""
    return path.is_file() and path.read_bytes() == content


@contextlib.contextmanager
def opened_folder(path: str | Path, *, within: int | None = None) -> Iterator[int]:
    """Yield a descriptor of a folder. With ``within``, a descriptor too, a symbolic link at its place is an OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if within is not None else 0)
    folder = os.open(path, flags, dir_fd=within)
    try:
        yield folder
    finally:
        os.close(folder)


def remove_in(folder: int, name: str) -> bool:
    """Remove a file or link from an open folder; tell whether there was one."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def replace_in(folder: int, name: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace a file in an open folder, with its mode and owner (user and group id), in one step.

    The content is never readable for more users than the mode allows at the end. Raises OSError; then the old file is
    there, and nothing of the new one, which on a full disk would take the room that is left.
    """
    new = leftover_name(name)
    remove_in(folder, new)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        try:
            with open(file, "wb", closefd=False) as stream:
                stream.write(content)
            if owner is not None:
                os.fchown(file, *owner)
            os.fchmod(file, mode)
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            remove_in(folder, new)
        raise
    os.fsync(folder)


def replace_file(path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace a file as ``replace_in`` does. Its folder must be there. Raises OSError, which names the file."""
    with opened_folder(path.parent) as folder:
        try:
            replace_in(folder, path.name, content, mode=mode, owner=owner)
        except OSError as error:
            name_file(error, path)
            raise


def make_folder(path: Path, *, mode: int, owner: tuple[int, int]) -> None:
    """Make a folder that is not there, with its mode and owner (user and group id), in one step. Raises OSError."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(leftover_name(path.name))
    new.mkdir(mode=0o700, exist_ok=True)
    os.chown(new, *owner)
    new.chmod(mode)
    new.rename(path)


def replace_link(path: Path, target: str) -> None:
    """Replace a file or link by a symbolic link in one step. Raises OSError."""
    new = path.with_name(leftover_name(path.name))
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(path)
