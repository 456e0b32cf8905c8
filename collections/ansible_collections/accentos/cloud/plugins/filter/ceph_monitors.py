# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that says where Ceph's monitors listen."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ceph_monitors
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Addresses of Ceph's monitors
description: >-
  Gives, for each host, the address of its monitor in a network as Ceph writes it, with the second version of the
  messenger only, since the first one cannot encrypt.
positional: hosts, network
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts that run a monitor.
    type: list
    elements: str
    required: true
  network:
    description: Network whose addresses are meant.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the monitors listen
  ansible.builtin.debug:
    msg: "{{ hostvars | accentos.cloud.ceph_monitors(groups.controller, 'storage') }}"
"""

RETURN = r"""
_value:
  description: Host name to address.
  type: dict
  sample: {controller-1: "[v2:10.22.0.11:3300]"}
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import AddressError, derive_addresses

PORT = 3300


def _written(address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"[v2:{host}:{PORT}]"


def ceph_monitors(hostvars: Mapping[str, Any], hosts: Iterable[str], network: str) -> dict[str, str]:
    """Return host name -> address, by name. Raises AnsibleFilterError for a host without an address in the network."""
    found = {}
    for host in sorted(hosts):
        try:
            addresses = derive_addresses(hostvars[host]["site_networks"], hostvars[host]["host_addresses"])
            found[host] = _written(str(addresses[network]))
        except (KeyError, AddressError) as error:
            raise AnsibleFilterError(
                f"{host} has no address in the network {network!r}, where its monitor would listen ({error}). "
                "Mend host_addresses of the host, or ceph_network."
            ) from None
    return found


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, str]]]:
        """Return the filters of this file by name."""
        return {"ceph_monitors": ceph_monitors}
