# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.stage_services."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stage_services
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Services by stage of a deployment, with those of the operator's own
description:
  - Puts services that the role openstack_service does not know to those that it knows, each in the C(stage) of its
    description; without one in C(compute).
  - Stages that are not in O(_input) are left out, and a service that is there keeps its stage.
positional: own
options:
  _input:
    description: Names of services by stage.
    type: dict
    required: true
  own:
    description: Descriptions of services by name, see C(openstack_service_extra) of the role openstack_service.
    type: dict
    required: true
"""

EXAMPLES = r"""
# -> {"image": ["glance"], "compute": ["nova", "agent"]}
services: >-
  {{ {'image': ['glance'], 'compute': ['nova']} | accentos.cloud.stage_services({'agent': {'components': {}}}) }}
"""

RETURN = r"""
_value:
  description: Names of services by stage.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_overrides import stage_services


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by their short names."""
        return {"stage_services": stage_services}
