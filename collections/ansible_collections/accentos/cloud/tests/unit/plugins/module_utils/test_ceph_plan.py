# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users and pools: what differs is changed, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_plan import (
    Found,
    PlanError,
    Pool,
    User,
    plan_pools,
    plan_users,
    read_found,
    read_users,
)

from .ceph_samples import KEY, OSDS, RULES, USERS

FOUND = read_found(USERS, RULES, OSDS)
GLANCE = FOUND.users["client.glance"]
IMAGES = Pool("images", "rbd", 2, 1, "osd")


def test_answers_are_read() -> None:
    assert sorted(FOUND.users) == ["client.bootstrap-osd", "client.glance"]
    assert FOUND.rules == {"replicated_rule", "replicated-osd"}
    assert FOUND.pools == {
        "images": {"size": "2", "min_size": "1", "crush_rule": "replicated-osd", "applications": "rbd"}
    }


def test_what_is_right_stays() -> None:
    assert plan_users(FOUND.users.values(), FOUND) == []
    assert plan_pools([IMAGES], FOUND) == []


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (dataclasses.replace(GLANCE, name="client.cinder"), "new"),
        (dataclasses.replace(GLANCE, key=KEY.replace("A", "B")), "another key"),
        (dataclasses.replace(GLANCE, caps={"mon": "profile rbd"}), "other rights"),
    ],
)
def test_users_that_differ_are_imported_with_key_and_rights(user: User, why: str) -> None:
    (action,) = plan_users([user], FOUND)
    assert action.command == {"prefix": "auth import"}
    assert action.shown.startswith(f"user {user.name} ({why}): ")
    lines = [f"[{user.name}]", f"\tkey = {user.key}"]
    lines += [f'\tcaps {kind} = "{what}"' for kind, what in sorted(user.caps.items())]
    assert action.data.splitlines() == lines
    assert user.key not in action.shown
    assert user.key not in repr(action)
    assert user.key not in repr(user)


@pytest.mark.parametrize(
    ("had", "wanted", "expected"),
    [
        ("profile rbd pool=old", "profile rbd pool=new", "profile rbd pool=new, profile rbd pool=old"),
        # The pool is not there any more, or the right is none of a pool.
        ("profile rbd pool=gone", "profile rbd pool=new", "profile rbd pool=new"),
        ("allow *", "profile rbd pool=new", "profile rbd pool=new"),
        # Once it is merged, and in whatever order it was written, it stays.
        ("profile rbd pool=old, profile rbd pool=new", "profile rbd pool=new", None),
        ("profile rbd  pool=new,profile rbd pool=old", "profile rbd pool=old, profile rbd pool=new", None),
    ],
)
def test_a_user_keeps_the_pools_that_it_has(had: str, wanted: str, expected: str | None) -> None:
    found = Found(users={"client.a": User("client.a", KEY, {"osd": had})}, pools={"old": {}, "new": {}})
    actions = plan_users([User("client.a", KEY, {"osd": wanted})], found)
    assert [f'caps osd = "{expected}"' in action.data for action in actions] == ([True] if expected else [])


def test_users_are_read_from_two_mappings() -> None:
    caps = {"client.glance": {"mon": "profile rbd"}}
    assert read_users(caps, {"client.glance": KEY, "client.other": KEY}) == [
        User("client.glance", KEY, {"mon": "profile rbd"})
    ]
    with pytest.raises(PlanError, match="has no key") as caught:
        read_users(caps, {})
    assert caught.value.remedy
    for wrong in ("profile rbd", {"mon": ["profile rbd"]}):
        with pytest.raises(PlanError, match="no mapping"):
            read_users({"client.glance": wrong}, {"client.glance": KEY})


def test_a_new_pool_with_a_rule_of_its_own() -> None:
    pool = Pool("fast", "rbd", 3, 2, "host", "ssd")
    commands = [action.command for action in plan_pools([pool, dataclasses.replace(pool, name="faster")], FOUND)]
    rule = "replicated-host-ssd"
    assert commands[0] == {
        "prefix": "osd crush rule create-replicated",
        "name": rule,
        "root": "default",
        "type": "host",
        "class": "ssd",
    }
    assert commands[1] == {
        "prefix": "osd pool create",
        "pool": "fast",
        "pool_type": "replicated",
        "rule": rule,
        "pg_num": 32,
        "size": 3,
    }
    assert commands[2] == {"prefix": "osd pool set", "pool": "fast", "var": "min_size", "val": "2"}
    assert commands[3] == {"prefix": "osd pool application enable", "pool": "fast", "app": "rbd"}
    # The rule is made once.
    assert [command["prefix"] for command in commands[4:]] == [command["prefix"] for command in commands[1:4]]


def test_a_pool_that_a_killed_run_left_half_made_is_finished() -> None:
    left = Found(
        rules=frozenset(["replicated-osd"]),
        pools={"images": {"size": "2", "min_size": "2", "crush_rule": "replicated-osd", "applications": ""}},
    )
    assert [action.shown for action in plan_pools([IMAGES], left)] == [
        "pool images: min_size 2 -> 1",
        "pool images: used by rbd",
    ]


def test_a_pool_gets_more_copies_and_another_rule_when_hosts_come() -> None:
    shown = [action.shown for action in plan_pools([Pool("images", "rbd", 3, 2, "host")], FOUND)]
    assert shown == [
        "rule replicated-host: one copy for each host",
        "pool images: size 2 -> 3",
        "pool images: min_size 1 -> 2",
        "pool images: crush_rule replicated-osd -> replicated-host",
    ]


@pytest.mark.parametrize(("size", "min_size"), [(1, 1), (2, 3), (3, 0)])
def test_copies_that_make_no_sense_are_refused(size: int, min_size: int) -> None:
    with pytest.raises(PlanError, match=f"{size} copies") as caught:
        plan_pools([Pool("images", "rbd", size, min_size, "host")], FOUND)
    assert caught.value.remedy
