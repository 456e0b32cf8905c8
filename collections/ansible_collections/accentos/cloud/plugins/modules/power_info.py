#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what management controllers say, and how safe they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: power_info
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Read power states, and audit management controllers
description:
  - Reads power state and boot device of one machine or of many at once.
  - With O(audit) it looks for what lets strangers in.
  - A controller of O(machines) that cannot be read does not fail the task. Its power is C(unknown), which says nothing
    about the machine.
extends_documentation_fragment: [accentos.cloud.bmc]
options:
  timeout:
    description: Seconds that one machine has.
    type: float
    default: 60
  audit:
    description:
      - Also report weaknesses. For IPMI those are cipher suite 0 or others without protection, sessions without a
        password or name, and IPMI 1.5; for Redfish and AMT, certificates that are not verified; for SNMP, version 2c.
    type: bool
    default: false
  default_passwords:
    description:
      - With O(audit), also try the users and passwords that vendors ship. Wrong ones count as failed logins and can
        lock an account.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and tells the same.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to compare.
    support: none
  idempotence:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Read the power states of all computes
  accentos.cloud.power_info:
    machines: "{{ query('accentos.cloud.bmc', *groups['compute']) }}"
  delegate_to: deploy-1
  run_once: true
  register: result

- name: Audit a controller
  accentos.cloud.power_info:
    bmc: "{{ lookup('accentos.cloud.bmc') }}"
    audit: true
    default_passwords: true
  delegate_to: deploy-1
"""

RETURN = r"""
power:
  description: C(on), C(off), C(partly) (one of several feeds), C(changing) or C(unknown).
  returned: when O(bmc) is given
  type: str
  sample: "on"
boot:
  description: What the machine starts from next, nothing if the controller does not tell.
  returned: when O(bmc) is given
  type: dict
  sample: {device: none, persistent: false, firmware: uefi}
connection:
  description: How the controller was reached.
  returned: when O(bmc) is given
  type: dict
  sample: {protocol: redfish, protection: "TLS, verified", product: Dell iDRAC}
findings:
  description: Weaknesses, each with severity (C(critical) or C(warning)), problem and remedy.
  returned: when O(bmc) and O(audit) are given
  type: list
  elements: dict
machines:
  description: The same for each machine by its name. One that cannot be read has C(problem) and C(remedy).
  returned: when O(machines) is given
  type: dict
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.power.audit import audited
from ansible_collections.accentos.cloud.plugins.module_utils.power.options import (
    ALONE,
    ONE_OF,
    SHARED,
    connections_or_fail,
    finish,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import (
    Job,
    Result,
    guarded,
    look,
    run_all,
    with_driver,
)


def unknown(result: Result) -> Result:
    """Return what is told of a machine that could not be read."""
    told = {"power": "unknown", "boot": None, "problem": result["msg"], "remedy": result["remedy"]}
    return told | {key: value for key, value in result.items() if key == "findings"}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **SHARED,
            "timeout": {"type": "float", "default": 60},
            "audit": {"type": "bool", "default": False},
            "default_passwords": {"type": "bool", "default": False},
        },
        required_one_of=ONE_OF,
        mutually_exclusive=ONE_OF,
        supports_check_mode=True,
    )
    found = connections_or_fail(module)
    jobs: dict[str, Job] = {name: with_driver(connection, look) for name, connection in found.items()}
    if module.params["audit"]:
        jobs = {
            name: partial(
                audited, found[name], partial(guarded, job), default_passwords=module.params["default_passwords"]
            )
            for name, job in jobs.items()
        }
    results = run_all(jobs, deadline=module.params["timeout"], at_once=module.params["at_once"])
    if ALONE not in results:
        results = {name: unknown(row) if row.get("failed") else row for name, row in results.items()}
    finish(module, results, alone=ALONE in results)


if __name__ == "__main__":
    main()
