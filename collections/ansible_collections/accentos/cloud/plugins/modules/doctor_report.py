#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of an action plug-in that runs on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_report
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Make a report of what was found out about a cloud
description:
  - Puts the findings of hosts and of the cloud together, adds those that only many hosts together give, and writes them
    on the control node as C(report.json) and as C(report.html), one page that needs nothing from anywhere.
  - What several hosts tell in the same words is one finding that names them in C(hosts).
  - Every secret that the store of the site knows is replaced. All texts are escaped.
options:
  folder:
    description: Folder of the report on the control node. It is made with mode 0700, the files have mode 0600.
    type: path
    required: true
  secrets_folder:
    description: Folder of the store whose secrets are replaced. Without it none are.
    type: path
  key_file:
    description: >-
      Key file of the store. By default what E(ACCENTOS_VAULT_KEY_FILE) names, then C(.vault_key) beside the store.
    type: path
  site:
    description: >-
      C(name); C(networks), each with C(cidr), by name; C(groups), their hosts by name; C(controllers); C(api_address).
    type: dict
    required: true
  hosts:
    description: Names of the hosts that were looked at.
    type: list
    elements: str
    required: true
  addresses:
    description: C(host_addresses) of these hosts, by host.
    type: dict
    default: {}
  devices:
    description: C(host_interfaces) and C(host_bonds) of these hosts in one list, by host.
    type: dict
    default: {}
  external_devices:
    description: C(openvswitch_external_interface) of these hosts, where the site says it, by host.
    type: dict
    default: {}
  results:
    description: Results of M(accentos.cloud.host_health) by host. A host without findings could not be looked at.
    type: dict
    default: {}
  clocks:
    description: Results of M(accentos.cloud.clock_check) by host.
    type: dict
    default: {}
  power:
    description: Result of M(accentos.cloud.power_info) for O(machines).
    type: dict
    default: {}
  machines:
    description: Hosts whose management controllers were to be asked.
    type: list
    elements: str
    default: []
  cloud:
    description: Result of M(accentos.cloud.cloud_health).
    type: dict
    default: {}
attributes:
  check_mode:
    description: >-
      Can run in check mode, where it returns the same and writes no report.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing of the site changes.
    support: none
  action:
    description: Runs on the control node only.
    support: full
  async:
    description: Can be used with C(async).
    support: none
"""

EXAMPLES = r"""
- name: Make the report
  accentos.cloud.doctor_report:
    folder: /srv/site/.doctor
    secrets_folder: /srv/site
    site:
      name: example
      networks: {management: {cidr: 10.0.0.0/24}}
      groups: {controller: [controller-1]}
      controllers: [controller-1]
      api_address: 10.0.0.5
    hosts: [controller-1]
    addresses: {controller-1: {management: 10.0.0.11}}
    results: {controller-1: "{{ hostvars['controller-1'].found }}"}
"""

RETURN = r"""
state:
  description: The worst that was found - C(ok), C(warn), C(unknown) or C(fail).
  returned: always
  type: str
counts:
  description: How many findings came to which state.
  returned: always
  type: dict
layers:
  description: A row for each layer, for P(accentos.cloud.text_table#filter).
  returned: always
  type: list
  elements: dict
problems:
  description: Lines about all that is not well.
  returned: always
  type: list
  elements: str
paths:
  description: Where the report is, C(json) and C(html).
  returned: always
  type: dict
"""
