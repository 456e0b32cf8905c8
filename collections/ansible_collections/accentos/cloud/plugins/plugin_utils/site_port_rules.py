# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the network ports of a host: names that are there twice, bonds that are nowhere, VLANs without a number.

Pure functions over values that are well-formed on their own. No finding names the host, since the hosts of a range have
their mistakes in common.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import (
    Finding,
    Suggester,
    report,
    short_value,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located, find_duplicates


@dataclasses.dataclass(frozen=True, slots=True)
class SitePort:
    """An entry of host_interfaces, or of host_bonds."""

    name: Located
    bond: Located | None = None
    tagged: Sequence[Located] = ()


def find_bad_ports(
    interfaces: Sequence[SitePort], bonds: Sequence[SitePort] | None, suggest: Suggester
) -> list[Finding]:
    """Return the findings for the ports of one host. ``bonds`` is None if they are not known."""
    names = [("an interface", port.name) for port in interfaces] + [("a bond", bond.name) for bond in bonds or ()]
    findings = find_duplicates("interface name", names, str)
    if bonds is None:
        return findings
    known = list(dict.fromkeys(bond.name.text for bond in bonds))
    expected = f"one of {', '.join(known)}" if known else "a bond that is in host_bonds"
    for port in interfaces:
        if port.bond and port.bond.text not in known:
            findings.append(
                report(
                    port.bond.place,
                    "there is no such bond in host_bonds",
                    value=short_value(port.bond.text),
                    expected=expected,
                    suggestion=suggest(port.bond.text, known),
                )
            )
    return findings


def find_networks_without_vlan(ports: Iterable[SitePort], without: Collection[str]) -> list[Finding]:
    """Return a finding for each network that a port carries tagged although it has no number, where this is first so.

    :param ports: those of all hosts.
    :param without: the networks that have no vlan.
    """
    first: dict[str, Located] = {}
    for port in ports:
        for network in port.tagged:
            if network.text in without:
                first.setdefault(network.text, network)
    return [
        report(
            located.place,
            f"network {name} has no vlan, so that no port can carry it tagged",
            value=short_value(located.text),
            expected=f"site_networks.{name}.vlan, or {name} as the network of the port",
        )
        for name, located in first.items()
    ]
