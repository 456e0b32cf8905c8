# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the embedded lab: its package cache, the bare machines in its rack, the disks of its hosts.

Pure functions over values that are well-formed on their own.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import parse_address, unusable_reason
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import (
    HIDDEN,
    Finding,
    Place,
    Suggester,
    report,
    short_value,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import (
    BMC_NETWORK,
    Located,
    find_duplicates,
    normal_mac,
)


@dataclasses.dataclass(frozen=True, slots=True)
class RackMachine:
    """An entry of lab_rack_machines; None for what has a mistake of its own.

    ``networks`` is the first of the networks that are written; ``counts`` are the numbers of cards and networks.
    """

    name: Located | None = None
    bmc: Located | None = None
    macs: Sequence[Located] = ()
    networks: Located | None = None
    counts: tuple[int, int] = (0, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class LabDisks:
    """The disks that lab_disks has for a host: where the host is named, and the names of the disks."""

    place: Place
    names: Sequence[Located] = ()


def find_other_proxy(cache: Located, proxy: Located) -> list[Finding]:
    """Return a finding if the hosts would take packages from another address than that of the lab's cache.

    A proxy with a name instead of an address may well be the cache.
    """
    try:
        address = parse_address(urlsplit(proxy.text).hostname or "")
    except ValueError:
        return []
    if address == parse_address(cache.text):
        return []
    where = cache.place
    problem = f"is not at {where.key} ({cache.text}) in {where.file}:{where.line}"
    expected = f"the address of the lab's package cache, {cache.text}"
    # A proxy may have a user and a password before its address.
    value = HIDDEN if "@" in proxy.text else short_value(proxy.text)
    return [report(proxy.place, problem, value=value, expected=expected)]


def find_rack_mistakes(machines: Sequence[RackMachine], out_of_band: Located | None) -> list[Finding]:
    """Return the findings for the rack's machines. ``out_of_band`` is the cidr of that network, None if unknown."""
    owned = [(f"entry {index}", machine) for index, machine in enumerate(machines)]
    findings = find_duplicates("name", [(owner, one.name) for owner, one in owned if one.name], str)
    macs = [(owner, mac) for owner, one in owned for mac in one.macs]
    findings += find_duplicates("MAC address", macs, normal_mac)
    for _owner, one in owned:
        cards, networks = one.counts
        if one.networks and cards != networks:
            problem = f"networks are {networks}, and network cards (macs) {cards}"
            findings.append(report(one.networks.place, problem, expected="one network for each card, in their order"))
    bmcs = [(owner, one.bmc) for owner, one in owned if one.bmc]
    findings += find_duplicates("BMC address", bmcs, lambda text: str(parse_address(text)))
    if out_of_band is None:
        return findings
    network = ipaddress.ip_network(out_of_band.text)
    for _owner, bmc in bmcs:
        if reason := unusable_reason(network, parse_address(bmc.text)):
            findings.append(
                report(
                    bmc.place,
                    f"{reason} network {BMC_NETWORK} ({network})",
                    value=short_value(bmc.text),
                    expected=f"an address of a machine in {network}",
                )
            )
    return findings


def find_disk_mistakes(
    disks: Mapping[str, LabDisks], hosts: Collection[str] | None, suggest: Suggester
) -> list[Finding]:
    """Return the findings for the disks of the lab's hosts, by host. ``hosts`` is None if not all of them are known."""
    findings = []
    for host, given in disks.items():
        if hosts is not None and host not in hosts:
            expected = "a host of hosts.yml"
            suggestion = suggest(host, hosts)
            findings.append(report(given.place, "there is no such host", expected=expected, suggestion=suggestion))
        findings += find_duplicates("name", [(f"a disk of {host}", name) for name in given.names], str)
    return findings
