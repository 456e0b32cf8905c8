# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What came of a run of Tempest, from events as python-subunit 1.4 hands them on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.tempest_results import (
    FAILED,
    PASSED,
    SKIPPED,
    Collector,
    Outcome,
    judge,
    lacks_of,
    name_of,
    read_list,
    reason_of,
    slowest,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
TRACEBACK = b"""Traceback (most recent call last):

  File "/usr/lib/python3/dist-packages/tempest/lib/common/rest_client.py", line 847, in _error_checker
    raise exceptions.NotFound(resp_body, resp=resp)

tempest.lib.exceptions.NotFound: Object not found
Details: {'code': 404,
'message': 'no'}
"""
A, B, C = "tempest.api.a.Test.test_a", "tempest.api.a.Test.test_b", "tempest.api.c.Test.test_c"


def collect(*events: dict[str, Any]) -> Collector:
    told: list[Outcome] = []
    collector = Collector(told.append)
    for event in events:
        collector.status(**event)
    assert told == collector.outcomes
    return collector


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_events_become_outcomes() -> None:
    collector = collect(
        {"test_id": A, "test_status": "exists"},
        {"test_id": A, "test_status": "inprogress", "timestamp": at(0), "runnable": True, "route_code": "0"},
        {"test_id": B, "test_status": "inprogress", "timestamp": at(1)},
        {"file_name": "output", "file_bytes": b"a warning"},
        {"test_id": A, "file_name": "pythonlogging:''", "file_bytes": b"token", "mime_type": "text/plain"},
        {"test_id": A, "test_status": "success", "timestamp": at(2.26)},
        {"test_id": B, "file_name": "traceback", "file_bytes": TRACEBACK[:100]},
        {"test_id": B, "file_name": "traceback", "file_bytes": TRACEBACK[100:], "eof": True},
        {"test_id": B, "test_status": "fail", "timestamp": at(4)},
        {"test_id": C, "file_name": "reason", "file_bytes": b"no such\nfeature"},
        {"test_id": C, "test_status": "skip", "timestamp": at(4)},
    )
    reason = "tempest.lib.exceptions.NotFound: Object not found Details: {'code': 404, 'message': 'no'}"
    assert collector.outcomes == [
        Outcome(A, PASSED, 2.3),
        Outcome(B, FAILED, 3.0, reason),
        Outcome(C, SKIPPED, 0.0, "no such feature"),
    ]


def test_reasons() -> None:
    assert reason_of({}) == "no reason is given"
    assert reason_of({"traceback-1": b"  File\nLater: b", "traceback": b"  File\nFirst: a"}) == "First: a"
    assert reason_of({"traceback": b"Only: this"}) == "Only: this"
    assert len(reason_of({"reason": b"x" * 1000})) == 500


def test_names_and_lists() -> None:
    assert name_of(f"{A}[id-1,smoke]") == A
    assert name_of(f"setUpClass ({A})") == f"setUpClass ({A})"
    assert read_list(["# comment", "", f"{A}[id-1] ", f"{B}[id-2]", f"{A}[id-1]"]) == [f"{A}[id-1]", f"{B}[id-2]"]
    assert read_list([f"# a list\n\n{A}[id-1]\n{B}[id-2]\n", f"{A}[id-1]"]) == [f"{A}[id-1]", f"{B}[id-2]"]


def test_a_run_in_which_all_passed() -> None:
    verdict = judge([f"{A}[id-1,smoke]", B], [Outcome(f"{A}[id-1,smoke]", PASSED, 1), Outcome(B, PASSED, 1)], {})
    assert (verdict.passed, verdict.failed, verdict.skipped) == (2, (), ())


def test_what_is_on_the_list_and_did_not_run_has_failed() -> None:
    verdict = judge([A, B], [Outcome(A, PASSED, 1)], {B: "it may be skipped, but not be gone"})
    assert [(one.test, one.result) for one in verdict.failed] == [(B, FAILED)]
    assert "did not run" in verdict.failed[0].reason


