# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.doctor_wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_wanted
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What the doctor expects of a host
description:
  - Turns what the inventory says into what a host should have, run and reach.
positional: host, site, units, services
options:
  _input:
    description: Variables of the hosts whose names and addresses are looked at, by name, that host among them.
    type: dict
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  site:
    description: C(groups), C(networks), C(network_driver), C(domain), C(api_name), C(api_address) and C(keeps_time).
    type: dict
    required: true
  units:
    description: Units that hosts run besides those of services, each with C(name) and C(layer), by group.
    type: dict
    required: true
  services:
    description: What P(accentos.cloud.doctor_services#filter) returns.
    type: dict
    required: true
"""

EXAMPLES = r"""
wanted: "{{ hostvars | accentos.cloud.doctor_wanted(inventory_hostname, site, units, services) }}"
"""

RETURN = r"""
_value:
  description: Option C(wanted) of M(accentos.cloud.host_health).
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_wanted import host_wanted
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import AddressError


def doctor_wanted(variables: Any, host: str, site: Any, units: Any, services: Any) -> dict[str, Any]:
    """Return what a host should have, see host_wanted()."""
    try:
        return host_wanted(host, site, variables, units, services)
    except AddressError as error:
        raise AnsibleFilterError(f"accentos.cloud.doctor_wanted: {error}") from error


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters of this file by name."""
        return {"doctor_wanted": doctor_wanted}
