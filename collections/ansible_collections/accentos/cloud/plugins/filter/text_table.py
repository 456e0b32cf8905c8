# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.text_table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: text_table
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Lines of a table, for people to read
description:
  - Aligns the values of rows below the names of their columns. Numbers are aligned to the right.
  - Characters that would control a terminal are shown as escapes.
positional: _input, columns
options:
  _input:
    description: The rows, each a dictionary. A missing value is left empty.
    type: list
    elements: dict
    required: true
  columns:
    description: Names of the columns, in their order. By default those of the first row.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show the machines
  ansible.builtin.debug:
    msg: "{{ [{'host': 'compute-1', 'seconds': 75}] | accentos.cloud.text_table }}"
"""

RETURN = r"""
_value:
  description: The lines, that of the names first; none if there is no row.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import printable

_BETWEEN = "  "


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> list[str]:
    """Return the lines of a table of ROWS."""
    if not rows:
        return []
    names = list(columns or rows[0])
    cells = [["" if row.get(name) is None else printable(str(row[name])) for name in names] for row in rows]
    widths = [max(len(line[at]) for line in [names, *cells]) for at in range(len(names))]
    right = [all(_is_number(row.get(name)) for row in rows if row.get(name) is not None) for name in names]

    def line(texts: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if numbers else text.ljust(width)
            for text, width, numbers in zip(texts, widths, right, strict=True)
        )
        return _BETWEEN.join(padded).rstrip()

    return [line(texts) for texts in [names, *cells]]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters of this file by name."""
        return {"text_table": text_table}
