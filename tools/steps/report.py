# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run shows and keeps: the log file, the lines on the screen, the table of durations."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from .child import terminal_size

KEPT_LOGS = 10
SLOWEST = 10
# Colours and cursor movements (CSI), titles (OSC), and the other control characters except tab.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(line: str) -> str:
    """Return LINE as a person saw it last: what followed the last carriage return, without control characters."""
    shown = [CONTROL.sub("", part) for part in line.split("\r")]
    return next((part for part in reversed(shown) if part.strip()), "").rstrip()


def clock(seconds: float) -> str:
    """Return SECONDS as minutes and seconds, such as 0:12."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def clip(text: str, width: int) -> str:
    """Return TEXT cut to WIDTH characters."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def slowest(durations: Sequence[tuple[str, float]], total: float) -> list[str]:
    """Return the table of the slowest steps: seconds, share of TOTAL, name; then the total."""
    rows = sorted(durations, key=lambda row: row[1], reverse=True)[:SLOWEST]
    lines = [f"{seconds:8.1f} s  {seconds / total if total else 0:4.0%}  {name}" for name, seconds in rows]
    return ["Slowest steps:", *lines, f"{total:8.1f} s  total"]


class Log:
    """The log file of a run; every line carries the time and the step."""

    def __init__(self, folder: Path, verb: str, now: datetime) -> None:
        """Open a new file in FOLDER, readable by its owner only, and remove the oldest ones. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{verb}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        number = 1
        while True:
            self.path = folder / (f"{stem}.log" if number == 1 else f"{stem}-{number}.log")
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                break
            number += 1
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", buffering=1)
        self._lock = threading.Lock()
        # The time in the name orders the files, not their verb.
        for old in sorted(folder.glob("*.log"), key=lambda path: (path.stat().st_mtime_ns, path.name))[:-KEPT_LOGS]:
            if old != self.path:
                old.unlink(missing_ok=True)

    def write(self, step: str, line: str) -> None:
        """Add LINE of STEP."""
        with self._lock:
            self._file.write(f"{datetime.now(UTC):%H:%M:%S} [{step}] {line}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Screen:
    """The lines that a person sees. On a terminal the last one is live: it is written over until something lasts."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        """Write to STREAM; ENVIRON decides with it whether there is a live line."""
        self.stream = stream
        self.terminal: int | None = stream.fileno() if stream.isatty() else None
        self.live = self.terminal is not None and not environ.get("CI") and environ.get("TERM", "dumb") != "dumb"
        self._lock = threading.Lock()
        self._shown = ""

    def line(self, text: str = "") -> None:
        """Show TEXT and let it stand."""
        with self._lock:
            self._clear()
            self.stream.write(text + "\n")
            self.stream.flush()

    def update(self, text: str) -> None:
        """Show TEXT in the live line."""
        if not self.live or self.terminal is None:
            return
        with self._lock:
            text = clip(text, terminal_size(self.terminal)[1] - 1)
            if text != self._shown:
                self._clear()
                self.stream.write(text)
                self.stream.flush()
                self._shown = text

    def raw(self, data: bytes) -> None:
        """Hand on what a program wrote that owns the terminal."""
        with self._lock:
            self._clear()
            self.stream.flush()
            self.stream.buffer.write(data)
            self.stream.buffer.flush()

    def _clear(self) -> None:
        if self._shown:
            self.stream.write("\r\x1b[K")
            self._shown = ""


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        """Start now."""
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._start