def test_skips_need_a_reason() -> None:
    outcomes = [Outcome(A, SKIPPED, 0, "by a"), Outcome(B, SKIPPED, 0, "by b"), Outcome(C, SKIPPED, 0, "by c")]
    verdict = judge([A, B, C], outcomes, {A: "we know a", "tempest.api.c.Test": "we know c"})
    assert [(one.test, one.reason) for one in verdict.skipped] == [(A, "we know a"), (C, "we know c")]
    assert [one.reason for one in verdict.failed] == ["It was skipped, which is not expected: by b"]


OPTIONS: dict[str, dict[str, object]] = {
    "network": {"public_network_id": "1"},
    "service_available": {"cinder": True},
    "validation": {"run_validation": True},
}
# As Tempest words them.
NO_VOLUMES = (
    "VolumesGetTest skipped as Cinder is not available",
    "Volume service not enabled.",
    "Skipped because the volume service is not available",
)
NO_OUTSIDE = ("The public_network_id option must be specified.", "Floating ips are not available")
NO_LOGIN = ("Validation should be enabled to ensure guest OS is running and capable of processing ACPI events.",)


@pytest.mark.parametrize(
    ("without", "said", "reasons"),
    [
        ({"service_available": {"cinder": False}}, NO_VOLUMES, {"The cloud has no volume service."}),
        ({"network": {}}, NO_OUTSIDE, {"The cloud has no external network."}),
        ({"validation": {"run_validation": False}}, NO_LOGIN, {"No test logs in to a guest."}),
        (
            {"network": {}, "validation": {}},
            NO_LOGIN,
            {"No test logs in to a guest, since the cloud has no external network."},
        ),
    ],
)
def test_what_a_cloud_does_not_have_need_not_be_tested(
    without: dict[str, dict[str, object]], said: tuple[str, ...], reasons: set[str]
) -> None:
    for words in said:
        outcomes = [Outcome(A, SKIPPED, 0, words), Outcome(B, SKIPPED, 0, "The extension qos is not enabled.")]
        verdict = judge([A, B], outcomes, {}, lacks_of({**OPTIONS, **without}))
        assert {one.reason for one in verdict.skipped} == reasons
        assert [one.test for one in verdict.failed] == [B]
        # A cloud that has it all must pass.
        assert [one.test for one in judge([A, B], outcomes, {}, lacks_of(OPTIONS)).failed] == [A, B]


def test_a_class_speaks_for_its_tests() -> None:
    failed = Outcome("setUpClass (tempest.api.a.Test)", FAILED, 1, "no network")
    verdict = judge([A, B, C], [failed, Outcome(C, PASSED, 1)], {})
    assert [(one.test, one.reason) for one in verdict.failed] == [(A, "no network"), (B, "no network")]
    skipped = Outcome("setUpClass (tempest.api.a.Test)", SKIPPED, 0, "no volumes")
    verdict = judge([A, C], [skipped, Outcome(C, PASSED, 1)], {"tempest.api.a.Test": "there is no volume service"})
    assert (verdict.passed, verdict.failed) == (1, ())
    assert [one.test for one in verdict.skipped] == [A]


def test_what_is_not_on_the_list_fails_the_run_too() -> None:
    after = Outcome("tearDownClass (tempest.api.a.Test)", FAILED, 1, "something stays")
    other = Outcome("setUpClass (tempest.api.z.Test)", FAILED, 1, "no network")
    verdict = judge([A], [Outcome(A, PASSED, 1), after, other, Outcome(B, SKIPPED, 0, "of no interest")], {})
    assert [one.reason for one in verdict.failed] == ["something stays", "no network"]
    assert verdict.passed == 1


def test_the_slowest() -> None:
    outcomes = [Outcome(A, PASSED, 1), Outcome(B, FAILED, 3), Outcome(C, PASSED, 2)]
    assert [one.test for one in slowest(outcomes, 2)] == [B, C]
