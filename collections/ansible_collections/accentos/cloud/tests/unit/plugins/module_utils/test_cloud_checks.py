# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How checks follow each other, and what guests, ping and services say."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import (
    FAILED,
    LEFT_OUT,
    OK,
    Check,
    CheckFailedError,
    Console,
    LeftOutError,
    Pings,
    Row,
    back_end_types,
    dead_agents,
    dead_services,
    external_network,
    migration_target,
    missing_agents,
    read_console,
    read_pings,
    run,
    usable_computes,
)

CONSOLE = """\
SYSLINUX 6.04
accentos-guest: 2.79 start\r
accentos-guest: 3.98 host-key ssh-ed25519 AAAAC3Nza+/=\r
accentos-guest: 4.13 lease eth0 192.168.222.74/24 router=192.168.222.1\r
accentos-guest: 4.80 metadata accentos-check-1.novalocal key\r
accentos-guest: 4.91 ready\r
"""
# As iputils 20240905 and busybox 1.37 say it.
IPUTILS = "5 packets transmitted, 4 received, 20% packet loss, time 809ms\nrtt min/avg/max/mdev = 0.8/2.25/4.0/1.0 ms\n"
BUSYBOX = "5 packets transmitted, 5 packets received, 0% packet loss\nround-trip min/avg/max = 4.010/6.500/9.000 ms\n"


def failing() -> str:
    raise CheckFailedError("It is broken.", "Mend it.")


def senseless() -> str:
    raise LeftOutError("there is none")


def test_checks_run_in_order_and_those_whose_needs_are_unmet_are_left_out() -> None:
    checks = [
        Check("one", (), lambda: "seen"),
        Check("two", ("one",), failing),
        Check("three", ("one", "two"), lambda: "never"),
        Check("four", ("three",), lambda: "never"),
        Check("five", (), senseless),
        Check("six", ("one",), lambda: "seen, too"),
    ]
    assert run(checks, itertools.count(0.0, 1.5).__next__) == [
        Row("one", OK, 1.5, "seen"),
        Row("two", FAILED, 1.5, "It is broken.", "Mend it."),
        Row("three", LEFT_OUT, 1.5, "needs two, which is failed"),
        Row("four", LEFT_OUT, 1.5, "needs three, which is left out"),
        Row("five", LEFT_OUT, 1.5, "there is none"),
        Row("six", OK, 1.5, "seen, too"),
    ]


def test_a_console_is_read() -> None:
    assert read_console(CONSOLE) == Console(
        started=2.79,
        host_key="ssh-ed25519 AAAAC3Nza+/=",
        address="192.168.222.74",
        hostname="accentos-check-1.novalocal",
        has_key=True,
        ready=4.91,
    )


def test_only_the_last_life_of_a_guest_counts() -> None:
    again = read_console(f"{CONSOLE}accentos-guest: 2.80 start\naccentos-guest: 30.10 FAILED no metadata\n")
    assert again == Console(started=2.8, failure="no metadata")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "accentos-guest: 1 start",
        "accentos-guest: 1.0 host-key ssh-rsa AAAA",
        "accentos-guest: 1.0 host-key ssh-ed25519 AAAA\x1b[2J",
        "accentos-guest: 1.0 lease eth1 10.0.0.1/24",
        "accentos-guest: 1.0 lease eth0",
        "accentos-guest: 1.0 metadata",
        "accentos-guest: 1.0 other",
    ],
)
def test_what_a_guest_does_not_say_well_it_did_not_say(text: str) -> None:
    assert read_console(text) == Console()


@pytest.mark.parametrize(
    ("text", "pings", "told"),
    [
        (IPUTILS, Pings(5, 4, 2.25), "4 of 5 answered, 2.2 ms"),
        (BUSYBOX, Pings(5, 5, 6.5), "5 of 5 answered, 6.5 ms"),
        ("3 packets transmitted, 0 received, 100% packet loss", Pings(3, 0, None), "0 of 3 answered"),
        ("ping: unknown host", Pings(0, 0, None), "0 of 0 answered"),
    ],
)
def test_what_ping_says_is_read(text: str, pings: Pings, told: str) -> None:
    assert read_pings(text) == pings
    assert pings.describe() == told


