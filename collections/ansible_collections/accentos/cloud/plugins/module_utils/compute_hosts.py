# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides how computes leave a cloud and what one that joins lacks, from what services say. Nothing here asks them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# By this reason a host that is disabled is known as one that leaves, and may be enabled when it joins again.
REASON = "AccentOS removes this host"
MOVE, FORGET = "move", "forget"
LIVE_MIGRATE, OFFLOAD, EVACUATE, WAIT, STAY = "live-migrate", "offload", "evacuate", "wait", "stay"
# A guest goes these ways while its compute still works.
MOVING = frozenset({LIVE_MIGRATE, OFFLOAD})

_COMPUTE = "nova-compute"
_GATEWAY = "OVN Controller Gateway agent"
# What neutron gives as the host of an agent whose chassis is gone.
_NOBODY = '("Chassis" register deleted)'
# Agents of a compute by the driver of networks.
AGENTS: Mapping[str, Sequence[str]] = {
    "openvswitch": ("Open vSwitch agent", "L3 agent", "Metadata agent"),
    "ovn": ("OVN Controller agent", "OVN Metadata agent"),
}
# So says an L3 agent on a gateway of its configuration.
_GATEWAY_MODE = "dvr_snat"
# States of a migration after which nova asks nothing more of either host.
_SETTLED = frozenset({"cancelled", "completed", "confirmed", "done", "error", "failed", "reverted"})
# States in which nova moves no guest, and what its owner can do.
_HELP = {
    "error": "set its state (openstack server set --state active) if it works, or delete it",
    "paused": "set its state (openstack server set --state active)",
    "rescued": "unrescue it",
    "resized": "confirm or revert its resize",
    "shelved": "delete it; its image stays",
    "soft-delete": "restore or delete it",
    "suspended": "resume it",
}
_LIVE_WAYS = {
    "active": (LIVE_MIGRATE, ""),
    "paused": (LIVE_MIGRATE, ""),
    "shelved": (OFFLOAD, "it is shelved"),
    "stopped": (EVACUATE, "it is shut off"),
}
_DEAD_WAYS = dict.fromkeys(("active", "error", "stopped"), (EVACUATE, "its host is dead"))
# Why a guest whose disks are files of its host is not evacuated, from one that works and from one that is dead.
_LOCAL = {
    False: "it is shut off and its disks are files of the host; start it, so that it can move, or delete it",
    True: "its disks are files of the dead host; bring the host back, or delete the guest",
}


@dataclass(frozen=True)
class Guest:
    """A guest as nova tells of it: its STATE, the TASK that nova is at, and whether disks of it are files of the host.

    LOCAL_ROOT says so of its root disk, LOCAL_MORE of ephemeral disks and swap, where disks are not in a shared store.
    """

    id: str
    name: str
    host: str
    state: str
    task: str = ""
    local_root: bool = True
    local_more: bool = False

    def describe(self) -> str:
        """Return name and id for people."""
        return f"{self.name} ({self.id})"


def read_guest(server: Mapping[str, Any]) -> Guest:
    """Return a guest from what nova answers about it, in version 2.96."""
    flavor = server["flavor"]
    return Guest(
        id=server["id"],
        name=server["name"],
        host=server["OS-EXT-SRV-ATTR:host"] or "",
        state=server["OS-EXT-STS:vm_state"],
        task=server["OS-EXT-STS:task_state"] or "",
        # Nova names no image of a guest that starts from a volume.
        local_root=bool(server["image"]),
        local_more=bool(flavor["ephemeral"] or flavor["swap"]),
    )


@dataclass(frozen=True)
class State:
    """What the cloud has: lists as its APIs answer them; ``chassis`` maps names of OVN to host names."""

    services: Sequence[Mapping[str, Any]] = ()
    guests: Sequence[Guest] = ()
    migrations: Sequence[Mapping[str, Any]] = ()
    agents: Sequence[Mapping[str, Any]] = ()
    aggregates: Sequence[Mapping[str, Any]] = ()
    providers: Sequence[Mapping[str, Any]] = ()
    chassis: Mapping[str, str] = field(default_factory=dict)
    osd_hosts: Collection[str] = ()


