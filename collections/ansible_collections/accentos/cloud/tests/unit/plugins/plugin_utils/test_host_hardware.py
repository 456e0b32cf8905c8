# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Cobbler keeps of a machine's inventory: decisions with literals."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import FIELDS
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.values import check
from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import (
    describe_hardware,
    hardware_meta,
    read_hardware,
)

INVENTORY: dict[str, Any] = {
    "version": 1,
    "cpu": {"model": "Fast @ 2.00GHz", "flags": ["fpu", "sse2", "vmx"], "sockets": 2, "cores": 8, "threads": 16},
    "numa": [{"id": 0, "cpus": "0-7", "memory_mib": 32000}, {"id": 1, "cpus": "8-15", "memory_mib": 32001}],
    "memory_mib": 64001,
    "disks": [
        {"path": "/dev/sda", "size": 480103981056, "model": "D", "serial": "S1", "wwn": "naa.5", "rotational": False}
    ],
    "cards": [
        {
            "name": "eno1",
            "mac": "52:54:00:00:00:01",
            "driver": "ixgbe",
            "speed": 10000,
            "carrier": True,
            "lldp": {"switch": "leaf-1"},
        },
        {"name": "eno2", "mac": "52:54:00:00:00:02", "driver": "", "speed": None, "carrier": False, "lldp": None},
    ],
    "bmc": {"type": "ipmi", "address": "10.9.0.17", "mac": "0c:c4:7a:00:00:01"},
    "firmware": "uefi",
    "system": {"vendor": "Example", "product": "X1", "serial": "SN-1", "uuid": "ab-1"},
}
HARDWARE = {
    "system": {"vendor": "Example", "product": "X1", "serial": "SN-1"},
    "cpu": {"model": "Fast @ 2.00GHz", "flags": 3, "sockets": 2, "cores": 8, "threads": 16},
    "numa": INVENTORY["numa"],
    "memory_mib": 64001,
    "disks": [{"path": "/dev/sda", "size": 480103981056, "model": "D", "serial": "S1", "rotational": False}],
    "cards": [
        {"name": "eno1", "mac": "52:54:00:00:00:01", "driver": "ixgbe"},
        {"name": "eno2", "mac": "52:54:00:00:00:02"},
    ],
    "bmc": {"type": "ipmi", "address": "10.9.0.17", "mac": "0c:c4:7a:00:00:01"},
    "firmware": "uefi",
}


def test_what_is_kept() -> None:
    assert describe_hardware(INVENTORY) == HARDWARE
    assert read_hardware(hardware_meta(INVENTORY)) == HARDWARE


def test_what_changes_from_start_to_start_is_left_out() -> None:
    later = copy.deepcopy(INVENTORY)
    for card in later["cards"]:
        card |= {"carrier": not card["carrier"], "speed": 1000, "lldp": {"switch": "leaf-2"}}
    assert hardware_meta(later) == hardware_meta(INVENTORY)


def test_what_a_machine_does_not_tell_is_absent() -> None:
    told = {"cards": [{"mac": "52:54:00:00:00:01"}], "bmc": None, "firmware": "none", "numa": [], "memory_mib": True}
    assert describe_hardware(told) == {"cards": [{"mac": "52:54:00:00:00:01"}]}


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"cpu": "fast", "disks": {"a": 1}, "cards": 3, "memory_mib": -1}])
def test_odd_inventories_give_nothing(odd: object) -> None:
    assert hardware_meta(odd) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "@@"])
def test_odd_texts_in_cobbler_give_nothing(text: str) -> None:
    assert read_hardware({"accentos_hardware": text}) == {}
    assert read_hardware({}) == {}


@pytest.mark.parametrize(
    "evil", ["@@server@@", "@@@@@", "a\x1b[31m\n\x00", "\ud800", "{{ 7 * 7 }} $x #if", "\U0001f600"]
)
def test_cobbler_takes_whatever_a_machine_says(evil: str) -> None:
    meta = hardware_meta({**INVENTORY, "system": {"vendor": evil}})
    check(FIELDS["system"]["autoinstall_meta"], meta)
    shown = read_hardware(meta)["system"]["vendor"]
    assert shown.isascii()
    assert shown.isprintable()


def test_its_size_is_bounded() -> None:
    wild = '\\"' * 500
    row: dict[str, object] = dict.fromkeys(("name", "mac", "driver", "path", "model", "serial", "cpus"), wild)
    row |= {"size": 2**63, "id": 2**63, "memory_mib": 2**63, "rotational": True}
    found = hardware_meta({name: [row] * 500 for name in ("disks", "cards", "numa")})
    assert len(found["accentos_hardware"]) < 128 * 1024
    assert json.loads(found["accentos_hardware"])["left_out"] == {"cards": 436, "disks": 372, "numa": 436}
