#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: lost hosts are dead before anybody takes over what they had."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fence
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Prove that lost hosts are dead
description:
  - Makes sure that a lost host is dead before its guests or disks are taken over. O(ways) are tried in their order, and
    each is believed only when it proves something.
  - >-
    V(bmc) turns the host off through its management controller and V(pdu) turns off all its outlets. Off is believed as
    in module M(accentos.cloud.power), and not while the host still answers.
  - V(watchdog) waits until the host's own watchdog must have fired, if the site says that it is armed.
  - >-
    V(blocklist) lets Ceph take nothing from the host any more. The host is then isolated and not dead - its guests may
    still run, and write to other disks and networks.
  - Otherwise the host is unknown and the module fails. A time-out is never proof; the operator looks at the machine and
    says so in O(confirmed_dead).
  - It runs on the host that reaches the controllers and units.
extends_documentation_fragment: [accentos.cloud.bmc.fence]
options:
  ways:
    description: What may be tried, in this order.
    type: list
    elements: str
    choices: [bmc, pdu, watchdog, blocklist]
    default: [bmc, pdu, watchdog, blocklist]
  ceph:
    description: The cluster whose blocklist is used. Without it there is no V(ways=blocklist).
    type: dict
    suboptions:
      command:
        description:
          - The program C(ceph) with the options that it needs, such as V(--id). Never a key; that is in a keyring.
        type: list
        elements: str
        default: [ceph]
      expire:
        description:
          - Seconds that an entry lasts. It must last until somebody has looked at the host, which could write again
            afterwards.
        type: float
        default: 2592000
      timeout:
        description: Seconds for one call.
        type: float
        default: 60
  expect_silent:
    description:
      - Ask each host for a sign of life first, and refuse one that answers. Power that is said to be off and a watchdog
        that must have fired are not believed either while the host answers.
    type: bool
    default: true
  probe_timeout:
    description: Seconds after which a host that answers nothing is silent.
    type: float
    default: 5
  fence_alive:
    description: Names of those hosts of O(machines) that are fenced although they answer.
    type: list
    elements: str
    default: []
  max_hosts:
    description:
      - So many hosts are fenced at most; with more the module refuses all. When many are lost at once, it is often the
        network, or this very host, that is cut off.
    type: int
    default: 1
  confirmed_dead:
    description:
      - Names of those hosts of O(machines) that the operator has seen turned off. It is believed where V(ways=bmc) and
        V(ways=pdu) prove nothing and the host is silent, without waiting.
      - B(A host in this list that still runs destroys disks of guests.)
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that each of V(ways=bmc) and V(ways=pdu) has for turning a host off.
    type: float
    default: 60
  interval:
    description: Seconds between two readings of the power.
    type: float
    default: 2
attributes:
  check_mode:
    description:
      - Can run in check mode. It tells the order of the ways, and the state as it would be if each controller did what
        it is told. It reads power states and the blocklist, waits for no watchdog and touches nothing.
    support: full
  diff_mode:
    description: Shows power state or blocklist before and after.
    support: full
  idempotence:
    description: A host that is off or on the blocklist already is not changed.
    support: full
"""

EXAMPLES = r"""
- name: Prove that compute-7 is dead
  accentos.cloud.fence:
    machines: "{{ query('accentos.cloud.bmc', 'compute-7', fencing=true) }}"
    ceph:
      command: [ceph, --id, fencing]
  delegate_to: deploy-1
  run_once: true

- name: Take the word of the operator, who pulled its plugs
  accentos.cloud.fence:
    machines: "{{ query('accentos.cloud.bmc', 'compute-7', fencing=true) }}"
    confirmed_dead: [compute-7]
  delegate_to: deploy-1
  run_once: true
