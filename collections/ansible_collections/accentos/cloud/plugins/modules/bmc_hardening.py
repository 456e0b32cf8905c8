#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: management controllers have a password of their own and no open doors."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bmc_hardening
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Give management controllers a password of their own and close their open doors
description:
  - Brings the controllers of one machine or of many at once to where the login of O(bmc) is an administrator that
    works, users without a name and users with one of O(logins) are disabled, and, with IPMI, no cipher suite is left
    but 17 and no authentication of IPMI 1.5. O(close_ipmi) turns IPMI over LAN off altogether.
  - Where a controller refuses suite 17, suite 3 stays and the result warns.
  - The login of O(bmc) is tried first, so a run that was killed is finished by the next. A new login is proven in a
    session of its own before anything is given up, suites are turned off while a session is open that can turn them on
    again, and everything is read back. A controller that accepts and does nothing is a failure.
  - For driver C(snmp) there is nothing to do. Driver C(amt) is refused.
  - It runs on the host that reaches the controllers.
extends_documentation_fragment: [accentos.cloud.bmc]
options:
  logins:
    description:
      - Logins that may open a controller that is not hardened yet, tried in their order when that of O(bmc) does not.
        Those of the factory, and one that several controllers shared.
      - A user of them that is not the one of O(bmc) is disabled where its password here opens the controller.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description: User name.
        type: str
        required: true
      password:
        description: Password.
        type: str
        required: true
  close_ipmi:
    description:
      - Names of those O(machines) whose IPMI over LAN is turned off, through Redfish. IPMI hands a hash of a password
        to whoever asks, and where Redfish works nobody needs it.
      - A machine whose driver is not C(redfish) is refused before anything is touched. Nothing could reach its
        controller any more.
      - Where a controller tells nothing of IPMI over LAN it is left as it is, and the result warns.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that one machine has.
    type: float
    default: 300
attributes:
  check_mode:
    description:
      - Can run in check mode; it logs in, reads and tells what it would do without doing it.
    support: full
  diff_mode:
    description: Shows who is let in, by which cipher suites, before and after. It shows no password.
    support: full
  idempotence:
    description: A second run with the same options changes nothing.
    support: full
notes:
  - A wrong login counts against the account at the controller. On a hardened controller there is none, unless a user of
    O(logins) is active there with another password.
seealso:
  - module: accentos.cloud.power_info
    description: Its option O(accentos.cloud.power_info#module:audit) tells what is still open.
"""

EXAMPLES = r"""
- name: Harden all controllers of the site
  accentos.cloud.bmc_hardening:
    machines: "{{ query('accentos.cloud.bmc', *groups['all'], own_password=true) }}"
    logins: "{{ bmc_hardening_factory_logins }}"
  delegate_to: deploy-1
  run_once: true
"""

RETURN = r"""
steps:
  description: What was done to the controller, in check mode what would be.
  returned: when O(bmc) is given
  type: list
  elements: str
  sample: [give the user ADMIN its password, disable the user without a name, turn weak cipher suites off]
connection:
  description: How the controller was reached.
  returned: when O(bmc) is given, except for driver C(snmp)
  type: dict
  sample: {protocol: ipmi, protection: cipher suite 17, product: Dell product 256 firmware 2.85}
machines:
  description: The same for each machine by its name, or C(failed), C(msg) and C(remedy).
  returned: when O(machines) is given
  type: dict
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening import Login
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening_steps import harden
from ansible_collections.accentos.cloud.plugins.module_utils.power.options import (
    ALONE,
    ONE_OF,
    SHARED,
    OptionError,
    connections_or_fail,
    finish,
    refuse_closing,
    refuse_weak_logins,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import run_all


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **SHARED,
            "logins": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "user": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
            "close_ipmi": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 300},
        },
        required_one_of=ONE_OF,
        mutually_exclusive=ONE_OF,
        supports_check_mode=True,
    )
    found = connections_or_fail(module)
    closed = module.params["close_ipmi"]
    try:
        refuse_closing(found, closed)
        refuse_weak_logins(found)
    except OptionError as error:
        module.fail_json(msg=error.problem, remedy=error.remedy)
    logins = [Login(row["user"], row["password"]) for row in module.params["logins"]]
    results = run_all(
        {
            name: partial(harden, connection, logins, dry=module.check_mode, close_ipmi=name in closed)
            for name, connection in found.items()
        },
        deadline=module.params["timeout"],
        at_once=module.params["at_once"],
    )
    finish(module, results, alone=ALONE in results)


if __name__ == "__main__":
    main()
