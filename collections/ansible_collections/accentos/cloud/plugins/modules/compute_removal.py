#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: computes leave a cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compute_removal
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let computes leave a cloud
description:
  - >-
    In stage V(move) it disables the compute services of the hosts and lets their guests move away. Running guests are
    migrated live; shelved ones are offloaded. It ends when only guests are left that are shut off.
  - >-
    Then the daemons of the hosts are stopped, which is not its affair. In stage V(forget) it evacuates the guests that
    are shut off, and removes what the cloud has of the hosts - their places in aggregates and so in availability zones,
    their compute services with their resource providers, their agents and their chassis in OVN.
  - >-
    What cannot be done is refused before anything is touched, with all reasons at once - an unknown name, a controller
    or gateway, a host with OSDs, the last compute, a host that does not answer and is not said to be dead, guests that
    cannot move.
  - The state of the cloud decides what is left to do, so a run that was killed is simply repeated.
  - >-
    It runs on a controller, as root; with O(network_driver=ovn) on one with OVN's southbound database. What it is at
    stands in the journal of that host, under the identifier C(ansible-accentos.cloud.compute_removal).
options:
  stage:
    description: What to do.
    type: str
    choices: [move, forget]
    required: true
  hosts:
    description: Names of the hosts, as the compute service knows them.
    type: list
    elements: str
    required: true
  inventory:
    description: Computes that the site describes. Of these one may have left already.
    type: list
    elements: str
    default: []
  answering:
    description: Those of the hosts that SSH reaches.
    type: list
    elements: str
    default: []
  dead:
    description:
      - Hosts that are off for good. Their guests are evacuated once the compute service knows that they are down.
      - A host in this list that still runs guests destroys their disks - turn it off first, and keep it off.
    type: list
    elements: str
    default: []
  shared_storage:
    description:
      - Whether all disks of guests are in a store that every compute reaches.
      - If this is said and is not so, a guest that is evacuated loses its disk.
    type: bool
    default: false
  ceph:
    description: Whether to ask Ceph which of the hosts have OSDs. The host needs the key of its administrator.
    type: bool
    default: false
  network_driver:
    description: Driver of the cloud's networks. It decides which network agents a compute has.
    type: str
    choices: [openvswitch, ovn]
    default: ovn
  at_once:
    description: How many guests are on their way at the same time.
    type: int
    default: 4
  timeout:
    description: Seconds to wait while no guest leaves, and for another run that removes computes.
    type: int
    default: 1800
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login]
attributes:
  diff_mode:
    description: There are no files; RV(steps) tells what is done.
    support: none
"""

EXAMPLES = r"""
- name: Let the guests move away
  accentos.cloud.compute_removal:
    stage: move
    hosts: [compute-2]
    answering: [compute-2]
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt

# Here nova-compute and the network agents of compute-2 are stopped and disabled.

- name: Let the cloud forget the host
  accentos.cloud.compute_removal:
    stage: forget
    hosts: [compute-2]
    answering: [compute-2]
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt
"""

RETURN = r"""
steps:
  description: What was done in this stage, or in check mode would be done.
  returned: success
  type: list
  elements: dict
  contains:
    host: {description: The host that leaves., type: str}
    verb: {description: What is done., type: str}
    thing: {description: To what., type: str}
    why: {description: Why so, type: str}
  sample:
    - {host: compute-2, verb: live-migrate, thing: guest web-1 (6d0e5dc8-4f4a-4f0b-93f9-8a8a77b4a8f1), why: ""}
present:
  description: Those of the hosts that the cloud knew when the module began.
  returned: success
  type: list
  elements: str
  sample: [compute-2]
