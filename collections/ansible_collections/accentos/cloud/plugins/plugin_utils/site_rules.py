# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules that need more than one value of the site: what overlaps, what is outside, what is there twice.

Pure functions over values that are well-formed on their own. A value that already has a finding is left out by the
caller, so that one mistake gives one finding.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import (
    BASE,
    Address,
    Network,
    parse_address,
    same_offset,
    unusable_reason,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, report, short_value

BMC_NETWORK = "out_of_band"
# Variables of the role pki, in days: how long a certificate lives, when it is renewed, how long its authority's lives.
LIVES = ("pki_validity_days", "pki_renew_before_days", "pki_ca_validity_days")


@dataclasses.dataclass(frozen=True, slots=True)
class Located:
    """A text and where it is written."""

    text: str
    place: Place


@dataclasses.dataclass(frozen=True, slots=True)
class SiteNetwork:
    """One entry of site_networks."""

    name: str
    cidr: Located
    gateway: Located | None = None
    vlan: Located | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SiteOutlet:
    """An outlet that feeds a host: the address of its unit, and its index there, in one form."""

    unit: Located
    index: Located


@dataclasses.dataclass(frozen=True, slots=True)
class SiteHost:
    """What a host has of its own: addresses by network, the address of its BMC, MAC addresses, serial number, outlets.

    BMC_IS_UNIT: it has no BMC but a power distribution unit, which it has in common with others.
    """

    name: str
    addresses: Mapping[str, Located]
    bmc: Located | None = None
    macs: Sequence[Located] = ()
    serial: Located | None = None
    outlets: Sequence[SiteOutlet] = ()
    bmc_is_unit: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Use:
    """An address in use, and by what."""

    owner: str
    address: Address
    written: Located
    derived: bool = False


def find_conflicts(
    networks: Sequence[SiteNetwork],
    hosts: Sequence[SiteHost],
    api: Located | None = None,
    cache: Located | None = None,
) -> list[Finding]:
    """Return the findings of all rules.

    :param api: the address in management at which the cloud is reached.
    :param cache: the address in management of the lab's package cache.
    """
    findings, networks = _without_ipv6(networks)
    overlaps, parsed = _overlaps(networks)
    findings += overlaps
    vlans = [(f"network {network.name}", network.vlan) for network in networks if network.vlan]
    findings += find_duplicates("vlan", vlans, str)
    uses: list[_Use] = []
    for network in networks:
        if network.name in parsed and network.gateway:
            gateway = network.gateway
            use = _Use(f"the gateway of {network.name}", parse_address(gateway.text), gateway)
            _place_in(network.name, parsed, use, uses, findings)
    for host in hosts:
        findings += _host_addresses(host, parsed, uses)
    findings += _units(hosts, parsed, uses)
    for what, located in (("the address of the API", api), ("the package cache of the lab", cache)):
        if located:
            _place_in(BASE, parsed, _Use(what, parse_address(located.text), located), uses, findings)
    findings += _duplicate_addresses(uses)
    macs = [(f"host {host.name}", mac) for host in hosts for mac in host.macs]
    findings += find_duplicates("MAC address", macs, normal_mac)
    serials = [(f"host {host.name}", host.serial) for host in hosts if host.serial]
    findings += find_duplicates("serial number", serials, str.casefold)
    # Whoever fences one of two hosts with an outlet in common turns off the other one.
    outlets = [
        (f"host {host.name}", dataclasses.replace(one.index, text=f"{one.unit.text} outlet {one.index.text}"))
        for host in hosts
        for one in host.outlets
    ]
    findings += find_duplicates("outlet", outlets, str)
    return findings


def find_short_lives(days: Mapping[str, tuple[int, Place | None]]) -> list[Finding]:
    """Return a finding if certificates would be renewed at every run, or outlive the authority that signed them.

    ``days`` has, for each of LIVES, its value and where it is written, None for a default.
    """
    (validity, own), (renew, before), (authority, root) = (days[name] for name in LIVES)
    if validity <= renew and (place := own or before):
        problem = f"certificates are valid for {validity} days and renewed {renew} days before their end, at every run"
        return [report(place, problem, expected="pki_validity_days above pki_renew_before_days")]
    if authority <= validity + renew and (place := root or own or before):
        problem = (
            f"the authority's certificate is valid for {authority} days and must last longer than {validity + renew}"
        )
        return [
            report(place, problem, expected="pki_ca_validity_days above pki_validity_days and pki_renew_before_days")
        ]
    return []


def normal_mac(text: str) -> str:
    """Return a MAC address in one form, whatever its case and separators."""
    return re.sub("[^0-9a-f]", "", text.lower())


def _without_ipv6(networks: Sequence[SiteNetwork]) -> tuple[list[Finding], list[SiteNetwork]]:
    """Return one finding for all networks of IPv6, and the other networks.

    Roles write addresses into URLs and configuration files without the brackets that IPv6 needs there.
    """
    refused = [entry for entry in networks if isinstance(ipaddress.ip_network(entry.cidr.text), ipaddress.IPv6Network)]
    left = [entry for entry in networks if entry not in refused]
    if not refused:
        return [], left
    names = ", ".join(entry.name for entry in refused)
    problem = f"IPv6 is not supported for the networks of a site yet ({names})"
    first = refused[0].cidr
    expected = "a network of IPv4 such as 10.20.0.0/24, and addresses in it"
    return [report(first.place, problem, value=short_value(first.text), expected=expected)], left


def _overlaps(networks: Sequence[SiteNetwork]) -> tuple[list[Finding], dict[str, Network]]:
    """Return the findings, and the networks that overlap none before them."""
    findings = []
    parsed: dict[str, Network] = {}
    lines: dict[str, Place] = {}
    for entry in networks:
        network = ipaddress.ip_network(entry.cidr.text)
        other = next((name for name, known in parsed.items() if known.overlaps(network)), None)
        if other is None:
            parsed[entry.name] = network
            lines[entry.name] = entry.cidr.place
            continue
        where = lines[other]
        findings.append(
            report(
                entry.cidr.place,
                f"overlaps network {other} ({parsed[other]}) in {where.file}:{where.line}",
                value=short_value(entry.cidr.text),
                expected="networks that have no address in common",
            )
        )
    return findings, parsed


def _place_in(name: str, networks: Mapping[str, Network], use: _Use, uses: list[_Use], found: list[Finding]) -> bool:
    """Note the use of an address in a network, or why it cannot be used there."""
    if name not in networks:
        return False
    reason = unusable_reason(networks[name], use.address)
    if reason:
        found.append(
            report(
                use.written.place,
                f"{reason} network {name} ({networks[name]})",
                value=short_value(use.written.text),
                expected=f"an address of a machine in {networks[name]}",
            )
        )
        return False
    uses.append(use)
    return True


def _host_addresses(host: SiteHost, networks: Mapping[str, Network], uses: list[_Use]) -> list[Finding]:
    findings: list[Finding] = []
    owner = f"host {host.name}"
    base = host.addresses.get(BASE)
    usable = False
    for name, located in host.addresses.items():
        placed = _place_in(
            name, networks, _Use(f"{owner} ({name})", parse_address(located.text), located), uses, findings
        )
        usable = placed if name == BASE else usable
    if host.bmc and not host.bmc_is_unit:
        use = _Use(f"{owner} (BMC)", parse_address(host.bmc.text), host.bmc)
        _place_in(BMC_NETWORK, networks, use, uses, findings)
    if base is None or not usable:
        return findings
    without_room = []
    base_address = parse_address(base.text)
    for name, network in networks.items():
        if name in host.addresses or (name == BMC_NETWORK and host.bmc):
            continue
        address = same_offset(networks[BASE], base_address, network)
        if address is None:
            without_room.append(name)
        else:
            uses.append(_Use(f"{owner} ({name}, derived)", address, base, derived=True))
    if without_room:
        findings.append(
            report(
                base.place,
                f"has no counterpart with the same offset in {', '.join(without_room)}",
                value=short_value(base.text),
                expected=" and ".join(f"host_addresses.{name}" for name in without_room) + " as well",
            )
        )
    return findings


def _units(hosts: Sequence[SiteHost], networks: Mapping[str, Network], uses: list[_Use]) -> list[Finding]:
    """Note each power distribution unit once, however many hosts it feeds."""
    findings: list[Finding] = []
    seen = set()
    for host in hosts:
        named = [host.bmc] if host.bmc and host.bmc_is_unit else []
        for located in (*named, *(one.unit for one in host.outlets)):
            address = parse_address(located.text)
            if address not in seen:
                seen.add(address)
                _place_in(BMC_NETWORK, networks, _Use("a power distribution unit", address, located), uses, findings)
    return findings


def _duplicate_addresses(uses: Iterable[_Use]) -> list[Finding]:
    """Report each written address once. A derived one is only reported when what it is derived from is unique."""
    findings = []
    first: dict[Address, _Use] = {}
    blamed: set[Place] = set()
    for use in sorted(uses, key=lambda use: use.derived):
        other = first.setdefault(use.address, use)
        if other is use or use.written.place in blamed:
            continue
        blamed.add(use.written.place)
        place, where = use.written.place, other.written.place
        findings.append(
            report(
                place,
                f"{use.owner} and {other.owner} in {where.file}:{where.line} have the same address {use.address}",
                value=short_value(use.written.text) if use.derived else "",
                expected="each address once",
            )
        )
    return findings


def find_duplicates(what: str, values: Iterable[tuple[str, Located]], normal: Callable[[str], str]) -> list[Finding]:
    """Return a finding for each value that one before it has too, once made normal, with who has both.

    :param values: who has the value, and the value.
    """
    findings = []
    first: dict[str, tuple[str, Located]] = {}
    blamed: set[Place] = set()
    for owner, located in values:
        other, known = first.setdefault(normal(located.text), (owner, located))
        if known is located or located.place in blamed:
            continue
        blamed.add(located.place)
        where = known.place
        findings.append(
            report(
                located.place,
                f"{owner} and {other} in {where.file}:{where.line} have the same {what}",
                value=short_value(located.text),
                expected=f"each {what} once",
            )
        )
    return findings
