# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.provision_results."""

from __future__ import annotations

DOCUMENTATION = r"""
name: provision_results
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: How long each stage of each machine took, for people to read
description:
  - Makes one table of all machines and all attempts - result, seconds of each stage, seconds altogether - and below it
    one line for each attempt that failed, with the stage and the reason.
  - A stage that began without an end has no seconds. What a machine does before it asks for its specification is not
    among them, since it reports nothing yet.
positional: _input, plan
options:
  _input:
    description:
      - RV(accentos.cloud.provision_wait#module:results). Rows of several attempts are told apart by a key C(attempt),
        which begins with 1.
    type: list
    elements: dict
    required: true
  plan:
    description: >-
      The rows of P(accentos.cloud.provision_plan#filter). Machines that are only in them were left alone.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Show the results
  ansible.builtin.debug:
    msg: "{{ waited.results | accentos.cloud.provision_results }}"
"""

RETURN = r"""
_value:
  description: The lines of the table and of the reasons; one that says so where nothing was installed.
  type: list
  elements: str
  sample:
    - machine    result  spec  disks  image  config  loader  finish  total
    - compute-1  installed  0.1    2.4   49.3     1.9     3.2     0.4   57.3
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.text_table import text_table
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import STAGES
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import HIDDEN, plain_secret, printable

# A table with the whole names does not fit into 80 columns.
_HEADS = {"specification": "spec", "configuration": "config", "boot_loader": "loader"}
_WORDS = {"deployed": "installed"}
KEPT = "kept"
_LONGEST_REASON = 1000


def _reason(text: str) -> str:
    """Return a reason, which a machine gave, in one line that is safe to print."""
    line = " ".join(text.split())
    return HIDDEN if plain_secret(line) else printable(line, _LONGEST_REASON)


def result_rows(results: Sequence[Mapping[str, Any]], plan: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return the rows of the table by machine and attempt; seconds are rounded to tenths."""
    rows = []
    for row in results:
        stages = {
            _HEADS.get(stage, stage): round(row["stages"][stage], 1) if stage in row["stages"] else None
            for stage in STAGES
        }
        result = _WORDS.get(row["state"], row["state"])
        made = {"machine": row["host"], "try": row.get("attempt", 1), "result": result}
        rows.append({**made, **stages, "total": round(row["total"], 1) if row["stages"] else None})
    awaited = {row["host"] for row in results}
    rows += [{"machine": row["host"], "try": None, "result": KEPT} for row in plan if row["host"] not in awaited]
    return sorted(rows, key=lambda row: (row["machine"], row["try"] or 0))


def provision_results(results: Sequence[Mapping[str, Any]], plan: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """Return the lines of the table, and of the reasons."""
    if not results:
        kept = f", {len(plan)} kept as {'it is' if len(plan) == 1 else 'they are'}" if plan else ""
        return [f"No machine was to be installed{kept}."]
    again = any(row.get("attempt", 1) > 1 for row in results)
    columns = [
        "machine",
        *(["try"] if again else []),
        "result",
        *(_HEADS.get(stage, stage) for stage in STAGES),
        "total",
    ]
    failures = [
        f"{printable(row['host'])}{', try ' + str(row.get('attempt', 1)) if again else ''}: "
        f"{row['state']} in {row['stage']}: {_reason(row['reason'])}"
        for row in sorted(results, key=lambda row: (row["host"], row.get("attempt", 1)))
        if row["reason"]
    ]
    return [*text_table(result_rows(results, plan), columns), *failures]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filters of this file by name."""
        return {"provision_results": provision_results}
