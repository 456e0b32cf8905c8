#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: several systemd units run, with their present configuration and programs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: units
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let several systemd units run with their present configuration and programs
description:
  - Does for many units at once what M(accentos.cloud.unit) does for one, and starts them at the same time.
  - A unit is restarted if its input files, or the versions of its packages, differ from those that it was last started
    with. That is remembered on the host, below C(/var/lib/accentos/units), so a killed run forgets nothing.
  - A unit that needs another one of them to start is started a second time when that one runs, with a warning.
  - The message about units that do not start holds the end of the journal of each.
options:
  units:
    description: The units.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the unit, with its suffix.
        type: str
        required: true
      inputs:
        description: Files, or folders of files, that make up the unit's configuration.
        type: list
        elements: path
        default: []
      packages:
        description: Packages that hold the unit's programs.
        type: list
        elements: str
        default: []
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.inputs_changed]
attributes:
  check_mode:
    description: Can run in check mode and tells what it would do without doing it. There a unit may be missing.
    support: full
  diff_mode:
    description: Shows the commands that it gives to systemd.
    support: full
"""

EXAMPLES = r"""
- name: Let the services run with their configuration
  accentos.cloud.units:
    units:
      - name: nova-scheduler.service
        inputs: [/etc/nova/nova.conf]
        packages: [nova-scheduler]
      - name: nova-conductor.service
        inputs: [/etc/nova/nova.conf]
        packages: [nova-conductor]
"""

RETURN = r"""
commands:
  description: The commands given to systemd, in check mode those that would be given.
  returned: always
  type: list
  elements: str
  sample: [daemon-reload, restart nova-conductor.service nova-scheduler.service]
started_again:
  description: Units that were started a second time, when the others of the same start were there.
  returned: always
  type: list
  elements: str
  sample: [nova-conductor.service]
reasons:
  description: Why units are restarted or reloaded, by their names; the inputs that differ, with commas between.
  returned: always
  type: dict
  sample: {nova-conductor.service: /etc/nova/nova.conf}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import told
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
    foresee_reload,
    join_commands,
    marker_name,
    plan_unit,
    runs_anew,
)

# Other roles watch other files of the same units, such as their certificate.
_PURPOSE = "service"


def read_versions(module: AnsibleModule, units: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions of the units' packages."""
    packages = sorted({package for unit in units for package in unit["packages"]})
    if not packages:
        return {}
    argv = ["dpkg-query", "--show", "--showformat=${Package}|${Version}\\n", *packages]
    _code, out, _err = module.run_command(argv)
    return dict(line.split("|", 1) for line in out.splitlines() if "|" in line)


def digest(unit: Mapping[str, Any], versions: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, str]:
    """Return digests of what a unit is started with, by name: of files, and the versions of packages as they are.

    ``expected`` are those of files that earlier tasks of a run in check mode would write.
    """
    packages = {f"package {name}": versions.get(name, "") for name in unit["packages"]}
    return digest_files((Path(path) for path in unit["inputs"]), expected) | packages


def bring_about(module: AnsibleModule) -> dict[str, Any]:
    """Bring all units to their state and return what the module returns. Raises OSError."""
    units = module.params["units"]
    expected = module.params["inputs_changed"] if module.check_mode else {}
    states = read_states(module, [unit["name"] for unit in units])
    refuse_unknown(module, states)
    versions = read_versions(module, units)
    markers, plans, reasons = {}, [], {}
    for wanted in units:
        marker = MARKER_FOLDER / marker_name(wanted["name"], _PURPOSE)
        now = digest(wanted, versions, expected)
        why = why_again(recall(marker), now)
        if why:
            markers[marker] = now
        state = foresee_reload(wanted["name"], states[wanted["name"]], expected)
        plan = plan_unit(state, enabled=True, started=True, inputs_differ=bool(why), on_change="restart")
        plans.append((wanted["name"], plan))
        if why and runs_anew(plan):
            reasons[wanted["name"]] = why
    commands = join_commands(plans)
    again: list[str] = []
    if not module.check_mode:
        if again := give(module, commands, together=True):
            module.warn(f"{', '.join(again)} started at a second attempt only, when the other units were there.")
        for marker, now in markers.items():
            remember(marker, now)
    return {**describe(commands, reasons), "started_again": again}


def main() -> None:
    """Run the module."""
    unit = {
        "name": {"type": "str", "required": True},
        "inputs": {"type": "list", "elements": "path", "default": []},
        "packages": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": unit},
            "inputs_changed": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    with told(module):
        module.exit_json(**bring_about(module))


if __name__ == "__main__":
    main()