@dataclass(frozen=True)
class Order:
    """What is wanted: HOSTS leave. INVENTORY are the computes of the site, ANSWERING those that SSH reaches.

    DEAD are said to be off for good. With SHARED all disks of guests are in a store that every compute reaches.
    """

    hosts: Sequence[str]
    inventory: Collection[str] = ()
    answering: Collection[str] = ()
    dead: Collection[str] = ()
    shared: bool = False


@dataclass(frozen=True)
class Step:
    """One thing to do: VERB and THING for people, ACTION on the object ID for the program."""

    host: str
    verb: str
    thing: str
    action: str
    id: str
    why: str = ""

    def told(self) -> dict[str, str]:
        """Return what people see of it."""
        return {"host": self.host, "verb": self.verb, "thing": self.thing, "why": self.why}


def computes(state: State) -> list[str]:
    """Return the hosts that have a compute service."""
    return sorted({one["host"] for one in state.services if one["binary"] == _COMPUTE})


def present(state: State, host: str) -> bool:
    """Tell whether the cloud knows anything of a compute."""
    return bool(
        host in computes(state)
        or any(one["host"] == host for one in state.agents)
        or host in state.chassis.values()
        or providers_of(state, host)
    )


def is_named(name: str, host: str) -> bool:
    """Tell whether libvirt's name of a machine is that of a host; it may have the domain."""
    return name == host or name.startswith(f"{host}.")


def providers_of(state: State, host: str) -> list[Mapping[str, Any]]:
    """Return the resource providers of a host, those within another one first."""
    roots = {one["uuid"] for one in state.providers if is_named(one["name"], host)}
    found = [one for one in state.providers if one["uuid"] in roots or one["root_provider_uuid"] in roots]
    return sorted(found, key=lambda one: one["uuid"] in roots)


def way(guest: Guest, *, dead: bool, shared: bool) -> tuple[str, str]:
    """Return how a guest leaves its host, and why so, or why it stays.

    A guest that is shut off would need SSH between computes for a cold migration; there is none. It is evacuated once
    its compute has stopped for good, and for that its disks must be within reach of the others: nova would make them
    anew from the image.
    """
    if guest.task:
        # An evacuation ends elsewhere.
        if not dead or guest.task.startswith("rebuild"):
            return WAIT, f"nova is at {guest.task}"
        return STAY, f"nova was at {guest.task} when its host died; set its state (openstack server set --state error)"
    kind, why = (_DEAD_WAYS if dead else _LIVE_WAYS).get(guest.state, (STAY, ""))
    if kind == EVACUATE and not shared and (guest.local_root or guest.local_more):
        return STAY, _LOCAL[dead]
    if kind == STAY:
        why = f"it is {guest.state}; {_HELP.get(guest.state, 'wait until it is active, or delete it')}"
    return kind, why


def unsettled(state: State) -> list[Mapping[str, Any]]:
    """Return the migrations that nova is still at or that wait for somebody."""
    return [one for one in state.migrations if one["status"] not in _SETTLED]


def refusals(state: State, order: Order) -> list[str]:
    """Return why the order cannot be carried out, a sentence each; if there is one, nothing may be touched."""
    there = {host for host in order.hosts if present(state, host)}
    known = {*order.inventory, *computes(state), *_agent_hosts(state)}
    told = [_unknown(host, known) for host in order.hosts if host not in known]
    told += [reason for host in order.hosts if host in there & known for reason in _host_refusals(state, order, host)]
    rest = [one for one in state.services if one["binary"] == _COMPUTE and one["host"] not in order.hosts]
    moving = [guest for guest in state.guests if guest.host in there]
    if set(computes(state)) & there and not rest:
        told.append(f"No compute would be left without {', '.join(sorted(there))}. Add another one first.")
    elif moving and not any(one["state"] == "up" and one["status"] == "enabled" for one in rest):
        told.append(
            f"{len(moving)} guests have to move and no other compute takes guests: "
            f"{', '.join(sorted({one['host'] for one in rest}))} are down or disabled. Start or enable one."
        )
    return told + guest_refusals(state, order)


