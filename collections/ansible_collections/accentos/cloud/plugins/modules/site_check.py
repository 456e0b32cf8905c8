# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plug-in accentos.cloud.site_check."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_check
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Check the configuration of a site before anything is done
description:
  - Reads the folder of a site and checks every file and every variable in it, against the schema of the site and the
    argument specifications of all roles.
  - An unknown key, a value of the wrong type, an address outside its network or used twice is a mistake. All mistakes
    are reported at once, each with its file, line and column.
  - Runs on the controller only. Nothing is changed, and no host is contacted.
  - Values of secrets are never part of the result.
options:
  path:
    description:
      - Folder of the site, with C(hosts.yml), C(group_vars) and C(host_vars).
      - Without it, the folder of the inventory in use is checked, and with it the other inventories in use, whose
        variables take the place of the site's. What programs and plug-ins say there is not known, and not checked.
    type: path
  site_hosts:
    description:
      - What must stand for a host of the site, each on its own. That is a group, the first host of one, such as
        V(controller[0]), the name of a host, or several of these with colons between.
    type: list
    elements: str
    default: []
  run_hosts:
    description:
      - The same, for what must stand for a host of this run. What C(--limit) leaves out counts for the site and not for
        the run. The hosts of the run are those of the play, which has to be one on all hosts.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [accentos.cloud.control_node]
requirements:
  - jsonschema (Python library, on the controller)
"""

EXAMPLES = r"""
- name: Check the site in use
  accentos.cloud.site_check:
  run_once: true

- name: Check the site in use, for work that is done from the first controller
  accentos.cloud.site_check:
    run_hosts: ["controller[0]"]
  run_once: true

- name: Check another site
  accentos.cloud.site_check:
    path: inventories/reference
  run_once: true
"""

RETURN = r"""
path:
  description: The folder that was checked.
  returned: always
  type: str
  sample: /srv/site
findings:
  description: The mistakes, sorted by file and line.
  returned: always
  type: list
  elements: dict
  contains:
    file:
      description: File, relative to the folder; outside of it the path as the inventory was given.
      type: str
      sample: group_vars/all/site.yml
    line:
      description: Line, counted from 1.
      type: int
    column:
      description: Column, counted from 1.
      type: int
    key:
      description: Dotted path of the variable.
      type: str
      sample: site_networks.management.cidr
    problem:
      description: What is wrong.
      type: str
    value:
      description: The value as it is in the file, cut to 80 characters; C((hidden)) for a secret.
      type: str
    expected:
      description: What should be there.
      type: str
    suggestion:
      description: What was probably meant; empty when that is unclear.
      type: str
hosts:
  description: Number of hosts of the site.
  returned: always
  type: int
values:
  description: Number of values that were checked.
  returned: always
  type: int
"""
