# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a limit and tags leave of a run, on literals."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_scope import (
    hosts_of,
    refuse_limit,
    refuse_shared,
    refuse_site,
    refuse_tags,
)

GROUPS = {
    "all": ["d", "a", "b", "c"],
    "controller": ["a", "b", "c"],
    "compute": ["c", "x1", "x2", "x3"],
    "deploy": ["d"],
    "storage": [],
}


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("controller", ["a", "b", "c"]),
        ("controller[0]", ["a"]),
        ("controller:compute:storage", ["a", "b", "c", "x1", "x2", "x3"]),
        ("storage", []),
        ("storage[0]", []),
        ("monitoring[0]", []),
        ("b", ["b"]),
        ("nobody", []),
        ("localhost", ["localhost"]),
    ],
)
def test_a_pattern_stands_for_hosts_of_the_site(pattern: str, hosts: list[str]) -> None:
    assert hosts_of(pattern, GROUPS) == hosts


def test_a_site_without_such_a_host_is_told() -> None:
    assert refuse_site([], {}) == ""
    assert refuse_site(["controller[0]", "deploy"], GROUPS) == ""
    assert refuse_site(["controller", "storage", "monitoring"], GROUPS) == (
        "This playbook needs a host in storage and in monitoring, and the site has none. Nothing was done. Describe "
        "one in hosts.yml of the site, in that group, then run the same command again."
    )


@pytest.mark.parametrize(
    ("needed", "run", "words"),
    [
        ([], [], ""),
        (["controller[0]"], ["a"], ""),
        (["controller"], ["c"], ""),
        # That is for refuse_site() to tell.
        (["storage"], ["a"], ""),
        (
            ["controller[0]"],
            ["b"],
            "needs a (controller[0]), and the limit of this run leaves it out. Nothing was done.",
        ),
        (["controller[0]", "x1"], ["d"], "needs a (controller[0]), and"),
        (["b"], ["a"], "needs b, and the limit of this run leaves it out."),
        (["a", "b"], ["d"], "needs a and b, and the limit of this run leaves them out."),
        (["controller"], ["d"], "needs one of a, b, c (controller), and"),
        (["controller:compute"], ["d"], "needs one of a, b, c, x1, x2 and 1 more (controller:compute), and"),
        (["localhost"], ["a"], "needs localhost, and"),
    ],
)
def test_what_the_limit_leaves_out_is_told(needed: list[str], run: list[str], words: str) -> None:
    told = refuse_limit(needed, GROUPS, run)
    assert words in told
    assert ("or run without a limit" in told) is bool(words)


KNOWN = {"always", "never", "network", "storage", "base"}


@pytest.mark.parametrize(
    ("tags", "skipped"),
    [
        (["all"], []),
        (["storage", "base"], ["network"]),
        (["always", "never", "tagged", "untagged", "all"], ["always", "never", "tagged", "untagged", "all"]),
        (["all"], ["molecule-notest", "notest", "molecule-idempotence-notest"]),
    ],
)
def test_tags_that_there_are_pass(tags: list[str], skipped: list[str]) -> None:
    assert refuse_tags(KNOWN, tags, skipped) == ""


def test_tags_that_nothing_has_are_told_with_those_that_there_are() -> None:
    head = "Nothing was touched. Nothing in this playbook has a tag that it was run with: "
    tail = ". Its tags are base, network, storage."
    assert refuse_tags(KNOWN, ["storge"], []) == f'{head}--tags "storge", did you mean "storage"?{tail}'
    assert refuse_tags(KNOWN, ["base"], ["netwrok"]) == f'{head}--skip-tags "netwrok", did you mean "network"?{tail}'
    assert refuse_tags(KNOWN, ["xx", "base"], ["yy"]) == f'{head}--tags "xx"; --skip-tags "yy"{tail}'
    assert refuse_tags({"always"}, ["x\x1b"], []) == f'{head}--tags "x\\x1b". It has no tags.'
    assert "notest" in refuse_tags(KNOWN, ["notest"], [])


SHARED = [["base", "network", "storage"], ["network", "storage"]]


@pytest.mark.parametrize("skipped", [[], ["always"], ["other"], ["base", "network", "storage"]])
def test_tags_that_leave_nothing_half_done_may_be_skipped(skipped: list[str]) -> None:
    assert refuse_shared(SHARED, KNOWN, [], skipped) == ""


def test_a_tag_that_others_share_is_refused_with_what_to_name_instead() -> None:
    head = "Nothing was touched. With --skip-tags "
    told = refuse_shared(SHARED, ["base", "network", "storage", "report", "always"], ["all"], ["storage"])
    assert told == (
        f"{head}storage parts of base, network would be left out, too, since they are done together. To do all else, "
        "name it: --tags base,network,report."
    )
    told = refuse_shared(SHARED, KNOWN, ["network"], ["network", "storage"])
    assert told.startswith(f"{head}network,storage parts of base would")
    assert told.endswith("done together. Nothing else is left.")
