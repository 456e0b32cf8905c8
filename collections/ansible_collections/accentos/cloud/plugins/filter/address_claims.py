# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.address_claims."""

from __future__ import annotations

DOCUMENTATION = r"""
name: address_claims
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Addresses that are about to be given to machines
description:
  - Makes the options O(accentos.cloud.address_check#module:claims) and O(accentos.cloud.address_check#module:owners)
    from specifications, for the machines that are to be installed.
  - A machine that is installed anew has its addresses already, and is left out.
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
  description: C(claims), the addresses with hosts and MACs, and C(owners), the hosts by their MACs.
  type: dict
"""

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any


def address_claims(
    specifications: Mapping[str, Mapping[str, Any]],
    steps: Iterable[Mapping[str, Any]],
    machines: Collection[str],
    reinstall: Collection[str] = (),
) -> dict[str, Any]:
    """Return claims and owners."""
    claims = []
    for step in steps:
        host = step["host"]
        if host in reinstall or (step["action"] != "arm" and host in machines):
            continue
        network = specifications[host]["network"]
        bonds = {bond["name"] for bond in network["bonds"]} if step["action"] != "arm" else set()
        macs = [port["mac"] for port in network["interfaces"]]
        claims += [
            {"host": host, "address": address, "macs": macs}
            for link in (*network["interfaces"], *network["bonds"], *network["vlans"])
            if not {link["name"], link.get("link")} & bonds
            for address in link["addresses"]
            if ipaddress.ip_interface(address).version == 4  # noqa: PLR2004 - ARP is for IPv4 alone
        ]
    owners = {
        port["mac"]: host
        for host, specification in specifications.items()
        for port in specification["network"]["interfaces"]
    }
    return {"claims": claims, "owners": owners}


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the filters of this file by name."""
        return {"address_claims": address_claims}
