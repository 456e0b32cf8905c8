#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: units that the image of a host holds back are let go with their packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baked_units
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let units go that an image holds back
description:
  - An image can have the packages of a deployment. Their units are enabled, as on any host, but held back by a drop-in,
    so that none runs before it is configured.
  - Takes the drop-ins away from the units of some packages and of all that these depend on, and then starts the units
    as the packages themselves would have done, by C(deb-systemd-invoke), which asks C(policy-rc.d). So a host that was
    made of such an image is then as if the packages had been installed now.
  - A unit that does not start is no failure here, as in an installation. Who configures it sees to it.
  - M(accentos.cloud.packages) runs this on hosts that have such units.
options:
  name:
    description: Names of packages.
    type: list
    elements: str
    required: true
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows which units are let go.
    support: full
"""

EXAMPLES = r"""
- name: Let go what belongs to the switch
  accentos.cloud.baked_units:
    name: [openvswitch-switch, ovn-host]
"""

RETURN = r"""
commands:
  description: What is done, a verb and a unit each; in check mode what would be done.
  returned: success
  type: list
  elements: str
  sample: [release openvswitch-switch.service]
"""

from collections.abc import Sequence
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.baked_units import (
    FOLDER,
    HELD,
    RELEASED,
    package_of,
    parse_status,
    released,
    to_start,
)

UNITS = Path(FOLDER)
STATUS = Path("/var/lib/dpkg/status")


def drop_ins() -> dict[str, str]:
    """Return the units that are held back, or that a run which was killed let go and did not start; with packages."""
    return {
        path.parent.name.removesuffix(".d"): package_of(path.read_text(encoding="utf-8"))
        for name in (HELD, RELEASED)
        for path in UNITS.glob(f"*.d/{name}")
    }


def release(module: AnsibleModule, units: Sequence[str]) -> None:
    """Let UNITS go and start them if their packages would. Killed in between, it is done by the next call."""
    for unit in units:
        held = UNITS / f"{unit}.d" / HELD
        if held.exists():
            held.rename(held.with_name(RELEASED))
    module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    for unit in to_start(units):
        module.run_command(["deb-systemd-invoke", "start", unit])
    for unit in units:
        folder = UNITS / f"{unit}.d"
        (folder / RELEASED).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"name": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    try:
        held = drop_ins()
        packages = parse_status(STATUS.read_text(encoding="utf-8")) if held else {}
        units = released(held, packages, module.params["name"])
        if units and not module.check_mode:
            release(module, units)
    except OSError as error:
        module.fail_json(
            msg=f"What the image holds back cannot be let go: {error}",
            remedy=f"Mend the file, or remove each {HELD} below {UNITS}, then run again.",
        )
    commands = [f"release {unit}" for unit in units]
    module.exit_json(
        changed=bool(commands),
        commands=commands,
        diff={"before": "", "after": "".join(f"{command}\n" for command in commands)},
    )


if __name__ == "__main__":
    main()
