#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: how guests of a host run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_acceleration
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Decide whether guests of a host run under KVM
description:
  - Boots a guest kernel under KVM. If that works, guests run under KVM. Otherwise they are emulated, with a warning.
  - >-
    What worked once is remembered on the host and not tried again. It holds as long as there is C(/dev/kvm). A host on
    which it did not work is tried every time.
  - >-
    The host needs QEMU, and a kernel to boot. A plan in check mode, made before QEMU is installed, expects KVM to work
    where there is C(/dev/kvm).
options:
  kernel_folders:
    description: Folders that are searched for a guest kernel (C(vmlinuz*)), the first one that has any wins.
    type: list
    elements: path
    default: [/boot]
  timeout:
    description: Seconds that the guest kernel has to print its first line.
    type: float
    default: 60
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: One file is written, which says that KVM works.
    support: none
"""

EXAMPLES = r"""
- name: Decide how guests of the host run
  accentos.cloud.guest_acceleration:
  register: result

- name: Show it
  ansible.builtin.debug:
    msg: "{{ result.virt_type }}: {{ result.reason }}"
"""

RETURN = r"""
virt_type:
  description: V(kvm) or V(qemu), as nova and libvirt call them.
  returned: success
  type: str
reason:
  description: Why so.
  returned: success
  type: str
  sample: a Linux kernel boots under KVM
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils import capabilities
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import recall, remember

MARKER = Path("/var/lib/accentos/guest_acceleration")
_PROVED = {"virt_type": "kvm"}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "kernel_folders": {"type": "list", "elements": "path", "default": ["/boot"]},
            "timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    device, qemu, proved = capabilities.KVM_DEVICE, capabilities.find_qemu(), recall(MARKER) == _PROVED
    verdict = capabilities.known_of_kvm(
        device=device.exists(), proved=proved, installed=qemu is not None, check_mode=module.check_mode
    )
    if verdict is None:
        kernel = capabilities.newest_kernel(tuple(Path(folder) for folder in module.params["kernel_folders"]))
        verdict = capabilities.try_kvm(device, qemu, kernel, module.params["timeout"])
    changed = verdict.usable and not proved
    if not verdict.usable:
        module.warn(f"Guests of this host are emulated, which is slow: {verdict.reason}.")
    elif changed and not module.check_mode:
        try:
            remember(MARKER, _PROVED)
        except OSError as error:
            module.fail_json(
                msg=f"That KVM works here cannot be remembered: {error}.",
                remedy=f"Make room or mend the rights at {MARKER.parent}, then run again.",
            )
    module.exit_json(changed=changed, virt_type="kvm" if verdict.usable else "qemu", reason=verdict.reason)


if __name__ == "__main__":
    main()
