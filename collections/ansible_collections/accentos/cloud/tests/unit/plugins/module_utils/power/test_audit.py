# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the answers of a controller to a stranger mean."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.power.audit import (
    judge_capabilities,
    judge_password,
    judge_suites,
    offered,
    parse_suites,
)

# Channel, kinds of authentication, status, version, 4 bytes of the maker.
HARDENED = (1, 0x80, 0x04, 0x02, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("kinds", "status", "found"),
    [
        (0x80, 0x04, []),
        (0x80, 0x05, [("critical", "neither name nor password")]),
        (0x80, 0x06, [("critical", "a user without a name")]),
        (0x81, 0x04, [("critical", "no password or one in plain text")]),
        (0x90, 0x04, [("critical", "no password or one in plain text")]),
        (0x84, 0x04, [("warning", "IPMI 1.5, which encrypts nothing")]),
    ],
)
def test_capabilities(kinds: int, status: int, found: list[tuple[str, str]]) -> None:
    told = list(judge_capabilities((HARDENED[0], kinds, status, *HARDENED[3:])))
    assert [finding.severity for finding in told] == [severity for severity, _words in found]
    assert all(words in finding.problem for finding, (_severity, words) in zip(told, found, strict=True))
    assert all(finding.remedy for finding in told)


@pytest.mark.parametrize(
    ("suites", "found"),
    [
        ([17], []),
        ([3, 17], []),
        ([], []),
        ([3], ["does not offer cipher suite 17"]),
        ([0, 17], ["cipher suite 0: any password opens it"]),
        ([1, 2, 17], ["encrypt nothing: 1, 2"]),
        ([8, 12, 17], ["use MD5 or RC4: 8, 12"]),
    ],
)
def test_suites(suites: list[int], found: list[str]) -> None:
    told = [finding.problem for finding in judge_suites(suites)]
    assert len(told) == len(found)
    assert all(words in problem for problem, words in zip(told, found, strict=True))


@pytest.mark.parametrize(
    ("listed", "opens", "counts"),
    [([0, 17], False, {17}), ([0, 17], True, {0, 17}), ([17], True, {0, 17}), ([0, 17], None, {0, 17})],
)
def test_a_session_counts_more_than_a_list(listed: list[int], opens: bool | None, counts: set[int]) -> None:
    assert offered(listed, opens=opens) == counts


def test_records_of_suites() -> None:
    standard = bytes([0xC0, 3, 0x01, 0x41, 0x81, 0xC0, 17, 0x03, 0x44, 0x81, 0xC0, 0, 0x00, 0x40, 0x80])
    of_a_maker = bytes([0xC1, 0x80, 0x57, 0x01, 0x00, 0x01, 0x41, 0x81])
    assert parse_suites(standard) == [3, 17, 0]
    assert parse_suites(of_a_maker + standard) == [3, 17, 0]
    assert parse_suites(b"") == []
    assert parse_suites(b"\xc0") == []


@pytest.mark.parametrize(("length", "found"), [(0, 1), (15, 1), (16, 0), (20, 0)])
def test_passwords(length: int, found: int) -> None:
    told = list(judge_password("x" * length))
    assert [finding.severity for finding in told] == ["warning"] * found
