# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which interfaces a host is in a network."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.filter.network_links import FilterModule

network_links = FilterModule().filters()["network_links"]


def test_ports_bonds_and_vlans_are_named_as_they_are_installed() -> None:
    networks = {"management": {"cidr": "192.0.2.0/24"}, "out_of_band": {"cidr": "198.51.100.0/24", "vlan": 23}}
    ports = [
        {"name": "eno1", "network": "management", "tagged": ["out_of_band"]},
        {"name": "eno2", "network": "out_of_band"},
        {"name": "eno3", "bond": "bond0"},
    ]
    bonds = [{"name": "a-long-bond-nr0", "tagged": ["out_of_band"]}, {"name": "bond0", "network": "management"}]
    assert network_links(networks, "out_of_band", ports, bonds) == ["eno1.23", "eno2", "vlan23"]
    assert network_links(networks, "management", ports) == ["eno1"]
    assert network_links(networks, "management", []) == []
    # The check of the site refuses a tagged network without a number.
    assert network_links({"storage": {}}, "storage", [{"name": "eno1", "tagged": ["storage"]}]) == []
