# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter, as a template calls it."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.cobbler_systems import FilterModule

cobbler_systems = FilterModule().filters()["cobbler_systems"]


def port(name: str, last: str, addresses: list[str]) -> dict[str, Any]:
    return {"name": name, "mac": f"52:54:00:aa:00:{last}", "addresses": addresses}


def test_systems() -> None:
    specifications = {
        "b": {
            "fqdn": "b.example.test",
            "network": {
                "interfaces": [port("eno1", "01", []), port("eno2", "02", []), port("eno3", "03", [])],
                "bonds": [{"members": ["52:54:00:aa:00:02", "52:54:00:aa:00:01"], "addresses": ["10.2.0.12/23"]}],
            },
        },
        "a": {
            "fqdn": "a.example.test",
            "network": {"interfaces": [port("eno1", "04", ["10.2.0.11/24"])], "bonds": []},
        },
    }
    first, second = cobbler_systems(
        specifications, "accentos-deploy", {"all": ["a", "b"], "ungrouped": ["a"], "storage": ["a"], "compute": ["a"]}
    )
    assert first == {
        "name": "a",
        "profile": "accentos-deploy",
        "owners": ["accentos", "provisioner"],
        "hostname": "a.example.test",
        "interfaces": {
            "eno1": {
                "mac_address": "52:54:00:aa:00:04",
                "static": True,
                "ip_address": "10.2.0.11",
                "netmask": "255.255.255.0",
            }
        },
        "autoinstall_meta": {
            "accentos_specification": json.dumps(specifications["a"], sort_keys=True, separators=(",", ":")),
            "accentos_groups": "compute,storage",
        },
    }
    assert second["profile"] == "accentos-deploy"
    # The bond's first member boots with its address.
    assert second["interfaces"] == {
        "eno1": {"mac_address": "52:54:00:aa:00:01", "static": True},
        "eno2": {
            "mac_address": "52:54:00:aa:00:02",
            "static": True,
            "ip_address": "10.2.0.12",
            "netmask": "255.255.254.0",
        },
        "eno3": {"mac_address": "52:54:00:aa:00:03", "static": True},
    }
    assert second["autoinstall_meta"]["accentos_groups"] == ""


def test_a_host_of_another_architecture_boots_by_a_profile_of_its_own() -> None:
    made = {"fqdn": "a.example.test", "network": {"interfaces": [], "bonds": []}}
    systems = cobbler_systems({"a": made, "b": made}, "deploy", {}, profiles={"b": "deploy-aarch64"})
    assert [system["profile"] for system in systems] == ["deploy", "deploy-aarch64"]


def test_what_a_machine_reported_stays_with_its_system() -> None:
    made = {"fqdn": "a.example.test", "network": {"interfaces": [], "bonds": []}}
    told = {"a": {"inventory": {"firmware": "bios"}}, "b": {"inventory": None}, "c": {}, "other": {}}
    systems = cobbler_systems(dict.fromkeys(("a", "b", "c", "d"), made), "deploy", {}, {"a": {}}, machines=told)
    assert [system["autoinstall_meta"].get("accentos_hardware") for system in systems] == [
        '{"firmware":"bios"}',
        None,
        None,
        None,
    ]
    assert systems[0]["autoinstall_meta"]["accentos_variables"] == "{}"
