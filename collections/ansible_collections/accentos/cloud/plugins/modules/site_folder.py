# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plug-in accentos.cloud.site_folder."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_folder
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Make the folder of a new site
description:
  - Writes the files of a site into a new folder on the controller, once M(accentos.cloud.site_check) would find nothing
    wrong with them.
  - The folder appears in one step, whole or not at all. What a killed run left beside it is removed by the next one.
  - What is there is never changed. A folder that has exactly these files is left as it is, whatever else is in it; any
    other that is not empty is refused.
options:
  path:
    description: The folder. Folders above it are made. Of a symbolic link it is the folder that it leads to.
    type: path
    required: true
  files:
    description: Content of the files by path in the folder.
    type: dict
    required: true
  answers:
    description: >-
      What variables of the site are called by whoever gave their values; mistakes in them are told under that name.
    type: dict
    default: {}
extends_documentation_fragment: [accentos.cloud.control_node]
attributes:
  check_mode:
    description: Can run in check mode and tells what it would do without doing it.
    support: full
  diff_mode:
    description: Shows the files that are new.
    support: full
requirements:
  - jsonschema (Python library, on the controller)
"""

EXAMPLES = r"""
- name: Make a site
  accentos.cloud.site_folder:
    path: inventories/production
    files:
      hosts.yml: "{{ lookup('ansible.builtin.template', 'hosts.yml.j2') }}"
      group_vars/all/site.yml: "{{ lookup('ansible.builtin.template', 'site.yml.j2') }}"
"""

RETURN = r"""
path:
  description: The folder, as an absolute path without links.
  returned: success
  type: str
  sample: /srv/accentos/inventories/production
files:
  description: The files that it has.
  returned: success
  type: list
  elements: str
"""
