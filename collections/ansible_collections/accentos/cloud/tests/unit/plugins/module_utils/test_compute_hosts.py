# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How computes leave a cloud, decided from what services say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.compute_hosts import (
    EVACUATE,
    FORGET,
    LIVE_MIGRATE,
    MOVE,
    OFFLOAD,
    REASON,
    STAY,
    WAIT,
    Guest,
    Order,
    State,
    guest_refusals,
    lacking,
    left,
    plan,
    present,
    read_guest,
    refusals,
    unsettled,
    way,
    without,
)


def service(host: str, binary: str = "nova-compute", **more: Any) -> dict[str, Any]:
    return {
        "id": f"{binary}@{host}",
        "host": host,
        "binary": binary,
        "status": "enabled",
        "state": "up",
        "forced_down": False,
        "disabled_reason": None,
        **more,
    }


def agent(host: str, kind: str, *, alive: bool = True) -> dict[str, Any]:
    return {"id": f"{kind}@{host}", "host": host, "agent_type": kind, "alive": alive}


def provider(name: str, parent: str | None = None) -> dict[str, Any]:
    return {"uuid": f"uuid-{name}", "name": name, "root_provider_uuid": f"uuid-{parent or name}"}


def guest(state: str = "active", host: str = "compute-2", **more: Any) -> Guest:
    return Guest(id=f"id-{state}", name=state, host=host, state=state, **more)


CONTROLLER, METADATA, GATEWAY = "OVN Controller agent", "OVN Metadata agent", "OVN Controller Gateway agent"
CLOUD = State(
    services=[
        *(service(f"compute-{number}") for number in (1, 2)),
        *(service("controller-1", binary) for binary in ("nova-conductor", "nova-scheduler")),
    ],
    agents=[
        *(agent(f"compute-{number}", kind) for number in (1, 2) for kind in (CONTROLLER, METADATA)),
        agent("controller-1", GATEWAY),
    ],
    aggregates=[
        {"id": 7, "name": "fast", "hosts": ["compute-1", "compute-2"]},
        {"id": 8, "name": "slow", "hosts": ["compute-1"]},
    ],
    providers=[
        provider("compute-1.example.test"),
        provider("compute-2.example.test"),
        provider("compute-2_card", "compute-2.example.test"),
        provider("compute-20.example.test"),
    ],
    chassis={"c-1": "compute-1", "c-2": "compute-2", "c-0": "controller-1"},
)
ORDER = Order(hosts=["compute-2"], inventory=["compute-1", "compute-2"], answering=["compute-2"], shared=True)
GONE = State(
    services=[one for one in CLOUD.services if one["host"] != "compute-2"],
    agents=[one for one in CLOUD.agents if one["host"] != "compute-2"],
    providers=[provider("compute-1.example.test"), provider("compute-20.example.test")],
    chassis={"c-1": "compute-1", "c-0": "controller-1"},
)


def verbs(state: State, order: Order, stage: str) -> list[str]:
    return [f"{step.verb} {step.thing}" for step in plan(state, order, stage)]


def test_what_nova_says_of_a_guest() -> None:
    server = {
        "id": "1",
        "name": "web",
        "image": "",
        "flavor": {"ephemeral": 0, "swap": 512},
        "OS-EXT-SRV-ATTR:host": "compute-2",
        "OS-EXT-STS:vm_state": "stopped",
        "OS-EXT-STS:task_state": None,
    }
    assert read_guest(server) == Guest("1", "web", "compute-2", "stopped", "", local_root=False, local_more=True)
    assert read_guest({**server, "image": {"id": "2"}}).local_root


@pytest.mark.parametrize(
    ("state", "live", "dead"),
    [
        ("active", LIVE_MIGRATE, EVACUATE),
        ("paused", LIVE_MIGRATE, STAY),
        ("stopped", EVACUATE, EVACUATE),
        ("shelved", OFFLOAD, STAY),
        ("error", STAY, EVACUATE),
        ("suspended", STAY, STAY),
        ("rescued", STAY, STAY),
        ("resized", STAY, STAY),
        ("building", STAY, STAY),
    ],
)
def test_ways_of_guests(state: str, live: str, dead: str) -> None:
    assert way(guest(state), dead=False, shared=True)[0] == live
    assert way(guest(state), dead=True, shared=True)[0] == dead
    assert all(way(guest(state), dead=dead, shared=True)[1] for dead in (True, False) if state == "suspended")


@pytest.mark.parametrize(
    ("local", "shared", "moves"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"local_root": False}, False, True),
        ({"local_root": False, "local_more": True}, False, False),
    ],
)
def test_a_guest_whose_disks_would_be_lost_is_not_evacuated(local: dict[str, Any], shared: bool, moves: bool) -> None:
    for dead, state in ((True, "active"), (True, "stopped"), (False, "stopped")):
        kind, why = way(guest(state, **local), dead=dead, shared=shared)
        assert kind == (EVACUATE if moves else STAY)
        assert moves or "files of the" in why
    assert way(guest(**local), dead=False, shared=shared)[0] == LIVE_MIGRATE


