# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whoever changes a plug-in, a role or a playbook tells the users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.quality.tree import CHANGELOG, COLLECTION, EMPTY_TREE, PREFIX, ROOT, base, changed, git, unexplained

PLUGIN = f"{PREFIX}plugins/filter/a.py"


def commit(root: Path, name: str) -> str:
    """Commit a new file NAME in ROOT and return the commit."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    subprocess.run(["git", "add", "-A"], cwd=root, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "change"], cwd=root, check=True)
    return git(root, "rev-parse", "HEAD")


def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path], check=True)
    return tmp_path


def test_changes_are_in_the_changelog() -> None:
    assert git(ROOT, "rev-parse", "--is-inside-work-tree") == "true"
    assert unexplained(changed(ROOT)) == []


def test_changelog_is_well_formed() -> None:
    program = Path(sys.executable).with_name("antsibull-changelog")
    result = subprocess.run([program, "lint"], cwd=COLLECTION, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def test_unexplained_changes_are_found() -> None:
    assert unexplained([PLUGIN, "tools/x", "playbooks/deploy.yml"]) == [PLUGIN, "playbooks/deploy.yml"]
    assert unexplained([PLUGIN, f"{CHANGELOG}fragments/1.yml"]) == []
    assert unexplained([PLUGIN, f"{CHANGELOG}changelog.yaml"]) == []
    assert unexplained(["tools/x", "docs/a.md"]) == []


def test_base_before_any_commit_and_after_the_first(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "new").write_text("x")
    assert (base(root), changed(root)) == (EMPTY_TREE, ["new"])
    first = commit(root, "a")
    assert (base(root), changed(root)) == (EMPTY_TREE, ["a", "new"])
    commit(root, "b")
    assert (base(root), changed(root)) == (first, ["b"])


def test_base_is_the_latest_release_on_main_and_the_fork_on_a_branch(tmp_path: Path) -> None:
    root = repository(tmp_path)
    commit(root, "a")
    subprocess.run(["git", "tag", "v1"], cwd=root, check=True)
    fork = commit(root, PLUGIN)
    assert (base(root), changed(root)) == ("v1", [PLUGIN])
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", fork], cwd=root, check=True)
    assert base(root) == "v1"
    commit(root, "c")
    assert (base(root), changed(root)) == (fork, ["c"])
    (root / "uncommitted").write_text("x")
    assert changed(root) == ["c", "uncommitted"]
