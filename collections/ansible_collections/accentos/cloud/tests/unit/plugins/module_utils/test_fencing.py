# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What proves a lost host dead, by which way, and what never does."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.fencing import (
    BLOCKLIST,
    BMC,
    DEAD,
    ISOLATED,
    OPERATOR,
    PDU,
    UNKNOWN,
    WATCHDOG,
    WAYS,
    Attempt,
    Machine,
    Order,
    Watchdog,
    entry_of,
    next_way,
    not_listed,
    parse_blocklist,
    plan,
    refusals,
    refused,
    seconds_to_wait,
    verdict,
)

ARMED = Watchdog(armed=True, timeout=60, margin=10)
WHOLE = Machine("compute-1", "10.1.0.21", has_bmc=True, has_pdu=True, watchdog=ARMED, clients=["10.3.0.21"])
CEPH = Order(ceph=True)


def ways(machine: Machine, order: Order) -> list[str]:
    """Return the ways that can be tried."""
    return [step.way for step in plan(machine, order) if not step.lack]


def run(machine: Machine, order: Order, proves: str = "") -> dict[str, Any]:
    """Try the ways one after the other, all in vain but the one that PROVES."""
    steps = plan(machine, order)
    attempts: list[Attempt] = []
    while (way := next_way(steps, attempts)) is not None:
        attempts.append(Attempt(way, way == proves, 2.04, "" if way == proves else "in vain"))
    return verdict(machine, steps, attempts)


def test_the_order_of_the_ways() -> None:
    assert ways(WHOLE, CEPH) == [BMC, PDU, WATCHDOG, BLOCKLIST]
    assert ways(WHOLE, Order(ways=[BLOCKLIST, BMC, BLOCKLIST], ceph=True)) == [BLOCKLIST, BMC]


@pytest.mark.parametrize(
    ("machine", "order", "way", "lack"),
    [
        (Machine("a"), CEPH, BMC, "no management controller is described"),
        (Machine("a"), CEPH, PDU, "no outlets of power distribution units are described"),
        (Machine("a"), CEPH, WATCHDOG, "no watchdog is described"),
        (Machine("a", watchdog=Watchdog(armed=False, timeout=60)), CEPH, WATCHDOG, "nobody says that the watchdog is"),
        (Machine("a"), CEPH, BLOCKLIST, "no address of the host as a client of Ceph"),
        (WHOLE, Order(), BLOCKLIST, "no Ceph cluster is named"),
    ],
)
def test_a_way_that_is_not_described_is_not_tried(machine: Machine, order: Order, way: str, lack: str) -> None:
    (step,) = [step for step in plan(machine, order) if step.way == way]
    assert step.lack.startswith(lack)
    assert next_way([step], []) is None
    told = run(machine, order)["attempts"]
    assert [row["reason"] for row in told if row["way"] == way] == [step.lack]


@pytest.mark.parametrize(
    ("way", "state", "before"),
    [
        (BMC, DEAD, []),
        (PDU, DEAD, [BMC]),
        (WATCHDOG, DEAD, [BMC, PDU]),
        (BLOCKLIST, ISOLATED, [BMC, PDU, WATCHDOG]),
    ],
)
def test_the_first_proof_ends_it(way: str, state: str, before: list[str]) -> None:
    result = run(WHOLE, CEPH, proves=way)
    assert (result["state"], result["way"], result.get("failed")) == (state, way, None)
    assert [row["way"] for row in result["attempts"]] == [*before, way]
    assert result["attempts"][-1] == {"way": way, "proved": True, "seconds": 2.0, "reason": ""}


@pytest.mark.parametrize("machine", [WHOLE, Machine("compute-1")])
def test_without_a_proof_a_host_is_unknown_and_never_dead(machine: Machine) -> None:
    result = run(machine, CEPH)
    assert (result["state"], result["way"], result["failed"]) == (UNKNOWN, None, True)
    assert [row["way"] for row in result["attempts"]] == list(WAYS)
    assert all(f"{row['way']}: {row['reason']}" in result["msg"] for row in result["attempts"])
    assert "confirmed_dead: [compute-1]" in result["remedy"]


def test_no_way_is_no_proof() -> None:
    result = run(WHOLE, Order(ways=[]))
    assert (result["state"], result["failed"]) == (UNKNOWN, True)
    assert "no way was allowed" in result["msg"]


def test_the_word_of_the_operator_comes_after_power_and_instead_of_waiting() -> None:
    order = Order(ceph=True, confirmed=["compute-1"])
    assert ways(WHOLE, order) == [BMC, PDU, OPERATOR]
    assert run(WHOLE, order, proves=PDU)["way"] == PDU
    result = run(WHOLE, order, proves=OPERATOR)
    assert (result["state"], result["way"]) == (DEAD, OPERATOR)
    assert ways(WHOLE, Order(confirmed=["compute-2"])) == [BMC, PDU, WATCHDOG]


