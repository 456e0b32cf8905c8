# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long and how often a service over HTTP is asked that is slow, busy or dead. Knows no library that asks.

A request is repeated after growing pauses of random length, or as long after as the service says, until a time for all
of it has passed or it was made so many times. One that may have been done, and would be done twice, is not repeated.
All requests to an address that does not answer well are spaced, over all threads; and once it was given up, the next
ones are made once each, until one is answered.
"""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import random
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_ATTEMPTS = 6
_RATE = 5.0
_CONNECT = 10.0
# The load balancer answers for a service that is silent for two minutes.
_LONGEST_ANSWER = 130.0
_LONGEST_REPEATING = 60.0
# An attempt that begins late, on a busy host, gets that: no library waits for less than nothing.
_SHORTEST_ATTEMPT = 0.1
_BUSY = (429, 503)
_LOST = (502, 504)
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_LOGIN_PATH = "/auth/tokens"


@dataclasses.dataclass(frozen=True)
class Patience:
    """Seconds to connect, for one answer, and for all attempts; how many these are, and with which pauses.

    ``rate`` is how many requests a second an address gets that does not answer well.
    """

    connect: float
    answer: float
    total: float
    attempts: int = _ATTEMPTS
    first_pause: float = _FIRST_PAUSE
    longest_pause: float = _LONGEST_PAUSE
    rate: float = _RATE

    @classmethod
    def of(cls, timeout: float) -> Patience:
        """Return that of a module which waits TIMEOUT seconds for one answer: a silent service gets one repetition."""
        answer = min(timeout, _LONGEST_ANSWER)
        return cls(min(_CONNECT, answer), answer, answer + min(answer, _LONGEST_REPEATING))

    def pause(self, attempt: int, random_part: float) -> float:
        """Return the seconds after ATTEMPT, which counts from 1: the half for certain, of the rest RANDOM_PART."""
        longest: float = min(self.longest_pause, self.first_pause * 2 ** (attempt - 1))
        return longest * (1 + random_part) / 2


class TroubleError(Exception):
    """What came instead of an answer; the argument tells it.

    What was not ``sent`` is not done, nor what a service that is ``busy`` has not begun; ``wait`` is how many seconds
    it wants to be left alone, None if it does not say.
    """

    def __init__(self, seen: str, *, sent: bool, busy: bool = False, wait: float | None = None) -> None:
        super().__init__(seen)
        self.seen, self.sent, self.busy, self.wait = seen, sent, busy, wait


class UnansweredError(Exception):
    """A service was given up. The argument says which address, what came instead of an answer, and what to do."""


class Answer(Protocol):
    """The part of an answer of ``requests`` that counts here."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def reason(self) -> str: ...


Answered = TypeVar("Answered", bound=Answer)


