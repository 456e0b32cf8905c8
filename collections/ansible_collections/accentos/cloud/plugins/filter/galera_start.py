# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that decides how the servers of a Galera cluster start."""

from __future__ import annotations

DOCUMENTATION = r"""
name: galera_start
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: How the servers of a Galera cluster start
description:
  - Tells from the results of M(accentos.cloud.galera_state) which server has to begin a cluster, if any.
  - None has to while one works, and nothing is done while one runs that cannot be asked. Otherwise it is the one that
    came farthest, and nothing is begun while the position of a server is unknown.
positional: members, start_from
options:
  _input:
    description: >-
      Results of M(accentos.cloud.galera_state) with the name of the server in C(item). Of several of one server the
      last counts.
    type: list
    elements: dict
    required: true
  members:
    description: Names of all servers.
    type: list
    elements: str
    required: true
  start_from:
    description: Server that begins although others cannot be asked.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show who begins
  ansible.builtin.debug:
    msg: "{{ (asked.results | accentos.cloud.galera_start(groups.controller)).begin }}"
"""

RETURN = r"""
_value:
  description: >-
    C(begin), the name of the server that begins or an empty text; C(running), names of the servers that work; C(stop),
    names of those that have to be stopped and asked again; C(closed), names of those that run and could not be asked;
    C(refusal) and C(remedy), why nothing can be begun and what helps.
  type: dict
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.galera import Member, plan_start


def galera_start(results: Iterable[Mapping[str, Any]], members: Sequence[str], start_from: str = "") -> dict[str, Any]:
    """Decide how the servers start; a server without a result could not be asked."""
    asked = {row["item"]: Member.from_result(row["member"]) for row in results if row.get("member")}
    return dataclasses.asdict(plan_start({name: asked.get(name) for name in members}, start_from))


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return the filters of this file by name."""
        return {"galera_start": galera_start}
