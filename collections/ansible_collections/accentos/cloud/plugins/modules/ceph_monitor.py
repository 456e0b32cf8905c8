#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a monitor of Ceph has its store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_monitor
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Make the store of a Ceph monitor
description:
  - Makes the store that a monitor starts with, once. Every monitor of a new cluster is made with the same list of
    monitors, so that they find each other; one that is made later for a cluster that runs joins it when it starts.
  - The store appears under its name when it is whole. What a killed run left is removed by the next one.
  - A store is never made anew or removed.
options:
  name:
    description: Name of the monitor, the host's.
    type: str
    required: true
  fsid:
    description: Identity of the cluster, a UUID.
    type: str
    required: true
  monitors:
    description: Address of each monitor by its name, such as V([v2:192.0.2.11:3300]).
    type: dict
    required: true
  keyring:
    description: The users that a new cluster starts with, as a keyring says them, C(mon.) and C(client.admin) at least.
    type: str
    required: true
  folder:
    description: Folder that holds the stores.
    type: path
    default: /var/lib/ceph/mon
  user:
    description: User and group that the monitor runs as.
    type: str
    default: ceph
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows the monitors that a new store is made with.
    support: full
"""

EXAMPLES = r"""
- name: Make the store of the monitor
  accentos.cloud.ceph_monitor:
    name: controller-1
    fsid: 6d2e5a1c-53a4-4b1a-9d0e-0c6f8a4f7f11
    monitors: {controller-1: "[v2:192.0.2.11:3300]"}
    keyring: "{{ keyring_of_the_first_users }}"
"""

RETURN = r"""
path:
  description: Folder of the store.
  returned: always
  type: str
  sample: /var/lib/ceph/mon/ceph-controller-1
"""

import shutil
import uuid
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file


class MonitorError(Exception):
    """The store cannot be made. The first argument says why, the second what helps."""


def is_made(store: Path) -> bool:
    """Tell whether there is a store. Raises MonitorError if there is something else."""
    if (store / "store.db").is_dir() and (store / "keyring").is_file():
        return True
    if store.is_dir() and any(store.iterdir()):
        raise MonitorError(
            f"{store} is not empty and no store of a monitor.",
            "Find out what it is. If it is of no more use, remove it and run again.",
        )
    return False


def run(module: AnsibleModule, argv: list[str]) -> None:
    """Run a program. Raises MonitorError."""
    code, out, err = module.run_command(argv)
    if code:
        raise MonitorError(
            f"{Path(argv[0]).name} ended with code {code}: {(err or out).strip()[-2000:]}",
            "Mend what it complains about, then run again.",
        )


def make(module: AnsibleModule, store: Path) -> None:
    """Make the store in a folder beside its place and move it there. Raises MonitorError and OSError."""
    wanted = module.params
    work = store.with_name(f".accentos-new-{wanted['name']}")
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(mode=0o700)
    shutil.chown(work, wanted["user"], wanted["user"])
    monmap = work / "monmap"
    argv = [module.get_bin_path("monmaptool", required=True), "--create", "--fsid", wanted["fsid"]]
    for name, address in sorted(wanted["monitors"].items()):
        argv += ["--addv", name, address]
    run(module, [*argv, str(monmap)])
    monmap.chmod(0o644)
    replace_file(work / "keyring", wanted["keyring"].encode(), mode=0o600)
    shutil.chown(work / "keyring", wanted["user"], wanted["user"])
    argv = [module.get_bin_path("ceph-mon", required=True), "--mkfs", "--id", wanted["name"]]
    argv += ["--monmap", str(monmap), "--keyring", str(work / "keyring"), "--mon-data", str(work / "data")]
    run(module, [*argv, "--setuser", wanted["user"], "--setgroup", wanted["user"]])
    # The store holds the keys of all users. An empty folder may be at its place.
    (work / "data").chmod(0o700)
    (work / "data").rename(store)
    shutil.rmtree(work)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "fsid": {"type": "str", "required": True},
            "monitors": {"type": "dict", "required": True},
            "keyring": {"type": "str", "required": True, "no_log": True},
            "folder": {"type": "path", "default": "/var/lib/ceph/mon"},
            "user": {"type": "str", "default": "ceph"},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    name, monitors = module.params["name"], module.params["monitors"]
    if name not in monitors:
        refuse(f"{name} is not among the monitors {', '.join(sorted(monitors))}.", "Mend the list, or the name.")
    try:
        uuid.UUID(module.params["fsid"])
    except ValueError:
        refuse(f"fsid {module.params['fsid']!r} is no UUID.", "Give one such as uuidgen prints.")
    store = Path(module.params["folder"]) / f"ceph-{name}"
    try:
        made = is_made(store)
        if not made and not module.check_mode:
            make(module, store)
    except MonitorError as error:
        refuse(*error.args)
    except (OSError, LookupError) as error:
        refuse(
            f"The store of the monitor {name} cannot be made: {error}",
            "See to the file system, and whether the package ceph-mon is installed.",
        )
    after = "".join(f"{other}: {address}\n" for other, address in sorted(monitors.items()))
    diff = {"before_header": str(store), "after_header": str(store), "before": "", "after": "" if made else after}
    module.exit_json(changed=not made, path=str(store), diff=diff)


if __name__ == "__main__":
    main()