"""

RETURN = r"""
machines:
  description: What is known of each host, by its name. One that is C(unknown) also has C(failed), C(msg) and C(remedy).
  returned: when the hosts were not refused as a whole
  type: dict
  contains:
    state:
      description: C(dead), C(isolated) (it writes nothing to Ceph any more, and may run) or C(unknown).
      type: str
    way:
      description: The way that proved it, C(operator) for O(confirmed_dead), nothing if it is unknown.
      type: str
    order:
      description: The ways that can be tried with this host, in their order.
      type: list
    attempts:
      description:
        - What came of each way, with C(way), C(proved), C(seconds) and C(reason), up to the one that proved something.
      type: list
    changed:
      description: Whether anything was done to the host or to Ceph.
      type: bool
  sample:
    compute-7:
      state: dead
      way: pdu
      order: [bmc, pdu, blocklist]
      attempts:
        - {way: bmc, proved: false, seconds: 60.2, reason: "no answer within 60 s, which says nothing"}
        - {way: pdu, proved: true, seconds: 7.1, reason: ""}
      changed: true
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.fencing import (
    BMC,
    OPERATOR,
    PDU,
    WATCHDOG,
    WAYS,
    Attempt,
    Machine,
    Order,
    Watchdog,
    next_way,
    plan,
    refusals,
    refused,
    seconds_to_wait,
    verdict,
)
from ansible_collections.accentos.cloud.plugins.module_utils.fencing_steps import (
    Ceph,
    Door,
    blocklist,
    confirm,
    look_for_life,
    timed,
    turn_off,
    wait_for_watchdog,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power import options
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import Connection
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import Job, Result, Wish, longest, run_all
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Goal, Limits

ARGUMENTS: dict[str, Any] = {
    "machines": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "address": {"type": "str"},
            "port": {"type": "int", "default": 22},
            "silent_for": {"type": "float", "default": 0},
            "bmc": {"type": "dict", "options": options.BMC},
            "pdu": {"type": "dict", "options": options.BMC},
            "watchdog": {
                "type": "dict",
                "options": {
                    "armed": {"type": "bool", "required": True},
                    "timeout": {"type": "float", "required": True},
                    "margin": {"type": "float", "default": 10},
                },
            },
            "ceph_addresses": {"type": "list", "elements": "str", "default": []},
        },
    },
    "answer_timeout": options.SHARED["answer_timeout"],
    "at_once": options.SHARED["at_once"],
    "ways": {"type": "list", "elements": "str", "choices": list(WAYS), "default": list(WAYS)},
    "ceph": {
        "type": "dict",
        "options": {
            "command": {"type": "list", "elements": "str", "default": ["ceph"]},
            "expire": {"type": "float", "default": 2592000},
            "timeout": {"type": "float", "default": 60},
        },
    },
    "expect_silent": {"type": "bool", "default": True},
    "probe_timeout": {"type": "float", "default": 5},
    "fence_alive": {"type": "list", "elements": "str", "default": []},
    "max_hosts": {"type": "int", "default": 1},
    "confirmed_dead": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 60},
    "interval": {"type": "float", "default": 2},
}
_POSITIVE = ("answer_timeout", "at_once", "probe_timeout", "max_hosts", "timeout", "interval")
# Seconds more that a job has which keeps its time by itself.
_GRACE = 30
# Calls of the program ceph beside one for each address.
_LISTS = 2


