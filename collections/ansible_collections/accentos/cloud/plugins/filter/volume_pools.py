# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.volume_pools."""

from __future__ import annotations

DOCUMENTATION = r"""
name: volume_pools
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Pools of Ceph that back ends of volumes name
description:
  - Gives the pools in which back ends keep volumes, as the user C(client.cinder) of the site's Ceph. Those in another
    cluster are not among them.
  - What cannot be a back end is passed over; P(accentos.cloud.volume_back_ends#filter) tells of it.
positional: raw
extends_documentation_fragment: [accentos.cloud.volume_back_ends]
"""

EXAMPLES = r"""
# -> ["volumes", "fast"]
pools: >-
  {{ {'ceph': {'driver': 'rbd'}, 'fast': {'driver': 'rbd', 'pool': 'fast'}} | accentos.cloud.volume_pools }}
"""

RETURN = r"""
_value:
  description: Names of pools, each once.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.volume_back_ends import pools_of_volumes


def volume_pools(back_ends: Any, raw: Any = None) -> list[str]:
    """Return the pools that back ends name, see pools_of_volumes()."""
    return pools_of_volumes(back_ends or {}, raw or {})


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"volume_pools": volume_pools}