def test_a_guest_that_nova_is_busy_with() -> None:
    assert way(guest(task="migrating"), dead=False, shared=True) == (WAIT, "nova is at migrating")
    assert way(guest(task="rebuild_spawning"), dead=True, shared=True)[0] == WAIT
    assert way(guest(task="migrating"), dead=True, shared=True)[0] == STAY


def test_steps_of_a_removal() -> None:
    state = replace(CLOUD, guests=[guest(), guest("stopped"), guest("shelved"), guest("paused", task="migrating")])
    assert verbs(state, ORDER, MOVE) == [
        "disable nova-compute of compute-2",
        "live-migrate guest active (id-active)",
        "offload guest shelved (id-shelved)",
        "wait guest paused (id-paused)",
    ]
    assert verbs(state, ORDER, FORGET) == [
        "mark as down nova-compute of compute-2",
        "evacuate guest stopped (id-stopped)",
        "delete OVN Controller agent of compute-2",
        "delete OVN Metadata agent of compute-2",
        "delete chassis c-2 of compute-2",
        "take out compute-2 of aggregate fast",
        "delete nova-compute of compute-2",
        "delete resource provider compute-2_card",
        "delete resource provider compute-2.example.test",
    ]
    assert refusals(state, ORDER) == []
    assert plan(state, ORDER, MOVE)[0].told()["why"] == REASON


def test_what_was_done_is_not_done_again() -> None:
    disabled = [service("compute-2", status="disabled", disabled_reason="broken fan"), service("compute-1")]
    assert verbs(replace(CLOUD, services=disabled), ORDER, MOVE) == []
    down = [service("compute-2", forced_down=True, state="down"), service("compute-1")]
    state = replace(CLOUD, services=down, guests=[guest("stopped")])
    assert verbs(state, ORDER, FORGET)[0] == "evacuate guest stopped (id-stopped)"
    only = replace(GONE, agents=[agent("compute-2", METADATA)])
    assert verbs(only, ORDER, FORGET) == ["delete OVN Metadata agent of compute-2"]
    assert (refusals(only, ORDER), present(only, "compute-2")) == ([], True)


def test_an_agent_that_neutron_knows_no_host_of_goes_with_the_first_host() -> None:
    nobody = agent('("Chassis" register deleted)', METADATA, alive=False)
    state = replace(CLOUD, agents=[agent("compute-1", METADATA), nobody])
    both = replace(ORDER, hosts=["compute-2", "compute-1"])
    steps = [step for step in plan(state, both, FORGET) if step.action == "agent"]
    assert [(step.host, step.id) for step in steps] == [
        ("compute-2", nobody["id"]),
        ("compute-1", f"{METADATA}@compute-1"),
    ]
    assert not any(nobody["host"] in line for line in refusals(state, replace(ORDER, hosts=["compute-3"])))


def test_a_host_that_left_needs_nothing_whether_it_answers_or_not() -> None:
    for order in (ORDER, replace(ORDER, answering=[])):
        assert refusals(GONE, order) == []
        assert verbs(GONE, order, MOVE) + verbs(GONE, order, FORGET) == []
    assert not present(GONE, "compute-2")


def test_a_dead_host() -> None:
    dead = replace(ORDER, answering=[], dead=["compute-2"])
    state = replace(CLOUD, guests=[guest()])
    assert refusals(state, dead) == []
    assert verbs(state, dead, MOVE) == ["disable nova-compute of compute-2"]
    # That it is down nova finds out.
    assert verbs(state, dead, FORGET)[0] == "evacuate guest active (id-active)"


@pytest.mark.parametrize(
    ("state", "order", "told"),
    [
        (
            CLOUD,
            replace(ORDER, hosts=["compute-3"]),
            "compute-3 is no compute of this cloud; it has compute-1,",
        ),
        (CLOUD, replace(ORDER, hosts=["compuet-2"]), "Did you mean compute-2?"),
        (CLOUD, replace(ORDER, hosts=["controller-1"]), "controller-1 is no compute of this cloud"),
        (
            replace(CLOUD, services=[*CLOUD.services, service("controller-1")]),
            replace(ORDER, hosts=["controller-1"], answering=["controller-1"]),
            "controller-1 also runs nova-conductor, nova-scheduler",
        ),
        (replace(CLOUD, agents=[agent("compute-2", GATEWAY)]), ORDER, "compute-2 is a gateway"),
        (replace(CLOUD, osd_hosts=["compute-2"]), ORDER, "compute-2 has OSDs of Ceph"),
        (
            CLOUD,
            replace(ORDER, hosts=["compute-2", "compute-1"]),
            "No compute would be left without compute-1,",
        ),
        (CLOUD, replace(ORDER, answering=[]), "compute-2 does not answer over SSH"),
        (CLOUD, replace(ORDER, dead=["compute-2"]), "compute-2 answers over SSH, so it is not dead"),
        (
            replace(CLOUD, services=[service("compute-1", status="disabled"), service("compute-2")], guests=[guest()]),
            ORDER,
            "1 guests have to move and no other compute takes guests: compute-1 are down or disabled",
        ),
        (
            replace(CLOUD, guests=[guest("suspended")]),
            ORDER,
            "Guest suspended (id-suspended) cannot leave compute-2: it is suspended; resume it.",
        ),
        (
            replace(
                CLOUD,
                migrations=[{"status": "finished", "source_compute": "compute-2", "instance_uuid": "id-9"}],
            ),
            ORDER,
            "Guest id-9 came from compute-2 and may go back",
        ),
    ],
)
def test_refusals(state: State, order: Order, told: str) -> None:
    found = refusals(state, order)
    assert told in "\n".join(found)
    assert len({line for line in found if told in line}) == 1


