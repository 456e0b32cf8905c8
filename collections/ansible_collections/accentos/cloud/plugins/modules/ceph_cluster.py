#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a Ceph cluster has users and pools."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ceph_cluster
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Users and pools of a Ceph cluster
description:
  - Gives a Ceph cluster users and replicated pools, all in one connection. Only what differs is changed.
  - Nothing is removed. The number of placement groups of a pool is left to Ceph.
  - Runs on a host that has the cluster's configuration and the keyring of an administrator.
requirements: [python3-rados]
options:
  users:
    description: What each user, such as V(client.glance), may do, by kind of daemon. What is not listed it may not.
    type: dict
    default: {}
  keys:
    description: Key of each of O(users), as the filter P(accentos.cloud.ceph_key#filter) makes one.
    type: dict
    default: {}
  pools:
    description: The pools.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the pool.
        type: str
        required: true
      application:
        description: What uses it, V(rbd) for block devices.
        type: str
        default: rbd
      size:
        description: Number of copies.
        type: int
        required: true
      min_size:
        description: Number of copies that must be there, or the pool cannot be written.
        type: int
        required: true
      failure_domain:
        description: On what the copies must differ, such as V(osd), V(host) or V(rack).
        type: str
        default: host
      device_class:
        description: Class of the disks, such as V(ssd). Without it, all.
        type: str
  keyring:
    description: Keyring of the administrator.
    type: path
    default: /etc/ceph/ceph.client.admin.keyring
  timeout:
    description: Seconds that the monitors may take for an answer.
    type: int
    default: 60
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. A host without Ceph counts as one with a new
      cluster then, since an earlier task would make it.
    support: full
  diff_mode:
    description: Shows what is changed, without keys.
    support: full
"""

EXAMPLES = r"""
- name: Let the image service have a pool of its own
  accentos.cloud.ceph_cluster:
    users:
      client.glance: {mon: profile rbd, osd: profile rbd pool=images}
    keys:
      client.glance: "{{ glance_key | accentos.cloud.ceph_key }}"
    pools:
      - {name: images, size: 3, min_size: 2}
"""

RETURN = r"""
actions:
  description: What is changed, in check mode what would be.
  returned: always
  type: list
  elements: str
  sample: ["pool images: new, 3 copies by rule replicated-host"]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_commands import CephError, Cluster, connected
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_plan import (
    Action,
    Found,
    PlanError,
    Pool,
    plan_pools,
    plan_users,
    read_found,
    read_users,
)


def look(cluster: Cluster) -> Found:
    """Return what the cluster has. Raises CephError."""
    return read_found(
        cluster.ask({"prefix": "auth ls"}),
        cluster.ask({"prefix": "osd crush rule dump"}),
        cluster.ask({"prefix": "osd dump"}),
    )


def bring_about(params: dict[str, Any], *, dry: bool) -> list[Action]:
    """Give the cluster what it lacks and return that. Raises PlanError and CephError."""
    users = read_users(params["users"], params["keys"])
    pools = [Pool(**row) for row in params["pools"]]
    if dry and not Path(params["keyring"]).exists():
        return plan_users(users, Found()) + plan_pools(pools, Found())
    with connected("client.admin", params["keyring"], params["timeout"]) as cluster:
        found = look(cluster)
        actions = plan_users(users, found) + plan_pools(pools, found)
        for action in () if dry else actions:
            cluster.run(action.command, action.data)
    return actions


def main() -> None:
    """Run the module."""
    pool = {
        "name": {"type": "str", "required": True},
        "application": {"type": "str", "default": "rbd"},
        "size": {"type": "int", "required": True},
        "min_size": {"type": "int", "required": True},
        "failure_domain": {"type": "str", "default": "host"},
        "device_class": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "users": {"type": "dict", "default": {}},
            "keys": {"type": "dict", "default": {}, "no_log": True},
            "pools": {"type": "list", "elements": "dict", "default": [], "options": pool},
            # The path of a secret is none.
            "keyring": {"type": "path", "default": "/etc/ceph/ceph.client.admin.keyring", "no_log": False},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    actions: list[Action] = []
    try:
        actions = bring_about(module.params, dry=module.check_mode)
    except (PlanError, CephError) as error:
        module.fail_json(msg=str(error), remedy=error.remedy)
    shown = [action.shown for action in actions]
    module.exit_json(
        changed=bool(actions), actions=shown, diff={"before": "", "after": "".join(f"{line}\n" for line in shown)}
    )


if __name__ == "__main__":
    main()
