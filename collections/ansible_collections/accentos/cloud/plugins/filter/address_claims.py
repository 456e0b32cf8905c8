# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.address_claims."""

from __future__ import annotations

DOCUMENTATION = r"""
name: address_claims
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Addresses that are about to be given to machines
description:
  - Makes the options O(accentos.cloud.address_check#module:claims), O(accentos.cloud.address_check#module:owners) and
    O(accentos.cloud.address_check#module:restarted) from specifications, for the machines that are to be installed.
  - A machine counts by the MACs that are described and by those of all cards that it reported, since a machine with two
    cards in one network answers on both.
  - A host that answers over SSH though nothing is known of it is left alone by an installation, so it must be the host
    and no other machine. It counts by the addresses that are on no bond, for nobody knows which MAC a bond took there.
positional: _input, steps, machines, reinstall
options:
  _input:
    description: Host name to specification, from P(accentos.cloud.install_specifications#filter).
    type: dict
    required: true
  steps:
    description: RV(accentos.cloud.provision_machine#module:steps) of a run in check mode.
    type: list
    elements: dict
    required: true
  machines:
    description: RV(accentos.cloud.provision_info#module:machines).
    type: dict
    required: true
  reinstall:
    description: Names of the machines that are installed anew.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show which addresses are given away
  ansible.builtin.debug:
    msg: "{{ (specifications | accentos.cloud.address_claims(steps, machines)).claims }}"
"""

RETURN = r"""
_value:
  description:
    - C(claims), the addresses with hosts and MACs, C(owners), the hosts by their MACs, and C(restarted), the MACs of
      those that are installed now.
  type: dict
"""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any


def address_claims(
    specifications: Mapping[str, Mapping[str, Any]],
    steps: Iterable[Mapping[str, Any]],
    machines: Mapping[str, Mapping[str, Any]],
    reinstall: Collection[str] = (),
) -> dict[str, Any]:
    """Return claims, owners and restarted."""
    macs = {host: _macs(specification, machines.get(host)) for host, specification in specifications.items()}
    claims, restarted = [], []
    for step in steps:
        host, armed = step["host"], step["action"] == "arm"
        if armed:
            restarted += macs[host]
        elif host in machines:
            continue
        network = specifications[host]["network"]
        # Who runs and was installed by somebody else has bonds that took any MAC.
        foreign = host not in machines and (not armed or host in reinstall)
        bonds = {bond["name"] for bond in network["bonds"]} if foreign else set()
        claims += [
            {"host": host, "address": address, "macs": macs[host]}
            for link in (*network["interfaces"], *network["bonds"], *network["vlans"])
            if not {link["name"], link.get("link")} & bonds
            for address in link["addresses"]
            if ipaddress.ip_interface(address).version == 4  # noqa: PLR2004 - ARP is for IPv4 alone
        ]
    # A card that somebody put into another machine is that of the host that describes it.
    owners = {mac: host for host in macs for mac in macs[host]} | {
        port["mac"]: host
        for host, specification in specifications.items()
        for port in specification["network"]["interfaces"]
    }
    return {"claims": claims, "owners": owners, "restarted": restarted}


def _macs(specification: Mapping[str, Any], known: Mapping[str, Any] | None) -> list[str]:
    """Return the MACs of a host: those that are described, then those of other cards that it reported."""
    described = [port["mac"] for port in specification["network"]["interfaces"]]
    cards = ((known or {}).get("inventory") or {}).get("cards") or []
    return list(dict.fromkeys([*described, *(str(card["mac"]) for card in cards if card.get("mac"))]))


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the filters of this file by name."""
        return {"address_claims": address_claims}
