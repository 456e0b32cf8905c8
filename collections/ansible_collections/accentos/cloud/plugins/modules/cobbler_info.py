#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what Cobbler holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_info
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Read what Cobbler holds
description:
  - Returns the version of Cobbler, and objects and settings as they are stored, without passwords.
  - It needs no user.
options:
  gather:
    description: What to read besides the version.
    type: list
    elements: str
    choices: [distros, profiles, systems, images, menus, templates, snippets, settings]
    default: [distros, profiles, systems]
  names:
    description: Return only objects of these names.
    type: list
    elements: str
extends_documentation_fragment:
  - accentos.cloud.cobbler
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
  action_group:
    description: Is in the group C(accentos.cloud.cobbler).
    support: full
    membership: [accentos.cloud.cobbler]
"""

EXAMPLES = r"""
- name: Read the systems
  accentos.cloud.cobbler_info:
    gather: [systems]
  register: result

- name: Show which of them boot from the network
  ansible.builtin.debug:
    msg: "{{ result.cobbler.systems.values() | selectattr('netboot_enabled') | map(attribute='name') }}"
"""

RETURN = r"""
cobbler:
  description: What was read.
  returned: always
  type: dict
  contains:
    version: {description: Version of Cobbler, type: str, sample: 3.3.10}
    distros: {description: Distributions by name, type: dict}
    profiles: {description: Profiles by name, type: dict}
    systems: {description: Systems by name, type: dict}
    images: {description: Images by name, type: dict}
    menus: {description: Menus by name, type: dict}
    templates: {description: Paths of automatic installation templates, type: list}
    snippets: {description: Paths of snippets, type: list}
    settings: {description: Settings, type: dict}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.adapter import read_version, version_text
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import Cobbler, without_secrets

_OBJECTS = ("distros", "profiles", "systems", "images", "menus")


def read(module: AnsibleModule, cobbler: Cobbler) -> dict[str, Any]:
    """Read what is asked for."""
    wanted = module.params["gather"]
    names = module.params["names"]
    found: dict[str, Any] = {"version": version_text(read_version(cobbler.client))}
    for what in wanted:
        if what in _OBJECTS:
            found[what] = {
                name: without_secrets(raw)
                for name, raw in cobbler.objects(what.removesuffix("s")).items()
                if names is None or name in names
            }
        elif what == "settings":
            found[what] = cobbler.settings()
        else:
            found[what] = cobbler.template_names(what.removesuffix("s"))
    return {"changed": False, "cobbler": found}


def main() -> None:
    """Run the module."""
    run(
        {
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": [*_OBJECTS, "templates", "snippets", "settings"],
                "default": ["distros", "profiles", "systems"],
            },
            "names": {"type": "list", "elements": "str"},
        },
        read,
    )


if __name__ == "__main__":
    main()
