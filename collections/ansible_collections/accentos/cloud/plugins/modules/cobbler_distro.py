#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: distributions of Cobbler."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_distro
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Distributions of Cobbler, any number in one call
description:
  - Makes, changes and removes distributions, each a kernel and a ramdisk.
  - Only distributions that differ are saved. Run M(accentos.cloud.cobbler_sync) once afterwards.
options:
  distros:
    description:
      - The distributions. Each is a dictionary of C(name) and the fields that matter; others are left as they are.
      - "Fields are C(kernel) and C(initrd) (files on the host of Cobbler), C(arch), C(breed), C(os_version),
        C(comment), C(owners), C(kernel_options), C(kernel_options_post), C(autoinstall_meta), C(boot_loaders),
        C(remote_boot_kernel), C(remote_boot_initrd), C(mgmt_classes), C(mgmt_parameters), C(boot_files),
        C(fetchable_files) and C(template_files)."
      - C(breed) and C(os_version) are those of Cobbler's signatures.
      - What is refused and why is described at M(accentos.cloud.cobbler_distro).
    type: list
    elements: dict
    required: true
  state:
    description: Whether the distributions are there. One that profiles use cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description: Whether B(every other distribution of Cobbler is removed). With an empty list that is all of them.
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
- name: Define the kernel and ramdisk that machines boot
  accentos.cloud.cobbler_distro:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    distros:
      - name: accentos-x86_64
        arch: x86_64
        breed: generic
        kernel: /srv/accentos/boot/x86_64/vmlinuz
        initrd: /srv/accentos/boot/x86_64/ramdisk.img

- name: Remove a distribution
  accentos.cloud.cobbler_distro:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    distros:
      - name: accentos-x86_64
    state: absent
"""

RETURN = r"""
created:
  description: Names of the distros that were made.
  returned: always
  type: list
  elements: str
edited:
  description: Names of the distros that were changed.
  returned: always
  type: list
  elements: str
removed:
  description: Names of the distros that were removed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run_objects


def main() -> None:
    """Run the module."""
    run_objects("distro")


if __name__ == "__main__":
    main()
