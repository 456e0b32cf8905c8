# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.addresses_within."""

from __future__ import annotations

DOCUMENTATION = r"""
name: addresses_within
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Those of some addresses that are inside a network
description:
  - Picks the addresses that are inside a network. What is no address, such as a name, is inside none.
positional: _input, network
options:
  _input:
    description: The addresses.
    type: list
    elements: str
    required: true
  network:
    description: The network, as address and length of its prefix.
    type: str
    required: true
"""

EXAMPLES = r"""
# -> [198.51.100.7]
inside: "{{ ['192.0.2.10', '198.51.100.7'] | accentos.cloud.addresses_within('198.51.100.0/24') }}"
"""

RETURN = r"""
_value:
  description: Those inside, as they were written and in their order.
  type: list
  elements: str
"""

import ipaddress
from collections.abc import Callable, Iterable

from ansible.errors import AnsibleFilterError


def addresses_within(addresses: Iterable[str], network: str) -> list[str]:
    """Return the addresses inside NETWORK, such as ``198.51.100.0/24``. Raises AnsibleFilterError if that is none."""
    try:
        within = ipaddress.ip_network(network)
    except ValueError as error:
        raise AnsibleFilterError(f"accentos.cloud.addresses_within: {error}") from error
    return [text for text in addresses if (address := _read(text)) and address in within]


def _read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that TEXT is; one of version 4 in the clothes of version 6 is what it is underneath."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters of this file by name."""
        return {"addresses_within": addresses_within}
