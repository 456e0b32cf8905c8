# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plug-in accentos.cloud.site_plan_basis."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_plan_basis
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Read what a plan of a site is made from
description:
  - Digests of the files of the inventories, of the code, of the secrets and of the extra variables, so that a later run
    can tell what of them differs. Digests of secrets need the key of the store; those of variables are salted and slow.
  - Hands them on to the callback P(accentos.cloud.stages#callback), which puts them into the plan.
  - Runs on the controller only. Nothing is changed, and no host is contacted.
options:
  secrets_folder:
    description: Folder with the store of secrets of the site.
    type: path
    required: true
  key_file:
    description:
      - File with the key of the store. By default what E(ACCENTOS_VAULT_KEY_FILE) names, or the one beside the store.
    type: path
  playbooks:
    description: Folder of the playbooks, which are part of the code.
    type: path
    required: true
  machines:
    description: Hosts with a management controller, which may be installed.
    type: list
    elements: str
    default: []
  machine_defaults:
    description: Values of the variables of O(machines) that say how one is installed, where a host has none.
    type: dict
    default: {}
  path:
    description:
      - File on the controller that gets the plan when the run has ended.
      - It is refused among the files of an inventory, which Ansible could not read any more, unless its name begins
        with a dot; where something else than a plan stands; and in a run without C(--diff), whose plan would not say
        what changes in files.
    type: path
extends_documentation_fragment: [accentos.cloud.control_node]
"""

EXAMPLES = r"""
- name: Read what the plan is made from
  accentos.cloud.site_plan_basis:
    secrets_folder: "{{ inventory_dir }}"
    playbooks: "{{ playbook_dir }}"
    path: site.plan
  run_once: true
"""

RETURN = r"""
basis:
  description: Names with digests.
  returned: always
  type: dict
  sample:
    site: {hosts.yml: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef}
    code: {ansible-core: 2.19.1, role nova: 5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef}
    secrets: {}
    variables: {}
"""
