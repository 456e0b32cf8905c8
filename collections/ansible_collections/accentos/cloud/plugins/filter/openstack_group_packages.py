# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.openstack_group_packages."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openstack_group_packages
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Packages that hosts of a group need for the services of a cloud
description:
  - Returns the packages of all components whose hosts are in a group.
  - P(accentos.cloud.openstack_host_plan#filter) returns the same for a host; this filter needs none, so that an image
    can have them before there are hosts.
positional: group
options:
  _input:
    description: Descriptions of services by name, see the role accentos.cloud.openstack_service.
    type: dict
    required: true
  group:
    description: Name of the group.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the packages of computes
  ansible.builtin.debug:
    msg: "{{ __openstack_service_known | accentos.cloud.openstack_group_packages('compute') }}"
"""

RETURN = r"""
_value:
  description: Names of packages, sorted.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_services import group_packages


def openstack_group_packages(known: Any, group: str) -> list[str]:
    """Return the packages, see group_packages()."""
    return group_packages(known, group)


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"openstack_group_packages": openstack_group_packages}
