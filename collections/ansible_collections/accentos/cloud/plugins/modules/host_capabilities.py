#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a host can do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_capabilities
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Find out what a host can do, by trying it
description:
  - Tells whether KVM really boots a guest, which features the kernel has, the cgroup version, limits, memory and disk.
  - KVM is tried with a guest kernel, since a machine can offer C(/dev/kvm) and still hang every guest.
options:
  disk_path:
    description: Path whose file system is asked for free space.
    type: path
    default: /
  kernel_folders:
    description: Folders that are searched for a guest kernel (C(vmlinuz*)), the first one that has any wins.
    type: list
    elements: path
    default: [/boot]
  kvm_timeout:
    description: Seconds that the guest kernel has to print its first line.
    type: float
    default: 10
attributes:
  check_mode:
    description: Can run in check mode and tells the same.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Find out what the host can do
  accentos.cloud.host_capabilities:
  register: result

- name: Show how guests will be run
  ansible.builtin.debug:
    msg: "{{ result.host_capabilities.acceleration }}: {{ result.host_capabilities.acceleration_reason }}"
"""

RETURN = r"""
host_capabilities:
  description: What the host can do.
  returned: always
  type: dict
  contains:
    acceleration: {description: "C(kvm) if a guest boots under it, otherwise C(tcg).", type: str, sample: tcg}
    acceleration_reason: {description: Why, type: str, sample: /dev/kvm does not exist}
    architecture: {description: Machine type as the kernel names it, type: str, sample: x86_64}
    capabilities: {description: Effective capabilities of this process by name, type: dict}
    cgroup: {description: "C(v1), C(v2), C(hybrid) or C(none).", type: str, sample: v2}
    container: {description: Whether systemd says that it runs in a container, type: bool}
    cpus: {description: Number of usable CPUs, type: int}
    disk_free_mib: {description: Free space in MiB, type: int}
    kernel: {description: Features of the kernel by name, type: dict}
    kernel_release: {description: Release of the running kernel, type: str}
    limits: {description: "Hard limits C(nofile) and C(nproc); -1 is unlimited.", type: dict}
    memory_mib: {description: Memory in MiB, type: int}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.capabilities import detect


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "disk_path": {"type": "path", "default": "/"},
            "kernel_folders": {"type": "list", "elements": "path", "default": ["/boot"]},
            "kvm_timeout": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    disk_path = Path(module.params["disk_path"])
    if not disk_path.exists():
        module.fail_json(
            msg=f"disk_path {disk_path} does not exist, so its free space cannot be told.",
            remedy="Name a path that exists on the host, for example the mount point of the file system.",
        )
    found = detect(
        kernel_folders=tuple(Path(folder) for folder in module.params["kernel_folders"]),
        disk_path=disk_path,
        kvm_timeout=module.params["kvm_timeout"],
    )
    module.exit_json(changed=False, host_capabilities=found)


if __name__ == "__main__":
    main()