def retry_after(value: str | None, now: datetime.datetime) -> float | None:
    """Return the seconds from NOW that a header Retry-After means, None if it is not there or cannot be understood."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or datetime.UTC) - now).total_seconds())


def trouble_in(answer: Answer) -> TroubleError | None:
    """Return what is wrong with an answer that its service may give another time, None for any other one."""
    if answer.status_code not in _BUSY + _LOST:
        return None
    wait = retry_after(answer.headers.get("Retry-After"), datetime.datetime.now(datetime.UTC))
    # A proxy that lost the service does not know what that did.
    busy = answer.status_code in _BUSY
    return TroubleError(f"{answer.status_code} {answer.reason}".strip(), sent=True, busy=busy, wait=wait)


@dataclasses.dataclass(frozen=True)
class Order:
    """A request: its method and address, and whether its body can be sent once only."""

    method: str
    url: str
    once: bool = False

    @property
    def address(self) -> str:
        """Whom it is for."""
        parts = urllib.parse.urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def idempotent(self) -> bool:
        """Whether it can be done twice, and that is as good as once. A login changes nothing."""
        login = self.method == "POST" and self.url.endswith(_LOGIN_PATH)
        return not self.once and (login or self.method in _IDEMPOTENT)

    def may_repeat(self, trouble: TroubleError) -> bool:
        """Tell whether it may be made again after TROUBLE."""
        return not trouble.sent or (trouble.busy and not self.once) or self.idempotent


def remedy(order: Order, last: TroubleError) -> str:
    """Say what to do about a request whose LAST attempt ended so."""
    if not order.may_repeat(last) and not last.busy:
        return (
            "It may have been done and is not repeated: see why the answer was lost, then run this again, which looks "
            "at what is there"
        )
    if last.busy:
        wait = "" if last.wait is None else f", and wants to be left alone for {last.wait:.0f} s"
        return (
            f"The service is overloaded or the load balancer has no server for it{wait}: look at the service on the "
            "controllers and at what it logged, then run this again"
        )
    if last.sent:
        return (
            "Look at the service on the controllers, at what it logged, and whether its database and its messaging "
            "answer; then run this again"
        )
    return (
        "See whether a load balancer has that address, whether the service runs, and whether this host reaches it; "
        "then run this again"
    )


def complaint(order: Order, seen: Sequence[TroubleError], seconds: float) -> str:
    """Say what was asked how often and for how long, what came instead of an answer, and what to do."""
    counted = Counter(one.seen for one in seen)
    told = "; ".join(f"{what} ({count} times)" if count > 1 else what for what, count in counted.items())
    times = f"{len(seen)} requests" if len(seen) > 1 else "one request"
    url = order.url.partition("?")[0]
    return f"{order.method} {url}: no answer to {times} in {seconds:.1f} s, but {told}. {remedy(order, seen[-1])}."


class Courier:
    """Makes requests with patience. One is shared by all threads that ask the services of a cloud."""

    def __init__(
        self,
        patience: Patience,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random_part: Callable[[], float] = random.random,
    ) -> None:
        self.patience = patience
        self._clock, self._sleep, self._random_part = clock, sleep, random_part
        self._lock = threading.Lock()
        # When an address may get its next request; only of those that did not answer well the last time.
        self._turns: dict[str, float] = {}
        self._given_up: set[str] = set()

    def _turn(self, address: str, deadline: float) -> float | None:
        """Return how many seconds from now an address may get a request, None if that is not before DEADLINE."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._turns.get(address, now))
            if turn >= deadline:
                return None
            if address in self._turns:
                self._turns[address] = turn + 1 / self.patience.rate
            return turn - now

    def _note(self, address: str, trouble: TroubleError | None) -> None:
        """Take down how an address answered."""
        with self._lock:
            if trouble is None:
                self._turns.pop(address, None)
                self._given_up.discard(address)
                return
            soonest = self._clock() + max(trouble.wait or 0.0, 1 / self.patience.rate)
            self._turns[address] = max(self._turns.get(address, 0.0), soonest)

    def deliver(self, order: Order, attempt: Callable[[float, float], Answered]) -> Answered:
        """Make a request and return its answer. Raises UnansweredError.

        ATTEMPT makes it once, in seconds to connect and seconds to be answered, and raises TroubleError where no answer
        comes.
        """
        patience, start = self.patience, self._clock()
        deadline = start + patience.total
        most = 1 if order.address in self._given_up else patience.attempts
        seen: list[TroubleError] = []
        while (turn := self._turn(order.address, deadline)) is not None:
            self._sleep(turn)
            left = max(deadline - self._clock(), _SHORTEST_ATTEMPT)
            try:
                answer = attempt(min(patience.connect, left), min(patience.answer, left))
                trouble = trouble_in(answer)
            except TroubleError as error:
                trouble = error
            self._note(order.address, trouble)
            if trouble is None:
                return answer
            seen.append(trouble)
            if not order.may_repeat(trouble):
                break
            pause = max(patience.pause(len(seen), self._random_part()), trouble.wait or 0.0)
            if len(seen) >= most or self._clock() + pause >= deadline:
                self._given_up.add(order.address)
                break
            self._sleep(pause)
        else:
            self._given_up.add(order.address)
        if not seen:
            raise UnansweredError(
                f"{order.method} {order.address} is not asked: it told other requests to leave it alone for longer "
                f"than the {patience.total:.0f} s that this one has. Wait, and run this again."
            )
        raise UnansweredError(complaint(order, seen, self._clock() - start))
