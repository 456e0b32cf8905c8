# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says what a bare machine is to become: the specification that its deploy ramdisk carries out.

Pure: site, host and image go in, one mapping comes out, in the form that docs/provisioning_protocol.md describes. No
secret is in it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import BASE, AddressError, derive_addresses

VERSION = 1
DEFAULT_BOND_MODE = "802.3ad"
_LONGEST_INTERFACE_NAME = 15


class SpecificationError(ValueError):
    """The host cannot be installed as it is described. The text says why and what to do."""


def install_specification(
    host: Mapping[str, Any], site: Mapping[str, Any], image: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the specification of one host.

    :param host: ``name``, ``addresses`` (host_addresses), ``interfaces`` (host_interfaces), ``bonds`` (host_bonds).
    :param site: ``domain``, ``networks`` (site_networks), ``dns`` (addresses of resolvers).
    :param image: ``name``, ``url``, ``sha256``, ``size`` and ``raw_size`` in bytes.
    :param options: ``root_disk`` (the rule), ``layout``, ``authorized_keys``, ``console``, ``kernel_options``,
        ``next``.
    :raises SpecificationError: see its text.
    """
    if not options["root_disk"]:
        raise SpecificationError(
            "no rule names its root disk. Set provision_root_disk for it, such as {serial: S4XNNE0M} or "
            "{path: /dev/nvme0n1}"
        )
    if not options["authorized_keys"]:
        raise SpecificationError("nobody could log in to it. Set provision_authorized_keys or site_admins")
    name = host["name"]
    return {
        "version": VERSION,
        "host": name,
        "fqdn": f"{name}.{site['domain']}",
        "image": {key: image[key] for key in ("name", "url", "sha256", "size", "raw_size")},
        "disks": {"rule": dict(options["root_disk"]), "layout": options["layout"]},
        "network": network_of(host, site),
        "ssh": {"authorized_keys": list(options["authorized_keys"])},
        "boot": {key: options[key] for key in ("console", "kernel_options", "next")},
    }


def network_of(host: Mapping[str, Any], site: Mapping[str, Any]) -> dict[str, Any]:
    """Return the network part of the specification: interfaces, bonds, VLANs, resolvers.

    A port or bond carries its ``network`` untagged and those in ``tagged`` as VLANs. The gateway of the management
    network is the way out. :raises SpecificationError: a network twice, a VLAN without a number, a bond without ports.
    """
    networks: Mapping[str, Mapping[str, Any]] = site["networks"]
    ports: Sequence[Mapping[str, Any]] = host["interfaces"]
    bonds: Sequence[Mapping[str, Any]] = host["bonds"]
    # What has addresses: ports of their own, and bonds. A port inside a bond has none.
    links = [port for port in ports if not port.get("bond")] + list(bonds)
    _refuse_misfits(ports, bonds, links, networks)
    try:
        known = derive_addresses(networks, host["addresses"])
    except AddressError as error:
        raise SpecificationError(str(error)) from None

    def addressed(network: str | None) -> dict[str, Any]:
        if network is None:
            return {"addresses": [], "gateway": None, "mtu": None}
        length = ipaddress.ip_network(networks[network]["cidr"]).prefixlen
        return {
            "addresses": [f"{known[network]}/{length}"],
            "gateway": networks[network].get("gateway") if network == BASE else None,
            "mtu": networks[network].get("mtu"),
        }

    return {
        "interfaces": [
            {"name": port["name"], "mac": port["mac"].lower(), "dhcp": False}
            | addressed(None if port.get("bond") else port.get("network"))
            for port in ports
        ],
        "bonds": [
            {
                "name": bond["name"],
                "mode": bond.get("mode", DEFAULT_BOND_MODE),
                "members": [port["mac"].lower() for port in ports if port.get("bond") == bond["name"]],
            }
            | addressed(bond.get("network"))
            for bond in bonds
        ],
        "vlans": [
            {"name": vlan_name(link["name"], networks[network]["vlan"]), "link": link["name"]}
            | {"id": networks[network]["vlan"]}
            | addressed(network)
            for link in links
            for network in link.get("tagged", ())
        ],
        "dns": list(site["dns"]),
    }


def vlan_name(link: str, number: int) -> str:
    """Return the name of a VLAN interface: the link's and the number, or the number alone where that is too long."""
    name = f"{link}.{number}"
    return name if len(name) <= _LONGEST_INTERFACE_NAME else f"vlan{number}"


def carried_networks(links: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the networks that ports and bonds carry, untagged or tagged, in their order."""
    return [
        network for link in links for network in (link.get("network"), *link.get("tagged", ())) if network is not None
    ]


def _refuse_misfits(
    ports: Sequence[Mapping[str, Any]],
    bonds: Sequence[Mapping[str, Any]],
    links: Sequence[Mapping[str, Any]],
    networks: Mapping[str, Mapping[str, Any]],
) -> None:
    carried = carried_networks(links)
    if BASE not in carried:
        raise SpecificationError(
            f"no port of it serves the network {BASE}, by which it boots and is reached. "
            f"Set network: {BASE} for one in host_interfaces"
        )
    if twice := sorted({network for network in carried if carried.count(network) > 1}):
        raise SpecificationError(f"more than one port or bond serves {', '.join(twice)}. One network is on one of them")
    names = {bond["name"] for bond in bonds}
    if strange := sorted({port["bond"] for port in ports if port.get("bond")} - names):
        raise SpecificationError(f"ports belong to {', '.join(strange)}, which host_bonds does not describe")
    if empty := sorted(names - {port.get("bond") for port in ports}):
        raise SpecificationError(f"no port belongs to {', '.join(empty)}. Set bond for its ports in host_interfaces")
    if addressed := sorted(port["name"] for port in ports if port.get("bond") and carried_networks([port])):
        raise SpecificationError(f"{', '.join(addressed)} is inside a bond: its networks belong to the bond")
    tagged = {network for link in links for network in link.get("tagged", ())}
    if bare := sorted(network for network in tagged if "vlan" not in networks[network]):
        raise SpecificationError(f"{', '.join(bare)} is tagged but has no vlan in site_networks")
