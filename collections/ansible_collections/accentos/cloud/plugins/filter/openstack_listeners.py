# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.openstack_listeners."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openstack_listeners
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What the load balancer hands on for the services of a cloud
description:
  - Lists the ports of those components of services that run on controllers and take requests.
positional: services
options:
  _input:
    description: Descriptions of services by name, see the role accentos.cloud.openstack_service.
    type: dict
    required: true
  services:
    description: Names of the services.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
# -> [{"name": "glance-api", "port": 9292, "mode": "http", "check": "/healthcheck"}]
ports: "{{ known | accentos.cloud.openstack_listeners(['glance']) }}"
"""

RETURN = r"""
_value:
  description: Services as the role accentos.cloud.load_balancer takes them.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_services import ServiceError, listeners


def openstack_listeners(known: Any, services: Any) -> list[dict[str, Any]]:
    """Return what the load balancer hands on, see listeners()."""
    try:
        return listeners(known, services)
    except ServiceError as error:
        raise AnsibleFilterError(f"accentos.cloud.openstack_listeners: {error}") from error


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"openstack_listeners": openstack_listeners}
