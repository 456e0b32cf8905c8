#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: templates and snippets of Cobbler."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_template
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Automatic installation templates and snippets of Cobbler
description:
  - Writes and removes templates and snippets. Their text is a program that cobblerd runs, so let it come from people
    that you trust with the host of Cobbler.
  - Nothing has to be synced afterwards, since Cobbler renders them when they are asked for.
options:
  templates:
    description: The templates.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Path below Cobbler's folder of templates or snippets.
        type: str
        required: true
      kind:
        description: What it is.
        type: str
        choices: [template, snippet]
        default: template
      content:
        description: Its text. Needed unless O(state=absent).
        type: str
  state:
    description: Whether the templates are there. One that a profile or system uses cannot be removed.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cobbler]
attributes:
  diff_mode:
    description: Shows the texts before and after.
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
- name: Write the template that hands each machine its specification
  accentos.cloud.cobbler_template:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    templates:
      - name: accentos-specification.json
        content: |
          #template=cheetah
          $accentos_specification
"""

RETURN = r"""
written:
  description: Kinds and names of the templates that were written.
  returned: always
  type: list
  elements: str
  sample: [template accentos-specification.json]
removed:
  description: Kinds and names of the templates that were removed.
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.templates import read_templates
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import Cobbler


def manage(module: AnsibleModule, cobbler: Cobbler) -> dict[str, Any]:
    """Compare the templates with those that are there, and write or remove those that differ."""
    absent = module.params["state"] == "absent"
    wanted = read_templates(module.params["templates"], absent=absent)
    there = {kind: set(cobbler.template_names(kind)) for kind in {template.kind for template in wanted}}
    shown = []
    changed = []
    for template in wanted:
        exists = template.name in there[template.kind]
        before = cobbler.read_template(template.kind, template.name) if exists else ""
        if exists == (not absent) and (absent or before == template.content):
            continue
        changed.append(template)
        title = f"{template.kind} {template.name}"
        shown.append({"before_header": title, "after_header": title, "before": before, "after": template.content})
    if not module.check_mode:
        for template in changed:
            if absent:
                cobbler.remove_template(template.kind, template.name)
            else:
                cobbler.write_template(template.kind, template.name, template.content)
    names = [f"{template.kind} {template.name}" for template in changed]
    return {
        "changed": bool(changed),
        "written": [] if absent else names,
        "removed": names if absent else [],
        "diff": shown,
    }


def main() -> None:
    """Run the module."""
    run(
        {
            "templates": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "kind": {"type": "str", "choices": ["template", "snippet"], "default": "template"},
                    "content": {"type": "str"},
                },
            },
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        manage,
    )


if __name__ == "__main__":
    main()
