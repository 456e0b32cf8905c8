# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks the automatic installation templates that are asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plan import refuse

_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_REMEDY = "Give a path below Cobbler's folder, of letters, digits, - _ . and /."


@dataclass(frozen=True)
class Template:
    """A template: its kind (``template``, ``snippet``), its path below the folder of that kind, and its text."""

    kind: str
    name: str
    content: str


def read_templates(given: Sequence[Mapping[str, Any]], *, absent: bool) -> list[Template]:
    """Return the templates that are asked for, or of which it is asked that they are ABSENT. Raises InvalidError."""
    found: dict[tuple[str, str], Template] = {}
    for one in given:
        kind, name, content = one["kind"], one["name"], one["content"]
        if not _PATH.fullmatch(name) or ".." in name:
            raise refuse("templates", repr(name), "cannot name a template.", _REMEDY)
        if (kind, name) in found:
            raise refuse("templates", name, "is given twice.", "Remove one of the two.")
        if absent == (content is not None):
            reason = "is to be absent and has content all the same." if absent else "has no content."
            raise refuse("templates", name, reason, "Give the content of templates that are present, and only of them.")
        for character in content or "":
            if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
                raise refuse(
                    "templates",
                    name,
                    f"holds the character U+{ord(character):04X}, which does not pass XML-RPC unchanged.",
                    "Use newlines of Unix, and let the template make other characters.",
                )
        found[kind, name] = Template(kind, name, content or "")
    return list(found.values())
