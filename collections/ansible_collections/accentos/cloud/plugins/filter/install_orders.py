# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.install_orders."""

from __future__ import annotations

DOCUMENTATION = r"""
name: install_orders
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What the provisioner must know of machines that are to be installed
description:
  - Makes the option O(accentos.cloud.provision_machine#module:machines) from specifications. The token of a machine is
    bound to the MACs of all its ports and to the address by which it boots.
positional: _input, lifetime
options:
  _input:
    description: Host name to specification, from P(accentos.cloud.install_specifications#filter).
    type: dict
    required: true
  lifetime:
    description: Seconds for which the token is valid.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show the orders
  ansible.builtin.debug:
    msg: "{{ specifications | accentos.cloud.install_orders(3600) }}"
"""

RETURN = r"""
_value:
  description: One order for each machine, sorted by name.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.cobbler_systems import boot_interfaces


def install_orders(specifications: Mapping[str, Mapping[str, Any]], lifetime: int) -> list[dict[str, Any]]:
    """Return the orders."""
    orders = []
    for host, specification in sorted(specifications.items()):
        ports = boot_interfaces(specification["network"]).values()
        addresses = [port["ip_address"] for port in ports if "ip_address" in port]
        # A machine with several addressed ports asks from the one that it booted by, and nobody knows which.
        address = {"address": addresses[0]} if len(addresses) == 1 else {}
        orders.append({"host": host, "macs": [port["mac_address"] for port in ports], "lifetime": lifetime, **address})
    return orders


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        """Return the filters of this file by name."""
        return {"install_orders": install_orders}
