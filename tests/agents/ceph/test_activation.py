# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The disk of an OSD is found by its label, and the OSD's folder filled from it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from accentos_ceph.__main__ import Host, find, main

CLUSTER = "6d2e5a1c-53a4-4b1a-9d0e-0c6f8a4f7f11"
UUID = "4912807d-2507-468c-8d48-a2f9b185f3a0"
# As the real one: it makes the link to the device itself, too.
TOOL = """\
#!/bin/sh
[ "$1 $2 $3" = "prime-osd-dir --no-mon-config --dev" ] || exit 9
ln -s "$4" "$6/block" && echo secret >"$6/keyring" && echo "$4" >"$6/from"
"""


def label(number: int, cluster: str = CLUSTER, ready: str = "ready") -> bytes:
    values = {"whoami": str(number), "ceph_fsid": cluster, "mkfs_done": "yes", "ready": ready}
    known = b"".join(
        struct.pack(f"<I{len(name)}sI{len(value)}s", len(name), name.encode(), len(value), value.encode())
        for name, value in values.items()
    )
    head = struct.pack("<BBI16sQQI4sI", 2, 1, 0, bytes(16), 2**32, 0, 4, b"main", len(values))
    return b"bluestore block device\n" + UUID.encode() + b"\n" + head + known


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path / "block", tmp_path / "dev", tmp_path / "osd", patience=0)
    for folder in (made.block, made.devices, made.folders, tmp_path / "bin"):
        folder.mkdir()
    tool = tmp_path / "bin/ceph-bluestore-tool"
    tool.write_text(TOOL, encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return made


def put(host: Host, name: str, content: bytes | None, *holders: str) -> Path:
    for holder in holders:
        (host.block / name / "holders" / holder).mkdir(parents=True)
    (host.block / name).mkdir(exist_ok=True)
    if content is not None:
        (host.devices / name).write_bytes(content)
    return host.devices / name


def test_the_folder_is_filled_from_the_disk_whatever_its_name(host: Host) -> None:
    put(host, "sda", bytes(4096))
    put(host, "sdb", label(2))
    put(host, "sdc", label(3, cluster="another"))
    put(host, "sdd", label(3, ready="no"))
    put(host, "sr0", label(3))
    put(host, "sdf", None)
    device = put(host, "sde", label(3))
    assert main(["3", CLUSTER], host) is None
    folder = host.folders / "ceph-3"
    assert (folder / "block").readlink() == device
    assert (folder / "from").read_text() == f"{device}\n"
    # At the next boot the disk has another name.
    device.rename(host.devices / "sdf")
    assert main(["3", CLUSTER], host) is None
    assert (folder / "block").readlink() == host.devices / "sdf"


def test_a_path_below_another_device_is_no_second_disk(host: Host) -> None:
    put(host, "sda", label(1), "dm-0")
    put(host, "sdb", label(1), "dm-0")
    merged = put(host, "dm-0", label(1))
    assert find(host, 1, CLUSTER) == [merged]


def test_a_disk_that_is_away_or_there_twice_is_told(host: Host) -> None:
    assert "is on no disk" in str(main(["1", CLUSTER], host))
    one, two = put(host, "sda", label(1)), put(host, "sdb", label(1))
    assert f"is on {one} and {two}" in str(main(["1", CLUSTER], host))
    assert list(host.folders.iterdir()) == []


def test_a_disk_may_come_late(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Host(host.block, host.devices, host.folders, patience=60)
    monkeypatch.setattr("time.sleep", lambda _seconds: put(host, "sda", label(1)))
    assert main(["1", CLUSTER], late) is None