def test_services_that_do_not_report_are_named() -> None:
    services = [
        {"binary": "nova-compute", "host": "compute-2", "status": "enabled", "state": "up"},
        {"binary": "nova-compute", "host": "compute-1", "status": "enabled", "state": "up"},
        {"binary": "nova-compute", "host": "compute-3", "status": "disabled", "state": "down"},
        {"binary": "nova-compute", "host": "compute-4", "status": "enabled", "state": "down"},
        {"binary": "nova-scheduler", "host": "controller-1", "status": "enabled", "state": "up"},
    ]
    assert usable_computes(services) == ["compute-1", "compute-2"]
    assert dead_services(services) == ["nova-compute@compute-4"]
    agents = [
        {"agent_type": "OVN Metadata agent", "host": "compute-1", "admin_state_up": True, "alive": False},
        {"agent_type": "OVN Controller agent", "host": "compute-1", "admin_state_up": True, "alive": True},
        {"agent_type": "OVN Controller agent", "host": "compute-3", "admin_state_up": False, "alive": False},
    ]
    assert dead_agents(agents) == ["OVN Metadata agent@compute-1"]


def test_agents_that_never_reported_are_named() -> None:
    kinds = ("L3 agent", "Metadata agent", "Open vSwitch agent")
    agents = [{"agent_type": kind, "host": host} for kind in kinds for host in ("compute-1", "controller-1")]
    assert missing_agents(agents, ["compute-1"]) == ["DHCP agent@any host"]
    agents.append({"agent_type": "DHCP agent", "host": "controller-1"})
    assert missing_agents(agents, ["compute-1"]) == []
    assert missing_agents(agents[1:], ["compute-1", "compute-2"]) == [
        *("L3 agent@compute-1", "L3 agent@compute-2", "Metadata agent@compute-2", "Open vSwitch agent@compute-2")
    ]


def test_the_external_network_is_chosen() -> None:
    networks = [{"name": "two"}, {"name": "one"}]
    assert external_network(networks, None) == {"name": "one"}
    assert external_network(networks, "two") == {"name": "two"}
    assert external_network([], None) is None
    with pytest.raises(CheckFailedError, match="There is no external network three; there are one, two"):
        external_network(networks, "three")
    with pytest.raises(CheckFailedError, match="there are none"):
        external_network([], "three")


def test_each_back_end_of_volumes_is_known_by_one_type() -> None:
    types: list[dict[str, Any]] = [
        {"name": "__DEFAULT__", "extra_specs": {}},
        {"name": "slow", "extra_specs": {"volume_backend_name": "files"}},
        {"name": "ceph-encrypted", "extra_specs": {"volume_backend_name": "ceph"}},
        {"name": "ceph", "extra_specs": {"volume_backend_name": "ceph"}},
        {"name": "told to nobody", "extra_specs": None},
    ]
    assert back_end_types(types) == ["ceph", "slow"]
    assert back_end_types([]) == []


def test_a_guest_moves_to_another_compute_that_runs_guests_in_the_same_way() -> None:
    three = ["compute-2", "compute-1", "compute-3"]
    for kinds in ({}, {"compute-2": "qemu"}, {"compute-1": "kvm"}, {"compute-1": "kvm", "compute-2": "kvm"}):
        assert migration_target(three, "compute-1", kinds) == "compute-2"
    assert migration_target(three, "compute-1", {"compute-1": "kvm", "compute-2": "qemu"}) == "compute-3"
    with pytest.raises(LeftOutError, match="there is one compute only"):
        migration_target(["compute-1"], "compute-1", {})
    told = "guests run by kvm on compute-1 and on compute-2 by qemu: none moves from one kind to the other"
    with pytest.raises(LeftOutError, match=told):
        migration_target(three[:2], "compute-1", {"compute-1": "kvm", "compute-2": "qemu"})