def guest_refusals(state: State, order: Order) -> list[str]:
    """Return which guests cannot move, with the reasons, a sentence each."""
    ways = [(guest, *way(guest, dead=guest.host in order.dead, shared=order.shared)) for guest in state.guests]
    told = [
        f"Guest {guest.describe()} cannot leave {guest.host}: {why}."
        for guest, kind, why in ways
        if kind == STAY and guest.host in order.hosts
    ]
    here = {guest.id for guest in state.guests}
    return told + [
        f"Guest {one['instance_uuid']} came from {one['source_compute']} and may go back: confirm or revert its resize."
        for one in unsettled(state)
        if one["status"] == "finished" and one["source_compute"] in order.hosts and one["instance_uuid"] not in here
    ]


def _agent_hosts(state: State) -> set[str]:
    kinds = {kind for agents in AGENTS.values() for kind in agents}
    # Controllers have the agents of computes too where Open vSwitch is the driver.
    routing = {one["host"] for one in state.agents if _mode(one) == _GATEWAY_MODE}
    return {one["host"] for one in state.agents if one["agent_type"] in kinds} - {_NOBODY} - routing


def _mode(agent: Mapping[str, Any]) -> str:
    """Return how an L3 agent routes, an empty text for other agents."""
    return str((agent.get("configurations") or {}).get("agent_mode", ""))


def _is_gateway(agent: Mapping[str, Any]) -> bool:
    return bool(agent["agent_type"] == _GATEWAY or _mode(agent) == _GATEWAY_MODE)


def _unknown(host: str, known: Collection[str]) -> str:
    meant = difflib.get_close_matches(host, known, 1)
    guess = f" Did you mean {meant[0]}?" if meant else ""
    return f"{host} is no compute of this cloud; it has {', '.join(sorted(known)) or 'none'}.{guess}"


def _host_refusals(state: State, order: Order, host: str) -> Iterable[str]:
    others = sorted({one["binary"] for one in state.services if one["host"] == host} - {_COMPUTE})
    if others:
        yield f"{host} also runs {', '.join(others)}: a controller cannot be removed."
    if any(one["host"] == host and _is_gateway(one) for one in state.agents):
        yield (
            f"{host} is a gateway to the external network. Let others be gateways (openvswitch_gateway), take it out "
            "of them and deploy, then run again."
        )
    if host in state.osd_hosts:
        yield (
            f"{host} has OSDs of Ceph, whose data would be lost. Take them out of the cluster first: `ceph osd out` "
            "each, wait until `ceph osd safe-to-destroy` says so, stop it and `ceph osd purge` it."
        )
    if host in order.dead and host in order.answering:
        yield (
            f"{host} answers over SSH, so it is not dead. Take it off the list of dead hosts, and its guests move "
            "while they run."
        )
    if host not in order.dead and host not in order.answering:
        yield (
            f"{host} does not answer over SSH. Bring it back; or, if it is off for good and stays so, say that it is "
            "dead (compute_dead): a guest that still runs on it would share its disks with its copy elsewhere, and "
            "destroy them."
        )


def plan(state: State, order: Order, stage: str) -> list[Step]:
    """Return the steps of a stage for an order that has no refusals.

    Stage ``move`` ends with hosts that have no guest left but those that are evacuated. In stage ``forget`` their
    daemons have stopped.
    """
    steps = _move if stage == MOVE else _forget
    return [step for host in order.hosts for step in steps(state, order, host)]


def _service(state: State, host: str) -> Mapping[str, Any] | None:
    return next((one for one in state.services if one["host"] == host and one["binary"] == _COMPUTE), None)


def _leaving(state: State, order: Order, host: str, kinds: Collection[str]) -> list[Step]:
    found = []
    for guest in state.guests:
        kind, why = way(guest, dead=host in order.dead, shared=order.shared)
        if guest.host == host and kind in kinds:
            found.append(Step(host, kind, f"guest {guest.describe()}", kind, guest.id, why))
    return found


