# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that tells which management controllers are open, from an audit."""

from __future__ import annotations

DOCUMENTATION = r"""
name: open_controllers
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Which management controllers are open, by an audit
description:
  - Returns a sentence for each critical finding of an audit, and for each controller that could not be read, since
    nothing is known about that.
options:
  _input:
    description: RV(accentos.cloud.power_info#module:machines) of module M(accentos.cloud.power_info) with C(audit).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse controllers that are open
  ansible.builtin.assert:
    that: audit.machines | accentos.cloud.open_controllers | length == 0
"""

RETURN = r"""
_value:
  description: Sentences, each with the name of the machine, what is wrong and what to do.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

_CRITICAL = "critical"


def open_controllers(machines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what lets strangers into the controllers of MACHINES, or is not known."""
    told = []
    for name, found in machines.items():
        if "problem" in found:
            told.append(f"{name}: not known, {found['problem']}. {found['remedy']}")
        told += [
            f"{name}: {finding['problem']}. {finding['remedy']}"
            for finding in found.get("findings", ())
            if finding["severity"] == _CRITICAL
        ]
    return told


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters of this file by name."""
        return {"open_controllers": open_controllers}
