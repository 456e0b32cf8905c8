# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Streams a compressed image to a block device: fetched, checked, unpacked and written at once.

Runs of zeros are not written: the device is told to hold zeros there, so that old data never shines through.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from .errors import AgentError
from .programs import Command
from .specification import Image

BLOCK = 4 * 2**20
GRAIN = 64 * 2**10
UNPACK = "zstd"
_BLKZEROOUT = 0x127F
_ZEROS = bytes(GRAIN)
_CORRUPT = "The image on the deploy host is not the one that was specified: build it anew (role host_image), arm again."


@dataclass(frozen=True)
class Written:
    """What was done: bytes unpacked, bytes of them that were zeros and not written, seconds."""

    size: int
    zeros: int
    seconds: float

    def __str__(self) -> str:
        rate = self.size / 2**20 / self.seconds if self.seconds else 0.0
        return f"{self.size // 2**20} MiB in {self.seconds:.1f} s, {rate:.0f} MiB/s, {self.zeros // 2**20} MiB zeros"


def split_runs(block: bytes | bytearray, size: int) -> Iterator[tuple[int, int, bool]]:
    """Give offset, length and whether all is zero for the runs of the first SIZE bytes of BLOCK, in steps of GRAIN."""
    start, zero = 0, None
    for offset in range(0, size, GRAIN):
        # Compared where it lies: an emulated or old processor spends seconds on copying pieces of a whole image.
        is_zero = block.startswith(_ZEROS if offset + GRAIN <= size else _ZEROS[: size - offset], offset)
        if zero is None:
            zero = is_zero
        elif zero != is_zero:
            yield start, offset - start, zero
            start, zero = offset, is_zero
    if zero is not None:
        yield start, size - start, zero


def zero_range(descriptor: int, offset: int, length: int) -> None:
    """Let the block device DESCRIPTOR hold zeros from OFFSET on, both multiples of 512. Raises OSError."""
    fcntl.ioctl(descriptor, _BLKZEROOUT, struct.pack("QQ", offset, length))


def write_blocks(
    source: io.RawIOBase | io.BytesIO, descriptor: int, zero: Callable[[int, int, int], None] = zero_range
) -> tuple[int, int]:
    """Copy SOURCE to the device DESCRIPTOR and return bytes read and bytes of them zeroed. Raises OSError."""
    position, zeros = 0, 0
    pending: tuple[int, int] | None = None
    block = bytearray(BLOCK)
    view = memoryview(block)
    while size := _fill(source, view):
        for offset, length, is_zero in split_runs(block, size):
            start = position + offset
            if not is_zero:
                _write_all(descriptor, view[offset : offset + length], start)
            elif pending and pending[0] + pending[1] == start:
                pending = (pending[0], pending[1] + length)
            else:
                if pending:
                    zero(descriptor, *pending)
                pending = (start, length)
            zeros += length if is_zero else 0
        position += size
    if pending:
        zero(descriptor, *pending)
    os.fsync(descriptor)
    return position, zeros


def _fill(source: io.RawIOBase | io.BytesIO, view: memoryview) -> int:
    """Read into VIEW until it is full, less only at the end, and return how much: a pipe gives what it has."""
    filled = 0
    while filled < len(view) and (read := source.readinto(view[filled:])):
        filled += read
    return filled


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


class _Feeder(threading.Thread):
    """Hands the compressed stream to the unpacker and digests it on the way."""

    def __init__(self, chunks: Iterable[bytes], sink: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self.digest = hashlib.sha256()
        self.size = 0
        self.problem: BaseException | None = None
        self._chunks = chunks
        self._sink = sink

    def run(self) -> None:
        try:
            with self._sink as sink:
                for chunk in self._chunks:
                    self.digest.update(chunk)
                    self.size += len(chunk)
                    sink.write(chunk)
        except (AgentError, OSError) as problem:
            self.problem = problem


def write_image(
    chunks: Iterable[bytes],
    image: Image,
    device: str,
    zero: Callable[[int, int, int], None] = zero_range,
) -> Written:
    """Write CHUNKS, the compressed file of IMAGE, to DEVICE.

    Raises AgentError if digest or a size is not as specified, or if reading or writing fails; what then lies on the
    device is not to be booted.
    """
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603  constant arguments
        [UNPACK, "--decompress", "--stdout", "--quiet", "--no-progress"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as unpacker:
        if unpacker.stdin is None or unpacker.stdout is None or unpacker.stderr is None:
            raise AgentError("the unpacker has no pipes", "This is a mistake in the agent.")
        _widen(unpacker.stdin, unpacker.stdout)
        feeder = _Feeder(chunks, unpacker.stdin)
        feeder.start()
        try:
            descriptor = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
            try:
                with io.FileIO(unpacker.stdout.fileno(), closefd=False) as unpacked:
                    size, zeros = write_blocks(unpacked, descriptor, zero)
            finally:
                os.close(descriptor)
        except OSError as error:
            unpacker.kill()
            feeder.join()
            raise AgentError(
                f"{device} cannot be written: {error.strerror}", "Look at the kernel's messages: dmesg | tail"
            ) from error
        feeder.join()
        words = unpacker.stderr.read().decode("utf-8", "replace").strip()
        code = unpacker.wait()
    _judge(feeder, image, code, words, size)
    return Written(size, zeros, time.monotonic() - started)


def _widen(*pipes: IO[bytes]) -> None:
    for pipe in pipes:
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, 2**20)


def _judge(feeder: _Feeder, image: Image, code: int, words: str, size: int) -> None:
    if isinstance(feeder.problem, AgentError):
        raise feeder.problem
    digest = feeder.digest.hexdigest()
    if feeder.problem is None and feeder.size == image.size and digest != image.sha256:
        raise AgentError(f"the image's sha256 is {digest} and must be {image.sha256}", _CORRUPT)
    if code != 0:
        raise AgentError(f"zstd cannot unpack the image, code {code}: {words}", _CORRUPT)
    if feeder.problem is not None:
        raise AgentError(f"the image cannot be handed to zstd: {feeder.problem}", _CORRUPT)
    if (feeder.size, size) != (image.size, image.raw_size):
        raise AgentError(
            f"the image has {feeder.size} bytes, {size} unpacked; it must have {image.size} and {image.raw_size}",
            _CORRUPT,
        )


def plan_file_system(root: str, identifier: str) -> tuple[tuple[Command, tuple[int, ...]], ...]:
    """Return the commands, with the exit codes that are fine, that make the written file system ROOT our own.

    It gets a UUID of its own and fills its device. Both programs want a file system that was checked since its last
    mount; changing the UUID touches its times, so the check comes after that. e2fsck says 1 when it mended something.
    """
    return (
        (Command(("tune2fs", "-U", identifier, root)), (0,)),
        (Command(("e2fsck", "-f", "-p", root)), (0, 1)),
        (Command(("resize2fs", root)), (0,)),
    )
