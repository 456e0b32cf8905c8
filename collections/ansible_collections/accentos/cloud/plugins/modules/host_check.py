#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether a host has the room and the kernel that its roles need."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_check
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Refuse a host that lacks room or features of the kernel
description:
  - Fails for a host that has less space or fewer inodes free than it needs, or a kernel without what its roles need.
    One message tells all that is missing, where, and what helps.
  - It only reads. A feature that the kernel could load as a module counts as there.
options:
  folders:
    description:
      - What must be free where. Of several for the same path the greatest counts. What paths in the same file
        system need adds up.
      - A path that does not exist yet stands for the folder above it that does.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      free_mib:
        description: MiB that must be free for users other than root.
        type: int
        default: 0
      free_inodes:
        description: Inodes that must be free. A file system that makes them as it needs them has always enough.
        type: int
        default: 0
  kernel:
    description: Features that the kernel must have.
    type: list
    elements: str
    choices: [btrfs, device_mapper, fuse, iscsi, iscsi_target, loop, nbd, nfs, openvswitch, tun, xfs]
    default: []
attributes:
  check_mode:
    description: Can run in check mode and tells the same.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Refuse a host without room for its packages
  accentos.cloud.host_check:
    folders:
      - {path: /, free_mib: 1024, free_inodes: 20000}
      - {path: /var, free_mib: 2048, free_inodes: 20000}
    kernel: [tun]
"""

RETURN = r"""
rooms:
  description: What is free at each path, with the place where its file system is mounted.
  returned: always
  type: dict
  sample: {/var: {mount: /, free_mib: 30817, free_inodes: 2411093}}
missing:
  description: Features that the kernel lacks.
  returned: always
  type: list
  elements: str
  sample: []
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.host_needs import (
    FEATURES,
    Kernel,
    Need,
    Room,
    failure,
    find_lacks,
    find_missing,
    parse_modules,
    parse_names,
)

PROC = Path("/proc")
SYS_MODULE = Path("/sys/module")
MODULES = Path("/lib/modules")


def measure(path: Path) -> Room:
    """Return what is free at a path, or at the nearest folder above it that exists. Raises OSError."""
    place = next(folder for folder in (path, *path.parents) if folder.exists())
    told = os.statvfs(place)
    mount = place.resolve()
    while not mount.is_mount():
        mount = mount.parent
    free = told.f_bavail * told.f_frsize >> 20
    return Room(str(mount), free, told.f_favail if told.f_files else None)


def read_kernel() -> Kernel:
    """Return what the running kernel has and could load. Raises OSError."""
    release = os.uname().release
    listed = {
        name
        for file in ("misc", "devices", "filesystems")
        for name in parse_names((PROC / file).read_text(encoding="ascii", errors="replace"))
    }
    modules = {folder.name for folder in SYS_MODULE.iterdir()} if SYS_MODULE.is_dir() else set()
    for name in ("modules.dep", "modules.builtin"):
        listing = MODULES / release / name
        if listing.is_file():
            modules |= parse_modules(listing.read_text(encoding="utf-8", errors="replace"))
    return Kernel(release, listed, modules)


def main() -> None:
    """Run the module."""
    folder = {
        "path": {"type": "path", "required": True},
        "free_mib": {"type": "int", "default": 0},
        "free_inodes": {"type": "int", "default": 0},
    }
    module = AnsibleModule(
        argument_spec={
            "folders": {"type": "list", "elements": "dict", "default": [], "options": folder},
            "kernel": {"type": "list", "elements": "str", "choices": sorted(FEATURES), "default": []},
        },
        supports_check_mode=True,
    )
    needs = [Need(**row) for row in module.params["folders"]]
    try:
        rooms = {need.path: measure(Path(need.path)) for need in needs}
        kernel = read_kernel()
    except OSError as error:
        module.fail_json(
            msg=f"What the host has cannot be read: {error.filename}: {error.strerror}.",
            remedy="See to that file system; dmesg tells of errors of its disk.",
        )
    lacks = find_lacks(needs, rooms)
    missing = find_missing(module.params["kernel"], kernel)
    result = {"rooms": {path: vars(room) for path, room in rooms.items()}, "missing": missing}
    if lacks or missing:
        message, remedy = failure(lacks, missing, kernel)
        module.fail_json(msg=message, remedy=remedy, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
