# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds a release so that the same commit gives the same bytes (see reproducible-builds.org), and signs it if asked.

dist/ then holds both collections, SHA256SUMS, and a list of parts (SBOM, CycloneDX 1.6): the collections, and the
packages and other collections that a control node has, as they are pinned. A signature is one that ansible-galaxy
verifies: of the MANIFEST.json of a collection, which has the digest of each of its files.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

COLLECTION = "collections/ansible_collections/accentos/cloud"
LOCK = "tools/requirements/control.txt"
REQUIREMENTS = "requirements.yml"
SUMS = "SHA256SUMS"
# Any fixed one: the same parts then have the same serial number.
NAMESPACE = uuid.UUID("6f6c7e0a-5b54-4b0b-9d0b-0a1f7f0f5c11")


class ReleaseError(Exception):
    """Nothing can be built from this folder; the text says why."""


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


def ask_git(folder: Path, *words: str) -> str:
    """Return what git says to WORDS in FOLDER. Raises ReleaseError."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        raise ReleaseError("git is missing, and only git tells what belongs to a release. Install it.") from None
    except subprocess.CalledProcessError as error:
        raise ReleaseError(
            f"{folder} is no checkout that git can read, and only git tells what belongs to a release: "
            f"{os.fsdecode(error.stderr).strip()}"
        ) from None
    # Names of files may be any bytes.
    return os.fsdecode(done.stdout)


def commit_time(root: Path) -> int:
    """Return the time of the commit that is checked out in ROOT, in seconds since 1970; SOURCE_DATE_EPOCH wins.

    Raises ReleaseError.
    """
    if named := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(named)
    return int(ask_git(root, "log", "-1", "--format=%ct"))


def tracked_files(folder: Path) -> list[str]:
    """Return the files and links below FOLDER that git tracks and that are there, relative to it.

    Raises ReleaseError, also when these are no collection.
    """
    names = sorted(set(ask_git(folder, "ls-files", "-z", "--cached").split("\0")) - {""})
    if "galaxy.yml" not in names:
        raise ReleaseError(f"{folder} has no galaxy.yml that git knows, so nothing is built.")
    return [name for name in names if (folder / name).is_symlink() or (folder / name).is_file()]


def uncommitted(root: Path) -> tuple[list[str], list[str]]:
    """Return the files of the checkout ROOT that differ from the commit, and those that git does not know.

    Raises ReleaseError.
    """
    status = ask_git(root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    rows = [(row[:2], row[3:]) for row in status.split("\0") if row]
    return [name for state, name in rows if state != "??"], [name for state, name in rows if state == "??"]


def build(folder: Path, output: Path, epoch: int) -> Path:
    """Build the collection in FOLDER into the folder OUTPUT, which holds nothing else, and return the artefact.

    Only what git tracks is in it: a key, or what an editor left, must not get out with a release. Raises ReleaseError.
    """
    program = Path(sys.executable).with_name("ansible-galaxy")
    argv = [str(program), "collection", "build", "--output-path", str(output.resolve())]
    with tempfile.TemporaryDirectory(prefix="accentos-release-") as temporary:
        for name in tracked_files(folder):
            copy = Path(temporary, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, copy, follow_symlinks=False)
        subprocess.run(argv, cwd=temporary, check=True, capture_output=True, timeout=120)
    (artefact,) = output.glob("*.tar.gz")
    normalise(artefact, epoch)
    return artefact


def pinned_packages(lock: str) -> dict[str, str]:
    """Return name and version of each package that the text of a LOCK file of pip pins."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE))


def parts(digests: Mapping[str, str], packages: Mapping[str, str], collections: Mapping[str, str]) -> list[Component]:
    """Return what a release is made of.

    digests: artefact (such as accentos-cloud-1.0.0.tar.gz) to sha256. packages: of PyPI, to version. collections: full
    name to version.
    """
    found = []
    for artefact, digest in digests.items():
        namespace, name, version = artefact.removesuffix(".tar.gz").split("-")
        purl = PackageURL("generic", namespace, name, version)
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
        found.append(
            Component(
                name=f"{namespace}.{name}",
                version=version,
                type=ComponentType.APPLICATION,
                purl=purl,
                bom_ref=str(purl),
                hashes=hashes,
            )
        )
    needed = [(name, version, PackageURL("pypi", None, name, version)) for name, version in packages.items()]
    for full, version in collections.items():
        namespace, name = full.split(".")
        needed.append((full, version, PackageURL("generic", namespace, name, version)))
    for name, version, purl in needed:
        found.append(
            Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl)),
        )
    return found


