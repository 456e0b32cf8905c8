#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: profiles of Cobbler."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_profile
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Profiles of Cobbler, any number in one call
description:
  - Makes, changes and removes profiles. A profile that others are made from comes before them, whatever the order.
  - Only profiles that differ are saved. Run M(accentos.cloud.cobbler_sync) once afterwards.
options:
  profiles:
    description:
      - The profiles. Each is a dictionary of C(name) and the fields that matter; others are left as they are.
      - "Fields are C(parent) (of a profile made from another one) or C(distro), C(comment), C(owners),
        C(kernel_options), C(kernel_options_post), C(autoinstall), C(autoinstall_meta), C(boot_loaders), C(dhcp_tag),
        C(enable_ipxe), C(enable_menu), C(filename), C(menu), C(name_servers), C(name_servers_search),
        C(next_server_v4), C(next_server_v6), C(proxy), C(repos), C(server), C(mgmt_classes), C(mgmt_parameters),
        C(boot_files), C(fetchable_files), C(template_files) and those that begin with C(virt_)."
      - "The value C(<<inherit>>) takes a field over from the parent or the distribution."
      - What is refused and why is described at M(accentos.cloud.cobbler_profile).
    type: list
    elements: dict
    required: true
  state:
    description: Whether the profiles are there. One that systems use cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description: Whether B(every other profile of Cobbler is removed). With an empty list that is all of them.
    type: bool
    default: false
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cobbler]
seealso:
  - module: accentos.cloud.cobbler_sync
attributes:
  diff_mode:
    description: Shows the fields that change.
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
- name: Define the profiles
  accentos.cloud.cobbler_profile:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    profiles:
      - name: accentos-deploy
        distro: accentos-x86_64
        autoinstall: accentos-specification.json
        enable_menu: false
      - name: accentos-enrol
        distro: accentos-x86_64
        enable_menu: false

- name: Remove a profile
  accentos.cloud.cobbler_profile:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    profiles:
      - name: accentos-enrol
    state: absent
"""

RETURN = r"""
created:
  description: Names of the profiles that were made.
  returned: always
  type: list
  elements: str
edited:
  description: Names of the profiles that were changed.
  returned: always
  type: list
  elements: str
removed:
  description: Names of the profiles that were removed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run_objects


def main() -> None:
    """Run the module."""
    run_objects("profile")


if __name__ == "__main__":
    main()
