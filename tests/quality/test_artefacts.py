# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both collections build, twice the same, and hold what they should and nothing else."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.quality.tree import COLLECTION, PREFIX, ROOT, files
from tools.steps.release import build

MAXIMUM_BYTES = 2_000_000
SHIPPED = (f"{PREFIX}plugins/", f"{PREFIX}roles/", f"{PREFIX}agents/")
EPOCH = 1_700_000_000
FORBIDDEN = re.compile(
    r"(^|/)(tests/output|__pycache__|\.git|\.venv|\.cache|\.lab|\.hypothesis|pki)(/|$)|\.(pyc|pem|key|retry)$|vault|secrets"
    r"|id_(rsa|ed25519)"
)
# FORBIDDEN finds these words in the names of our own source files too.
SOURCE = re.compile(r"^(plugins|roles|agents|tests|docs|changelogs|playbooks)/.*\.(py|yml|yaml|j2|md|rst|json|txt)$")
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=]{20}")


def contents(artefact: Path) -> dict[str, str]:
    """Return name and sha256 of every file in ARTEFACT; of a link within it, where it leads."""
    with tarfile.open(artefact) as archive:
        found = {}
        for member in archive.getmembers():
            stream = archive.extractfile(member) if member.isfile() else None
            if stream:
                found[member.name] = hashlib.sha256(stream.read()).hexdigest()
            elif member.issym():
                found[member.name] = f"link to {member.linkname}"
        return found


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both artefacts."""
    return {
        name: build(folder, tmp_path_factory.mktemp(name), EPOCH)
        for name, folder in (("site", ROOT), ("cloud", COLLECTION))
    }


def test_site_holds_the_playbooks_and_no_more(artefacts: dict[str, Path]) -> None:
    playbooks = {name for name in files() if re.fullmatch(r"playbooks/(.*/)?[^/]+\.yml", name)}
    assert playbooks
    documents = {"README.md", "LICENSE", "CHANGELOG.md", "meta/runtime.yml"}
    assert set(contents(artefacts["site"])) == playbooks | documents | {"MANIFEST.json", "FILES.json"}


def test_cloud_holds_every_plugin_role_and_agent(artefacts: dict[str, Path]) -> None:
    wanted = {name.removeprefix(PREFIX) for name in files() if name.startswith(SHIPPED)}
    assert all(any(f"{PREFIX}{name}".startswith(folder) for name in wanted) for folder in SHIPPED)
    assert wanted - set(contents(artefacts["cloud"])) == set()


@pytest.mark.parametrize("name", ["site", "cloud"])
def test_nothing_is_in_it_that_must_not_be(artefacts: dict[str, Path], name: str) -> None:
    held = contents(artefacts[name])
    assert {"MANIFEST.json", "FILES.json"} < set(held)
    assert [inner for inner in held if FORBIDDEN.search(inner) and not SOURCE.match(inner)] == []
    assert [inner for inner in held if re.search(r"tests/output|__pycache__|\.pyc$", inner)] == []
    assert artefacts[name].stat().st_size < MAXIMUM_BYTES
    with tarfile.open(artefacts[name]) as archive:
        streams = [(member.name, archive.extractfile(member)) for member in archive.getmembers() if member.isfile()]
        assert [inner for inner, stream in streams if stream and PRIVATE_KEY.search(stream.read())] == []


@pytest.mark.parametrize("name", ["site", "cloud"])
def test_another_checkout_gives_the_same_bytes(artefacts: dict[str, Path], name: str, tmp_path: Path) -> None:
    part = PREFIX if name == "cloud" else ""
    for inner in sorted(files(), reverse=True):
        if inner.startswith(part):
            copy = tmp_path / "copy" / inner.removeprefix(part)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / inner, copy, follow_symlinks=False)
    (tmp_path / "built").mkdir()
    again = build(tmp_path / "copy", tmp_path / "built", EPOCH)
    assert contents(again) == contents(artefacts[name])
    assert again.read_bytes() == artefacts[name].read_bytes()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("secrets/x", True),
        ("a/b.pyc", True),
        (".lab/lab/id_ed25519", True),
        ("pki/ca.pem", True),
        ("plugins/a.py", False),
    ],
)
def test_forbidden_names_are_recognized(name: str, wrong: bool) -> None:
    assert bool(FORBIDDEN.search(name) and not SOURCE.match(name)) is wrong
