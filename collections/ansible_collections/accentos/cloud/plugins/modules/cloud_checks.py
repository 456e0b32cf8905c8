#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a cloud does what it is for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_checks
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Check that a cloud does what it is for
description:
  - >-
    Makes a project with an ordinary user, and in it what such a user makes: an image, a network with a router, two
    guests on different computes, a floating address, a volume. Looks at them from outside, moves a guest, and removes
    everything.
  - Each check gives a row of a table. A check that fails does not end the module; those that need it are left out.
    What cannot be removed at the end fails the last row.
  - >-
    Whatever a run that was killed left behind is removed by the next one, and nothing that others made, whatever its
    name. Only one runs at a time on the host; another one is waited for, for at most half an hour.
  - >-
    The host that it runs on needs C(python3-openstacksdk), C(openssh-client) and C(iputils-ping), and an address in
    the external network. The image must be one of the role guest_image, which says on its console what happens to it.
options:
  cidr:
    description: Range of the network in the project.
    type: str
    default: 192.168.222.0/24
  network_driver:
    description: Driver of the cloud's networks. It decides what is told to help.
    type: str
    choices: [openvswitch, ovn]
    default: ovn
  folder:
    description: Folder for the key of the guests while the checks run; it ought to be in memory.
    type: path
    default: /run/accentos-checks
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login, accentos.cloud.cloud_trial]
attributes:
  check_mode:
    description: Nothing is made in check mode; only what services say about themselves is checked.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing stays.
    support: none
  idempotence:
    description: Nothing stays. RV(ignore:changed) tells whether something of a killed run was removed.
    support: full
"""

EXAMPLES = r"""
- name: Check the cloud
  accentos.cloud.cloud_checks:
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt
    image: /var/lib/accentos/images/guest/disk.img
    external: {cidr: 203.0.113.0/24, first: 203.0.113.200, last: 203.0.113.220}
"""

RETURN = r"""
checks:
  description: What came of each check.
  returned: success
  type: list
  elements: dict
  contains:
    check: {description: Name of the check., type: str}
    result: {description: "V(ok), V(failed) or V(left out).", type: str}
    seconds: {description: Seconds that it took., type: float}
    detail: {description: "What was seen, what is wrong, or why it was left out.", type: str}
    remedy: {description: What helps against a failure., type: str}
  sample:
    - {check: floating address, result: ok, seconds: 2.1, detail: "203.0.113.207: 5 of 5 answered, 2.3 ms", remedy: ""}
leftovers:
  description: How many things of a former run were removed.
  returned: success
  type: int
"""

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_check_steps import Checks, Project, services
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import FAILED, LEFT_OUT, OK, Check, Row, run
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_guests import GuestError, Keys
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_trial import TRIAL_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.process_locks import HeldError, Speaker, only_one

# Longer than checks take, if each thing that they wait for comes late.
_OTHER_RUN = 1800
_LEFT = (
    "See whether the service runs and what it logged; the next run removes what is left first. Guests of a compute "
    "that died can be removed once nova takes it for down."
)


def check_all(module: Speaker, options: dict[str, Any]) -> tuple[int, list[Row]]:
    """Check the cloud; return how many leftovers there were, and the rows. Raises CloudError, GuestError, HeldError."""
    admin = Cloud(options["auth"], ca_file=options["ca_file"], timeout=options["timeout"])
    project = Project(admin, options["timeout"])
    folder = Path(options["folder"])
    lock = folder.with_name(f"{folder.name}.lock")
    with only_one(module, lock, "checks the cloud", timeout=_OTHER_RUN):
        leftovers = project.remove()
        try:
            keys = Keys(folder)
            _number, login = project.make()
            user = Cloud(
                {**login, "url": options["auth"]["url"]}, ca_file=options["ca_file"], timeout=options["timeout"]
            )
            rows = run(Checks(admin, user, keys, options).listed(), time.monotonic)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            cleaned = clean_up(project)
    return leftovers, [*rows, cleaned]


def clean_up(project: Project) -> Row:
    """Remove what the checks made, and return the row of that: what stays must not hide what the checks found."""
    start = time.monotonic()
    result, detail, remedy = OK, "nothing is left", ""
    try:
        project.remove()
    except CloudError as error:
        result, detail, remedy = FAILED, f"Something is left: {error}.", _LEFT
    return Row("cleaning up", result, round(time.monotonic() - start, 1), detail, remedy)


def look_only(options: dict[str, Any]) -> list[Row]:
    """Check what services say about themselves. Raises CloudError."""
    admin = Cloud(options["auth"], ca_file=options["ca_file"], timeout=options["timeout"])
    return run([Check("services", (), lambda: services(admin, options["network_driver"]))], time.monotonic)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            **TRIAL_OPTIONS,
            "cidr": {"type": "str", "default": "192.168.222.0/24"},
            "network_driver": {"type": "str", "choices": ["openvswitch", "ovn"], "default": "ovn"},
            "folder": {"type": "path", "default": "/run/accentos-checks"},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    leftovers, rows = 0, []
    try:
        if module.check_mode:
            rows = look_only(module.params)
        else:
            leftovers, rows = check_all(module, module.params)
    except CloudError as error:
        refuse(
            f"The cloud cannot be checked: {error}.",
            "See whether the service runs and what it logged, then run again; what is left is removed first.",
        )
    except HeldError as error:
        refuse(str(error), error.remedy)
    except (GuestError, OSError) as error:
        refuse(
            f"The host cannot check the cloud: {error}.", "Mend that, then run again; what is left is removed first."
        )
    unproved = [row.check for row in rows if row.result == LEFT_OUT]
    if unproved and not any(row.result == FAILED for row in rows):
        # A reader of the last line alone takes what was not tried for what works.
        module.warn(f"Not proved, since it was left out: {', '.join(unproved)}. The table of the checks says why.")
    module.exit_json(changed=bool(leftovers), leftovers=leftovers, checks=[dataclasses.asdict(row) for row in rows])


if __name__ == "__main__":
    main()