class Fencing:
    """One run over all hosts."""

    def __init__(self, module: AnsibleModule, begun: float) -> None:
        self._module = module
        self._params = module.params
        rows = self._params["machines"]
        self._machines = {row["name"]: read_machine(row) for row in rows}
        self._ceph = Ceph(module.run_command, **self._params["ceph"]) if self._params["ceph"] else None
        self.order = Order(
            ways=self._params["ways"],
            ceph=self._ceph is not None,
            max_hosts=self._params["max_hosts"],
            expect_silent=self._params["expect_silent"],
            confirmed=self._params["confirmed_dead"],
            forced=self._params["fence_alive"],
        )
        self._doors = {
            row["name"]: Door(row["address"], row["port"], self._params["probe_timeout"])
            for row in rows
            if self.order.expect_silent and row["address"]
        }
        self._connections: dict[tuple[str, str], Connection] = {}
        # The monotonic times that the seconds of silence are counted to.
        self._begun = dict.fromkeys(self._machines, begun)
        self._plans = {name: plan(machine, self.order) for name, machine in self._machines.items()}
        self._attempts: dict[str, list[Attempt]] = {name: [] for name in self._machines}
        self._gathered: dict[str, Result] = {name: {"changed": False} for name in self._machines}

    def refuse_wrong_options(self) -> None:
        """End the module before anything is done, if the options are wrong or ask for too much."""
        rows = self._params["machines"]
        if told := refusals([read_machine(row) for row in rows], self.order):
            self._module.fail_json(msg="\n".join(told), remedy="Nothing was done. Mend what is told, then run again.")
        if self._ceph and (not self._ceph.command or self._ceph.expire <= 0 or self._ceph.timeout <= 0):
            self._module.fail_json(
                msg="ceph has no command, or a time that is not above 0.", remedy="Mend it; nothing was done."
            )
        try:
            for row in rows:
                for way in (BMC, PDU):
                    if row[way]:
                        where = f"{way} of {row['name']}"
                        if way == PDU and row[way]["driver"] != "snmp":
                            raise options.OptionError(f"{where}: its driver is not snmp.", "Give it the driver snmp.")
                        found = options.read_connection(where, row[way], self._params["answer_timeout"])
                        self._connections[row["name"], way] = found
        except options.OptionError as error:
            self._module.fail_json(msg=error.problem, remedy=error.remedy)
        options.need_libraries(self._module, self._connections.values())

    def results(self) -> dict[str, Result]:
        """Try way after way with all hosts that nothing is proved of yet, and return the results by host."""
        alive = self._signs_of_life()
        for way in (*dict.fromkeys(self.order.ways), OPERATOR):
            hosts = [
                name
                for name, machine_plan in self._plans.items()
                if name not in alive and next_way(machine_plan, self._attempts[name]) == way
            ]
            self._try(way, hosts)
        return {
            name: refused(machine, self._plans[name], alive[name])
            if name in alive
            else {**self._gathered[name], **verdict(machine, self._plans[name], self._attempts[name])}
            for name, machine in self._machines.items()
        }

    def _signs_of_life(self) -> dict[str, str]:
        """Return what speaks against fencing a host. That its silence cannot be told does so too."""
        jobs: dict[str, Job] = {name: partial(look_for_life, door) for name, door in self._doors.items()}
        alive = {}
        for name, result in run_all(jobs, deadline=self._probe, at_once=self._params["at_once"]).items():
            sign = result.get("msg") or result.get("sign")
            if not sign:
                continue
            if name in self.order.forced:
                # Its watchdog was fed until now.
                self._begun[name] = time.monotonic()
                self._machines[name] = dataclasses.replace(self._machines[name], silent_for=0)
            else:
                alive[name] = sign
        return alive

    @property
    def _probe(self) -> float:
        return float(self._params["probe_timeout"]) + _GRACE

    def _try(self, way: str, hosts: Sequence[str]) -> None:
        jobs: dict[str, Job] = {name: partial(timed, self._job(way, name)) for name in hosts}
        deadline = max((self._seconds(way, name) for name in hosts), default=0)
        for name, result in run_all(jobs, deadline=deadline, at_once=self._params["at_once"]).items():
            proved = not result.get("failed")
            gathered = self._gathered[name]
            gathered["changed"] |= result["changed"]
            gathered["warnings"] = [*gathered.get("warnings", ()), *result.get("warnings", ())]
            if "diff" in result:
                gathered["diff"] = result["diff"]
            seconds = result.get("seconds", deadline)
            self._attempts[name].append(Attempt(way, proved, seconds, result["msg"] if result.get("failed") else ""))

    def _job(self, way: str, name: str) -> Job:
        machine, dry = self._machines[name], self._module.check_mode
        silence = self._doors[name].must_be_silent if name in self._doors else None
        if way in (BMC, PDU):
            # Off is sent even to a host that is off by what its controller says, which may be wrong.
            limits = Limits(timeout=self._params["timeout"], interval=self._params["interval"], insist=True)
            return partial(turn_off, self._connections[name, way], Wish(Goal.OFF, limits=limits, dry=dry), silence)
        if way == WATCHDOG:
            return partial(wait_for_watchdog, machine, self._begun[name], silence, dry=dry)
        if way == OPERATOR or self._ceph is None:
            return partial(confirm, None if dry else silence)
        return partial(blocklist, machine, self._ceph, dry=dry)

    def _seconds(self, way: str, name: str) -> float:
        """Return after how many seconds a job is given up."""
        machine = self._machines[name]
        if way in (BMC, PDU):
            return longest(self._params["timeout"], self._params["answer_timeout"]) + self._probe
        if way == WATCHDOG and machine.watchdog:
            return seconds_to_wait(machine.watchdog, machine.silent_for) + 2 * self._probe
        if way == OPERATOR or self._ceph is None:
            return self._probe
        return self._ceph.timeout * (len(machine.clients) + _LISTS) + _GRACE


def read_machine(row: Mapping[str, Any]) -> Machine:
    """Return the host that a row of option ``machines`` describes."""
    return Machine(
        name=row["name"],
        address=row["address"],
        has_bmc=bool(row["bmc"]),
        has_pdu=bool(row["pdu"]),
        watchdog=Watchdog(**row["watchdog"]) if row["watchdog"] else None,
        clients=row["ceph_addresses"],
        silent_for=row["silent_for"],
    )


def main() -> None:
    """Run the module."""
    begun = time.monotonic()
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options.need_positive(module, _POSITIVE)
    fencing = Fencing(module, begun)
    fencing.refuse_wrong_options()
    options.finish(module, fencing.results(), alone=False)


if __name__ == "__main__":
    main()
