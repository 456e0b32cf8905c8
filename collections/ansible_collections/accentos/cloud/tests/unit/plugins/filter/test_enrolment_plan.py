# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter, as a template calls it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.enrolment_plan import FilterModule

enrolment_plan = FilterModule().filters()["enrolment_plan"]

INVENTORY: dict[str, Any] = {
    "system": {"vendor": "Example", "product": "R1", "serial": ""},
    "cpu": {"model": "Fast", "sockets": 1, "threads": 8},
    "firmware": "uefi",
    "memory_mib": 16_000,
    "disks": [],
    "cards": [{"name": "eno1", "mac": "52:54:00:aa:00:01", "carrier": True}],
}
PROFILE: dict[str, Any] = {
    "name": "small",
    "match": {"product": "R1"},
    "groups": ["compute"],
    "names": "compute-[1:9]",
    "addresses": "10.2.0.1-10.2.0.9",
    "root_disk": {"path": "/dev/vda"},
}


def row(identifier: str, **more: object) -> dict[str, Any]:
    return {"id": identifier, "state": "pending", "inventory": INVENTORY, **more}


def test_who_is_taken_in() -> None:
    other = row("b", inventory={**INVENTORY, "system": {"vendor": "", "product": "R2", "serial": ""}})
    plan = enrolment_plan([row("a"), other, row("c"), row("d", state="approved")], [PROFILE], ["compute-1"], [], ["c"])
    assert [(found["id"], found["action"], found["name"]) for found in plan["rows"]] == [
        ("a", "ask", "compute-2"),
        ("b", "keep", ""),
        ("c", "approve", "compute-3"),
    ]
    assert plan["approvals"] == [{"id": "c", "host": "compute-3"}]
    assert plan["groups"] == {"compute": ["compute-3"]}
    assert plan["hosts"] == {
        "compute-3": {
            "host_addresses": {"management": "10.2.0.2"},
            "host_interfaces": [{"name": "eno1", "mac": "52:54:00:aa:00:01", "network": "management"}],
            "provision_root_disk": {"path": "/dev/vda"},
        }
    }
    assert plan["machines"] == {"compute-3": {"inventory": INVENTORY}}
    # What fits nowhere is not taken in because somebody says so.
    assert enrolment_plan([other], [PROFILE], [], [], ["b"])["hosts"] == {}


def test_profile_without_a_name_left() -> None:
    with pytest.raises(AnsibleFilterError, match=r"no name left.*See provision_profiles"):
        enrolment_plan([row("a")], [{**PROFILE, "names": "compute-1"}], ["compute-1"], [])
