# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is looked at on a host follows from the inventory and the descriptions of services."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.doctor_services import FilterModule as Services
from ansible_collections.accentos.cloud.plugins.filter.doctor_wanted import FilterModule as Wanted
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_wanted import networks_of

doctor_services = Services().filters()["doctor_services"]
doctor_wanted: Any = Wanted().filters()["doctor_wanted"]
GROUPS = {"deploy": ["d"], "controller": ["a"], "compute": ["c"], "storage": ["s"]}
CONTEXT = {
    "domain": "example.test",
    "address": "10.0.0.1",
    "groups": GROUPS,
    "pki_folder": "/pki",
    "api_url": "https://api.example.test",
    "region": "R",
    "processes": "2",
}
GLANCE = {
    "description": "Images",
    "components": {
        "api": {
            "group": "controller",
            "wsgi": {"unit": "glance-api.service", "program": "/p", "ini": "/etc/glance/u.ini", "port": 9292},
            "health": {"path": "/healthcheck"},
        }
    },
}
ACCOUNTS = {
    "type": "image",
    "database": [{"name": "glance"}],
    "messaging": True,
    "identity": {"port": 9292, "roles": ["service"]},
}
SITE = {
    "groups": GROUPS,
    "networks": {"management": {"cidr": "10.0.0.0/24"}, "tunnel": {"cidr": "10.0.1.0/24"}},
    "domain": "example.test",
    "api_name": "api.example.test",
    "api_address": "10.0.0.5",
}
UNITS = {
    "all": [{"name": "chrony.service", "layer": "host"}],
    "controller": [{"name": "m.service", "layer": "database"}],
}
VARIABLES: dict[str, dict[str, Any]] = {
    "d": {"host_addresses": {"management": "10.0.0.9"}},
    "a": {"host_addresses": {"management": "10.0.0.1"}},
    "c": {
        "host_addresses": {"management": "10.0.0.2"},
        "host_interfaces": [{"name": "e", "network": "management", "tagged": ["tunnel"]}],
    },
}


def test_services_have_units_and_addresses_in_their_layer() -> None:
    found: Any = doctor_services({"glance": GLANCE, "own": GLANCE}, {"glance": "image"}, host="a", **CONTEXT)
    assert [(unit["name"], unit["layer"]) for unit in found["units"]] == [("glance-api.service", "image")]
    assert "/etc/glance/u.ini" in found["units"][0]["inputs"]
    assert found["apis"][0]["url"] == "https://10.0.0.1:9292/healthcheck"
    assert [api["layer"] for api in found["apis"]] == ["image", "host"]
    elsewhere: Any = doctor_services({"glance": {**GLANCE, **ACCOUNTS}}, {}, host="c", **CONTEXT)
    assert elsewhere == {
        "units": [],
        "apis": [],
        "databases": ["glance"],
        "database_users": ["glance"],
        "messaging_users": ["glance"],
        "services": ["glance"],
        "endpoints": {"glance": dict.fromkeys(("public", "internal"), "https://api.example.test:9292")},
        "identity_users": ["glance"],
    }
    with pytest.raises(AnsibleFilterError, match="means nothing"):
        doctor_services({"glance": {**GLANCE, "odd": 1}}, {}, host="a", **CONTEXT)


def test_a_host_is_asked_for_what_the_inventory_gives_it() -> None:
    found = doctor_wanted(VARIABLES, "c", SITE, UNITS, {"units": [{"name": "n.service", "layer": "compute"}]})
    assert [unit["name"] for unit in found["units"]] == ["chrony.service", "n.service"]
    assert found["addresses"] == {"management": "10.0.0.2", "tunnel": "10.0.1.2"}
    assert [(peer["host"], peer["network"]) for peer in found["peers"]] == [
        ("d", "management"),
        ("a", "management"),
        ("a", "tunnel"),
    ]
    assert found["names"]["api.example.test"] == "10.0.0.5"
    assert found["names"]["a.example.test"] == "10.0.0.1"
    assert not found["keeps_time"]
    assert found["network_driver"] == "ovn"
    other = doctor_wanted(VARIABLES, "c", {**SITE, "network_driver": "openvswitch"}, UNITS, {})
    assert other["network_driver"] == "openvswitch"
    assert (found["controllers"], found["chassis"], found["databases"]) == (1, ["a", "c"], [])
    controller = doctor_wanted(VARIABLES, "a", SITE, UNITS, {})
    assert [unit["name"] for unit in controller["units"]] == ["chrony.service", "m.service"]
    with pytest.raises(AnsibleFilterError, match="doctor_wanted"):
        doctor_wanted({"a": {"host_addresses": {"management": "10.9.9.9"}}}, "a", SITE, UNITS, {})


def test_networks_of_hosts_without_devices_follow_from_their_groups() -> None:
    assert networks_of("a", GROUPS, []) == ["management", "tunnel", "storage"]
    assert networks_of("s", GROUPS, []) == ["management", "storage"]
    assert networks_of("d", GROUPS, []) == ["management"]
    assert networks_of("a", {**GROUPS, "storage": []}, []) == ["management", "tunnel"]
    assert networks_of("a", GROUPS, ["external", "management"]) == ["management"]