def test_a_host_that_answers_is_refused() -> None:
    result = refused(WHOLE, plan(WHOLE, CEPH), "it accepts connections")
    assert (result["state"], result["failed"], result["attempts"]) == (UNKNOWN, True, [])
    assert "it accepts connections" in result["msg"]
    assert "fence_alive: [compute-1]" in result["remedy"]


@pytest.mark.parametrize(
    ("silent_for", "seconds"), [(0, 70), (25.5, 44.5), (69.9, pytest.approx(0.1)), (70, 0), (1000, 0)]
)
def test_a_watchdog_is_waited_for_since_the_last_sign_of_life(silent_for: float, seconds: float) -> None:
    assert seconds_to_wait(ARMED, silent_for) == seconds


@pytest.mark.parametrize(
    ("machines", "order", "words"),
    [
        ([WHOLE, Machine("b", "10.1.0.22")], CEPH, "2 hosts are to be fenced at once and max_hosts is 1."),
        ([WHOLE, WHOLE], Order(max_hosts=2), "compute-1 is named twice."),
        ([WHOLE], Order(confirmed=["compute-2"]), "confirmed_dead names compute-2, which is none of the machines."),
        ([WHOLE], Order(forced=["compute-2"]), "fence_alive names compute-2, which is none of the machines."),
        ([Machine("a")], CEPH, "a: it has no address to ask for a sign of life"),
        ([Machine("a", "10.1.0.1", silent_for=-1)], CEPH, "a: silent_for is -1, a time to come."),
        (
            [Machine("a", "x", watchdog=Watchdog(armed=True, timeout=0))],
            CEPH,
            "a: the time-out of a watchdog is above 0",
        ),
        ([Machine("a", "x", watchdog=Watchdog(True, 5, -1))], CEPH, "a: the time-out of a watchdog is"),
        ([Machine("a", "x", clients=["10.3.0.1:0/0"])], CEPH, "a: '10.3.0.1:0/0' in ceph_addresses is no IP address."),
    ],
)
def test_what_is_refused_as_a_whole(machines: list[Machine], order: Order, words: str) -> None:
    (told,) = refusals(machines, order)
    assert told.startswith(words)


def test_what_is_not_refused() -> None:
    assert refusals([WHOLE], Order(confirmed=["compute-1"], forced=["compute-1"])) == []
    assert refusals([WHOLE, Machine("b", "10.1.0.22")], Order(max_hosts=2)) == []
    assert refusals([Machine("a")], Order(expect_silent=False)) == []


# As Ceph 18.2 prints it.
LISTED = """\
10.3.0.21:0/0 2026-12-26T20:14:30.123456+0000
10.3.0.22:0/3710147553 2026-12-26T20:14:30.123456+0000
10.3.0.23:6800/0 2026-12-26T20:14:30.123456+0000
[2001:db8::21]:0/0 2026-12-26T20:14:30.123456+0000
10.3.0.24:0/0 tomorrow
10.3.0.25:0/0 2026-12-26T20:14:30.123456
cidr:10.4.0.0:0/24 2026-12-26T20:14:30.123456+0000
listed 7 entries
"""


def test_only_entries_for_a_whole_address_count() -> None:
    until = datetime.datetime(2026, 12, 26, 20, 14, 30, 123456, tzinfo=datetime.UTC)
    assert parse_blocklist(LISTED) == {"10.3.0.21": until, "2001:db8::21": until}
    assert parse_blocklist("") == {}


def test_all_addresses_must_be_listed_for_long_enough() -> None:
    listed = parse_blocklist(LISTED)
    now = datetime.datetime(2026, 12, 26, 19, 14, 30, tzinfo=datetime.UTC)
    assert not_listed(["10.3.0.21", "2001:DB8:0::21"], listed, now, 7200) == []
    assert not_listed(["10.3.0.21", "10.3.0.22"], listed, now, 7200) == ["10.3.0.22"]
    # Less than half of the time is left, or none.
    assert not_listed(["10.3.0.21"], listed, now, 7300) == ["10.3.0.21"]
    assert not_listed(["10.3.0.21"], listed, now + datetime.timedelta(days=2), 1) == ["10.3.0.21"]


def test_entries_are_about_all_ports_and_clients_of_an_address() -> None:
    assert [entry_of(address) for address in ("10.3.0.21", "2001:db8::21")] == ["10.3.0.21:0/0", "[2001:db8::21]:0/0"]
