# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both collections build, twice the same, and hold what they should and nothing else."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.quality.tree import COLLECTION, PREFIX, ROOT
from tools.steps.release import LOCK, ReleaseError, build, main, tracked_files

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


def commit_to_git(folder: Path) -> None:
    """Make FOLDER, as it is, a checkout with one commit."""
    person = ("-c", "user.name=Test", "-c", "user.email=test@example.test")
    for words in (("init", "-q"), ("add", "--all", "--force"), (*person, "commit", "-qm", "all")):
        subprocess.run(["git", *words], cwd=folder, check=True)


def strays(name: str) -> list[str]:
    """Return files that do not belong into the collection NAME."""
    return ["playbooks/.vault_key.yml"] if name == "site" else ["roles/base/files/.vault_key", "plugins/x.swp"]


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both artefacts."""
    return {
        name: build(folder, tmp_path_factory.mktemp(name), EPOCH)
        for name, folder in (("site", ROOT), ("cloud", COLLECTION))
    }


def test_site_holds_the_playbooks_and_no_more(artefacts: dict[str, Path]) -> None:
    playbooks = {name for name in tracked_files(ROOT) if re.fullmatch(r"playbooks/(.*/)?[^/]+\.yml", name)}
    assert playbooks
    documents = {"README.md", "LICENSE", "CHANGELOG.md", "meta/runtime.yml"}
    assert set(contents(artefacts["site"])) == playbooks | documents | {"MANIFEST.json", "FILES.json"}


def test_cloud_holds_every_plugin_role_and_agent(artefacts: dict[str, Path]) -> None:
    wanted = {name for name in tracked_files(COLLECTION) if f"{PREFIX}{name}".startswith(SHIPPED)}
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
    for inner in sorted(tracked_files(ROOT / part), reverse=True):
        copy = tmp_path / "copy" / inner
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / part / inner, copy, follow_symlinks=False)
    commit_to_git(tmp_path / "copy")
    # What git does not know changes nothing, nor does what it is told to ignore.
    for stray in strays(name):
        (tmp_path / "copy" / stray).write_text("a stray\n")
    (tmp_path / "built").mkdir()
    again = build(tmp_path / "copy", tmp_path / "built", EPOCH)
    assert contents(again) == contents(artefacts[name])
    assert again.read_bytes() == artefacts[name].read_bytes()


def small_checkout(root: Path) -> None:
    """Make ROOT a checkout of little more than what both collections cannot be without."""
    for part in ("", PREFIX):
        (root / part).mkdir(parents=True, exist_ok=True)
        for inner in ("galaxy.yml", "README.md", "LICENSE", "meta/runtime.yml"):
            (root / part / inner).parent.mkdir(exist_ok=True)
            shutil.copyfile(ROOT / part / inner, root / part / inner)
    for inner in ("CHANGELOG.md", "requirements.yml", LOCK):
        (root / inner).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / inner, root / inner)
    (root / ".gitignore").write_text("/dist/\n.vault_key\n")
    (root / PREFIX / "roles").mkdir()
    for name in ("kept", "gone", "changed"):
        (root / PREFIX / "roles" / name).write_text("as committed\n")
    commit_to_git(root)


def test_a_checkout_with_more_and_less_than_git_knows_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_checkout(tmp_path)
    place = tmp_path / PREFIX / "roles"
    (place / "gone").unlink()
    (place / "changed").write_text("by hand\n")
    for stray in ("x.swp", ".vault_key"):
        (place / stray).write_text("a stray\n")
    assert main(tmp_path) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"not as committed, and built as it is here: {PREFIX}roles/changed",
        f"not as committed, and built as it is here: {PREFIX}roles/gone",
        f"not in git, and left out: {PREFIX}roles/x.swp",
    ]
    (artefact,) = (tmp_path / "dist/cloud").glob("*.tar.gz")
    held = contents(artefact)
    assert {name for name in held if name.startswith("roles/")} == {"roles/kept", "roles/changed"}
    assert held["roles/changed"] == hashlib.sha256(b"by hand\n").hexdigest()


@pytest.mark.parametrize("epoch", [None, "1"])
def test_without_git_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str | None) -> None:
    small_checkout(tmp_path)
    shutil.rmtree(tmp_path / ".git")
    # Another checkout around it would not know its files.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if epoch:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(SystemExit, match="is no checkout that git can read, and only git tells what belongs to a rel"):
        main(tmp_path)
    assert not (tmp_path / "dist").exists()


def test_a_folder_that_git_knows_nothing_of_is_not_built(tmp_path: Path) -> None:
    small_checkout(tmp_path)
    unpacked = tmp_path / "dist/unpacked"
    unpacked.mkdir(parents=True)
    shutil.copyfile(tmp_path / "galaxy.yml", unpacked / "galaxy.yml")
    with pytest.raises(ReleaseError, match=r"has no galaxy\.yml that git knows"):
        build(unpacked, tmp_path, EPOCH)


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
