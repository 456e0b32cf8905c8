#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a systemd unit runs, with its present configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unit
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let a systemd unit run with its present configuration
description:
  - Enables and starts a unit, and restarts or reloads it if its input files differ from those that it was last started
    with.
  - Unlike a handler this survives a run that is killed between writing a file and restarting the unit, since what the
    unit was started with is remembered on the host, below C(/var/lib/accentos/units).
  - If the unit does not start, the message holds the end of its journal.
options:
  name:
    description:
      - Name of the unit, with its suffix.
      - In check mode something may stand in it for a number that only the run gives, as M(accentos.cloud.ceph_osds)
        returns it. Such a unit is told as one that does not run yet.
    type: str
    required: true
  inputs:
    description: Files, or folders of files, that make up the unit's configuration.
    type: list
    elements: path
    default: []
  purpose:
    description:
      - What these inputs are to the unit, lower-case letters, digits and dashes. What the unit was started with is
        remembered for each purpose by itself.
      - Set it where a second caller watches other files of the same unit, such as a role that brings only its
        certificate; without it the two would see each other's files as changed and restart the unit at every run.
    type: str
    default: ""
  on_change:
    description: What the unit needs when its inputs differ.
    type: str
    choices: [restart, reload]
    default: restart
  enabled:
    description: Whether the unit starts at boot.
    type: bool
    default: true
  started:
    description: Whether the unit runs.
    type: bool
    default: true
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.inputs_changed]
attributes:
  diff_mode:
    description: Shows the commands that it gives to systemd.
    support: full
"""

EXAMPLES = r"""
- name: Let the time service run with its configuration
  accentos.cloud.unit:
    name: chrony.service
    inputs:
      - /etc/chrony/chrony.conf
      - /etc/chrony/chrony.keys

- name: Let the web server take its new certificate
  accentos.cloud.unit:
    name: apache2.service
    purpose: certificate
    inputs: [/etc/accentos/pki/host.crt]
"""

RETURN = r"""
commands:
  description: The commands given to systemd, in check mode those that would be given.
  returned: always
  type: list
  elements: str
  sample: [daemon-reload, restart chrony.service]
reasons:
  description: Why units are restarted or reloaded, by their names; the inputs that differ, with commas between.
  returned: always
  type: dict
  sample: {chrony.service: /etc/chrony/chrony.conf}
"""

import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import told
from ansible_collections.accentos.cloud.plugins.module_utils.planned import lacks_number
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import (
    digest_files,
    recall,
    remember,
    why_again,
)
from ansible_collections.accentos.cloud.plugins.module_utils.systemctl import (
    describe,
    give,
    read_states,
    refuse_unknown,
)
from ansible_collections.accentos.cloud.plugins.module_utils.units import (
    MARKER_FOLDER,
    STILL_TO_COME,
    foresee_reload,
    join_commands,
    marker_name,
    plan_unit,
    runs_anew,
)


def bring_about(module: AnsibleModule) -> dict[str, Any]:
    """Bring the unit to its state and return what the module returns. Raises OSError."""
    wanted = module.params
    name = wanted["name"]
    if not re.fullmatch(r"[a-z0-9-]*", wanted["purpose"]):
        module.fail_json(
            msg=f"purpose {wanted['purpose']!r} of {name} is not made of lower-case letters, digits and dashes.",
            remedy="Give it a short name such as certificate.",
        )
    if module.check_mode and lacks_number(name):
        # systemd cannot be asked of it.
        plan = plan_unit(
            STILL_TO_COME,
            enabled=wanted["enabled"],
            started=wanted["started"],
            inputs_differ=bool(wanted["inputs"]),
            on_change=wanted["on_change"],
        )
        return describe(join_commands([(name, plan)]))
    states = read_states(module, [name])
    refuse_unknown(module, states)
    marker = MARKER_FOLDER / marker_name(name, wanted["purpose"])
    inputs = wanted["inputs"]
    expected = wanted["inputs_changed"] if module.check_mode else {}
    digests = digest_files((Path(path) for path in inputs), expected)
    why = why_again(recall(marker), digests) if inputs else ""
    plan = plan_unit(
        foresee_reload(name, states[name], expected),
        enabled=wanted["enabled"],
        started=wanted["started"],
        inputs_differ=bool(why),
        on_change=wanted["on_change"],
    )
    commands = join_commands([(name, plan)])
    if not module.check_mode:
        give(module, commands)
        if why:
            remember(marker, digests)
    return describe(commands, {name: why} if why and runs_anew(plan) else {})


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "inputs": {"type": "list", "elements": "path", "default": []},
            "inputs_changed": {"type": "dict", "default": {}},
            "purpose": {"type": "str", "default": ""},
            "on_change": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
            "enabled": {"type": "bool", "default": True},
            "started": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    with told(module):
        module.exit_json(**bring_about(module))


if __name__ == "__main__":
    main()
