# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image is checked while it is written; zeros are never written, and old data never stays in their place."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accentos_ramdisk import image
from accentos_ramdisk.errors import AgentError
from accentos_ramdisk.image import BLOCK, GRAIN, Written, plan_file_system, split_runs, write_image
from accentos_ramdisk.specification import Image
from hypothesis import given
from hypothesis import strategies as st

# A hole of three grains across a block's border, data that is not a multiple of a grain, and zeros at the end.
RAW = (
    os.urandom(BLOCK - GRAIN)
    + bytes(3 * GRAIN)
    + os.urandom(GRAIN)
    + bytes(2 * GRAIN)
    + b"x"
    + bytes(GRAIN - 1)
    + bytes(GRAIN)
)
ZEROS = 6 * GRAIN


def compress(raw: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=raw, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(scope="module")
def packed() -> bytes:
    return compress(RAW)


def described(packed: bytes, raw: bytes = RAW) -> Image:
    return Image("base", "https://x", hashlib.sha256(packed).hexdigest(), len(packed), len(raw))


def in_chunks(data: bytes, size: int = 100_000) -> Iterator[bytes]:
    for offset in range(0, len(data), size):
        yield data[offset : offset + size]


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A file in the place of a device, full of old data and larger than the image."""
    path = tmp_path / "device"
    path.write_bytes(b"old!" * (len(RAW) // 4 + 100_000))
    return path


class Zeroes:
    """Does for a file what the kernel does for a block device, and counts."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int]] = []

    def __call__(self, descriptor: int, offset: int, length: int) -> None:
        self.ranges.append((offset, length))
        os.pwrite(descriptor, bytes(length), offset)


def test_the_image_is_written_and_holes_are_zeroed(device: Path, packed: bytes) -> None:
    zeroes = Zeroes()
    written = write_image(in_chunks(packed), described(packed), str(device), zeroes)
    assert device.read_bytes()[: len(RAW)] == RAW
    assert (written.size, written.zeros) == (len(RAW), ZEROS)
    assert zeroes.ranges == [
        (BLOCK - GRAIN, 3 * GRAIN),
        (BLOCK + 3 * GRAIN, 2 * GRAIN),
        (BLOCK + 6 * GRAIN, GRAIN),
    ]


def flipped(packed: bytes) -> bytes:
    return packed[:5000] + bytes([packed[5000] ^ 1]) + packed[5001:]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (flipped, "the image's sha256 is .* and must be"),
        (lambda packed: packed[:-10], "cannot unpack the image"),
        (lambda packed: packed + compress(b"more"), "it must have"),
        (lambda packed: b"no zstd at all", "cannot unpack the image"),
    ],
)
def test_a_corrupt_image_is_refused(device: Path, packed: bytes, harm: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(AgentError, match=message) as caught:
        write_image(in_chunks(harm(packed)), described(packed), str(device), Zeroes())
    assert "build it anew" in caught.value.remedy


def test_an_image_of_another_size_unpacked_is_refused(device: Path, packed: bytes) -> None:
    with pytest.raises(AgentError, match="unpacked; it must have"):
        write_image(in_chunks(packed), described(packed, RAW + b"x"), str(device), Zeroes())


def test_a_failed_download_is_the_reason_given(device: Path, packed: bytes) -> None:
    def broken() -> Iterator[bytes]:
        yield packed[:100]
        raise AgentError("the image failed again and again", "Look at Apache.")

    with pytest.raises(AgentError, match="failed again and again"):
        write_image(broken(), described(packed), str(device), Zeroes())


def test_an_unpacker_that_dies_early_is_the_reason_given(
    device: Path, packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "unpack"
    program.write_text("#!/bin/sh\nexec head -c 10\n")
    program.chmod(0o755)
    monkeypatch.setattr(image, "UNPACK", str(program))
    with pytest.raises(AgentError, match=r"cannot be handed to zstd|unpacked; it must have"):
        write_image(in_chunks(packed, 10_000_000), described(packed), str(device), Zeroes())


def test_a_device_that_cannot_be_written_is_the_reason_given(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(AgentError, match="none cannot be written: No such file"):
        write_image(in_chunks(packed), described(packed), str(tmp_path / "none"), Zeroes())
    # A full device: here the kernel's own.
    with pytest.raises(AgentError, match="/dev/full cannot be written"):
        write_image(in_chunks(packed), described(packed), "/dev/full", Zeroes())


def test_zeros_of_a_device_that_does_not_know_how_fail_loudly(device: Path, packed: bytes) -> None:
    # The ioctl is for block devices: a file refuses it, and so nothing is left unzeroed in silence.
    with pytest.raises(AgentError, match="cannot be written"):
        write_image(in_chunks(packed), described(packed), str(device))


@given(st.lists(st.sampled_from([bytes(GRAIN), b"a" * GRAIN, bytes(GRAIN - 1) + b"b"]), max_size=8), st.integers(0, 3))
def test_runs_cover_the_block_and_tell_the_truth(grains: list[bytes], rest: int) -> None:
    block = b"".join(grains) + bytes(rest)
    # What lies behind is left from an earlier block.
    runs = list(split_runs(block + b"old", len(block)))
    assert b"".join(block[offset : offset + length] for offset, length, _zero in runs) == block
    assert all((block[offset : offset + length].strip(b"\0") == b"") == zero for offset, length, zero in runs)
    assert all(first[2] != second[2] for first, second in itertools.pairwise(runs))


def test_writing_is_told_in_figures() -> None:
    assert str(Written(300 * 2**20, 100 * 2**20, 2.0)) == "300 MiB in 2.0 s, 150 MiB/s, 100 MiB zeros"
    assert str(Written(0, 0, 0.0)) == "0 MiB in 0.0 s, 0 MiB/s, 0 MiB zeros"


def test_the_file_system_becomes_our_own() -> None:
    assert [(str(command), accepted) for command, accepted in plan_file_system("/dev/sda3", "uuid-1")] == [
        ("tune2fs -U uuid-1 /dev/sda3", (0,)),
        ("e2fsck -f -p /dev/sda3", (0, 1)),
        ("resize2fs /dev/sda3", (0,)),
    ]


def test_a_pipe_is_read_in_full_blocks() -> None:
    target = os.memfd_create("target")
    assert image.write_blocks(io.BytesIO(b"a" * (BLOCK + 5)), target) == (BLOCK + 5, 0)
    os.close(target)


def test_a_real_file_system_takes_the_plan(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(8 * 2**20))
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    os.truncate(disk, 32 * 2**20)
    wanted = "0a0b0c0d-0000-4000-8000-000000000001"
    for command, accepted in plan_file_system(str(disk), wanted):
        result = subprocess.run(command.argv, capture_output=True, text=True, check=False)
        assert result.returncode in accepted, result.stderr
    told = subprocess.run(["tune2fs", "-l", disk], capture_output=True, text=True, check=True).stdout
    assert f"Filesystem UUID:          {wanted}" in told
    blocks, size = (int(found) for found in re.findall(r"^Block (?:count|size):\s+([0-9]+)$", told, re.MULTILINE))
    assert blocks * size == 32 * 2**20
