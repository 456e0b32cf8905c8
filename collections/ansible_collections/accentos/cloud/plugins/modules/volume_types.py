#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: types of volumes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_types
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Types of volumes of a cloud
description:
  - Lets types of volumes be there with their specifications, such as the back end that they mean, in one process.
  - Removes nothing. Types that are not named stay, since volumes may have them, and so do other specifications.
options:
  types:
    description: The types.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, as users give it.
        type: str
        required: true
      description:
        description: What users read about it. If it is empty, that of a type which is there stays.
        type: str
        default: ""
      extra_specs:
        description: Specifications by name, such as C(volume_backend_name).
        type: dict
        default: {}
  timeout:
    description: Seconds to wait for one answer.
    type: int
    default: 60
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. There the volume service may be missing, since
      an earlier task would start it.
    support: full
  diff_mode:
    description: Shows what types would have.
    support: full
"""

EXAMPLES = r"""
- name: Let users choose where a volume is
  accentos.cloud.volume_types:
    types:
      - name: files
        extra_specs: {volume_backend_name: files}
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt
"""

RETURN = r"""
steps:
  description: What was done, in check mode what would be.
  returned: success
  type: list
  elements: dict
  sample: [{verb: create, kind: volume type, name: files}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.volume_types import plan_types


def main() -> None:
    """Run the module."""
    wanted = {
        "name": {"type": "str", "required": True},
        "description": {"type": "str", "default": ""},
        "extra_specs": {"type": "dict", "default": {}},
    }
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            "types": {"type": "list", "elements": "dict", "required": True, "options": wanted},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    options = module.params
    types = [
        {**one, "extra_specs": {name: str(value) for name, value in one["extra_specs"].items()}}
        for one in options["types"]
    ]
    try:
        try:
            cloud = Cloud(options["auth"], ca_file=options["ca_file"], timeout=options["timeout"])
            found = cloud.get("volume", "/types", is_public="None")["volume_types"]
        except CloudError:
            if not module.check_mode:
                raise
            found = []
        steps = list(plan_types(types, found))
        if not module.check_mode:
            for step in steps:
                cloud.ask("volume", step.method, step.path, step.body)
    except CloudError as error:
        module.fail_json(
            msg=f"The types of volumes cannot be as wanted: {error}.",
            remedy="See whether the service runs: journalctl --unit cinder-api, /var/log/cinder. Then run again.",
        )
    module.exit_json(
        changed=bool(steps),
        steps=[{"verb": step.verb, "kind": "volume type", "name": step.name} for step in steps],
        diff={"before": "".join(step.before for step in steps), "after": "".join(step.after for step in steps)},
    )


if __name__ == "__main__":
    main()
