# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remembers on a host, as digests, with which inputs something was last done, so that a killed run forgets nothing.

A handler, or a result that a task registers, is gone when its run is killed. The digests of the inputs are written only
after what they called for is done, and compared at every run. Each input has a digest of its own, so that a run can say
which of them is the reason.

In check mode inputs are still the old ones. Earlier tasks tell the digests of those that they would write, and these
stand in the place of what is there: a file that somebody changed, and that goes back to what was remembered, calls for
nothing, in the plan as in the run. One of which nobody can tell before the run what it will be differs from everything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file

# Digests of a file that is not there, and of one to come whose content is not known.
MISSING = "missing"
UNKNOWN = ""
_UNKNOWN_BEFORE = "what it was last done with is not known"


def digest_content(content: bytes) -> str:
    """Return the digest of a file with this content."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """Return the digest of a file, or of what a link points to; MISSING if there is none. Raises OSError."""
    return digest_content(path.read_bytes()) if path.is_file() else MISSING


def digest_files(paths: Iterable[Path], expected: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return digests of the contents of files by path; a missing file has its own, a folder is the files below it.

    ``expected`` are digests by path of files that earlier tasks of a run in check mode would write; MISSING for one
    that they would remove, UNKNOWN for one whose content is not known before the run. Raises OSError.
    """
    coming = {Path(path): digest for path, digest in (expected or {}).items()}
    found: dict[str, str] = {}
    for path in paths:
        below = {file for file in coming if path in file.parents}
        if path in coming or not (below or path.is_dir()):
            found[str(path)] = _foresee(path, coming)
            continue
        below.update(file for file in path.rglob("*") if file.is_file() or file.is_symlink())
        digests = {str(file): _foresee(file, coming) for file in sorted(below)}
        found |= {name: digest for name, digest in digests.items() if digest != MISSING}
    return found


def _foresee(path: Path, coming: Mapping[Path, str]) -> str:
    # A link has the content of another file, which may be the one to come.
    for place in (path, Path(os.path.realpath(path))):
        if place in coming:
            return coming[place]
    return digest_file(path)


def why_again(known: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    """Return why something has to be done again: the names of the inputs that differ; an empty text if it has not.

    ``known`` are the remembered digests, None if there are none, ``now`` those of the present inputs, in check mode of
    the inputs as they would be.
    """
    if known is None:
        return _UNKNOWN_BEFORE
    return ", ".join(sorted(name for name in {*known, *now} if known.get(name) != now.get(name)))


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
