# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remembers on a host, as digests, with which inputs something was last done, so that a killed run forgets nothing.

A handler, or a result that a task registers, is gone when its run is killed. The digests of the inputs are written only
after what they called for is done, and compared at every run. Each input has a digest of its own, so that a run can say
which of them is the reason. In check mode inputs are still the old ones, and earlier tasks tell which would be others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file

_UNKNOWN = "what it was last done with is not known"


def digest_files(paths: Iterable[Path]) -> dict[str, str]:
    """Return digests of the contents of files by path; a missing file has its own, a folder is the files below it."""
    found: dict[str, str] = {}
    for path in paths:
        files = sorted(below for below in path.rglob("*") if below.is_file()) if path.is_dir() else [path]
        for file in files:
            found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "missing"
    return found


def find_inputs(changed: Iterable[str], inputs: Iterable[str]) -> list[str]:
    """Return those of changed paths that are inputs, or are below an input that is a folder."""
    folders = [path.rstrip("/") for path in inputs]
    return sorted({path for path in changed if any(path == one or path.startswith(f"{one}/") for one in folders)})


def why_again(known: Mapping[str, str] | None, now: Mapping[str, str], expected: Iterable[str] = ()) -> str:
    """Return why something has to be done again: the names of the inputs that differ; an empty text if it has not.

    ``known`` are the remembered digests, None if there are none, ``now`` those of the present inputs. ``expected`` are
    names of inputs that earlier tasks of a run in check mode would change.
    """
    if known is None:
        return _UNKNOWN
    differ = {name for name in {*known, *now} if known.get(name) != now.get(name)}
    return ", ".join(sorted(differ.union(expected)))


def recall(marker: Path) -> dict[str, str] | None:
    """Return the remembered digests by name; None if there are none, or only damaged ones."""
    try:
        found = json.loads(marker.read_bytes()) if marker.is_file() else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def remember(marker: Path, digests: Mapping[str, str]) -> None:
    """Note digests in one step, and make the folder of the marker. Raises OSError."""
    marker.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    replace_file(marker, f"{json.dumps(digests, indent=1, sort_keys=True)}\n".encode("ascii"), mode=0o644)
