# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a new site is made of, out of a few answers: hosts, their addresses and ports, or profiles for hosts that enrol.

Pure: the answers that the role init documents go in, a draft comes out. What single values must look like is no affair
of this file: the draft is written as a site, and the check of sites reads it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import BASE, same_offset
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import nearest, printable
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_inventory import MAX_HOSTS
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import BMC_NETWORK

NETWORKS: Mapping[str, Mapping[str, Any]] = {
    BASE: {"cidr": "10.20.0.0/24", "gateway": "10.20.0.1"},
    "tunnel": {"cidr": "10.21.0.0/24", "vlan": 21},
    "storage": {"cidr": "10.22.0.0/24", "vlan": 22},
    "external": {"cidr": "203.0.113.0/24"},
    BMC_NETWORK: {"cidr": "10.23.0.0/24"},
}
# The answers that say how many hosts a group has.
COUNTS = {"controller": "init_controllers", "compute": "init_computes", "storage": "init_storage_hosts"}
# Groups that a site may be without.
OPTIONAL = frozenset({"storage"})
# Those that are mappings.
MAPPINGS = ("init_networks", "init_macs", "init_match")
# What the ports of a machine serve, in the order of their MACs.
PORTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "controller": ({"network": BASE, "tagged": ["tunnel", "storage"]}, {"network": "external"}),
    "compute": ({"network": BASE, "tagged": ["tunnel", "storage"]},),
    "storage": ({"network": BASE, "tagged": ["storage"]},),
}
ROOT_DISK: Mapping[str, Any] = {"size_max_gib": 500, "rotational": False}
# Numbers of addresses in the management network, whose first address is number 1.
API, DEPLOY = 5, 10
# What the role cobbler lends to strangers, counted from the end: cobbler_dhcp_strangers.
STRANGERS = (-40, -11)
_DECADE = 10
_ANY_NETWORK = ipaddress.IPv4Network("10.0.0.0/8")


