# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plug-in accentos.cloud.site_plan_saved."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_plan_saved
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Read a saved plan of a site, and refuse it where things are not as they were
description:
  - Reads the document that a run of the playbook C(plan.yml) has written and returns it as lines for people.
  - With O(compare), fails when the site, the code, a secret, an extra variable or an option of the run differs from
    what the plan was made from, and names each. Then the plan is made again, in check mode and by the same options, and
    compared with the saved one; so it is refused as well when a host, the cloud or a machine is not as it was.
  - Runs on the controller only. Nothing is changed.
options:
  path:
    description: File with the plan.
    type: path
    required: true
  compare:
    description:
      - V(whole) wants what would be done now to be exactly the plan.
      - V(rest) wants it to be a part of the plan, as it is after a run that was killed. Secrets that this run has made
        are no difference.
    type: str
    choices: [nothing, whole, rest]
    default: nothing
  plan:
    description: Playbook that makes the plan again. Needed to compare.
    type: path
  full:
    description: Whether the content of new files and the names of all packages are shown.
    type: bool
    default: false
  secrets_folder:
    description: As in M(accentos.cloud.site_plan_basis). Needed to compare.
    type: path
  key_file:
    description: As in M(accentos.cloud.site_plan_basis).
    type: path
  playbooks:
    description: As in M(accentos.cloud.site_plan_basis). Needed to compare.
    type: path
extends_documentation_fragment: [accentos.cloud.control_node]
requirements:
  - jsonschema (Python library, on the controller)
"""

EXAMPLES = r"""
- name: Read a plan
  accentos.cloud.site_plan_saved:
    path: site.plan
  register: plan
  run_once: true

- name: Refuse a plan that is not the one of what would be done now
  accentos.cloud.site_plan_saved:
    path: site.plan
    compare: whole
    plan: "{{ playbook_dir }}/plan.yml"
    secrets_folder: "{{ inventory_dir }}"
    playbooks: "{{ playbook_dir }}"
  run_once: true
"""

RETURN = r"""
lines:
  description: The plan for people. Control characters show as escapes.
  returned: success
  type: list
  elements: str
document:
  description: The plan, when it was only read. Texts in it come from hosts.
  returned: success
  type: dict
"""
