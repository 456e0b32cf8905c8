# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes another lab's site that of a benchmark."""

from __future__ import annotations

import re


def moved(text: str, before: str, after: str, name: str) -> str:
    """Return a file's TEXT of a lab's site with a NAME and networks that collide with no other lab's.

    BEFORE and AFTER are the beginnings of its addresses, two numbers such as "10.94."; the cards' begin with 02 and the
    second of them, as if it were hexadecimal.
    """
    card, new = (f'"02:{start.split(".")[1]}:' for start in (before, after))
    text = text.replace(before, after).replace(card, new)
    text = re.sub(r"(?m)^(lab_name|site_name): .*$", rf"\1: {name}", text)
    return re.sub(r"(?m)^site_domain: .*$", f"site_domain: {name}.example.test", text)
