# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.site_draft."""

from __future__ import annotations

DOCUMENTATION = r"""
name: site_draft
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What a new site is made of
description:
  - Makes hosts, addresses and ports of a new site out of a few answers, those of P(accentos.cloud.init#role).
positional: _input, known, keys
options:
  _input:
    description: The answers by name.
    type: dict
    required: true
  known:
    description: Names of the answers that there are. Others are problems.
    type: list
    elements: str
    required: true
  keys:
    description: Public SSH keys for an administrator where the answers name none.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
draft: "{{ answers | accentos.cloud.site_draft(options.keys()) }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems), one text each. When there is none also C(kind), which is V(installed), V(described) or V(enrolled);
      C(networks), C(gateway), C(api_address), C(deploy_address), C(admins), C(profiles), and C(groups), the variables
      of hosts by group and host.
  type: dict
"""

from collections.abc import Callable

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_draft import draft_site


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters of this file by name."""
        return {"site_draft": draft_site}
