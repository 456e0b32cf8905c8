# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports, bonds and VLANs are found by network."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.host_devices import FilterModule

host_devices = FilterModule().filters()["host_devices"]
NETWORKS = {"management": {"cidr": "10.20.0.0/24"}, "tunnel": {"cidr": "10.21.0.0/24", "vlan": 21}}


def test_devices() -> None:
    ports = [
        {"name": "eno1", "mac": "52:54:00:00:00:01", "network": "management"},
        {"name": "eno2", "mac": "52:54:00:00:00:02", "bond": "bond0"},
    ]
    bonds = [{"name": "bond0", "network": "external", "tagged": ["tunnel"]}]
    assert host_devices(ports, bonds, NETWORKS) == {
        "management": "eno1",
        "external": "bond0",
        "tunnel": "bond0.21",
    }
    assert host_devices([], [], NETWORKS) == {}


def test_a_vlan_without_a_number_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"Give site_networks\.management its vlan"):
        host_devices([{"name": "eno1", "tagged": ["management"]}], [], NETWORKS)
