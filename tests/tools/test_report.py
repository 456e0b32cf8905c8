# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines, tables and log files, with literals."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tools.steps.report import KEPT_LOGS, Log, Screen, clip, clock, plain, slowest
from tools.steps.results import Counts, UnreadableResultsError, count_cases, count_files, verdict


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("10%\r50%\r100%", "100%"),
        ("done\r", "done"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b[2K\rnew", "new"),
        ("a\x00b\x7f", "ab"),
        ("", ""),
    ],
)
def test_plain(line: str, shown: str) -> None:
    assert plain(line) == shown


def test_clip_and_clock() -> None:
    assert (clip("abcdef", 4), clip("abc", 3)) == ("abc…", "abc")
    assert (clock(12.9), clock(754)) == ("0:12", "12:34")


def test_slowest_has_ten_rows_with_shares_and_a_total() -> None:
    lines = slowest([(f"step {number}", float(number)) for number in range(1, 13)], 78.0)
    assert lines[1] == "    12.0 s   15%  step 12"
    assert len(lines) == 12
    assert lines[-1] == "    78.0 s  total"
    assert slowest([], 0.0)[-1] == "     0.0 s  total"


def test_log_name_is_in_utc_and_ten_are_kept(tmp_path: Path) -> None:
    start = datetime(2026, 1, 2, 3, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    paths = []
    for number in range(KEPT_LOGS + 3):
        log = Log(tmp_path, "lab", start + timedelta(seconds=number))
        os.utime(log.path, (number, number))
        log.close()
        paths.append(log.path)
    assert paths[0].name == "lab-20260102T010000Z.log"
    assert sorted(tmp_path.iterdir()) == paths[3:]


def test_two_logs_of_one_second_are_two_files(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    first, second = Log(tmp_path, "lab", now), Log(tmp_path, "lab", now)
    first.close()
    second.close()
    assert first.path != second.path


@pytest.mark.parametrize(
    ("environ", "live"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "CI": "true"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_live_line_only_for_a_person_at_a_terminal(environ: dict[str, str], live: bool) -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream:
        assert Screen(stream, environ).live is live
    os.close(master)


def read_exactly(descriptor: int, count: int) -> bytes:
    """Return COUNT bytes from a terminal, which hands them over in pieces."""
    data = b""
    while len(data) < count:
        data += os.read(descriptor, count - len(data))
    return data


def test_live_line_is_cleared_before_a_lasting_one() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream:
        screen = Screen(stream, {"TERM": "xterm"})
        screen.update("[1/2] x ... 0:01  working")
        screen.line("done")
        expected = b"[1/2] x ... 0:01  working\r\x1b[Kdone\r\n"
        assert read_exactly(master, len(expected)) == expected
        screen.update("y" * 500)
        screen.line("")
        expected = b"y" * 78 + "\N{HORIZONTAL ELLIPSIS}\r\x1b[K\r\n".encode()
        assert read_exactly(master, len(expected)) == expected
    os.close(master)


def test_count_cases_counts_an_error_as_failed() -> None:
    text = """<testsuites><testsuite><testcase classname="c" name="ok"/><testcase name="bad"><error/></testcase>
      <testcase classname="c" name="worse"><failure/><error/></testcase><testcase name="no"><skipped/></testcase>
      </testsuite></testsuites>"""
    assert count_cases(text) == Counts(1, ("bad", "c::worse"), ("no",))


@pytest.mark.parametrize(
    ("message", "text", "told"),
    [
        (
            "exit code 2",
            "[1/2] packages ... ok\nFAILED: lab hosts: exit code 2\n  remedy: none\nmake: Error 1",
            "FAILED: lab hosts: exit code 2",
        ),
        (
            "AssertionError: a title\n\nok web1\n#x1B[31mfailed: [web2] no guest\nfatal: later",
            "the same",
            "failed: [web2] no guest",
        ),
        (
            "exit code 2",
            "ok\nFAILED  web2: Start it\n  role   web\n  why    no disk\n  do     buy one",
            "FAILED  web2: Start it | no disk",
        ),
        (
            "AssertionError: a title\n  ok\n[+900 more lines; full report in element text]",
            "    assert not code\nE   AssertionError: a title\nE     ok\nE     fatal: no guest\nE       why  no disk",
            "fatal: no guest | no disk",
        ),
        ("assert 1 == 2", "E   assert 1 == 2\nerror: in the text of pytest", ""),
        ("failed with 1 error:", "a.py:1: not so", ""),
    ],
)
def test_a_failure_is_told_with_the_line_that_names_its_cause(message: str, text: str, told: str) -> None:
    failure = ET.Element("failure", message=message)
    failure.text = text
    case = ET.Element("testcase", name="x")
    case.append(failure)
    why = f" | {told}" if told else ""
    assert count_cases(ET.tostring(case, "unicode")).failed == (f"x: {message.partition(chr(10))[0]}{why}",)


def test_count_files_names_the_broken_one(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<testsuite><testcase name='x'/></testsuite>")
    assert count_files([tmp_path / "a.xml"]).total == 1
    (tmp_path / "b.xml").write_text("<testsuite>")
    with pytest.raises(UnreadableResultsError, match=r"b\.xml"):
        count_files([tmp_path / "a.xml", tmp_path / "b.xml"])


def test_verdict() -> None:
    assert verdict(Counts(3, ("x",))) == "3 passed, 1 failed"
    assert verdict(Counts(3, (), ("x", "y"))) == "3 passed, 0 failed, 2 skipped"
