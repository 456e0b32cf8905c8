# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds both collections so that the same commit gives the same bytes (see reproducible-builds.org)."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

COLLECTION = "collections/ansible_collections/accentos/cloud"


def normalise(artefact: Path, epoch: int) -> None:
    """Rewrite the tar.gz ARTEFACT with sorted members, the time EPOCH (seconds since 1970), and no owners."""
    packed = io.BytesIO()
    with (
        tarfile.open(artefact) as source,
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.pax_headers = {}
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    new = artefact.with_suffix(".new")
    new.write_bytes(packed.getvalue())
    new.replace(artefact)


def commit_time(root: Path) -> int:
    """Return the time of the commit that is checked out in ROOT, in seconds since 1970; SOURCE_DATE_EPOCH wins."""
    if named := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(named)
    argv = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(argv, cwd=root, check=True, capture_output=True, text=True).stdout)


def build(folder: Path, output: Path, epoch: int) -> Path:
    """Build the collection in FOLDER into the folder OUTPUT, which holds nothing else, and return the artefact."""
    program = Path(sys.executable).with_name("ansible-galaxy")
    argv = [str(program), "collection", "build", "--output-path", str(output)]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=120)
    (artefact,) = output.glob("*.tar.gz")
    normalise(artefact, epoch)
    return artefact


def main(root: Path) -> int:
    """Build both collections into dist/ of the checkout ROOT and print their digests."""
    for name, folder in (("site", root), ("cloud", root / COLLECTION)):
        output = root / "dist" / name
        for old in output.glob("*.tar.gz"):
            old.unlink()
        artefact = build(folder, output, commit_time(root))
        print(f"{hashlib.sha256(artefact.read_bytes()).hexdigest()}  {artefact.relative_to(root)}")
    return 0
