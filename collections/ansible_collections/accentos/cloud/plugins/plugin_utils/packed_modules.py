# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules as Ansible packs them for hosts, kept from one run for the next."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

# Folders of as many versions are kept: some checkouts, and operators who go back to the release of before.
VERSIONS = 4


@dataclass(frozen=True)
class Source:
    """Where modules come from.

    package: what the names of its modules begin with, such as "ansible.modules". folder: has folders modules and
    module_utils, and what its modules import of code outside them comes from other sources.
    """

    package: str
    folder: Path

    def files(self) -> list[Path]:
        """Return all that its modules are packed from."""
        return [*self.folder.glob("modules/*.py"), *self.folder.glob("module_utils/**/*.py")]


def fingerprint(files: Iterable[Path], facts: Iterable[str]) -> str:
    """Return a name for the present content of FILES, by their sizes and times, together with other FACTS."""
    stamps = []
    for path in sorted(files):
        found = path.stat()
        stamps.append([str(path), found.st_size, found.st_mtime_ns])
    return hashlib.sha256(json.dumps([list(facts), stamps]).encode()).hexdigest()


def take(kept: Path, packed: Path) -> None:
    """Give the run that packs into PACKED all modules of the folder KEPT. Raises OSError."""
    if not kept.is_dir() or kept.stat().st_uid != os.getuid():
        return
    packed.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.utime(kept)
    for path in kept.iterdir():
        target = packed / path.name
        if not target.exists():
            shutil.copyfile(path, target)


def keep(packed: Path, kept: Path, sources: Collection[Source]) -> None:
    """Put what a run left in PACKED of modules from SOURCES, and is not in KEPT, there; forget the oldest versions.

    A module appears whole: it is written beside and renamed. Raises OSError.
    """
    known = [path for source in sources for path in packed.glob(f"{source.package}.*")]
    new = [path for path in known if is_whole(path) and not (kept / path.name).exists()]
    if not new:
        return
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept.parent.chmod(0o700)
    for path in new:
        with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".new-", delete=False) as file:
            file.write(path.read_bytes())
        Path(file.name).replace(kept / path.name)
    versions = sorted((path for path in kept.parent.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in versions[:-VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)


def is_whole(path: Path) -> bool:
    """Tell whether a file is a packed module: Ansible has locks, and files that it is writing, beside them."""
    return path.is_file() and not path.name.endswith((".lock", "-part"))
