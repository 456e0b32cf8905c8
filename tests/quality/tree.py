# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the quality tests know about the tree: its files, roles and YAML, and what changed since the last release."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import yaml

from tools.steps.verbs import git_files

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = ROOT / "collections/ansible_collections/accentos/cloud"
PREFIX = f"{COLLECTION.relative_to(ROOT)}/"
# Every repository knows the tree without files, committed or not.
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
WATCHED = (f"{PREFIX}plugins/", f"{PREFIX}roles/", f"{PREFIX}agents/", "playbooks/")
CHANGELOG = f"{PREFIX}changelogs/"


class Loader(yaml.SafeLoader):
    """Reads YAML with tags of Ansible; a tagged value becomes None."""


def _tagged(_loader: yaml.SafeLoader, _suffix: str, _node: yaml.Node) -> None:
    return None


Loader.add_multi_constructor("!", _tagged)


def load(path: Path) -> object:
    """Return the document of the YAML file PATH, or the list of them when there are several. Raises yaml.YAMLError."""
    documents = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader))
    return documents[0] if len(documents) == 1 else documents


@cache
def files() -> tuple[str, ...]:
    """Return the files of the checkout that git keeps or would keep, relative to its root."""
    return tuple(git_files(ROOT))


def roles() -> list[str]:
    """Return the names of the roles."""
    return sorted({name.removeprefix(f"{PREFIX}roles/").split("/")[0] for name in files() if "/cloud/roles/" in name})


def mappings(value: object) -> Iterator[dict[object, object]]:
    """Give every mapping inside VALUE, VALUE itself included."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from mappings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from mappings(inner)


def git(root: Path, *arguments: str) -> str:
    """Return the output of git in ROOT, or nothing when it fails."""
    result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""


def base(root: Path) -> str:
    """Return the commit that changes in ROOT are counted from.

    It is where the branch left origin/main; on main itself the latest release; before the first one the first commit;
    and the tree without files when there is no other commit yet.
    """
    head = git(root, "rev-parse", "HEAD")
    merge_base = git(root, "merge-base", "HEAD", "origin/main")
    if merge_base and merge_base != head:
        return merge_base
    tag = git(root, "describe", "--tags", "--abbrev=0", "HEAD^") or git(root, "describe", "--tags", "--abbrev=0")
    if tag:
        return tag
    first = git(root, "rev-list", "--max-parents=0", "HEAD").splitlines()
    return first[-1] if first and first[-1] != head else EMPTY_TREE


def changed(root: Path) -> list[str]:
    """Return the files of ROOT that differ from its base, those not yet committed included."""
    known = git(root, "diff", "--name-only", "--no-renames", base(root)).splitlines()
    new = git(root, "ls-files", "--others", "--exclude-standard").splitlines()
    return sorted({*known, *new})


def unexplained(names: Iterable[str]) -> list[str]:
    """Return those of the changed files NAMES that need a changelog entry, when there is none among them."""
    listed = list(names)
    told = any(name.startswith(f"{CHANGELOG}fragments/") or name == f"{CHANGELOG}changelog.yaml" for name in listed)
    return [] if told else [name for name in listed if name.startswith(WATCHED)]
