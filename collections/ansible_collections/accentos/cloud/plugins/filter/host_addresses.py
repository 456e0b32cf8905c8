# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.host_addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_addresses
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Addresses of a host in every network of the site
description:
  - Completes the addresses of a host. A network that the host does not name gets the address with the same offset as
    the management address has in the management network.
  - Fails when an address is outside its network, or when the offset has no place in a smaller network.
positional: host_addresses
options:
  _input:
    description: The networks of the site, C(site_networks), as a mapping of network names to mappings with C(cidr).
    type: dict
    required: true
  host_addresses:
    description: The addresses written down for the host, as a mapping of network names; C(management) is required.
    type: dict
    required: true
"""

EXAMPLES = r"""
# With management 10.20.0.0/24 and tunnel 10.21.0.0/24
# -> {"management": "10.20.0.11", "tunnel": "10.21.0.11"}
all_addresses: "{{ site_networks | accentos.cloud.host_addresses({'management': '10.20.0.11'}) }}"

# For group_vars/all
ansible_host: "{{ (site_networks | accentos.cloud.host_addresses(host_addresses)).management }}"
"""

RETURN = r"""
_value:
  description: Network name to address, for every network of the site.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import AddressError, derive_addresses


def host_addresses(networks: object, addresses: object) -> dict[str, str]:
    """Return the address of the host in every network, see derive_addresses()."""
    for name, value in (("site_networks", networks), ("host_addresses", addresses)):
        if not isinstance(value, Mapping):
            raise AnsibleFilterError(
                f"accentos.cloud.host_addresses: {name} must be a mapping, not {type(value).__name__}"
            )
    return _derive(networks, addresses)


def _derive(networks: Any, addresses: Any) -> dict[str, str]:
    try:
        return derive_addresses(networks, addresses)
    except AddressError as error:
        raise AnsibleFilterError(f"accentos.cloud.host_addresses: {error}") from error


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"host_addresses": host_addresses}
