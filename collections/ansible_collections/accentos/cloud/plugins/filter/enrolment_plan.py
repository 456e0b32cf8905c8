# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.enrolment_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: enrolment_plan
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What becomes of machines in quarantine
description:
  - Matches each machine that waits to the hardware profiles of the site, and gives it the next free name and address.
  - Fails when a profile cannot be used or has no name or address left.
positional: _input, profiles, names, addresses, approved
options:
  _input:
    description: RV(accentos.cloud.enrolment#module:enrolments). Only those that wait are looked at.
    type: list
    elements: dict
    required: true
  profiles:
    description: The hardware profiles, C(provision_profiles).
    type: list
    elements: dict
    required: true
  names:
    description: Names that are in use.
    type: list
    elements: str
    required: true
  addresses:
    description: Addresses in the management network that are in use.
    type: list
    elements: str
    required: true
  approved:
    description: Ids of machines that a person takes in, although their profile does not do so by itself.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what becomes of the machines that wait
  ansible.builtin.debug:
    msg: "{{ waiting.enrolments | accentos.cloud.enrolment_plan(provision_profiles, [], []) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    rows:
      description: One for each machine that waits. C(action) is C(approve), C(ask) (a person) or C(keep).
      type: list
      elements: dict
    approvals:
      description: The option O(accentos.cloud.enrolment#module:approvals) for those that are taken in.
      type: list
      elements: dict
    hosts:
      description: Name to variables of those that are taken in.
      type: dict
    groups:
      description: Group to the names of those that are taken in.
      type: dict
    machines:
      description: Name to a mapping with the C(inventory) that the machine showed, of those that are taken in.
      type: dict
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.hardware_profiles import ProfileError, plan_enrolments

WAITING = "pending"


def enrolment_plan(
    enrolments: Sequence[Mapping[str, Any]],
    profiles: Sequence[Mapping[str, Any]],
    names: Collection[str],
    addresses: Collection[str],
    approved: Collection[str] = (),
) -> dict[str, Any]:
    """Return the plan, see plan_enrolments()."""
    waiting = [enrolment for enrolment in enrolments if enrolment["state"] == WAITING]
    try:
        verdicts = plan_enrolments(waiting, profiles, names, addresses)
    except ProfileError as error:
        raise AnsibleFilterError(f"accentos.cloud.enrolment_plan: {error}. See provision_profiles.") from error
    plan: dict[str, Any] = {"rows": [], "approvals": [], "hosts": {}, "groups": {}, "machines": {}}
    shown = {enrolment["id"]: enrolment["inventory"] for enrolment in waiting}
    for verdict in verdicts:
        name = verdict.host.get("name", "")
        action = "approve" if verdict.action == "ask" and verdict.identifier in approved else verdict.action
        plan["rows"].append(
            {
                "id": verdict.identifier,
                "action": action,
                "profile": verdict.profile,
                "name": name,
                "reason": verdict.reason,
            }
        )
        if action == "approve":
            plan["approvals"].append({"id": verdict.identifier, "host": name})
            plan["hosts"][name] = {key: value for key, value in verdict.host.items() if key not in ("name", "groups")}
            plan["machines"][name] = {"inventory": shown[verdict.identifier]}
            for group in verdict.host["groups"]:
                plan["groups"].setdefault(group, []).append(name)
    return plan


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the filters of this file by name."""
        return {"enrolment_plan": enrolment_plan}
