# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.dhcp_range."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dhcp_range
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: First and last address of a range, and the netmask
description:
  - Counts addresses in a network, from its start or, with negative numbers, from its end.
  - Fails when the range holds an address that a host has, or the network's own.
positional: numbers, taken
options:
  _input:
    description: The IPv4 network in CIDR notation.
    type: str
    required: true
  numbers:
    description: Numbers of the first and the last address. V(1) follows the network's own, V(-1) is the broadcast.
    type: list
    elements: int
    required: true
  taken:
    description: Addresses that must not be in the range.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
# -> {"first": "10.20.0.216", "last": "10.20.0.245", "netmask": "255.255.255.0"}
range: "{{ '10.20.0.0/24' | accentos.cloud.dhcp_range([-40, -11]) }}"
"""

RETURN = r"""
_value:
  description: The range, with C(first), C(last) and C(netmask).
  type: dict
"""

from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from ansible.errors import AnsibleFilterError

_NUMBERS = 2


def _fail(message: str) -> AnsibleFilterError:
    return AnsibleFilterError(f"accentos.cloud.dhcp_range: {message}")


def dhcp_range(cidr: str, numbers: Sequence[int], taken: Sequence[str] = ()) -> dict[str, str]:
    """Return ``first``, ``last`` and ``netmask`` of the range. Raises AnsibleFilterError."""
    try:
        network = IPv4Network(str(cidr))
        others = sorted(IPv4Address(str(address)) for address in taken)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise _fail(f"{error}. DHCP needs an IPv4 network such as 10.20.0.0/24, without host bits.") from None
    if len(numbers) != _NUMBERS or not all(isinstance(number, int) for number in numbers):
        raise _fail(f"{list(numbers)} are not two numbers, those of the first and the last address.")
    size = network.num_addresses
    first, last = (number + size if number < 0 else number for number in numbers)
    if not 0 < first <= last < size - 1:
        raise _fail(f"the addresses number {numbers[0]} to {numbers[1]} are no range of hosts within {network}.")
    found = [str(address) for address in others if first <= int(address) - int(network[0]) <= last]
    if found:
        raise _fail(f"the range {network[first]} to {network[last]} holds {', '.join(found)}, which a host has.")
    return {"first": str(network[first]), "last": str(network[last]), "netmask": str(network.netmask)}


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"dhcp_range": dhcp_range}
