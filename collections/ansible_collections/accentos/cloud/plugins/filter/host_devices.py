# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.host_devices."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_devices
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Network device of a host by network
description:
  - Tells over which device of the host each network is reached, a port, a bond, or a VLAN on one of them. A network
    that the host has no device for is left out.
positional: host_bonds, site_networks
options:
  _input:
    description: The network ports of the host, C(host_interfaces).
    type: list
    elements: dict
    required: true
  host_bonds:
    description: The bonds of the host, C(host_bonds).
    type: list
    elements: dict
    required: true
  site_networks:
    description: The networks of the site, C(site_networks), which have the numbers of the VLANs.
    type: dict
    required: true
"""

EXAMPLES = r"""
# With the ports eno1, which carries management, and eno2, which carries tunnel as the VLAN 21
# -> {"management": "eno1", "tunnel": "eno2.21"}
devices: "{{ host_interfaces | accentos.cloud.host_devices(host_bonds | default([]), site_networks) }}"
"""

RETURN = r"""
_value:
  description: Network name to the name of the device.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.install_specification import vlan_name


def host_devices(
    interfaces: Sequence[Mapping[str, Any]],
    bonds: Sequence[Mapping[str, Any]],
    networks: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """Return network name to device name. Raises AnsibleFilterError for a tagged network without a number."""
    found: dict[str, str] = {}
    for device in [*(port for port in interfaces if not port.get("bond")), *bonds]:
        if device.get("network"):
            found[device["network"]] = device["name"]
        for network in device.get("tagged") or ():
            number = networks.get(network, {}).get("vlan")
            if number is None:
                raise AnsibleFilterError(
                    f"accentos.cloud.host_devices: {device['name']} carries {network} as a VLAN, which has no number. "
                    f"Give site_networks.{network} its vlan."
                )
            found[network] = vlan_name(device["name"], number)
    return found


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"host_devices": host_devices}
