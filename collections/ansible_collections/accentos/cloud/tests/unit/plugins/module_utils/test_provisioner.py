# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about machines, with literals; and the socket's errors."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import (
    DEFAULT_TIMEOUTS,
    Progress,
    ProvisionerError,
    Step,
    call,
    find_running,
    judge,
    plan_enrolments,
    plan_machines,
    plan_timeouts,
    row_of,
)

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


def machine(host: str = "a", **values: Any) -> dict[str, Any]:
    return {
        "host": host,
        "state": "armed",
        "macs": [MAC],
        "address": None,
        "armed_at": 100.0,
        "expires_at": 200.0,
        "stages": [],
        **values,
    }


def stage(name: str, status: str, at: float, detail: str = "") -> dict[str, Any]:
    return {"stage": name, "status": status, "seconds": 2.0, "detail": detail, "at": at}


WANTED = {"host": "a", "state": "armed", "macs": [MAC.upper()], "address": None}


@pytest.mark.parametrize(
    ("known", "reinstall", "action", "reason"),
    [
        (None, False, "arm", "it was never installed"),
        ({}, False, "nothing", "it is armed"),
        ({"expires_at": 150.0}, False, "arm", "it is armed and its time is over"),
        ({"macs": [OTHER]}, False, "arm", "it is armed"),
        ({"address": "192.0.2.1"}, False, "arm", "it is armed"),
        ({"state": "installing"}, True, "nothing", "it is being installed"),
        ({"state": "installing", "expires_at": 150.0}, False, "arm", "it is installing and its time is over"),
        ({"state": "failed"}, False, "arm", "it is failed"),
        ({"state": "deployed", "expires_at": 0.0}, False, "nothing", "it is deployed"),
        ({"state": "deployed"}, True, "arm", "its name was given to be reinstalled"),
    ],
)
def test_what_a_machine_needs(known: dict[str, Any] | None, reinstall: bool, action: str, reason: str) -> None:
    machines = {} if known is None else {"a": machine(**known)}
    assert plan_machines([WANTED], machines, ["a"] if reinstall else [], 150.0) == [Step("a", action, reason)]


def test_a_host_that_runs_is_erased_only_if_it_is_named() -> None:
    told = "it answers over SSH, and was not installed from here"
    assert plan_machines([WANTED], {}, [], 150.0, running={"a"}) == [Step("a", "nothing", told)]
    assert plan_machines([WANTED], {}, ["a"], 150.0, running={"a"}) == [Step("a", "arm", "it was never installed")]
    # One that is known stops on its way now and then, with the system before it still running.
    failed = {"a": machine(state="failed")}
    assert plan_machines([WANTED], failed, [], 150.0, running={"a"}) == [Step("a", "arm", "it is failed")]


def test_an_ssh_server_is_told_from_silence_and_from_other_servers() -> None:
    greetings = {"127.0.0.1": b"SSH-2.0-x\r\n", "127.0.0.2": b"220 mail\r\n", "127.0.0.3": b""}
    with contextlib.ExitStack() as stack:
        port = 0
        for address, greeting in greetings.items():
            server = stack.enter_context(socket.create_server((address, port)))
            port = server.getsockname()[1]

            def greet(server: socket.socket = server, greeting: bytes = greeting) -> None:
                with server.accept()[0] as connection:
                    connection.sendall(greeting)

            threading.Thread(target=greet, daemon=True).start()
        # Nobody listens at the last one.
        hosts = {**{address: address for address in greetings}, "off": "127.0.0.4"}
        assert find_running(hosts, port) == {"127.0.0.1"}
    assert find_running({}) == set()


@pytest.mark.parametrize(
    ("state", "action"),
    [("armed", "disarm"), ("installing", "disarm"), ("failed", "disarm"), ("deployed", "nothing"), (None, "nothing")],
)
def test_what_a_machine_needs_to_be_disarmed(state: str | None, action: str) -> None:
    known = {"a": machine(state=state)} if state else {}
    assert plan_machines([{"host": "a", "state": "disarmed"}], known, [], 150.0)[0].action == action