def test_guests_of_others_are_no_obstacle() -> None:
    assert guest_refusals(State(guests=[guest("suspended", "compute-1")]), ORDER) == []
    assert unsettled(State(migrations=[{"status": "completed"}, {"status": "running"}])) == [{"status": "running"}]


def test_allocations_of_a_guest_that_went_elsewhere() -> None:
    told = {
        "allocations": {
            "old": {"generation": 3, "resources": {"VCPU": 1}},
            "new": {"generation": 5, "resources": {"VCPU": 1}},
        },
        "consumer_generation": 2,
        "consumer_type": "INSTANCE",
        "project_id": "p",
        "user_id": "u",
    }
    assert without(told, "old") == {
        "allocations": {"new": {"resources": {"VCPU": 1}}},
        "consumer_generation": 2,
        "consumer_type": "INSTANCE",
        "project_id": "p",
        "user_id": "u",
    }
    assert without({"allocations": {"old": told["allocations"]["old"]}}, "old") is None  # type: ignore[index]


def test_what_a_compute_lacks_to_take_guests() -> None:
    hosts = ["compute-1", "compute-2", "compute-3", "compute-4", "compute-5"]
    services = [
        service("compute-1"),
        service("compute-2", state="down"),
        service("compute-4"),
        service("compute-5", status="disabled", disabled_reason=REASON, state="down", forced_down=True),
    ]
    hypervisors = [{"hypervisor_hostname": "compute-1.example.test"}]
    assert lacking(hosts, services, hypervisors, None) == {
        "compute-2": "nova-compute",
        "compute-3": "nova-compute",
        "compute-4": "cell",
        "compute-5": "enabling",
    }
    assert left(services[3])
    assert not left(service("compute-1", status="disabled", disabled_reason="mine"))


@pytest.mark.parametrize(
    ("agents", "lacks"),
    [
        ([CONTROLLER, METADATA], {}),
        ([GATEWAY, METADATA], {}),
        ([CONTROLLER], {"compute-1": METADATA}),
        ([], {"compute-1": f"{CONTROLLER} and {METADATA}"}),
    ],
)
def test_agents_of_a_compute(agents: list[str], lacks: dict[str, str]) -> None:
    found = [agent("compute-1", kind) for kind in agents] + [agent("compute-1", METADATA, alive=False)]
    hypervisors = [{"hypervisor_hostname": "compute-1.example.test"}]
    assert lacking(["compute-1"], [service("compute-1")], hypervisors, found) == lacks


def routing(host: str, mode: str) -> dict[str, Any]:
    return {**agent(host, "L3 agent"), "configurations": {"agent_mode": mode}}


AGENTS_OF_NEUTRON = replace(
    CLOUD,
    agents=[
        *(
            agent(host, kind)
            for host in ("compute-2", "controller-1")
            for kind in ("Open vSwitch agent", "Metadata agent")
        ),
        routing("compute-2", "dvr_no_external"),
        routing("controller-1", "dvr_snat"),
        agent("controller-1", "DHCP agent"),
    ],
    chassis={},
)


def test_agents_of_neutron_go_with_their_compute_and_those_of_gateways_stay() -> None:
    state = AGENTS_OF_NEUTRON
    assert [step.thing for step in plan(state, ORDER, FORGET) if step.action in ("agent", "chassis")] == [
        "Open vSwitch agent of compute-2",
        "Metadata agent of compute-2",
        "L3 agent of compute-2",
    ]
    assert refusals(state, ORDER) == []
    # A controller has the same agents and is no compute.
    (told,) = refusals(state, replace(ORDER, hosts=["controller-9"]))
    assert told == "controller-9 is no compute of this cloud; it has compute-1, compute-2."
    gateway = replace(state, agents=[routing("compute-2", "dvr_snat")])
    assert "compute-2 is a gateway to the external network" in refusals(gateway, ORDER)[0]


def test_a_compute_lacks_the_agents_of_its_driver() -> None:
    hypervisors = [{"hypervisor_hostname": "compute-2"}]

    def lacks(agents: list[dict[str, Any]]) -> dict[str, str]:
        return lacking(["compute-2"], [service("compute-2")], hypervisors, agents, "openvswitch")

    assert lacks([dict(one) for one in AGENTS_OF_NEUTRON.agents]) == {}
    assert lacks([agent("compute-2", "Metadata agent")]) == {"compute-2": "Open vSwitch agent and L3 agent"}
    assert lacks([agent("compute-2", CONTROLLER), agent("compute-2", METADATA)]) == {
        "compute-2": "Open vSwitch agent and L3 agent and Metadata agent"
    }
