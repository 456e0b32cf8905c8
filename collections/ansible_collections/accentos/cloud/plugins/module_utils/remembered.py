# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remembers on a host, as a digest, with which files something was last done, so that a killed run forgets nothing.

A handler, or a result that a task registers, is gone when its run is killed. A digest of the input files is written
only after what they called for is done, and compared at every run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file


def digest_files(paths: Iterable[Path]) -> str:
    """Digest the names and contents of files; a missing file counts as such, a folder as the files below it."""
    total = hashlib.sha256()
    for path in sorted(paths):
        files = sorted(below for below in path.rglob("*") if below.is_file()) if path.is_dir() else [path]
        for file in files:
            content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "missing"
            total.update(os.fsencode(f"{file}\0{content}\n"))
    return total.hexdigest()


def recall(marker: Path) -> str:
    """Return the remembered digest, or an empty text; what is damaged is no digest and equals none."""
    return marker.read_text(encoding="ascii", errors="replace").strip() if marker.is_file() else ""


def remember(marker: Path, digest: str) -> None:
    """Note a digest in one step, and make the folder of the marker. Raises OSError."""
    marker.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    replace_file(marker, f"{digest}\n".encode("ascii"), mode=0o644)