@pytest.mark.parametrize(
    ("state", "enrolled", "action", "reason"),
    [
        ("deployed", [], "forget", "it is deployed"),
        ("failed", ["a"], "forget", "it is failed"),
        (None, ["a"], "forget", "it was taken in and is not armed any more"),
        (None, ["b"], "nothing", "it is unknown"),
    ],
)
def test_what_a_machine_needs_to_be_forgotten(state: str | None, enrolled: list[str], action: str, reason: str) -> None:
    known = {"a": machine(state=state)} if state else {}
    found = plan_machines([{"host": "a", "state": "forgotten"}], known, [], 150.0, enrolled)
    assert found == [Step("a", action, reason)]


@pytest.mark.parametrize(
    ("wanted", "reinstall", "message"),
    [
        ([WANTED, WANTED], [], "a is listed twice"),
        ([WANTED], ["b"], "b is to be reinstalled but is not among"),
        ([WANTED, {**WANTED, "host": "b"}], [], f"a and b both claim the MAC {MAC}"),
        ([{**WANTED, "macs": [OTHER]}], [], f"a and c both claim the MAC {OTHER}"),
        ([{**WANTED, "macs": []}], [], "a has no MACs"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(wanted: Any, reinstall: list[str], message: str) -> None:
    with pytest.raises(ProvisionerError, match=message) as caught:
        plan_machines(wanted, {"c": machine("c", macs=[OTHER])}, reinstall, 150.0)
    assert caught.value.remedy


def test_two_machines_with_one_card_do_not_keep_a_third_one_from_anything() -> None:
    known = {host: machine(host, state="deployed", macs=[OTHER]) for host in ("c", "d")}
    assert [step.action for step in plan_machines([WANTED], known, [], 150.0)] == ["arm"]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, Progress("a", "failed", "boot", 0.0, {}, "it is not armed, or its token has expired")),
        ({}, Progress("a", "armed", "boot", 50.0, {})),
        ({"armed_at": 140.0}, Progress("a", "armed", "boot", 40.0, {})),
        ({"stages": [stage("disks", "started", 170.0)]}, Progress("a", "armed", "disks", 10.0, {})),
        ({"stages": [stage("disks", "done", 170.0)]}, Progress("a", "armed", "image", 10.0, {"disks": 2.0})),
        ({"stages": [stage("finish", "done", 170.0)]}, Progress("a", "armed", "finish", 10.0, {"finish": 2.0})),
        (
            {"stages": [stage("specification", "started", 100.0)]},
            Progress("a", "late", "specification", 80.0, {}, "nothing new for 80 s in stage specification"),
        ),
        (
            {"state": "deployed", "stages": [stage("finish", "done", 1.0)]},
            Progress("a", "deployed", "finish", 0.0, {"finish": 2.0}),
        ),
        (
            {"state": "deployed"},
            Progress(
                "a", "failed", "boot", 0.0, {}, "it was not installed again: it was disarmed, or its token has expired"
            ),
        ),
        (
            {"state": "failed", "stages": [stage("disks", "failed", 1.0, "no disk")]},
            Progress("a", "failed", "disks", 0.0, {"disks": 2.0}, "no disk"),
        ),
        ({"state": "failed"}, Progress("a", "failed", "boot", 0.0, {}, "it was disarmed")),
    ],
)
def test_how_far_a_machine_is(known: dict[str, Any] | None, expected: Progress) -> None:
    found = judge("a", None if known is None else machine(**known), DEFAULT_TIMEOUTS, 130.0, 180.0)
    assert found == expected
    assert found.ended is (expected.state in ("failed", "late", "deployed"))


