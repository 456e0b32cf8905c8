#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what the provisioner service knows of machines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: provision_info
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Tell what the provisioner service knows of machines
description:
  - Returns the state of machines, the stages of their installation, their host keys, and their inventory.
  - Runs on the deploy host, as root.
options:
  hosts:
    description: Names of the hosts to return; without it, all that were ever armed.
    type: list
    elements: str
  socket:
    description: The Unix socket of the service, on the host where the module runs.
    type: path
    default: /run/accentos-provisioner/admin.sock
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Changes nothing, so that there is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: See how far the machines are
  accentos.cloud.provision_info:
  register: machines
"""

RETURN = r"""
machines:
  description:
    - The machines by name. Text in their inventory and in details comes from the machines - do not trust it.
  returned: success
  type: dict
  sample:
    compute-1: {host: compute-1, state: deployed, macs: ["52:54:00:00:00:01"], stages: [], host_keys: []}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import SOCKET, answer, list_machines


def run(module: AnsibleModule) -> dict[str, Any]:
    """Return the result. Raises ProvisionerError."""
    known = list_machines(module.params["socket"])
    hosts = module.params["hosts"]
    return {"changed": False, "machines": {host: row for host, row in known.items() if hosts is None or host in hosts}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str"},
            "socket": {"type": "path", "default": SOCKET},
        },
        supports_check_mode=True,
    )
    answer(module, run)


if __name__ == "__main__":
    main()
