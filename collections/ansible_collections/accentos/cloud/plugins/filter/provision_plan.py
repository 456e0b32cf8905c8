# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.provision_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: provision_plan
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What an installation will do to each machine
description:
  - Joins what M(accentos.cloud.provision_machine) would do in check mode with the specifications and with what the
    machines told about themselves, so that people see which disks will be erased before anything is.
positional: _input, specifications, machines
options:
  _input:
    description: RV(accentos.cloud.provision_machine#module:steps) of a run in check mode.
    type: list
    elements: dict
    required: true
  specifications:
    description: Host name to specification, from P(accentos.cloud.install_specifications#filter).
    type: dict
    required: true
  machines:
    description: RV(accentos.cloud.provision_info#module:machines).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ (steps | accentos.cloud.provision_plan(specifications, machines)) | accentos.cloud.text_table }}"
"""

RETURN = r"""
_value:
  description: >-
    One row for each machine with C(host), C(action) (C(install), C(go on), C(keep)), C(power) (C(cycle) where its
    management controller will turn it off and on), C(image), C(erases) and C(why).
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_plan import erased

GOING_ON = ("armed", "installing")


def provision_plan(
    steps: Iterable[Mapping[str, Any]],
    specifications: Mapping[str, Mapping[str, Any]],
    machines: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, str]]:
    """Return one row for each step, in their order."""
    rows = []
    for step in steps:
        host = step["host"]
        specification = specifications[host]
        if step["action"] == "arm":
            action = "install"
        else:
            action = "go on" if host in machines and machines[host]["state"] in GOING_ON else "keep"
        # One that an earlier run started goes on by itself.
        cycled = action == "install" or (action == "go on" and machines[host]["state"] == "armed")
        disks = specification["disks"]
        rows.append(
            {
                "host": host,
                "action": action,
                "power": "cycle" if cycled else "",
                "image": "" if action == "keep" else specification["image"]["name"],
                "erases": "" if action == "keep" else erased(disks["rule"], disks["layout"]),
                "why": step["reason"],
            }
        )
    return rows


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        """Return the filters of this file by name."""
        return {"provision_plan": provision_plan}
