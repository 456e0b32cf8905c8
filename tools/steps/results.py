# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Counts tests in JUnit XML files."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .report import plain

# How programs begin the line that says what went wrong: Ansible, its linters, our own runs.
CAUSE = re.compile(r"\W*(failed|fatal|error)\b", re.IGNORECASE)
# What follows in runs of our playbooks.
WHY = re.compile(r"\s+why {2,}(\S.*)")
CAUSE_LENGTH = 300


class UnreadableResultsError(Exception):
    """A result file is not JUnit XML; the text names it."""


@dataclass(frozen=True)
class Counts:
    """Numbers of tests, and the names of those that failed, each with its reason, or were skipped."""

    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Return the number of tests, skipped ones included."""
        return self.passed + len(self.failed) + len(self.skipped)

    def __add__(self, other: Counts) -> Counts:
        """Return the sums of both."""
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def _lines(text: str | None) -> list[str]:
    # XML has no escape characters; pytest writes them out.
    return [plain(line) for line in (text or "").strip().replace("#x1B", "\x1b").splitlines()]


def reason(failure: ET.Element) -> str:
    """Return what is first said of a FAILURE, and of output that it shows the first line that names a cause."""
    said, *more = _lines(failure.get("message")) or [""]
    text = _lines(failure.text)
    # pytest repeats the message in its text, behind such a mark, and shortens a long one; others have the output of a
    # program there.
    repeated = [line.removeprefix("E") for line in text if line.startswith("E  ")]
    shown = (repeated[1:] if more else []) if repeated else more or text
    begins = next((number for number, line in enumerate(shown) if CAUSE.match(line)), len(shown))
    cause = "".join(shown[begins : begins + 1]).strip()
    why = next((found[1] for line in shown[begins:] if (found := WHY.match(line))), "")
    return " | ".join(part for part in (said, cause[:CAUSE_LENGTH], why[:CAUSE_LENGTH]) if part)


def count_cases(text: str) -> Counts:
    """Count the test cases in the JUnit XML TEXT; an error counts as a failure. Raises ET.ParseError."""
    passed = 0
    failed: list[str] = []
    skipped: list[str] = []
    for case in ET.fromstring(text).iter("testcase"):  # noqa: S314  (written by our own steps)
        name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
        wrong = [found for tag in ("failure", "error") if (found := case.find(tag)) is not None]
        if wrong:
            why = reason(wrong[0])
            failed.append(f"{name}: {why}" if why else name)
        elif case.find("skipped") is not None:
            skipped.append(name)
        else:
            passed += 1
    return Counts(passed, tuple(failed), tuple(skipped))


def count_files(paths: Iterable[Path]) -> Counts:
    """Count the test cases in all files of PATHS. Raises UnreadableResultsError."""
    counts = Counts()
    for path in sorted(paths):
        try:
            counts += count_cases(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, ET.ParseError) as error:
            raise UnreadableResultsError(f"{path} is no JUnit result file: {error}") from error
    return counts


def verdict(counts: Counts) -> str:
    """Return the last line of a test run."""
    line = f"{counts.passed} passed, {len(counts.failed)} failed"
    return f"{line}, {len(counts.skipped)} skipped" if counts.skipped else line
