# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.openstack_override_mistakes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openstack_override_mistakes
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What is wrong with the operator's options of services
description:
  - Looks through C(openstack_service_overrides) of all hosts for services and files that there are not, and for what is
    no mapping where a mapping belongs. What is empty is an empty mapping.
  - Values of options are not looked at. What a template cannot say here, since it needs what is known later, is left
    out.
positional: hosts
options:
  _input:
    description: Descriptions of services by name, see the role accentos.cloud.openstack_service.
    type: dict
    required: true
  hosts:
    description:
      - Variables of the hosts. Services in C(openstack_service_extra) of a host are known for it, too.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
mistakes: >-
  {{ known | accentos.cloud.openstack_override_mistakes(ansible_play_hosts_all | map('extract', hostvars)) }}
"""

RETURN = r"""
_value:
  description: Sentences, none if nothing is wrong.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_overrides import find_mistakes_of_hosts


def openstack_override_mistakes(known: Any, hosts: Any) -> list[str]:
    """Return what is wrong, see find_mistakes_of_hosts()."""
    return find_mistakes_of_hosts(known, hosts)


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"openstack_override_mistakes": openstack_override_mistakes}