def _move(state: State, order: Order, host: str) -> list[Step]:
    service = _service(state, host)
    steps = []
    # A reason that somebody else gave stays.
    if service and service["status"] == "enabled":
        steps.append(Step(host, "disable", f"{_COMPUTE} of {host}", "disable", service["id"], REASON))
    return steps + _leaving(state, order, host, {*MOVING, WAIT})


def _forget(state: State, order: Order, host: str) -> list[Step]:
    service = _service(state, host)
    guests = _leaving(state, order, host, {EVACUATE})
    steps = []
    # Nova evacuates from a host only when it knows that it is down. Of one that is said to be dead it has to find out.
    if guests and service and not service["forced_down"] and host not in order.dead:
        steps.append(Step(host, "mark as down", f"{_COMPUTE} of {host}", "force-down", service["id"], "it has stopped"))
    steps += guests
    steps += [
        Step(host, "delete", f"{one['agent_type']} of {host}", "agent", one["id"])
        for one in _agents_of(state, host, others=host == order.hosts[0])
    ]
    steps += [
        Step(host, "delete", f"chassis {name} of {host}", "chassis", name)
        for name, owner in sorted(state.chassis.items())
        if owner == host
    ]
    # Last what makes the host known: whatever a killed run left is found by it.
    if service:
        steps += [
            Step(host, "take out", f"{host} of aggregate {one['name']}", "aggregate", str(one["id"]))
            for one in state.aggregates
            if host in one["hosts"]
        ]
        steps.append(Step(host, "delete", f"{_COMPUTE} of {host}", "service", service["id"]))
    return steps + [
        Step(host, "delete", f"resource provider {one['name']}", "provider", one["uuid"])
        for one in providers_of(state, host)
    ]


def _agents_of(state: State, host: str, *, others: bool) -> list[Mapping[str, Any]]:
    """Return the agents of a host.

    Neutron removes the chassis with the first agent that is removed, and does not know then whose the others are. With
    OTHERS they belong to it too.
    """
    owners = {host, _NOBODY} if others else {host}
    return [one for one in state.agents if one["host"] in owners and (one["host"] == host or not one["alive"])]


def without(allocations: Mapping[str, Any], provider: str) -> dict[str, Any] | None:
    """Return the allocations of a consumer, as placement answers them, without those of a provider, for it to take.

    None if nothing is left.
    """
    rest = {
        uuid: {"resources": one["resources"]} for uuid, one in allocations["allocations"].items() if uuid != provider
    }
    if not rest:
        return None
    kept = ("consumer_generation", "consumer_type", "project_id", "user_id")
    return {"allocations": rest, **{name: allocations[name] for name in kept if name in allocations}}


def lacking(
    hosts: Iterable[str],
    services: Iterable[Mapping[str, Any]],
    hypervisors: Iterable[Mapping[str, Any]],
    agents: Iterable[Mapping[str, Any]] | None,
    driver: str = "ovn",
) -> dict[str, str]:
    """Return what each of HOSTS lacks to take guests, by host: the first thing that is missing.

    AGENTS are None where they were not asked for; DRIVER is that of networks.
    """
    found = {one["host"]: one for one in services if one["binary"] == _COMPUTE}
    # Nova lists those only that are mapped to a cell.
    names = [one["hypervisor_hostname"] for one in hypervisors]
    alive = None if agents is None else [one for one in agents if one["alive"]]
    lacks = {}
    for host in hosts:
        service = found.get(host)
        if service and left(service):
            lacks[host] = "enabling"
        elif not service or service["state"] != "up":
            lacks[host] = _COMPUTE
        elif not any(is_named(name, host) for name in names):
            lacks[host] = "cell"
        elif alive is not None:
            # A gateway's controller has another name.
            kinds = {str(one["agent_type"]) for one in alive if one["host"] == host}
            kinds |= {AGENTS["ovn"][0]} if _GATEWAY in kinds else set()
            if missing := [kind for kind in AGENTS[driver] if kind not in kinds]:
                lacks[host] = " and ".join(missing)
    return lacks


def left(service: Mapping[str, Any]) -> bool:
    """Tell whether a compute service is off because its host was leaving."""
    return bool(service["status"] == "disabled" and service.get("disabled_reason") == REASON)
