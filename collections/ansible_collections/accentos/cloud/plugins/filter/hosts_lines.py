# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that makes the lines of /etc/hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_lines
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Lines of /etc/hosts for the hosts of a site
description: >-
  Gives one line for each host, with its address in a network, its full name and its short name, sorted by name.
positional: hosts, network, domain
options:
  _input:
    description: The variables of all hosts, C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
  network:
    description: Network whose addresses are meant.
    type: str
    required: true
  domain:
    description: Domain that makes a full name of a short one.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the lines
  ansible.builtin.debug:
    msg: "{{ hostvars | accentos.cloud.hosts_lines(groups['all'], 'management', 'example.test') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def hosts_lines(hostvars: Mapping[str, Any], hosts: Iterable[str], network: str, domain: str) -> list[str]:
    """Make the lines; a host without an address in the network has none."""
    return [
        f"{addresses[network]} {host}.{domain} {host}"
        for host in sorted(hosts)
        if network in (addresses := hostvars[host]["host_addresses"])
    ]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters of this file by name."""
        return {"hosts_lines": hosts_lines}
