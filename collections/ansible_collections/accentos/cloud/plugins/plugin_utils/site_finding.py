# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the site check reports: findings that are safe to print, and suggestions for misspelt words."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Sequence

HIDDEN = "(hidden)"
VALUE_LIMIT = 80
KEY_LIMIT = 200
# After so many comparisons there are no more suggestions, so that a file full of rubbish cannot stall the check.
MOST_COMPARISONS = 30_000
MOST_NAMES = 3000
LONGEST_WORD = 64


# Beginning where no other begins, so that a long text takes no longer than it is long.
_LOGIN = re.compile(r"(://[^/\s:@]*:)[^/\s@{]+@")


def plain_secret(text: str) -> str:
    """Return what a text shows that is secret wherever it stands, in words; empty for none."""
    if "PRIVATE KEY-----" in text:
        return "is a private key in plain text"
    return "has a password in a URL" if _LOGIN.search(text) else ""


def without_logins(text: str) -> str:
    """Return the text with the passwords in its URLs hidden."""
    return _LOGIN.sub(rf"\1{HIDDEN}@", text)


def printable(text: str, limit: int | None = None) -> str:
    """Return the text with every character escaped that could steer a terminal, cut to limit characters."""
    if limit is not None and len(text) > limit:
        text = text[: limit + 1]
    escaped = "".join(char if char.isprintable() else _escape(char) for char in text)
    if limit is not None and len(escaped) > limit:
        return escaped[: limit - 3] + "..."
    return escaped


def _escape(char: str) -> str:
    code = ord(char)
    if char in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[char]
    for digits, letter in ((2, "x"), (4, "u")):
        if code < 16**digits:
            return f"\\{letter}{code:0{digits}x}"
    return f"\\U{code:08x}"


def short_value(value: object, text: str = "") -> str:
    """Return a value as an operator would recognise it: strings quoted, other scalars as written in the file (text).

    Mappings and lists are not shown, and neither is what plain_secret() finds.
    """
    if isinstance(value, str):
        if "PRIVATE KEY" in value or plain_secret(value):
            return HIDDEN
        return '"' + printable(value, VALUE_LIMIT - 2) + '"'
    if isinstance(value, (dict, list)):
        return ""
    return printable(text or str(value), VALUE_LIMIT)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A position in a file of the site: line and column start at 1, key is the dotted path shown to people."""

    file: str
    line: int
    column: int
    key: str = ""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake. Every field can be printed as it is: use report() to make one."""

    file: str
    line: int
    column: int
    key: str
    problem: str
    value: str = ""
    expected: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: "
        text += f"{self.key}: {self.problem}" if self.key else self.problem
        if self.value:
            text += f", found {self.value}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.suggestion:
            text += f'; did you mean "{self.suggestion}"?'
        return text


def report(place: Place, problem: str, *, value: str = "", expected: str = "", suggestion: str = "") -> Finding:
    """Make a finding. The value comes from short_value(); all other texts are escaped here."""
    return Finding(
        file=printable(place.file, KEY_LIMIT),
        line=place.line,
        column=place.column,
        key=printable(place.key, KEY_LIMIT),
        problem=printable(problem),
        value=value,
        expected=printable(expected),
        suggestion=printable(suggestion, KEY_LIMIT),
    )


class Suggester:
    """Finds the allowed word nearest to a misspelt one, and remembers what it found."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[str, ...]], str] = {}
        self._comparisons = 0

    def __call__(self, word: str, allowed: Iterable[str]) -> str:
        """Return the allowed word that was probably meant, or an empty string."""
        names = tuple(allowed)
        if len(word) > LONGEST_WORD or not word:
            return ""
        known = self._known.get((word, names))
        if known is None:
            if self._comparisons > MOST_COMPARISONS:
                return ""
            self._comparisons += len(names)
            known = self._known[word, names] = nearest(word, names)
        return known


def nearest(word: str, allowed: Sequence[str]) -> str:
    """Return the allowed word nearest to the given one, or an empty string when none is near."""
    plain = re.sub("[^a-z0-9]", "", word.lower())
    for name in allowed:
        if re.sub("[^a-z0-9]", "", name.lower()) == plain:
            return name
    for name in allowed:
        # Two letters swapped: in a short word difflib finds too little in common.
        if plain and sorted(name) == sorted(word) and name[0] == word[0]:
            return name
    if len(allowed) > MOST_NAMES:
        return ""
    names = {name.lower().replace("-", "_"): name for name in reversed(allowed)}
    matches = difflib.get_close_matches(word.lower().replace("-", "_"), names, n=1, cutoff=0.72)
    return names[matches[0]] if matches else ""
