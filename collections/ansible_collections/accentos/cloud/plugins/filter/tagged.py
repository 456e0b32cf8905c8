# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.tagged."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tagged
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Lists that belong to the tags of a run
description:
  - Joins the lists of those tags that a run was started with, in the order of the mapping and each value once.
  - So one play serves several tags with one task where a play for each tag would need one for each.
positional: run_tags, skip_tags
options:
  _input:
    description: Lists by tag.
    type: dict
    required: true
  run_tags:
    description: The tags of the run, C(ansible_run_tags); C(all) stands for every tag, C(tagged) too.
    type: list
    elements: str
    required: true
  skip_tags:
    description: The tags that the run leaves out, C(ansible_skip_tags).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
# With --tags image -> ["glance"], without tags -> ["glance", "nova"]
services: >-
  {{ {'image': ['glance'], 'compute': ['nova']} | accentos.cloud.tagged(ansible_run_tags, ansible_skip_tags) }}
"""

RETURN = r"""
_value:
  description: The joined list.
  type: list
  elements: raw
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_EVERY = {"all", "tagged"}


def tagged(lists: Mapping[str, Sequence[Any]], run_tags: Sequence[str], skip_tags: Sequence[str]) -> list[Any]:
    """Return the values of the tags that run, each once."""
    if _EVERY & set(skip_tags):
        return []
    every = bool(_EVERY & set(run_tags))
    chosen = [tag for tag in lists if (every or tag in run_tags) and tag not in skip_tags]
    return list(dict.fromkeys(value for tag in chosen for value in lists[tag]))


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"tagged": tagged}
