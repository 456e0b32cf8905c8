#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: settings, bridges and managers of Open vSwitch."""

from __future__ import annotations

DOCUMENTATION = r"""
module: openvswitch_settings
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Settings, bridges and managers of Open vSwitch in one transaction
description:
  - Compares the database of Open vSwitch with what is wanted and changes what differs, in one transaction. A run that
    is killed leaves all of it done or nothing.
  - Bridges, ports and keys that are not named here stay as they are; OVN and Nova have their own.
  - Fails if Open vSwitch has an error with a bridge or an interface that is named here, such as a missing device or a
    datapath that the kernel does not have.
options:
  external_ids:
    description: Keys of the table C(Open_vSwitch), column C(external_ids). An empty value (null) removes the key.
    type: dict
    default: {}
  other_config:
    description: Keys of the table C(Open_vSwitch), column C(other_config). An empty value (null) removes the key.
    type: dict
    default: {}
  managers:
    description: All addresses at which the database answers besides its socket. Without it they stay as they are.
    type: list
    elements: str
  bridges:
    description: Bridges that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the bridge.
        type: str
        required: true
      datapath_type:
        description: Where packets are switched, V(system) for the kernel, V(netdev) for userspace.
        type: str
        choices: [system, netdev]
      fail_mode:
        description: What the bridge does without a controller. V(standalone) is an ordinary switch.
        type: str
        choices: [standalone, secure]
      external_ids:
        description: Keys of the bridge's C(external_ids).
        type: dict
        default: {}
      other_config:
        description: Keys of the bridge's C(other_config).
        type: dict
        default: {}
      interfaces:
        description: Network devices of the host that must be ports of the bridge. Their addresses are not moved.
        type: list
        elements: str
        default: []
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows the commands that it gives to C(ovs-vsctl).
    support: full
"""

EXAMPLES = r"""
- name: Let the host take part in the overlay network
  accentos.cloud.openvswitch_settings:
    external_ids:
      ovn-remote: ssl:192.0.2.21:6642
      ovn-encap-type: geneve
      ovn-encap-ip: 198.51.100.31
    managers: ["ptcp:6640:127.0.0.1"]
    bridges:
      - name: br-ex
        datapath_type: system
        interfaces: [eth3]
"""

RETURN = r"""
commands:
  description: The commands given to C(ovs-vsctl), in check mode those that would be given.
  returned: always
  type: list
  elements: str
  sample: [add-br br-ex, add-port br-ex eth3]
"""

from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.openvswitch import (
    Switch,
    SwitchError,
    joined,
    parse_switch,
    plan_switch,
    reading_arguments,
    wanted_errors,
)

# Seconds for the database and ovs-vswitchd together.
_TIMEOUT = 60


def call(module: AnsibleModule, program: str, arguments: list[str]) -> str:
    """Run ``ovs-vsctl`` and return what it prints. Raises SwitchError."""
    code, out, err = module.run_command([program, f"--timeout={_TIMEOUT}", *arguments])
    if code != 0:
        raise SwitchError(
            f"ovs-vsctl ended with code {code}: {err.strip()}",
            "See whether Open vSwitch runs: systemctl status ovsdb-server.service ovs-vswitchd.service",
        )
    return str(out)


def manage(module: AnsibleModule) -> list[str]:
    """Bring the switch to what is wanted and return the commands. Raises SwitchError."""
    program = module.get_bin_path("ovs-vsctl")
    if program is None and not module.check_mode:
        raise SwitchError("There is no ovs-vsctl on this host.", "Install the package openvswitch-switch first.")
    # A package that this very run would install brings the program: in check mode it is not there yet.
    switch = parse_switch(call(module, program, reading_arguments())) if program else Switch()
    commands = plan_switch(switch, module.params)
    if program and not module.check_mode:
        if commands:
            call(module, program, joined(commands))
            switch = parse_switch(call(module, program, reading_arguments()))
        if errors := wanted_errors(switch, module.params):
            raise SwitchError(
                f"Open vSwitch cannot do what is wanted. {'; '.join(errors)}",
                "See whether devices exist and the kernel has the datapath. More: journalctl --unit ovs-vswitchd",
            )
    return [" ".join(command) for command in commands]


def main() -> None:
    """Run the module."""
    bridge = {
        "name": {"type": "str", "required": True},
        "datapath_type": {"type": "str", "choices": ["system", "netdev"]},
        "fail_mode": {"type": "str", "choices": ["standalone", "secure"]},
        "external_ids": {"type": "dict", "default": {}},
        "other_config": {"type": "dict", "default": {}},
        "interfaces": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "external_ids": {"type": "dict", "default": {}},
            "other_config": {"type": "dict", "default": {}},
            "managers": {"type": "list", "elements": "str"},
            "bridges": {"type": "list", "elements": "dict", "default": [], "options": bridge},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    try:
        commands = manage(module)
    except SwitchError as error:
        refuse(*error.args)
    module.exit_json(
        changed=bool(commands),
        commands=commands,
        diff={"before": "", "after": "".join(f"ovs-vsctl {command}\n" for command in commands)},
    )


if __name__ == "__main__":
    main()
