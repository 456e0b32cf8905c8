# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The order of commands, what they depend on, and what happens when one fails."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_commands import SyncError
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import digest_changed_sections
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_syncs import (
    digest_reads,
    order,
    run_in_order,
)

TIMEOUT = 20


def sync(name: str, *after: str) -> dict[str, Any]:
    return {"name": name, "after": list(after)}


def test_those_that_do_not_need_each_other_run_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=TIMEOUT)
    ended: list[str] = []

    def run(one: Mapping[str, Any]) -> None:
        if one["name"] != "last":
            together.wait()
        ended.append(one["name"])

    assert run_in_order([sync("last", "a", "b"), sync("a"), sync("b")], run, workers=2) == []
    assert (sorted(ended[:2]), ended[2]) == (["a", "b"], "last")


def test_what_needs_a_failed_one_does_not_run_and_the_rest_does() -> None:
    ran: list[str] = []

    def run(one: Mapping[str, Any]) -> None:
        ran.append(one["name"])
        if one["name"] == "a":
            raise SyncError("a failed")

    assert run_in_order([sync("a"), sync("needs-a", "a"), sync("b"), sync("needs-b", "b")], run, workers=1) == [
        "a failed"
    ]
    assert sorted(ran) == ["a", "b", "needs-b"]


@pytest.mark.parametrize(
    ("syncs", "told"),
    [
        ([sync("a", "x")], "x is not among the commands."),
        ([sync("a"), sync("a")], "a is there twice."),
        ([sync("a", "b"), sync("b", "a")], "These commands wait for each other: "),
    ],
)
def test_an_order_that_cannot_be_is_refused(syncs: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(SyncError) as caught:
        order(syncs)
    assert caught.value.args[0].startswith(told)


def test_a_digest_follows_what_is_read_and_nothing_else() -> None:
    one = {"argv": ["x"], "user": "nova", "reads": {"/a": ["database"]}, "packages": ["nova-api"]}
    text = "[DEFAULT]\ndebug = true\n[database]\nconnection = a\n"
    first = digest_reads(one, {"/a": text}, {"nova-api": "1", "other": "1"})
    assert first == digest_reads(
        one, {"/a": f"# new\n{text}".replace("true", "false")}, {"nova-api": "1", "other": "2"}
    )
    others = [
        digest_reads(one, {"/a": text.replace("= a", "= b")}, {"nova-api": "1"}),
        digest_reads(one, {"/a": text}, {"nova-api": "2"}),
        digest_reads(one, {}, {}),
        digest_reads({**one, "argv": ["y"]}, {"/a": text}, {"nova-api": "1"}),
    ]
    assert all(other != first for other in others)
    assert [sorted(name for name in first if other[name] != first[name]) for other in others] == [
        ["/a [database]"],
        ["package nova-api"],
        ["/a [database]", "package nova-api"],
        ["its command"],
    ]


def test_what_is_expected_stands_in_the_place_of_what_is_there() -> None:
    one = {"argv": ["x"], "user": "nova", "reads": {"/a": ["database", "api"], "/b": ["database"]}, "packages": ["p"]}
    now = digest_reads(one, {}, {"p": "1"})
    expected = {"/a [database]": "1", "/a [DEFAULT]": "2", "/c [database]": "3", "its command": "4", "package p": "5"}
    assert digest_reads(one, {}, {"p": "1"}, expected) == {**now, "/a [database]": "1"}
    assert digest_reads(one, {}, {"p": "1"}, {}) == now


def test_the_digest_of_a_new_section_is_that_of_the_file_that_has_it() -> None:
    old, new = "[a]\nx = 1\n[b]\ny = 1\n[c]\nz = 1\n", "# a comment\n[a]\nx = 2\n[c]\nz = 1\n[d]\n"
    one = {"argv": ["x"], "user": "nova", "reads": {"/f": ["a", "b", "c", "d"]}, "packages": []}
    changed = digest_changed_sections("/f", old, new)
    assert sorted(changed) == ["/f [a]", "/f [b]"]
    assert digest_reads(one, {"/f": old}, {}, changed) == digest_reads(one, {"/f": new}, {})
