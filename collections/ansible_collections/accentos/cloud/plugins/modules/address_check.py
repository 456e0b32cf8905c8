#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: addresses that hosts are about to get belong to nobody else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: address_check
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Refuse addresses that other machines have
description:
  - Asks by ARP probes (RFC 5227) who has the addresses that hosts are about to get, all of them in about two seconds,
    and fails with the names of both where somebody else has one. A probe tells nothing about this host that others
    would remember.
  - Each address is asked for on the interface of this host that has an address in the same network. Where there is
    none, nobody is asked; RV(unasked) names those networks.
  - An address that one of the host's own MACs has is its own.
  - Runs as root on a host that is in the networks, the deploy host.
options:
  claims:
    description: The addresses, and who is to have them.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Name of the host.
        type: str
        required: true
      address:
        description: Address of IPv4 with its prefix length.
        type: str
        required: true
      macs:
        description: MACs of the host.
        type: list
        elements: str
        default: []
  owners:
    description: MAC addresses and the names of the hosts that have them, to name who has an address.
    type: dict
    default: {}
  restarted:
    description:
      - MAC addresses of machines that are about to be started anew. What addresses they have now does not matter.
    type: list
    elements: str
    default: []
  name:
    description: Name of the host that this runs on.
    type: str
    default: this host
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: Can run in check mode, and asks and tells the same.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Refuse an address that another machine has
  accentos.cloud.address_check:
    claims:
      - {host: compute-1, address: 192.0.2.21/24, macs: ["52:54:00:00:00:01"]}
    owners: {"52:54:00:00:00:02": compute-2}
"""

RETURN = r"""
asked:
  description: How many addresses were asked for on each interface.
  returned: always
  type: dict
  sample: {eth0: 12}
unasked:
  description: Networks of addresses that this host is not in.
  returned: always
  type: list
  elements: str
  sample: [198.51.100.0/24]
conflicts:
  description: The addresses that others have, with C(host), C(address), C(interface), C(mac) and C(owner).
  returned: always
  type: list
  elements: dict
"""

import ipaddress
import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.address_probe import (
    Claim,
    Interface,
    find_conflicts,
    plan_probes,
    probe,
    read_interfaces,
)


def read_claims(module: AnsibleModule) -> list[Claim]:
    """Return option claims; a wrong one ends the module."""
    found = []
    for row in module.params["claims"]:
        try:
            address = ipaddress.IPv4Interface(row["address"])
        except ValueError as error:
            module.fail_json(msg=f"claims: {row['host']}: {error}", remedy="Give an address such as 192.0.2.21/24.")
        found.append(Claim(row["host"], address, frozenset(mac.lower() for mac in row["macs"])))
    return found


def own_interfaces(module: AnsibleModule) -> list[Interface]:
    """Return the interfaces of this host that are up."""
    program = module.get_bin_path("ip", required=True, opt_dirs=["/sbin", "/usr/sbin"])
    _code, output, _errors = module.run_command([program, "-json", "address", "show", "up"], check_rc=True)
    return read_interfaces(json.loads(output))


def main() -> None:
    """Run the module."""
    claim = {
        "host": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "macs": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "claims": {"type": "list", "elements": "dict", "required": True, "options": claim},
            "owners": {"type": "dict", "default": {}},
            "restarted": {"type": "list", "elements": "str", "default": []},
            "name": {"type": "str", "default": "this host"},
        },
        supports_check_mode=True,
    )
    planned, away = plan_probes(read_claims(module), own_interfaces(module))
    owners = {mac.lower(): str(host) for mac, host in module.params["owners"].items()}
    restarted = frozenset(mac.lower() for mac in module.params["restarted"])
    try:
        heard = probe({place: sorted({claim.address.ip for claim in planned[place]}) for place in planned})
    except OSError as error:
        module.fail_json(
            msg=f"The networks cannot be asked who has an address: {error}",
            remedy="Run this as root on the deploy host.",
        )
    conflicts = [
        conflict
        for place, claims in planned.items()
        for conflict in find_conflicts(place, claims, heard[place], owners, module.params["name"], restarted)
    ]
    result: dict[str, Any] = {
        "changed": False,
        "asked": {place.name: len({claim.address.ip for claim in claims}) for place, claims in planned.items()},
        "unasked": away,
        "conflicts": [vars(conflict) for conflict in conflicts],
    }
    if conflicts:
        module.fail_json(
            msg=f"{'; '.join(str(conflict) for conflict in conflicts)}.",
            remedy="Turn that machine off or take the address from it, or give the host another one in host_addresses.",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