def bill_of_materials(components: Sequence[Component], epoch: int) -> str:
    """Return the list of COMPONENTS as JSON of CycloneDX 1.6, of the time EPOCH (seconds since 1970)."""
    contents = sorted(f"{part.purl} {' '.join(digest.content for digest in part.hashes)}" for part in components)
    serial = uuid.uuid5(NAMESPACE, "\n".join(contents))
    bom = Bom(components=components, serial_number=serial)
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    ours = [component for component in components if component.hashes]
    for component in ours:
        bom.register_dependency(component, [other for other in components if other not in ours])
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def sign(artefact: Path, key: str) -> Path:
    """Sign the MANIFEST.json of ARTEFACT with the secret KEY of GnuPG, and return the signature.

    Raises subprocess.CalledProcessError, or ValueError for what is no collection.
    """
    with tarfile.open(artefact) as archive:
        manifest = archive.extractfile("MANIFEST.json")
        if manifest is None:
            raise ValueError(f"{artefact}: MANIFEST.json is no file")
        content = manifest.read()
    signature = artefact.with_name(artefact.name.removesuffix(".tar.gz") + ".asc")
    signature.unlink(missing_ok=True)
    argv = ["gpg", "--local-user", key, "--armor", "--detach-sign", "--output", str(signature)]
    subprocess.run(argv, input=content, check=True)
    return signature


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command line of these WORDS."""
    parser = argparse.ArgumentParser(
        prog="tools/build-collections",
        description="Builds both collections into dist/, with their digests and a list of all parts (SBOM).",
    )
    parser.add_argument(
        "--sign",
        metavar="KEY",
        help="secret key of GnuPG that signs each collection, by fingerprint or address",
    )
    return parser.parse_args(words)


def build_all(root: Path, arguments: argparse.Namespace) -> str:
    """Build both collections into dist/ of the checkout ROOT, as the ARGUMENTS ask, and return digests.

    Raises ReleaseError.
    """
    dist = root / "dist"
    epoch = commit_time(root)
    digests = {}
    for name, folder in (("site", root), ("cloud", root / COLLECTION)):
        output = dist / name
        for old in (*output.glob("*.tar.gz"), *output.glob("*.asc")):
            old.unlink()
        artefact = build(folder, output, epoch)
        digests[artefact.relative_to(dist)] = hashlib.sha256(artefact.read_bytes()).hexdigest()
        if arguments.sign:
            try:
                sign(artefact, arguments.sign)
            except subprocess.CalledProcessError:
                sys.exit(f"{artefact.name} is not signed: see gpg's words above, and `gpg --list-secret-keys`.")
    wanted = yaml.safe_load((root / REQUIREMENTS).read_text(encoding="utf-8"))["collections"]
    components = parts(
        {path.name: digest for path, digest in digests.items()},
        pinned_packages((root / LOCK).read_text(encoding="utf-8")),
        {row["name"]: row["version"] for row in wanted},
    )
    (dist / "parts.cdx.json").write_text(bill_of_materials(components, epoch), encoding="utf-8")
    sums = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
    (dist / SUMS).write_text(sums, encoding="utf-8")
    return sums


def main(root: Path, words: Sequence[str] = ()) -> int:
    """Build both collections of the checkout ROOT, as the command line's WORDS ask, and print digests."""
    arguments = arguments_of(words)
    try:
        changed, unknown = uncommitted(root)
        for title, names in (
            ("not as committed, and built as it is here", changed),
            ("not in git, and left out", unknown),
        ):
            for name in names:
                print(f"{title}: {name}", file=sys.stderr)
        print(build_all(root, arguments), end="")
    except ReleaseError as error:
        sys.exit(f"build-collections: {error}")
    return 0
