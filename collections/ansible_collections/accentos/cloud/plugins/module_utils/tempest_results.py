# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what came of a run of Tempest, from the events of its subunit stream. Nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# What subunit says of a test that has ended. A test that is to fail and does is one that skips itself with a bug.
_RESULTS = {"success": PASSED, "fail": FAILED, "uxsuccess": FAILED, "skip": SKIPPED, "xfail": SKIPPED}
# What a class does before and after its tests has the name of the class in brackets.
_FIXTURE = re.compile(r"(?P<what>setUpClass|tearDownClass) \((?P<test_class>[\w.]+)\)")
_REASON_CHARACTERS = 500
_NOT_RUN = "It did not run: Tempest has no test of this name any more, or the run ended before it."


@dataclass(frozen=True)
class Outcome:
    """What came of one test: one of the results above, SECONDS that it took, and for others than passed a REASON."""

    test: str
    result: str
    seconds: float
    reason: str = ""


@dataclass
class _Running:
    start: datetime | None = None
    texts: dict[str, bytes] = field(default_factory=dict)


class Collector:
    """Takes events as python-subunit hands them on, and tells of each test as it ends."""

    def __init__(self, told: Callable[[Outcome], None] = lambda _outcome: None) -> None:
        self._told = told
        self._running: dict[str, _Running] = {}
        self.outcomes: list[Outcome] = []

    def status(
        self,
        test_id: str | None = None,
        test_status: str | None = None,
        file_name: str | None = None,
        file_bytes: bytes | None = None,
        timestamp: datetime | None = None,
        **_more: Any,
    ) -> None:
        """Take one event."""
        if test_id is None:
            return
        running = self._running.setdefault(test_id, _Running())
        if file_name is not None and file_bytes:
            running.texts[file_name] = running.texts.get(file_name, b"") + bytes(file_bytes)
        if test_status == "inprogress":
            running.start = timestamp
        elif test_status in _RESULTS:
            del self._running[test_id]
            known = running.start is not None and timestamp is not None
            seconds = (timestamp - running.start).total_seconds() if known else 0.0  # type: ignore[operator]
            result = _RESULTS[test_status]
            reason = "" if result == PASSED else reason_of(running.texts)
            outcome = Outcome(test_id, result, round(seconds, 1), reason)
            self.outcomes.append(outcome)
            self._told(outcome)


def reason_of(texts: Mapping[str, bytes]) -> str:
    """Return in one line why a test was skipped or failed, from what is attached to it.

    Of tracebacks it is the message at their end, of which the first one is the cause.
    """
    if "reason" in texts:
        return _one_line(texts["reason"].decode(errors="replace"))
    for name in sorted(texts):
        if name.startswith("traceback"):
            lines = texts[name].decode(errors="replace").rstrip().splitlines()
            # The message is what is not indented at the end; it may have several lines.
            at = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].startswith("  ")), -1)
            return _one_line(" ".join(lines[at + 1 :]))
    return "no reason is given"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_REASON_CHARACTERS]


def name_of(test_id: str) -> str:
    """Return the name of a test without its identifier and attributes, which stand in brackets behind it."""
    return test_id.partition("[")[0].strip()


def read_list(texts: Iterable[str]) -> list[str]:
    """Return the tests of lists: one a line of any text, without empty lines and comments, each once."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a run: how many tests PASSED; tests that FAILED or were SKIPPED, with their reasons."""

    passed: int
    failed: tuple[Outcome, ...]
    skipped: tuple[Outcome, ...]


@dataclass(frozen=True)
class Lack:
    """Something that a cloud does not have: how Tempest speaks of it when it skips a test, and what to say of it."""

    said: re.Pattern[str]
    reason: str


_VOLUMES = Lack(re.compile(r"(?i)\bcinder\b|\bvolume service\b"), "The cloud has no volume service.")
_OUTSIDE = Lack(re.compile(r"public_network_id|(?i:floating)"), "The cloud has no external network.")
_LOGIN = re.compile(r"(?i)\bvalidation\b")


def lacks_of(settings: Mapping[str, Mapping[str, Any]]) -> list[Lack]:
    """Return what a cloud does not have, by the options of Tempest for it."""
    outside = bool(settings.get("network", {}).get("public_network_id"))
    login = "No test logs in to a guest" + ("." if outside else ", since the cloud has no external network.")
    return [
        *([] if settings.get("service_available", {}).get("cinder") else [_VOLUMES]),
        *([] if outside else [_OUTSIDE]),
        *([] if settings.get("validation", {}).get("run_validation") else [Lack(_LOGIN, login)]),
    ]


def judge(
    wanted: Sequence[str],
    outcomes: Iterable[Outcome],
    expected_skips: Mapping[str, str],
    lacks: Iterable[Lack] = (),
) -> Verdict:
    """Judge a run against the list of tests that must pass and the tests, or classes of tests, that may be skipped.

    A test may also be skipped for what the cloud LACKS, if that is what Tempest says of it.
    A test on the list without a result has failed, and so has one that is skipped unexpectedly. What a class fails to
    do before its tests fails each of them, and what it fails to do afterwards is a failure of its own.
    """
    lacks = list(lacks)
    known = {name_of(one.test): one for one in outcomes}
    classes = {
        found["test_class"]: one
        for one in known.values()
        if (found := _FIXTURE.fullmatch(one.test)) and found["what"] == "setUpClass"
    }
    passed, failed, skipped = 0, [], []
    for name in dict.fromkeys(map(name_of, wanted)):
        test_class = name.rpartition(".")[0]
        one = known.pop(name, None) or classes.get(test_class)
        if one is None:
            failed.append(Outcome(name, FAILED, 0.0, _NOT_RUN))
        elif one.result == PASSED:
            passed += 1
        elif one.result == FAILED:
            failed.append(Outcome(name, FAILED, one.seconds, one.reason))
        elif expected := expected_skips.get(name) or expected_skips.get(test_class) or _lacking(one.reason, lacks):
            skipped.append(Outcome(name, SKIPPED, one.seconds, expected))
        else:
            failed.append(Outcome(name, FAILED, one.seconds, f"It was skipped, which is not expected: {one.reason}"))
    covered = {name.rpartition(".")[0] for name in map(name_of, wanted)}
    for name, one in known.items():
        found = _FIXTURE.fullmatch(one.test)
        before = found and found["what"] == "setUpClass" and found["test_class"] in covered
        if one.result == FAILED and not before:
            failed.append(Outcome(name, FAILED, one.seconds, one.reason))
    return Verdict(passed, tuple(failed), tuple(skipped))


def _lacking(said: str, lacks: Iterable[Lack]) -> str:
    return next((lack.reason for lack in lacks if lack.said.search(said)), "")


def slowest(outcomes: Iterable[Outcome], number: int) -> list[Outcome]:
    """Return those tests that took the most time, the slowest first."""
    return sorted(outcomes, key=lambda one: (-one.seconds, one.test))[:number]
