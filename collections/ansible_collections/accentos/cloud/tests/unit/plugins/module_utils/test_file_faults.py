# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ends the writing of a file is told with the file's name; the old file stays, and nothing of the new one."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault, told
from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let the kernel refuse what makes a file longer than 1 KiB: as on a full disk, the error names no file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    replace_file(file, b"old", mode=0o600)
    with pytest.raises(OSError, match="File too large") as caught:
        replace_file(file, b"new" * 1000, mode=0o600)
    assert caught.value.filename == str(file)
    assert file.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.conf"]


def test_a_file_that_cannot_get_its_name_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    file.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        replace_file(file, b"new", mode=0o600)
    assert caught.value.filename == str(file)
    assert [one.name for one in tmp_path.iterdir()] == ["a.conf"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Make room in its file system, then run again. These tell what it lacks, blocks or inodes: df"),
        (errno.EDQUOT, "Make room in its file system"),
        (errno.EROFS, "mend what dmesg tells, then run again."),
        (errno.EIO, "Mend or replace it, then run again."),
        (errno.ENOTDIR, "See to the file system and to what stands at that path, then run again."),
    ],
)
def test_the_remedy_is_that_of_the_fault(number: int, remedy: str) -> None:
    message, told_remedy = describe_fault(OSError(number, os.strerror(number), "/etc/nova/nova.conf"))
    assert message == f"/etc/nova/nova.conf: {os.strerror(number)}"
    assert remedy in told_remedy


def test_where_the_room_lacks_is_in_the_remedy() -> None:
    _message, remedy = describe_fault(OSError(errno.ENOSPC, "full", "/etc/nova/nova.conf"))
    assert remedy.endswith("df /etc/nova; df -i /etc/nova")


def test_a_fault_without_a_file_is_told_all_the_same() -> None:
    assert describe_fault(OSError("strange")) == (
        "A file: strange",
        "See to the file system and to what stands at that path, then run again.",
    )


class Module:
    """Notes with what a module ended."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    def fail_json(self, msg: str, **details: Any) -> None:
        """End with a message."""
        self.said = {"msg": msg, **details}


def test_a_module_ends_with_a_message_instead_of_a_traceback(tmp_path: Path) -> None:
    module = Module()
    with pytest.raises(SystemExit), told(module):
        (tmp_path / "missing" / "file").write_text("")
    assert module.said == {
        "msg": f"{tmp_path}/missing/file: No such file or directory",
        "remedy": "See to the file system and to what stands at that path, then run again.",
    }
