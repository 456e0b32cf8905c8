#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: machines are ready to be installed, or not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: provision_machine
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let machines be installed at their next boot, or not, or forget them
description:
  - Arms or disarms many machines in one call of the provisioner service. An armed machine gets a one-time token into
    its Cobbler system, and netboot is turned on there.
  - A machine that is armed or being installed is left alone. A deployed one is never installed again unless
    O(reinstall) names it. Neither is one of which nothing is known and at whose address an SSH server answers, as a
    host that came installed does, or any host once the records are lost.
  - A machine that is kept is never armed. If it is deployed, the service gets to know which cards it has now, since a
    card that was replaced, or moved to another machine, would be taken for its own for ever.
  - A forgotten machine is as unknown as before it came, in quarantine too. Remove its Cobbler system afterwards, and it
    introduces itself anew when it boots from the network.
  - Runs on the deploy host, as root.
options:
  machines:
    description: The machines.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Name of the host, as its system is called in Cobbler.
        type: str
        required: true
      state:
        description: Whether it is to be installed at its next boot, stays as it is, or nothing is to be known of it.
        type: str
        choices: [armed, disarmed, kept, forgotten]
        default: armed
      macs:
        description: MACs of its network cards, to which the token is bound. Needed to arm it or to keep it.
        type: list
        elements: str
        default: []
      address:
        description: Address that it gets from DHCP, to which the token is bound. Without it, any address will do.
        type: str
      lifetime:
        description: Seconds for which the token is valid.
        type: int
        default: 3600
  reinstall:
    description:
      - Names of the machines that may be installed again although they are deployed, or run without being known.
      - B(Their disks are erased.)
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
    description: Shows the state of machines before and after.
    support: full
"""

EXAMPLES = r"""
- name: Let two machines be installed
  accentos.cloud.provision_machine:
    machines:
      - host: compute-1
        macs: ["52:54:00:00:00:01"]
        address: 192.0.2.11
      - host: compute-2
        macs: ["52:54:00:00:00:02"]
        address: 192.0.2.12

- name: Know nothing of a machine any more
  accentos.cloud.provision_machine:
    machines:
      - host: compute-7
        state: forgotten
"""

RETURN = r"""
steps:
  description: What was done to each machine, and why; in check mode what would be done.
  returned: success
  type: list
  elements: dict
  sample: [{host: compute-1, action: arm, reason: it was never installed}]
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import (
    SOCKET,
    Step,
    answer,
    call,
    find_running,
    list_machines,
    macs_of,
    plan_machines,
)


def carry_out(socket: str, step: Step, machine: dict[str, Any], reinstall: bool) -> None:
    """Let the service do STEP. Raises ProvisionerError."""
    if step.action == "arm":
        order = {name: machine[name] for name in ("macs", "address", "lifetime")}
        call(socket, "PUT", "installs", step.host, body={**order, "reinstall": reinstall})
    if step.action == "exchange":
        call(socket, "PUT", "machines", step.host, "cards", body={"macs": machine["macs"]})
    if step.action == "disarm":
        call(socket, "DELETE", "installs", step.host)
    if step.action == "forget":
        call(socket, "DELETE", "machines", step.host)


def introduced_hosts(socket: str, wanted: list[dict[str, Any]]) -> set[str]:
    """Return the names that strangers in quarantine got, if WANTED forgets any machine. Raises ProvisionerError."""
    if not any(row["state"] == "forgotten" for row in wanted):
        return set()
    return {row["host"] for row in call(socket, "GET", "enrolments")["enrolments"] if row["host"]}


def run(module: AnsibleModule) -> dict[str, Any]:
    """Plan, carry out, and return the result. Raises ProvisionerError."""
    wanted, reinstall, socket = (module.params[name] for name in ("machines", "reinstall", "socket"))
    known = list_machines(socket)
    asked = {
        row["host"]: row["address"]
        for row in wanted
        if row["state"] == "armed" and row["address"] and row["host"] not in {*known, *reinstall}
    }
    steps = plan_machines(wanted, known, reinstall, time.time(), introduced_hosts(socket, wanted), find_running(asked))
    if not module.check_mode:
        for step, machine in zip(steps, wanted, strict=True):
            carry_out(socket, step, machine, step.host in reinstall)
    changed = [step for step in steps if step.action != "nothing"]
    states = {"arm": "armed", "disarm": "disarmed", "forget": "unknown"}

    def tell(step: Step, row: Mapping[str, Any] | None) -> str:
        """Say how a machine stands, by what the service knows of it."""
        if row is None:
            return "in quarantine" if step.action == "forget" else "unknown"
        return f"{row['state']}, cards {', '.join(row['macs'])}" if step.action == "exchange" else str(row["state"])

    before = {step.host: tell(step, known.get(step.host)) for step in changed}
    after = {
        step.host: tell(step, {**known[step.host], "macs": macs_of(row)})
        if step.action == "exchange"
        else states[step.action]
        for step, row in zip(steps, wanted, strict=True)
        if step in changed
    }
    return {
        "changed": bool(changed),
        "steps": [vars(step) for step in steps],
        "diff": {
            "before": "".join(f"{step.host}: {before[step.host]}\n" for step in changed),
            "after": "".join(f"{step.host}: {after[step.host]}\n" for step in changed),
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "machines": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "host": {"type": "str", "required": True},
                    "state": {
                        "type": "str",
                        "choices": ["armed", "disarmed", "kept", "forgotten"],
                        "default": "armed",
                    },
                    "macs": {"type": "list", "elements": "str", "default": []},
                    "address": {"type": "str"},
                    "lifetime": {"type": "int", "default": 3600},
                },
            },
            "reinstall": {"type": "list", "elements": "str", "default": []},
            "socket": {"type": "path", "default": SOCKET},
        },
        supports_check_mode=True,
    )
    answer(module, run)


if __name__ == "__main__":
    main()
