# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode says in the place of what only the run itself can make, so that each plan says the same of it."""

from __future__ import annotations

import re

MADE_BY_RUN = "(made by the run)"
# Of an owner that a package of the run brings.
STILL_TO_BE_MADE = "which is still to be made"
# Stands for an identity that the run makes, where only a valid one is read.
NO_IDENTITY = "00000000-0000-0000-0000-000000000000"
# It has no blanks, so that it stays one word of a command, and brackets, so that nothing is really called so.
_NUMBER = re.compile(r"\(number-of-[^()\s]*\)")


def number_of(thing: str) -> str:
    """Return what stands for the number that only the run gives THING, which is a path."""
    return f"(number-of-{thing})"


def lacks_number(name: str) -> bool:
    """Tell whether a part of NAME is a number that only the run gives."""
    return _NUMBER.search(name) is not None


def fits_name(planned: str, name: str) -> bool:
    """Tell whether NAME is what the PLANNED one may have become, or is the same of another thing, still without number.

    >>> fits_name("ceph-osd@(number-of-/dev/sdb).service", "ceph-osd@3.service")
    True
    """
    parts = (re.escape(part) for part in _NUMBER.split(planned))
    return re.fullmatch(f"(?:[0-9]+|{_NUMBER.pattern})".join(parts), name) is not None
