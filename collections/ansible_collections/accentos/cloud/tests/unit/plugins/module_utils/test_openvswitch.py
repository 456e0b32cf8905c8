# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Open vSwitch prints is read, and only what differs from what is wanted is planned."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.openvswitch import (
    Bridge,
    Switch,
    SwitchError,
    joined,
    parse_switch,
    plan_switch,
    reading_arguments,
    wanted_errors,
)

GATEWAY = (Path(__file__).parent / "fixtures/ovs_vsctl_3_5_0.txt").read_text(encoding="utf-8")
EMPTY = """\
{"data":[[["map",[]],["map",[]]]],"headings":["external_ids","other_config"]}
{"data":[],"headings":["target"]}
{"data":[["br0","",["set",[]],["map",[]],["map",[]],["uuid","5"]]],\
"headings":["name","datapath_type","fail_mode","external_ids","other_config","ports"]}
{"data":[[["uuid","5"],"br0"]],"headings":["_uuid","name"]}
{"data":[["br0","could not open network device br0"]],"headings":["name","error"]}
"""


def wanted(**options: Any) -> dict[str, Any]:
    bridges = [{"interfaces": [], **bridge} for bridge in options.pop("bridges", [])]
    return {"external_ids": {}, "other_config": {}, "managers": None, "bridges": bridges, **options}


def test_a_gateway_is_read() -> None:
    switch = parse_switch(GATEWAY)
    assert switch.external_ids["ovn-remote"] == "ssl:192.0.2.21:6642"
    assert switch.other_config["userspace-tso-enable"] == "true"
    assert switch.managers == {"ptcp:6640:127.0.0.1"}
    assert switch.bridges["br-ex"] == Bridge(datapath_type="netdev", ports=frozenset({"eth3"}))
    assert switch.bridges["br-int"].fail_mode == "secure"
    assert switch.bridges["br-int"].ports == {"ovn-dfd452-0", "ovn-9b67b5-0"}
    assert switch.errors == {}


def test_a_bridge_without_ports_and_an_error_are_read() -> None:
    switch = parse_switch(EMPTY)
    assert switch.bridges == {"br0": Bridge()}
    assert switch.errors == {"br0": "could not open network device br0"}


@pytest.mark.parametrize(
    "text", ["", "{}\n", "no JSON", GATEWAY.splitlines()[0], EMPTY.replace('"5"],"br0"', '"6"],"br0"')]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SwitchError, match="what is not understood"):
        parse_switch(text)


def test_a_database_that_was_never_initialized_is_empty() -> None:
    lines = EMPTY.splitlines()
    lines[0] = '{"data":[],"headings":["external_ids","other_config"]}'
    assert parse_switch("\n".join(lines)).external_ids == {}


def test_all_tables_are_asked_in_one_call() -> None:
    arguments = reading_arguments()
    assert arguments[:3] == ["--format=json", "--", "--columns=external_ids,other_config"]
    assert arguments.count("list") == 5


def test_a_gateway_as_it_is_needs_nothing() -> None:
    switch = parse_switch(GATEWAY)
    bridges = [
        {"name": "br-int", "datapath_type": "netdev", "fail_mode": "secure"},
        {"name": "br-ex", "datapath_type": "netdev", "interfaces": ["eth3"]},
    ]
    same = wanted(
        external_ids={"ovn-encap-type": "geneve", "ovn-missing": None},
        other_config={"userspace-tso-enable": "true"},
        managers=["ptcp:6640:127.0.0.1"],
        bridges=bridges,
    )
    assert plan_switch(switch, same) == []
    assert plan_switch(switch, wanted()) == []


def test_an_empty_switch_gets_everything() -> None:
    plan = plan_switch(
        Switch(),
        wanted(
            external_ids={"ovn-remote": "ssl:192.0.2.21:6642,ssl:192.0.2.22:6642", "number": 5},
            managers=["ptcp:6640:127.0.0.1"],
            bridges=[
                {
                    "name": "br-ex",
                    "datapath_type": "system",
                    "other_config": {"hwaddr": "02:00:00:00:00:01"},
                    "interfaces": ["eno3"],
                }
            ],
        ),
    )
    assert plan == [
        ["set", "Open_vSwitch", ".", 'external_ids:number="5"'],
        ["set", "Open_vSwitch", ".", 'external_ids:ovn-remote="ssl:192.0.2.21:6642,ssl:192.0.2.22:6642"'],
        ["add-br", "br-ex"],
        ["set", "Bridge", "br-ex", "datapath_type=system"],
        ["set", "Bridge", "br-ex", 'other_config:hwaddr="02:00:00:00:00:01"'],
        ["add-port", "br-ex", "eno3"],
        ["set-manager", "ptcp:6640:127.0.0.1"],
    ]
    assert joined(plan)[:5] == ["--", *plan[0]]
    assert joined([]) == []


def test_what_differs_is_changed_and_what_is_unwanted_removed() -> None:
    plan = plan_switch(
        parse_switch(GATEWAY),
        wanted(
            external_ids={"ovn-encap-ip": "198.51.100.22", "ovn-cms-options": None},
            managers=[],
            bridges=[{"name": "br-ex", "datapath_type": "system", "fail_mode": "standalone"}],
        ),
    )
    assert plan == [
        ["remove", "Open_vSwitch", ".", "external_ids", "ovn-cms-options"],
        ["set", "Open_vSwitch", ".", 'external_ids:ovn-encap-ip="198.51.100.22"'],
        ["set", "Bridge", "br-ex", "datapath_type=system"],
        ["set", "Bridge", "br-ex", "fail_mode=standalone"],
        ["del-manager"],
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"bridges": [{"name": "br-phy", "interfaces": ["eth3"]}]},
            "eth3 is wanted in the bridge br-phy, but it is in br-ex",
        ),
        ({"bridges": [{"name": "--all"}]}, "'--all' is no bridge name"),
        ({"bridges": [{"name": "a-name-that-is-too-long"}]}, "no bridge name"),
        ({"bridges": [{"name": "br0", "interfaces": ["eth0 eth1"]}]}, "'eth0 eth1' is no interface name"),
        ({"external_ids": {"a=b": "c"}}, "'a=b' is no key in external_ids"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SwitchError, match=told):
        plan_switch(parse_switch(GATEWAY), wanted(**options))


def test_only_errors_of_what_is_wanted_count() -> None:
    switch = dataclasses.replace(Switch(), errors={"eth9": "no such device", "tap1": "gone"})
    assert wanted_errors(switch, wanted(bridges=[{"name": "br0", "interfaces": ["eth9"]}])) == ["eth9: no such device"]
    assert wanted_errors(switch, wanted(bridges=[{"name": "br0"}])) == []