def host_numbers(counts: Mapping[str, int]) -> dict[str, range]:
    """Return the numbers of the addresses of each group's hosts: 11, 12, ... and so on, each group in a new decade.

    :param counts: group -> how many hosts, for the groups of COUNTS. One without hosts is left out.
    """
    numbers = {"deploy": range(DEPLOY, DEPLOY + 1)}
    first = DEPLOY + 1
    for group in COUNTS:
        if counts[group]:
            numbers[group] = range(first, first + counts[group])
        first += -(-counts[group] // _DECADE) * _DECADE
    return numbers


def draft_site(answers: Mapping[str, Any], known: Collection[str], keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a site with these answers is made of.

    :param answers: answer -> value, of the types that the role says, numbers also as texts.
    :param known: the answers that there are.
    :param keys: public SSH keys of whoever asks, for an administrator where the answers name none.
    :return: ``problems``, one text each, and when there is none ``kind`` (how machines become hosts: ``installed``
        already, ``described`` by their MACs, ``enrolled`` by profiles), ``networks``, ``gateway``, ``api_address``,
        ``deploy_address``, ``admins``, ``groups`` (group -> host -> variables) and ``profiles``.
    """
    if wrong := list(_of_types(answers)):
        return {"problems": wrong}
    networks: dict[str, Any] = {**NETWORKS, **answers["init_networks"]}
    counts = {group: int(answers[name]) for group, name in COUNTS.items()}
    macs, match = answers["init_macs"], answers["init_match"]
    kind = "described" if macs else "enrolled" if match else "installed"
    admins = answers["init_admins"] or [{"name": "operator", "sudo": True, "ssh_keys": list(keys)}]
    problems = [*_unknown("", answers, known), *_of_counts(counts)]
    if not (keys or answers["init_admins"]):
        problems.append(
            "init_admins: nobody could log in, since no public key is in ~/.ssh; expected a key made with ssh-keygen, "
            "or an answer such as [{name: operator, sudo: true, ssh_keys: [ssh-ed25519 AAAA... operator]}]"
        )
    if macs and match:
        problems.append("init_match: init_macs describes all machines already; expected one of the two")
    if not problems:
        problems = [*_of_machines(kind, counts, macs, match), *_of_networks(kind, networks, counts)]
    if problems:
        return {"problems": problems}
    # Where it is none, the check will say so, and not that there are no hosts besides.
    base = _network(networks[BASE]) or _ANY_NETWORK
    numbers = host_numbers(counts)
    groups = {
        group: _hosts(group, range_, base) if group == "deploy" or kind != "enrolled" else {}
        for group, range_ in numbers.items()
    }
    if kind == "described":
        bmcs = _network(networks[BMC_NETWORK])
        for group, hosts in groups.items():
            for name, host in hosts.items() if group != "deploy" else ():
                host["host_interfaces"] = _ports(group, macs[name])
                own = ipaddress.IPv4Address(host["host_addresses"][BASE])
                if bmcs and (address := same_offset(base, own, bmcs)):
                    host["host_bmc"] = {"driver": answers["init_bmc_driver"], "address": str(address)}
    return {
        "problems": [],
        "kind": kind,
        "networks": networks,
        "gateway": networks[BASE].get("gateway", "") if isinstance(networks[BASE], Mapping) else "",
        "api_address": str(base[API]),
        "deploy_address": str(base[DEPLOY]),
        "admins": admins,
        "groups": groups,
        "profiles": list(_profiles(match, numbers, base)),
    }


def _of_types(answers: Mapping[str, Any]) -> Iterator[str]:
    """Give what is text although it is meant to be more, as name=value on the command line always is."""
    for name in (*MAPPINGS, "init_admins"):
        if isinstance(answers[name], str):
            yield f"{name}: is text; expected it in a file, -e @answers.yml, or as JSON, -e '{{\"{name}\": ...}}'"


def _unknown(prefix: str, found: Collection[str], known: Collection[str]) -> Iterator[str]:
    for name in found:
        if name not in known:
            meant = nearest(str(name), sorted(known))
            hint = f'; did you mean "{meant}"?' if meant else ""
            yield f"{prefix}{printable(str(name), 80)}: unknown; expected one of {', '.join(sorted(known))}{hint}"


def _of_counts(counts: Mapping[str, int]) -> Iterator[str]:
    for group, count in counts.items():
        least = 0 if group in OPTIONAL else 1
        if not least <= count < MAX_HOSTS:
            size = "large" if count > 0 else "small"
            yield f"{COUNTS[group]}: is too {size}, found {count}; expected a number from {least} to {MAX_HOSTS - 1}"


def _of_machines(kind: str, counts: Mapping[str, int], macs: Mapping[str, Any], match: Mapping[str, Any]) -> list[str]:
    if kind == "enrolled":
        groups = [group for group, count in counts.items() if count]
        left_out = [group for group in groups if group not in match]
        expected = "what tells its machines from others; the first group that fits counts, and {} fits all"
        return [
            *_unknown("init_match.", match, groups),
            *(f"init_match.{group}: is missing; expected {expected}" for group in left_out),
        ]
    if kind == "installed":
        return []
    ports = {f"{group}-{index}": PORTS[group] for group in COUNTS for index in range(1, counts[group] + 1)}
    problems = list(_unknown("init_macs.", macs, ports))
    for name, wanted in ports.items():
        given = macs.get(name, ())
        if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == len(wanted):
            continue
        number = f"has {len(given)}" if isinstance(given, list) else "is no list"
        serves = ", ".join("/".join((port["network"], *port.get("tagged", ()))) for port in wanted)
        found = number if name in macs else "is missing"
        problems.append(f"init_macs.{name}: {found}; expected a list of {len(wanted)} MAC addresses, for {serves}")
    return problems


def _of_networks(kind: str, networks: Mapping[str, Any], counts: Mapping[str, int]) -> Iterator[str]:
    """Give what is wrong about networks that are right each on their own: no room, no VLAN."""
    last = max(range_.stop - 1 for range_ in host_numbers(counts).values())
    for name, settings in networks.items():
        network = _network(settings)
        if network is None:
            continue
        # The last address is nobody's own, and those for strangers are before it.
        least = last - STRANGERS[0] + 1 if name == BASE else last + 2
        if network.num_addresses < least:
            yield (
                f"init_networks.{name}.cidr: has no room for all hosts, found {network}; expected a network of at "
                f"least {least} addresses, such as {network[0]}/{32 - (least - 1).bit_length()}"
            )
        if kind != "installed" and name in ("tunnel", "storage") and "vlan" not in settings:
            yield f"init_networks.{name}.vlan: is missing; expected its number, since ports carry {name} tagged"


def _network(settings: Any) -> ipaddress.IPv4Network | None:
    """Return the network that settings of the site name, or None; the check says what is wrong with it."""
    try:
        return ipaddress.IPv4Network(str(settings["cidr"]))
    except (KeyError, TypeError, ValueError):
        return None


def _hosts(group: str, numbers: range, base: ipaddress.IPv4Network) -> dict[str, dict[str, Any]]:
    """Return the hosts of a group with their addresses."""
    return {
        f"{group}-{index}": {"host_addresses": {BASE: str(base[number])}} for index, number in enumerate(numbers, 1)
    }


def _ports(group: str, macs: Sequence[str]) -> list[dict[str, Any]]:
    """Return the ports of a machine of a group."""
    pairs = zip(macs, PORTS[group], strict=True)
    return [{"name": f"eno{index}", "mac": mac, **port} for index, (mac, port) in enumerate(pairs, 1)]


def _profiles(
    match: Mapping[str, Any], numbers: Mapping[str, range], base: ipaddress.IPv4Network
) -> Iterator[dict[str, Any]]:
    """Give the hardware profiles of machines that enrol, in the order in which they are tried."""
    for group, properties in match.items():
        first, *others = PORTS[group]
        count = len(numbers[group])
        yield {
            "name": group,
            "match": properties,
            "groups": [group],
            "names": f"{group}-[1:{count}]",
            "addresses": f"{base[numbers[group][0]]}-{base[numbers[group][-1]]}",
            # The port that booted carries management and nothing else.
            "ports": [{"tagged": first["tagged"]}, *others],
            "root_disk": ROOT_DISK,
        }
