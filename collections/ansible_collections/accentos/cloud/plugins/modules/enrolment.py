#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: machines that nobody knows are listed, approved or rejected."""

from __future__ import annotations

DOCUMENTATION = r"""
module: enrolment
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: List, approve or reject machines in quarantine
description:
  - A machine that nobody knows and that boots from the network shows its inventory to the service and waits.
    This module decides about such machines. Without options it lists them.
  - An approved machine is armed for its installation and goes on without a restart. Its Cobbler system must be there.
  - Runs on the deploy host, as root.
options:
  approvals:
    description: Machines that become hosts.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: Id of the enrolment.
        type: str
        required: true
      host:
        description: Name that the machine gets.
        type: str
        required: true
      lifetime:
        description: Seconds for which its token is valid.
        type: int
        default: 3600
  rejections:
    description: Ids of the enrolments that are rejected.
    type: list
    elements: str
    default: []
  socket:
    description: The Unix socket of the service, on the host where the module runs.
    type: path
    default: /run/accentos-provisioner/admin.sock
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows the decisions.
    support: full
"""

EXAMPLES = r"""
- name: See who is waiting
  accentos.cloud.enrolment:
  register: strangers

- name: Let a machine be a host
  accentos.cloud.enrolment:
    approvals:
      - id: 0c9e5d3a1b2f4d68
        host: compute-3
"""

RETURN = r"""
enrolments:
  description:
    - The machines in quarantine after the decisions, oldest first. Their inventory is what a stranger says - do not
      trust it.
  returned: success
  type: list
  elements: dict
  sample: [{id: 0c9e5d3a1b2f4d68, state: pending, macs: ["52:54:00:00:00:03"], peer: 192.0.2.13, host: null}]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import (
    SOCKET,
    answer,
    call,
    plan_enrolments,
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Plan, carry out, and return the result. Raises ProvisionerError."""
    approvals, rejections, socket = (module.params[name] for name in ("approvals", "rejections", "socket"))
    known = call(socket, "GET", "enrolments")["enrolments"]
    steps = plan_enrolments(approvals, rejections, known)
    lifetimes = {row["id"]: row["lifetime"] for row in approvals}
    for action, identifier, host in steps if not module.check_mode else []:
        if action == "approve":
            body = {"host": host, "lifetime": lifetimes[identifier]}
            call(socket, "PUT", "enrolments", identifier, "approval", body=body)
        else:
            call(socket, "DELETE", "enrolments", identifier)
    if steps and not module.check_mode:
        known = call(socket, "GET", "enrolments")["enrolments"]
    return {
        "changed": bool(steps),
        "enrolments": known,
        "diff": {
            "before": "",
            "after": "".join(f"{action} {one} {host}".rstrip() + "\n" for action, one, host in steps),
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "approvals": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "id": {"type": "str", "required": True},
                    "host": {"type": "str", "required": True},
                    "lifetime": {"type": "int", "default": 3600},
                },
            },
            "rejections": {"type": "list", "elements": "str", "default": []},
            "socket": {"type": "path", "default": SOCKET},
        },
        supports_check_mode=True,
    )
    answer(module, run)


if __name__ == "__main__":
    main()