def test_a_row_of_the_table() -> None:
    assert row_of(Progress("a", "deployed", "finish", 0.0, {"disks": 1.5, "image": 20.25})) == {
        "host": "a",
        "state": "deployed",
        "stage": "finish",
        "stages": {"disks": 1.5, "image": 20.25},
        "total": 21.75,
        "reason": "",
    }


def test_timeouts_of_unknown_stages_are_refused() -> None:
    assert plan_timeouts({"image": 5})["image"] == 5.0
    assert plan_timeouts({}) == DEFAULT_TIMEOUTS
    with pytest.raises(ProvisionerError, match="There is no stage imgae"):
        plan_timeouts({"imgae": 5})


STRANGERS: list[dict[str, Any]] = [
    {"id": "e1", "state": "pending", "host": None},
    {"id": "e2", "state": "approved", "host": "a"},
    {"id": "e3", "state": "rejected", "host": None},
]


def test_only_new_decisions_are_carried_out() -> None:
    approvals = [{"id": "e1", "host": "b"}, {"id": "e2", "host": "a"}]
    assert plan_enrolments(approvals, ["e3"], STRANGERS) == [("approve", "e1", "b")]
    assert plan_enrolments([{"id": "e2", "host": "c"}], ["e1"], STRANGERS) == [
        ("approve", "e2", "c"),
        ("reject", "e1", ""),
    ]


@pytest.mark.parametrize(
    ("approvals", "rejections", "message"),
    [
        ([{"id": "e9", "host": "b"}], [], "no enrolment e9"),
        ([], ["e8"], "no enrolment e8"),
        ([{"id": "e1", "host": "b"}], ["e1"], "e1 is named twice"),
        ([{"id": "e1", "host": "b"}, {"id": "e2", "host": "b"}], [], "b is to be two machines"),
    ],
)
def test_odd_decisions_are_refused(approvals: Any, rejections: list[str], message: str) -> None:
    with pytest.raises(ProvisionerError, match=message):
        plan_enrolments(approvals, rejections, STRANGERS)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A Unix socket that answers each connection with the next text, raw."""
    path = str(tmp_path / "socket")
    answers: list[bytes] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve() -> None:
        while True:
            connection, _address = server.accept()
            with connection:
                asked = b""
                # A request comes in two pieces: its head, and its body {}.
                while not asked.endswith((b"{}", b"end")) and not (asked[:3] == b"GET" and asked.endswith(b"\r\n\r\n")):
                    asked += connection.recv(65536)
                if not answers:
                    return
                connection.sendall(answers.pop(0))

    thread = threading.Thread(target=serve)
    thread.start()
    yield path, answers
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(path)
        last.sendall(b"end")
    thread.join()
    server.close()


def http(status: str, body: object) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


@pytest.mark.parametrize(
    ("raw", "message", "remedy"),
    [
        (http("409 Conflict", {"error": "a is deployed", "remedy": "Name it."}), r"\(409\): a is deployed", "Name it."),
        (http("500 Oops", {}), r"\(500\): None", "journal"),
        (http("200 OK", b"<html>"), "no JSON object", "journal"),
        (http("200 OK", []), "no JSON object", "journal"),
        (b"nonsense", "does not answer on", "as root"),
    ],
)
def test_errors_of_the_service(scripted: tuple[str, list[bytes]], raw: bytes, message: str, remedy: str) -> None:
    path, answers = scripted
    answers.append(raw)
    with pytest.raises(ProvisionerError, match=message) as caught:
        call(path, "PUT", "installs", "a/b", body={})
    assert remedy in caught.value.remedy


def test_an_answer_and_a_service_that_is_away(scripted: tuple[str, list[bytes]], tmp_path: Path) -> None:
    path, answers = scripted
    answers.append(http("200 OK", {"a": 1}))
    assert call(path, "GET", "machines") == {"a": 1}
    with pytest.raises(ProvisionerError, match=r"does not answer on .*No such file"):
        call(str(tmp_path / "none"), "GET", "machines")
