#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: settings of a running cobblerd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_settings
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Settings of a running cobblerd
description:
  - Changes texts, numbers, lists and dictionaries among the settings of cobblerd without restarting it. It has to be
    allowed by the setting C(allow_dynamic_settings). cobblerd then writes its settings file anew, without comments, and
    keeps the old one beside it; where that file comes from a role, change it there.
  - The role P(accentos.cloud.cobbler#role) leaves that setting off and keeps the file from cobblerd, so settings of its
    Cobbler are changed by its variable O(accentos.cloud.cobbler#role:main:cobbler_settings). This module then tells
    that nothing differs, or ends with an error.
  - Booleans can be compared only. Cobbler 3.3 makes numbers of them, says that all went well, and then fails to write
    any setting to its file.
options:
  settings:
    description: Values by name of the setting.
    type: dict
    required: true
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cobbler]
attributes:
  diff_mode:
    description: Shows the values before and after.
    support: full
  idempotence:
    description: A second run changes nothing.
    support: full
  action_group:
    description: Is in the group C(accentos.cloud.cobbler).
    support: full
    membership: [accentos.cloud.cobbler]
"""

EXAMPLES = r"""
- name: Set the domain of hosts that have none
  accentos.cloud.cobbler_settings:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    settings:
      default_name_servers_search: [example.test]
"""

RETURN = r"""
edited:
  description: Names of the settings that were changed.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.client import CobblerError
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.settings import plan_settings
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import Cobbler


def manage(module: AnsibleModule, cobbler: Cobbler) -> dict[str, Any]:
    """Compare the settings with those of cobblerd and change those that differ."""
    plan = plan_settings(module.params["settings"], cobbler.settings())
    if not module.check_mode:
        for name, (before, after) in plan.items():
            if not cobbler.set_setting(name, after, before):
                raise CobblerError(
                    f"Cobbler refuses the setting {name}: {after!r}.", "Look at /var/log/cobbler/cobbler.log for why."
                )
    return {
        "changed": bool(plan),
        "edited": sorted(plan),
        "diff": {
            "before": {name: before for name, (before, _after) in plan.items()},
            "after": {name: after for name, (_before, after) in plan.items()},
        },
    }


def main() -> None:
    """Run the module."""
    run({"settings": {"type": "dict", "required": True}}, manage)


if __name__ == "__main__":
    main()
