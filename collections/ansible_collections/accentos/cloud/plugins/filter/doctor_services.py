# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.doctor_services."""

from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_services
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What the doctor looks at of services on a host
description:
  - Lists the units and the addresses that services have on a host, each with the layer that it belongs to.
  - Further options are those of P(accentos.cloud.openstack_host_plan#filter).
positional: layers
options:
  _input:
    description: Descriptions of services by name, see the role accentos.cloud.openstack_service.
    type: dict
    required: true
  layers:
    description: Layers of services, by name.
    type: dict
    required: true
  overrides:
    description: Options of the operator, by service, path, section and option.
    type: dict
    default: {}
"""

EXAMPLES = r"""
found: >-
  {{ known | accentos.cloud.doctor_services({'glance': 'image'}, host='controller-1', domain='example.test',
  address='10.0.0.21', groups=groups, pki_folder='/etc/accentos/pki', api_url='https://api.example.test',
  region='RegionOne', processes=2) }}
"""

RETURN = r"""
_value:
  description: C(units) and C(apis), as option C(wanted) of M(accentos.cloud.host_health) takes them.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_wanted import examined_services
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_services import Context, ServiceError


def doctor_services(known: Any, layers: Any, overrides: Any = None, **context: Any) -> dict[str, Any]:
    """Return what services have on a host, see examined_services()."""
    try:
        where = Context(**{**context, "processes": int(context["processes"])})
        return examined_services(known, overrides or {}, layers, where)
    except ServiceError as error:
        raise AnsibleFilterError(f"accentos.cloud.doctor_services: {error}") from error


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters of this file by name."""
        return {"doctor_services": doctor_services}
