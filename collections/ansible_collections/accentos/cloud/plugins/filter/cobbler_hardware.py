# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.cobbler_hardware."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cobbler_hardware
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Cobbler systems with the hardware that their machines reported
description:
  - Makes, for each system that P(accentos.cloud.cobbler_systems#filter) made and whose machine has reported what it is
    made of, the change that lets Cobbler keep it. The inventory plug-in P(accentos.cloud.cobbler#inventory) gives it
    back as the variable C(host_hardware).
  - All else that the system holds is left as it is.
positional: _input, machines
options:
  _input:
    description: The systems by name, RV(accentos.cloud.cobbler_info#module:cobbler) of all systems.
    type: dict
    required: true
  machines:
    description: RV(accentos.cloud.provision_info#module:machines).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the systems
  ansible.builtin.debug:
    msg: "{{ known.cobbler.systems | accentos.cloud.cobbler_hardware(told.machines) }}"
"""

RETURN = r"""
_value:
  description: Systems for the option O(accentos.cloud.cobbler_system#module:systems).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.cobbler_systems import SPECIFICATION_KEY
from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import hardware_meta


def cobbler_hardware(
    systems: Mapping[str, Mapping[str, Any]], machines: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return one system for each machine that has reported, sorted by name."""
    changes = []
    for name in sorted(systems.keys() & machines.keys()):
        meta = systems[name].get("autoinstall_meta")
        told = hardware_meta(machines[name].get("inventory"))
        # One that takes its values over from its profile is not from here.
        if told and isinstance(meta, Mapping) and SPECIFICATION_KEY in meta:
            changes.append({"name": name, "autoinstall_meta": {**meta, **told}})
    return changes


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        """Return the filters of this file by name."""
        return {"cobbler_hardware": cobbler_hardware}
