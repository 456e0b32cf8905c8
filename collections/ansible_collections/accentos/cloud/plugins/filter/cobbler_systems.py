# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.cobbler_systems."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cobbler_systems
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Cobbler systems of machines that are to be installed
description:
  - Makes, for each specification, the system that Cobbler needs to boot the machine into the deploy ramdisk. It carries
    the specification and the groups of the host, from which the inventory plug-in P(accentos.cloud.cobbler#inventory)
    gives the host back, and what the machine reported of its hardware.
  - A port inside a bond boots alone, before there is a bond. The first one of a bond gets its address.
positional: _input, profile, groups, variables, profiles, machines
options:
  _input:
    description: Host name to specification, from P(accentos.cloud.install_specifications#filter).
    type: dict
    required: true
  profile:
    description: Cobbler profile that boots the deploy ramdisk.
    type: str
    required: true
  groups:
    description: Group name to the names of its hosts, C(groups).
    type: dict
    required: true
  variables:
    description: >-
      Host name to the variables that the inventory plug-in gives back, for hosts that no file of the site describes.
    type: dict
  profiles:
    description: Host name to Cobbler profile, for hosts that have another one than O(profile).
    type: dict
  machines:
    description: >-
      RV(accentos.cloud.provision_info#module:machines). The C(inventory) of a machine that has reported it goes into
      its system, as P(accentos.cloud.cobbler_hardware#filter) has it.
    type: dict
"""

EXAMPLES = r"""
- name: Show the systems
  ansible.builtin.debug:
    msg: "{{ specifications | accentos.cloud.cobbler_systems('accentos-deploy', groups) }}"
"""

RETURN = r"""
_value:
  description: Systems for the option O(accentos.cloud.cobbler_system#module:systems).
  type: list
  elements: dict
"""

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import hardware_meta

SPECIFICATION_KEY = "accentos_specification"
# Every host is in these two, whatever it does.
_EVERYBODYS_GROUPS = ("all", "ungrouped")
# The provisioner's own user of Cobbler may change what names it as owner, and nothing else.
_OWNERS = ("accentos", "provisioner")


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def boot_interfaces(network: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the ports by name, with the address by which each boots."""
    lent = {bond["members"][0]: bond["addresses"] for bond in network["bonds"]}
    made: dict[str, dict[str, Any]] = {}
    for port in network["interfaces"]:
        made[port["name"]] = {"mac_address": port["mac"], "static": True}
        addresses = port["addresses"] or lent.get(port["mac"], [])
        if addresses:
            address = ipaddress.ip_interface(addresses[0])
            made[port["name"]] |= {"ip_address": str(address.ip), "netmask": str(address.netmask)}
    return made


def cobbler_systems(
    specifications: Mapping[str, Mapping[str, Any]],
    profile: str,
    groups: Mapping[str, Iterable[str]],
    variables: Mapping[str, Mapping[str, Any]] | None = None,
    profiles: Mapping[str, str] | None = None,
    machines: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Return one system for each specification, sorted by name."""
    enrolled = variables or {}
    of_host: dict[str, list[str]] = {}
    for group, hosts in groups.items():
        if group not in _EVERYBODYS_GROUPS:
            for host in hosts:
                of_host.setdefault(host, []).append(group)
    return [
        {
            "name": name,
            "profile": (profiles or {}).get(name, profile),
            "owners": list(_OWNERS),
            "hostname": specification["fqdn"],
            "interfaces": boot_interfaces(specification["network"]),
            "autoinstall_meta": {
                SPECIFICATION_KEY: _compact(specification),
                "accentos_groups": ",".join(sorted(of_host.get(name, []))),
            }
            | ({"accentos_variables": _compact(enrolled[name])} if name in enrolled else {})
            | hardware_meta((machines or {}).get(name, {}).get("inventory")),
        }
        for name, specification in sorted(specifications.items())
    ]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        """Return the filters of this file by name."""
        return {"cobbler_systems": cobbler_systems}
