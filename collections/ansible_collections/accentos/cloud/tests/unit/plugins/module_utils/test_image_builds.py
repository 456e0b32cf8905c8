# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is built, linked and removed, decided from literals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.image_builds import (
    Found,
    Plan,
    Recipe,
    bad_recipe,
    is_foreign,
    missing_space,
    plan,
    version_of,
    why_not_run,
)

RECIPE = Recipe("build", {"build": "true\n", "a/b": "text"}, {"LEVEL": "9"}, ("root.img.zst",))
NOTHING = Found(frozenset(), None, frozenset())
KEEP = Plan(build=False, link=False, remove_before=(), remove_after=())


def test_the_version_changes_with_anything_in_the_recipe() -> None:
    others = [
        replace(RECIPE, program="a/b"),
        replace(RECIPE, files={**RECIPE.files, "build": "false\n"}),
        replace(RECIPE, files={**RECIPE.files, "c": ""}),
        replace(RECIPE, environment={"LEVEL": "10"}),
        replace(RECIPE, outputs=("root.img",)),
    ]
    found = {version_of(recipe) for recipe in (RECIPE, *others)}
    assert len(found) == len(others) + 1
    assert all(len(version) == 16 and int(version, 16) >= 0 for version in found)
    assert version_of(replace(RECIPE, files=dict(reversed(list(RECIPE.files.items()))))) == version_of(RECIPE)


@pytest.mark.parametrize(
    ("recipe", "wrong"),
    [
        (RECIPE, None),
        (replace(RECIPE, program="other"), "its program other is not among its files (a/b, build)"),
        (replace(RECIPE, files={"build": "", "/etc/x": ""}), "'/etc/x' is no relative path that stays"),
        (replace(RECIPE, files={"build": "", "../x": ""}), "'../x' is no relative path that stays"),
        (replace(RECIPE, files={"build": "", "a//b": ""}), "'a//b' is no relative path that stays"),
        (replace(RECIPE, outputs=("",)), "'' is no relative path that stays"),
        (replace(RECIPE, outputs=()), "it names no outputs"),
    ],
)
def test_bad_recipes_are_found(recipe: Recipe, wrong: str | None) -> None:
    said = bad_recipe(recipe)
    assert (said is None) if wrong is None else (said or "").startswith(wrong)


def test_what_is_there_is_kept() -> None:
    found = Found(frozenset({"x", "x@1", "x@0", "y@1", ".lock-x"}), "1", frozenset({"0", "1"}))
    assert plan("x", "1", found) == KEEP
    assert not plan("x", "1", found).changes


def test_the_first_image_is_built() -> None:
    assert plan("x", "1", NOTHING) == replace(KEEP, build=True, link=True)


def test_a_new_version_keeps_the_one_before_it_only() -> None:
    found = Found(frozenset({"x", "x@1", "x@0", "y@0"}), "1", frozenset({"0", "1"}))
    assert plan("x", "2", found) == Plan(build=True, link=True, remove_before=(), remove_after=("x@0",))


def test_going_back_turns_the_link() -> None:
    found = Found(frozenset({"x", "x@1", "x@0"}), "1", frozenset({"0", "1"}))
    assert plan("x", "0", found) == replace(KEEP, link=True)


def test_torn_versions_and_leftovers_go_first() -> None:
    found = Found(frozenset({"x", "x@1", ".building-x", ".link-x", ".building-y"}), "1", frozenset())
    assert plan("x", "1", found) == Plan(
        build=True, link=True, remove_before=(".building-x", ".link-x", "x@1"), remove_after=()
    )
    tidy = plan("x", "1", replace(found, whole=frozenset({"1"})))
    assert (tidy.build, tidy.link, tidy.changes) == (False, False, True)
    assert tidy.remove_before == (".building-x", ".link-x")


def test_missing_space_is_counted() -> None:
    assert missing_space(100, 70) == 30
    assert missing_space(100, 100) == 0
    assert missing_space(100, 5000) == 0


def test_programs_of_another_architecture_need_an_interpreter() -> None:
    assert not is_foreign("amd64", "x86_64")
    assert not is_foreign("arm64", "aarch64")
    assert is_foreign("arm64", "x86_64")
    assert is_foreign("amd64", "riscv64")
    assert "qemu-user-binfmt" in why_not_run("arm64", binfmt=True)[1]
    assert "binfmt_misc" in why_not_run("arm64", binfmt=False)[1]
