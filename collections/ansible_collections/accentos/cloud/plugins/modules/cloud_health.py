#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what the services of a cloud say of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_health
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What the services of a cloud say of it
description:
  - Asks the APIs of a cloud as an administrator, all at the same time, and judges what they answer. Nothing is changed
    and nothing is created.
  - A service that does not answer is a finding and no error.
options:
  wanted:
    description: >-
      What the site wants - C(computes), their names; C(services), names in the catalogue; C(endpoints), their
      addresses by interface, by name; C(identity_users), names of the users of services.
    type: dict
    default: {}
  answer_timeout:
    description: Seconds for one answer.
    type: int
    default: 20
  timeout:
    description: Seconds for all of it.
    type: int
    default: 60
extends_documentation_fragment: [accentos.cloud.cloud_login]
attributes:
  check_mode:
    description: Can run in check mode and tells the same.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing is changed.
    support: none
  idempotence:
    description: Nothing is changed.
    support: full
"""

EXAMPLES = r"""
- name: Ask the cloud
  accentos.cloud.cloud_health:
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password', generate=false) }}"
    wanted: {computes: [compute-1], services: [keystone, nova], identity_users: [nova]}
"""

RETURN = r"""
findings:
  description: What came of each check, as M(accentos.cloud.host_health) returns it.
  returned: always
  type: list
  elements: dict
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import EVERYWHERE, Collected, judge
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import gather
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_cloud import CLOUD_CHECKS
from ansible_collections.accentos.cloud.plugins.module_utils.health.read_cloud import readers


def look(options: Mapping[str, Any]) -> dict[str, Collected]:
    """Log in, and read what each service says."""
    start = time.monotonic()
    try:
        cloud = Cloud(options["auth"], ca_file=options["ca_file"], timeout=options["answer_timeout"])
    except CloudError as error:
        return {"login": Collected(error=str(error))}
    seconds = time.monotonic() - start
    return {"login": Collected({"seconds": seconds}), **gather(readers(cloud), options["timeout"])}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            "wanted": {"type": "dict", "default": {}},
            "answer_timeout": {"type": "int", "default": 20},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    nothing: dict[str, Any] = {"computes": [], "services": [], "endpoints": {}, "identity_users": []}
    wanted = {**nothing, **module.params["wanted"], "now": time.time()}
    module.exit_json(changed=False, findings=judge(CLOUD_CHECKS, look(module.params), wanted, EVERYWHERE))


if __name__ == "__main__":
    main()