"""

import contextlib
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_commands import CephError, connected
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.compute_hosts import (
    AGENTS,
    EVACUATE,
    FORGET,
    MOVE,
    Order,
    State,
    guest_refusals,
    plan,
    present,
    refusals,
    way,
)
from ansible_collections.accentos.cloud.plugins.module_utils.compute_hosts_steps import (
    Chassis,
    Removal,
    read_guests,
    read_state,
)
from ansible_collections.accentos.cloud.plugins.module_utils.process_locks import HeldError, only_one

_ANSWER = 60
_LOCK = Path("/run/accentos-compute-removal.lock")
_CEPH_KEYRING = "/etc/ceph/ceph.client.admin.keyring"
_AGAIN = "Mend what is told and run the same command again: it goes on where it was."
_STAYS = (
    "The host takes no new guests meanwhile; `openstack compute service set --enable HOST nova-compute` calls it off."
)


def read_osd_hosts() -> list[str]:
    """Return the hosts that have OSDs. Raises CephError."""
    with connected("client.admin", _CEPH_KEYRING, _ANSWER) as cluster:
        nodes = cluster.ask({"prefix": "osd tree"})["nodes"]
    return [str(one["name"]) for one in nodes if one["type"] == "host" and one["children"]]


def read_order(options: dict[str, Any]) -> Order:
    """Return the order that the options are."""
    return Order(
        hosts=list(dict.fromkeys(options["hosts"])),
        inventory=options["inventory"],
        answering=options["answering"],
        dead=options["dead"],
        shared=options["shared_storage"],
    )


def still_there(state: State, order: Order) -> list[str]:
    """Return which guests keep stage ``forget`` from beginning, a sentence each."""
    return [
        f"Guest {guest.describe()} is on {guest.host} and {guest.state}, so stage move is not over."
        for guest in state.guests
        if way(guest, dead=guest.host in order.dead, shared=order.shared)[0] != EVACUATE and not guest.task
    ]


def main() -> None:
    """Run the module."""
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            "stage": {"type": "str", "required": True, "choices": [MOVE, FORGET]},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "inventory": names,
            "answering": names,
            "dead": names,
            "shared_storage": {"type": "bool", "default": False},
            "ceph": {"type": "bool", "default": False},
            "network_driver": {"type": "str", "choices": sorted(AGENTS), "default": "ovn"},
            "at_once": {"type": "int", "default": 4},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    options = module.params
    order, stage = read_order(options), options["stage"]

    def refuse(told: list[str], remedy: str) -> NoReturn:
        module.fail_json(msg="\n".join(told), remedy=remedy)
        raise SystemExit(1)

    if not order.hosts:
        refuse(["No host is named that is to leave."], "Name the hosts.")
    chassis = Chassis(module.run_command) if options["network_driver"] == "ovn" else None
    try:
        osd_hosts = read_osd_hosts() if options["ceph"] else []
        cloud = Cloud(options["auth"], ca_file=options["ca_file"], timeout=_ANSWER)
        # When a run is killed, its module goes on for a while.
        alone = only_one(module, _LOCK, "removes computes", timeout=options["timeout"])
        with contextlib.nullcontext() if module.check_mode else alone:
            state = read_state(cloud, chassis, order.hosts, osd_hosts)
            if told := refusals(state, order):
                refuse(told, "Nothing was done. Mend what is told, then run again.")
            steps = plan(state, order, stage)
            if not module.check_mode:
                if stage == FORGET and (told := still_there(state, order)):
                    refuse(told, _AGAIN)
                removal = Removal(
                    cloud, chassis, order, module.log, timeout=options["timeout"], at_once=max(1, options["at_once"])
                )
                removal.apply(state, stage)
                if stage == MOVE and not removal.failures:
                    told = guest_refusals(State(guests=read_guests(cloud, order.hosts)), order)
                if told := told or list(removal.failures.values()):
                    refuse(told, f"{_AGAIN} {_STAYS}")
    except HeldError as error:
        refuse([str(error)], f"Nothing was done. {error.remedy}")
    except (CloudError, CephError) as error:
        refuse([f"The cloud does not let {', '.join(order.hosts)} go: {error}."], _AGAIN)
    module.exit_json(
        changed=bool(steps),
        steps=[step.told() for step in steps],
        present=[host for host in order.hosts if present(state, host)],
    )


if __name__ == "__main__":
    main()
