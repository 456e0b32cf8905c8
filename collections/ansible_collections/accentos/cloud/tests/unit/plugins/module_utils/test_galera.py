# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who begins a cluster, on literals."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.filter.galera_start import FilterModule
from ansible_collections.accentos.cloud.plugins.module_utils.galera import (
    NOBODY,
    Member,
    allow_start,
    find_obstacle,
    parse_recovered,
    parse_state,
    plan_start,
)

CLUSTER = "6b8b2f0e-c98f-11f0-9b7e-b2a1d3f1c6d1"
OTHER = "11111111-c98f-11f0-9b7e-b2a1d3f1c6d1"
NEW = Member()
WORKS = Member(primary=True, joined=True, uuid=CLUSTER)
# Its part of the cluster has no quorum.
RUNS = Member(active=True, joined=True, uuid=CLUSTER)
# It may work: it runs, and does not let root in.
CLOSED = Member(active=True, joined=True, uuid=CLUSTER, obstacle="Access denied (1698)")
# A server whose first transfer of data was cut off.
HALF = Member(joined=True, databases=["nova"])
STATE = f"# GALERA saved state\nversion: 2.1\nuuid:    {CLUSTER}\nseqno:   42\nsafe_to_bootstrap: 0\n"


def at(seqno: int | None, uuid: str = CLUSTER) -> Member:
    return Member(joined=True, uuid=uuid, seqno=seqno, databases=["nova"])


@pytest.mark.parametrize(
    ("members", "begin"),
    [
        # The first start of all.
        ([NEW, NEW, NEW], "a"),
        # A server that was single until now keeps its data.
        ([NEW, Member(databases=["nova"]), NEW], "b"),
        # All were stopped, or lost their power: who came farthest, and among equals the first.
        ([at(7), at(9), at(8)], "b"),
        ([at(9), at(9), at(8)], "a"),
        # Who never got the data of the cluster does not count.
        ([HALF, at(3), NEW], "b"),
        # While one works the others join.
        ([NEW, WORKS, NEW], ""),
        ([at(None), WORKS, None], ""),
        ([HALF, HALF, WORKS], ""),
        ([WORKS, WORKS, WORKS], ""),
    ],
)
def test_who_begins(members: list[Member | None], begin: str) -> None:
    found = plan_start(dict(zip("abc", members, strict=True)))
    assert (found.begin, found.refusal) == (begin, "")
    assert found.running == tuple(
        name for name, member in zip("abc", members, strict=True) if member and member.primary
    )


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([at(7), None, at(8)], "how far b came cannot be found out"),
        ([at(7), at(None), None], "how far b and c came"),
        ([at(7), RUNS, None], "how far b and c came"),
        ([NEW, None, NEW], "how far b came"),
        ([None, None, None], "no server answers"),
        ([at(7), at(7, OTHER), NEW], "2 different clusters"),
        ([WORKS, at(7, OTHER), NEW], "2 different clusters"),
        ([WORKS, Member(databases=["own"]), NEW], "b has own"),
        ([Member(databases=["one"]), Member(databases=["two"]), NEW], "a has one; b has two"),
    ],
)
def test_nothing_is_begun_that_could_lack_data(members: list[Member | None], words: str) -> None:
    found = plan_start(dict(zip("abc", members, strict=True)))
    assert found.begin == ""
    assert words in found.refusal
    assert found.remedy


def test_an_operator_decides_what_cannot_be_known_but_nothing_else() -> None:
    members = {"a": at(7), "b": None, "c": at(8)}
    assert plan_start(members, "a").begin == "a"
    assert "no controller that can be asked" in plan_start(members, "b").refusal
    assert plan_start({**members, "b": WORKS}, "a").begin == ""
    assert plan_start({**members, "b": at(9, OTHER)}, "a").refusal


def test_servers_without_quorum_are_stopped_if_nothing_else_is_unknown() -> None:
    found = plan_start({"a": RUNS, "b": at(8), "c": RUNS})
    assert (found.begin, found.refusal, found.stop) == ("", "", ("a", "c"))


@pytest.mark.parametrize("others", [[RUNS, at(8)], [WORKS, WORKS], [None, NEW], [at(9, OTHER), at(8)]])
@pytest.mark.parametrize("start_from", ["", "c"])
def test_nothing_is_done_beside_a_server_that_runs_and_cannot_be_asked(
    others: list[Member | None], start_from: str
) -> None:
    found = plan_start(dict(zip("abc", [CLOSED, *others], strict=True)), start_from)
    assert (found.begin, found.stop, found.closed) == ("", (), ("a",))
    assert "on a: Access denied (1698)." in found.refusal
    assert "runuser -u mysql -- mariadb" in found.remedy


def test_a_refusal_is_told_from_a_lost_quorum() -> None:
    assert find_obstacle(1047, "not yet prepared", starting=False) == ""
    assert find_obstacle(2002, "no socket", starting=True) == ""
    assert find_obstacle(2002, "no socket", starting=False) == "no socket (2002)"
    assert find_obstacle(1698, "Access denied", starting=True) == "Access denied (1698)"


def test_positions_are_read() -> None:
    assert parse_state(STATE) == (CLUSTER, 42)
    assert parse_state(STATE.replace("42", "-1")) == (CLUSTER, None)
    assert parse_state(STATE.replace(CLUSTER, NOBODY).replace("42", "-1")) == ("", None)
    assert parse_state("") == ("", None)
    line = "2026-01-01  0:00:00 0 [Note] WSREP: Recovered position: {}:{},0-1-5\n"
    assert parse_recovered("first line\n" + line.format(CLUSTER, 41)) == (CLUSTER, 41)
    assert parse_recovered(line.format(CLUSTER, -1)) == (CLUSTER, None)
    assert parse_recovered(line.format(NOBODY, -1)) == ("", None)
    assert parse_recovered("InnoDB: corrupted") == ("", None)


def test_a_server_is_allowed_to_begin() -> None:
    assert allow_start(STATE) == STATE.replace("bootstrap: 0", "bootstrap: 1")


def test_the_filter_reads_results_of_the_module() -> None:
    asked = [
        {"item": "a", "member": {**vars(at(7)), "databases": []}},
        {"item": "b", "member": vars(at(9))},
        {"item": "c", "unreachable": True},
    ]
    galera_start = FilterModule().filters()["galera_start"]
    assert galera_start(asked[:2], ["a", "b"])["begin"] == "b"
    assert "how far c came" in galera_start(asked, ["a", "b", "c"])["refusal"]
    assert galera_start(asked, ["a", "b", "c"], "a")["begin"] == "a"
