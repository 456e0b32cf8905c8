# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a host lives in each network of the site: as written, or as it follows from its management address."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BASE = "management"


class AddressError(ValueError):
    """The addresses of a host do not fit the networks of the site. The text says which, and what to do."""


def parse_address(text: str) -> Address:
    """Return the address, or raise ValueError. Zone identifiers (fe80::1%eth0) are refused."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone identifier")
    return ipaddress.ip_address(text)


def unusable_reason(network: Network, address: Address) -> str:
    """Say why a machine cannot have this address in this network; an empty string when it can."""
    if address not in network:
        return "is outside"
    if network.prefixlen >= network.max_prefixlen - 1:
        return ""  # RFC 3021 and RFC 6164: in a network of one or two addresses all of them are usable.
    if address == network.network_address:
        return "is the network address of"
    if isinstance(network, ipaddress.IPv4Network) and address == network.broadcast_address:
        return "is the broadcast address of"
    return ""


def same_offset(base: Network, address: Address, target: Network) -> Address | None:
    """Return the address as far from the start of target as the given one is from the start of base.

    None when the target is too small for it, or when it would be the target's network or broadcast address.
    """
    offset = int(address) - int(base.network_address)
    if not 0 <= offset < target.num_addresses:
        return None
    found = target.network_address + offset
    return None if unusable_reason(target, found) else found


def derive_addresses(networks: Mapping[str, Mapping[str, Any]], host_addresses: Mapping[str, str]) -> dict[str, str]:
    """Return the host's address in every network of the site, in the order of the networks.

    :param networks: site_networks, network name -> {"cidr": "10.20.0.0/24", ...}
    :param host_addresses: network name -> address; "management" must be there. A network without an entry gets the
        address with the same offset: management 10.20.0.11 in a /24 gives tunnel 10.21.0.11.
    :raises AddressError: unknown network, malformed or outside address, or no room for the offset.
    """
    parsed = {name: _network(name, networks[name]) for name in networks}
    for name in host_addresses:
        if name not in parsed:
            raise AddressError(
                f"host_addresses.{name}: site_networks has no network {name!r}, only {', '.join(parsed)}"
            )
    if BASE not in parsed or BASE not in host_addresses:
        where = "host_addresses" if BASE in parsed else "site_networks"
        raise AddressError(f"{where} has no {BASE!r}: the other addresses are derived from it")
    given = {name: _address(name, text, parsed[name]) for name, text in host_addresses.items()}
    result = {}
    for name, network in parsed.items():
        address = given.get(name) or same_offset(parsed[BASE], given[BASE], network)
        if address is None:
            raise AddressError(
                f"{BASE} address {given[BASE]}: its offset in {parsed[BASE]} has no place in {name} ({network}); "
                f"give host_addresses.{name}"
            )
        result[name] = str(address)
    return result


def _network(name: str, settings: Mapping[str, Any]) -> Network:
    try:
        return ipaddress.ip_network(str(settings["cidr"]))
    except (KeyError, TypeError) as error:
        raise AddressError(f"site_networks.{name} has no cidr") from error
    except ValueError as error:
        raise AddressError(f"site_networks.{name}.cidr: {error}") from error


def _address(name: str, text: str, network: Network) -> Address:
    try:
        address = parse_address(str(text))
    except ValueError as error:
        raise AddressError(f"host_addresses.{name}: {error}") from error
    reason = unusable_reason(network, address)
    if reason:
        raise AddressError(f"host_addresses.{name}: {address} {reason} network {name} ({network})")
    return address
