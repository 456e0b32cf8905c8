# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the label that an OSD of Ceph leaves at the start of its disk. Pure; the standard library only.

The program that brings OSDs back at boot has this file too. The form is that of BlueStore's bluestore_bdev_label_t: two
lines of text for people, then the same in binary with a mapping of texts at its end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

LABEL_BYTES = 4096
_MAGIC = b"bluestore block device\n"
_UUID_LENGTH = 36
_BINARY = len(_MAGIC) + _UUID_LENGTH + 1


@dataclass(frozen=True)
class Label:
    """Whose disk it is: identity of the OSD, of its cluster, its number, and whether it was made to the end."""

    uuid: str
    cluster: str = ""
    number: int | None = None
    complete: bool = False


class _Reader:
    """Takes values off the start of a text of bytes. Raises struct.error where it ends too soon."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def number(self, form: str) -> int:
        value: int = struct.unpack_from(form, self._data, self._place)[0]
        self._place += struct.calcsize(form)
        return value

    def skip(self, count: int) -> None:
        self._place += count

    def text(self) -> str:
        length = self.number("<I")
        value: bytes = struct.unpack_from(f"{length}s", self._data, self._place)[0]
        self._place += length
        return value.decode("utf-8", "replace")


def parse_label(data: bytes) -> Label | None:
    """Return the label in the first LABEL_BYTES of a disk, or None where there is none.

    A label whose binary part is damaged or unknown still says that the disk belongs to an OSD.
    """
    if not data.startswith(_MAGIC):
        return None
    uuid = data[len(_MAGIC) : len(_MAGIC) + _UUID_LENGTH].decode("ascii", "replace")
    reader = _Reader(data[_BINARY:LABEL_BYTES])
    try:
        version = reader.number("<B")
        reader.skip(1 + 4)
        # Identity, size, time of making.
        reader.skip(16 + 8 + 8)
        reader.text()
        # The first version has no mapping.
        count = reader.number("<I") if version > 1 else 0
        known = {reader.text(): reader.text() for _number in range(count)}
    except struct.error:
        return Label(uuid)
    number = known.get("whoami", "")
    return Label(
        uuid=uuid,
        cluster=known.get("ceph_fsid", ""),
        number=int(number) if number.isdecimal() else None,
        complete=known.get("ready") == "ready" and known.get("mkfs_done") == "yes",
    )
