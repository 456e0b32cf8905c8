# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about objects of Cobbler, with literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.client import InvalidError
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.plan import (
    Change,
    Plan,
    plan_objects,
    plan_removal,
    read_wanted,
    restore,
    suggest,
)


def system(name: str, **interfaces: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "profile": "p", "image": "", "comment": "~", "interfaces": interfaces}


def plan(wanted: list[dict[str, Any]], *there: dict[str, Any], what: str = "system", **options: Any) -> Plan:
    return plan_objects(what, read_wanted(what, wanted), {one["name"]: one for one in there}, **options)


def test_only_fields_that_are_named_count() -> None:
    there = system("s", eth0={"mac_address": "52:54:00:00:00:01", "mtu": "1500"})
    assert plan([{"name": "s"}], there) == Plan()
    assert plan([{"name": "s", "comment": "", "interfaces": {"eth0": {"mtu": 1500}}}], there).changes == ()
    (change,) = plan([{"name": "s", "comment": "x", "interfaces": {"eth0": {"mtu": 1400}}}], there).changes
    assert change == Change(
        "edit", "s", {"comment": ("", "x")}, {"eth0": {"mtu": ("1500", "1400")}}, (), any_interface="eth0"
    )


def test_interfaces_that_are_not_wanted_stay_unless_that_is_asked_for() -> None:
    there = system("s", eth0={}, eth1={}, eth2={})
    wanted = [{"name": "s", "interfaces": {"eth0": {}, "eth1": {"state": "absent"}, "eth9": {"state": "absent"}}}]
    assert plan(wanted, there).changes[0].dropped == ("eth1",)
    assert plan(wanted, there, purge_interfaces=True).changes[0].dropped == ("eth1", "eth2")
    assert plan(wanted, system("s", eth0={}), purge_interfaces=True).changes == ()


def test_parents_come_before_their_children_and_go_after_them() -> None:
    wanted = [{"name": "c", "parent": "b"}, {"name": "b", "parent": "a"}, {"name": "a", "distro": "d"}]
    assert [change.name for change in plan(wanted, what="profile").changes] == ["a", "b", "c"]
    there = {name: {"name": name, "depth": depth} for depth, name in enumerate("abc")}
    assert [change.name for change in plan_removal(["a", "b", "c", "x", "a"], there).changes] == ["c", "b", "a"]
    assert plan([], *there.values(), what="profile", purge=True).names("remove") == ["a", "b", "c"]


def test_a_purge_removes_before_anything_is_made() -> None:
    made = plan(
        [{"name": "new", "profile": "p", "interfaces": {"eth0": {"ip_address": "10.0.0.1"}}}],
        system("old", eth0={"ip_address": "10.0.0.1"}),
        purge=True,
    )
    assert [(change.kind, change.name) for change in made.changes] == [("remove", "old"), ("create", "new")]
    assert made.releases == ()
    assert made.diff()["before"] == {"old": {}}


def test_a_value_that_moves_is_taken_away_first() -> None:
    there = [
        system("s1", eth0={"ip_address": "10.0.0.1"}, eth1={"ip_address": "10.0.0.2"}),
        system("s2", eth0={"ip_address": "10.0.0.3"}),
    ]
    swap = {
        "name": "s1",
        "interfaces": {"eth0": {"ip_address": "10.0.0.2"}, "eth1": {"ip_address": "10.0.0.1"}},
    }
    assert plan([swap], *there).releases == (
        Change(
            "edit",
            "s1",
            interfaces={"eth1": {"ip_address": ("10.0.0.2", "")}, "eth0": {"ip_address": ("10.0.0.1", "")}},
            any_interface="eth1",
        ),
    )
    # The interface that had it is deleted in the same run.
    moved = {"name": "s1", "interfaces": {"eth1": {"state": "absent"}, "eth0": {"ip_address": "10.0.0.2"}}}
    assert [change.name for change in plan([moved], *there).releases] == ["s1"]
    free = {"name": "s1", "interfaces": {"eth0": {"ip_address": "10.0.0.9"}}}
    assert plan([free], *there).releases == ()
    # Members of a bond may have one address; then nobody loses it.
    same = {"name": "s1", "interfaces": {"eth0": {"ip_address": "10.0.0.2"}}}
    assert plan([same], *there).releases == ()


def test_what_two_systems_would_share() -> None:
    there = [system("s1", eth0={"mac_address": "52:54:00:00:00:01"}), system("s2", eth0={})]
    wanted = [{"name": "s2", "interfaces": {"eth0": {"mac_address": "52:54:00:00:00:01"}}}]
    with pytest.raises(InvalidError, match=r"s2: interfaces: eth0: mac_address: 52:54:00:00:00:01 is that of s1"):
        plan(wanted, *there)
    assert len(plan(wanted, *there, shared=frozenset({"mac_address"})).changes) == 1
    # What others share already is none of our business.
    there[1]["interfaces"]["eth0"]["mac_address"] = "52:54:00:00:00:01"
    assert plan([{"name": "s3", "profile": "p", "interfaces": {"e": {}}}], *there).names("create") == ["s3"]


@pytest.mark.parametrize(
    ("interfaces", "words"),
    [
        ({"eth0": {"interface_type": "bond_slave"}}, "interface_master: nothing is no bond"),
        ({"eth0": {"interface_type": "bridge_slave", "interface_master": "br0"}}, "interface_master: br0 is no bridge"),
        ({"eth0": {"interface_typ": "na"}}, "Did you mean interface_type"),
        ({"eth0": {"state": "gone"}}, "neither present nor absent"),
        ({"eth0": {"state": "absent", "mtu": "1"}}, "is absent and has fields all the same"),
        ({"eth0": None}, "is no dictionary of fields"),
        ({"an-interface-name-too-long": {}}, "cannot name an interface"),
        ({"eth0": {"mtu": None}}, "mtu has no value"),
        (["eth0"], "is no dictionary of interfaces"),
        ({}, "would have no interface"),
    ],
)
def test_wrong_interfaces(interfaces: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        plan([{"name": "s", "profile": "p", "interfaces": interfaces}])


def test_a_bridge_over_a_bond() -> None:
    interfaces = {
        "eth0": {"interface_type": "bond_slave", "interface_master": "bond0"},
        "bond0": {"interface_type": "bonded_bridge_slave", "interface_master": "br0"},
        "br0": {"interface_type": "bridge"},
    }
    assert plan([{"name": "s", "profile": "p", "interfaces": interfaces}]).names("create") == ["s"]


@pytest.mark.parametrize(
    ("what", "wanted", "words"),
    [
        ("profile", [{"name": "p"}, {"name": "p"}], "p: is given twice"),
        ("profile", [{"name": "p", "interfaces": {}}], "a profile has no interfaces"),
        ("profile", [{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}], "a > b > a"),
        ("distro", [{"name": "d", "redhat_management_key": "x"}], "redhat_management_key is refused"),
    ],
)
def test_wrong_objects(what: str, wanted: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        plan(wanted, what=what)
    assert caught.value.remedy


def test_what_a_half_made_change_left_is_put_back() -> None:
    before = system("s", eth0={"mtu": "1500"})
    now = {**system("s", eth0={"mtu": "1400"}, eth1={}), "comment": "half"}
    assert restore("system", before, now) == Change(
        "edit", "s", {"comment": ("half", "")}, {"eth0": {"mtu": ("1400", "1500")}}, ("eth1",), any_interface="eth0"
    )
    assert not restore("system", before, before)


def test_suggestions() -> None:
    assert suggest("hostnam", ["hostname"]) == " Did you mean hostname?"
    assert suggest("xyzzy", ["hostname"]) == ""
