# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is decided about services that do not answer, without asking any."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.api_patience import (
    Courier,
    Order,
    Patience,
    TroubleError,
    UnansweredError,
    complaint,
    retry_after,
)

NOT_SENT = TroubleError("no connection", sent=False)
BUSY = TroubleError("503 Service Unavailable", sent=True, busy=True)
LOST = TroubleError("silence", sent=True)
URL = "https://api:9696/v2.0/networks"
NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("order", "repeated"),
    [
        (Order("GET", URL), [NOT_SENT, BUSY, LOST]),
        (Order("DELETE", URL), [NOT_SENT, BUSY, LOST]),
        (Order("PUT", URL), [NOT_SENT, BUSY, LOST]),
        (Order("POST", "https://api:5000/v3/auth/tokens"), [NOT_SENT, BUSY, LOST]),
        (Order("POST", URL), [NOT_SENT, BUSY]),
        (Order("PUT", URL, once=True), [NOT_SENT]),
    ],
    ids=["question", "removal", "setting", "login", "creation", "file"],
)
def test_what_may_be_repeated(order: Order, repeated: list[TroubleError]) -> None:
    assert [one for one in (NOT_SENT, BUSY, LOST) if order.may_repeat(one)] == repeated


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("0", 0),
        (" 7 ", 7),
        ("Fri, 02 Jan 2026 12:00:30 GMT", 30),
        ("Fri, 02 Jan 2026 11:00:00 GMT", 0),
        ("Fri, 02 Jan 2026 12:00:30 -0000", 30),
    ],
)
def test_how_long_a_service_wants_to_be_left_alone(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOON) == seconds


def test_pauses_grow_and_are_random() -> None:
    patience = Patience(1, 1, 1, first_pause=0.5, longest_pause=8)
    assert [patience.pause(number, 1.0) for number in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert [patience.pause(number, 0.0) for number in (1, 2)] == [0.25, 0.5]


def test_patience_has_an_end() -> None:
    assert (Patience.of(20).connect, Patience.of(20).answer, Patience.of(20).total) == (10, 20, 40)
    assert (Patience.of(300).answer, Patience.of(300).total) == (130, 190)
    assert Patience.of(2).connect == 2


def test_the_complaint_says_what_was_asked_seen_and_is_to_be_done() -> None:
    said = complaint(Order("GET", f"{URL}?name=x"), [BUSY, BUSY, NOT_SENT], 4.26)
    assert said.startswith(f"GET {URL}: no answer to 3 requests in 4.3 s, but 503 Service Unavailable (2 times); no ")
    assert "whether this host reaches it; then run this again." in said
    assert "It may have been done" in complaint(Order("POST", URL), [LOST], 1)
    assert "It may have been done" not in complaint(Order("PUT", URL, once=True), [BUSY], 1)
    left_alone = TroubleError("429", sent=True, busy=True, wait=90.0)
    assert "wants to be left alone for 90 s" in complaint(Order("GET", URL), [left_alone], 1)


class Time:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Fine:
    """An answer that is one."""

    def __init__(self) -> None:
        self.status_code, self.reason = 200, "OK"
        self.headers: dict[str, str] = {}


def test_an_attempt_gets_what_time_is_left() -> None:
    time = Time()
    patience = Patience(connect=10, answer=20, total=40)
    courier = Courier(patience, clock=lambda: time.now, sleep=time.sleep, random_part=lambda: 1.0)
    given = []

    def silent(connect: float, answer: float) -> Fine:
        given.append((connect, answer))
        time.sleep(answer)
        raise TroubleError("silence", sent=True)

    with pytest.raises(UnansweredError):
        courier.deliver(Order("GET", URL), silent)
    assert given == [(10, 20), (10, 19.5)]
    assert time.now == 40


def test_an_attempt_that_begins_late_gets_some_time() -> None:
    time = Time()
    # A busy host lets every pause last longer.
    longer = 0.2
    courier = Courier(
        Patience(1, 1, 1),
        clock=lambda: time.now,
        sleep=lambda seconds: time.sleep(seconds + longer),
        random_part=lambda: 1.0,
    )
    given = []

    def busy(connect: float, answer: float) -> Fine:
        given.append(min(connect, answer))
        raise BUSY

    with pytest.raises(UnansweredError):
        courier.deliver(Order("GET", URL), busy)
    assert time.now > 1
    assert min(given) > 0


def test_addresses_do_not_answer_for_each_other() -> None:
    time = Time()
    courier = Courier(Patience(1, 1, 30), clock=lambda: time.now, sleep=time.sleep)

    def busy(_connect: float, _answer: float) -> Fine:
        raise BUSY

    with pytest.raises(UnansweredError):
        courier.deliver(Order("GET", URL), busy)
    start = time.now
    assert courier.deliver(Order("GET", "https://api:8774/"), lambda _connect, _answer: Fine()).status_code == 200
    assert time.now == start


def test_who_wants_to_be_left_alone_for_longer_ends_it_at_once() -> None:
    time = Time()
    courier = Courier(Patience(1, 1, 30), clock=lambda: time.now, sleep=time.sleep)

    def busy(_connect: float, _answer: float) -> Fine:
        raise TroubleError("429", sent=True, busy=True, wait=31.0)

    with pytest.raises(UnansweredError, match="left alone for 31 s"):
        courier.deliver(Order("GET", URL), busy)
    assert time.now == 0
