# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.network_links."""

from __future__ import annotations

DOCUMENTATION = r"""
name: network_links
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Interfaces by which a host is in a network
description:
  - Names the ports, bonds and VLANs of a host that carry a network, as an installation names them.
positional: _input, network, host_interfaces, host_bonds
options:
  _input:
    description: The networks of the site, C(site_networks).
    type: dict
    required: true
  network:
    description: Name of the network.
    type: str
    required: true
  host_interfaces:
    description: The ports of the host.
    type: list
    elements: dict
    required: true
  host_bonds:
    description: The bonds of the host.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
# -> [eno1.23], where eno1 carries out_of_band tagged, with vlan 23
links: "{{ site_networks | accentos.cloud.network_links('out_of_band', host_interfaces) }}"
"""

RETURN = r"""
_value:
  description: Names of the interfaces, none if the host is not in the network.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.install_specification import vlan_name


def network_links(
    networks: Mapping[str, Mapping[str, Any]],
    network: str,
    host_interfaces: Iterable[Mapping[str, Any]],
    host_bonds: Iterable[Mapping[str, Any]] = (),
) -> list[str]:
    """Return the names of the interfaces that carry the network."""
    found: list[str] = []
    for link in (*host_interfaces, *host_bonds):
        if link.get("network") == network:
            found.append(link["name"])
        if network in link.get("tagged", ()) and "vlan" in networks[network]:
            found.append(vlan_name(link["name"], networks[network]["vlan"]))
    return found


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters of this file by name."""
        return {"network_links": network_links}
