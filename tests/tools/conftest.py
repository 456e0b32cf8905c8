# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the package `tools` importable however pytest was started, and prepares runs of tiny steps."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.steps.engine import Run
from tools.steps.report import Log, Screen


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A run in an empty checkout; its screen is a file that `screen_text` reads."""
    stream = io.TextIOWrapper((tmp_path / "screen").open("wb", buffering=0), write_through=True)
    log = Log(tmp_path / ".cache/logs", "test", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    made = Run(tmp_path, Screen(stream, {}), log, {"PATH": os.environ["PATH"]})
    made.grace = 1.0
    yield made
    log.close()
    stream.close()
