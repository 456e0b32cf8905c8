# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.openstack_host_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openstack_host_plan
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What a host needs for the services of a cloud
description:
  - Turns the descriptions of services into what the tasks of a host take, for those components whose group the host
    is in.
  - Secrets are references in the result, see M(accentos.cloud.openstack_config).
  - Fails when a service is not known, a description holds what means nothing, or an option of the operator is for a
    file that the service does not have.
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
  overrides:
    description: Options of the operator, by service, path, section and option. They win.
    type: dict
    default: {}
  host:
    description: Name of the host.
    type: str
    required: true
  domain:
    description: Domain of the host.
    type: str
    required: true
  address:
    description: Address that the host's APIs listen on.
    type: str
    required: true
  groups:
    description: Hosts by group.
    type: dict
    required: true
  pki_folder:
    description: Folder of certificates on the host.
    type: str
    required: true
  api_url:
    description: Address of all services, without a port.
    type: str
    required: true
  region:
    description: Region of the endpoints.
    type: str
    required: true
  processes:
    description: Processes of each API.
    type: int
    required: true
"""

EXAMPLES = r"""
packages: >-
  {{ (known | accentos.cloud.openstack_host_plan(['glance'], host='controller-1', domain='example.test',
  address='10.0.0.21', groups=groups, pki_folder='/etc/accentos/pki', api_url='https://api.example.test',
  region='RegionOne', processes=2)).packages }}
"""

RETURN = r"""
_value:
  description:
    - C(packages), C(certificates) for the role pki, C(keyrings) for the role ceph, C(files) for
      M(accentos.cloud.openstack_config), C(syncs) for M(accentos.cloud.openstack_sync), C(units) for
      M(accentos.cloud.units), C(checks) for M(accentos.cloud.openstack_health), C(databases) for
      M(accentos.cloud.database_access), C(messaging) for M(accentos.cloud.messaging_access), C(catalogue) for
      M(accentos.cloud.openstack_catalogue).
    - C(start_policy), all units of all services; C(masks), units that packages bring and that never start; and
      C(secrets), the names and kinds of the secrets that four of these refer to.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_services import (
    Context,
    ServiceError,
    plan_host,
)


def openstack_host_plan(known: Any, services: Any, overrides: Any = None, **context: Any) -> dict[str, Any]:
    """Return what a host needs, see plan_host()."""
    try:
        return plan_host(
            known, services, overrides or {}, Context(**{**context, "processes": int(context["processes"])})
        )
    except ServiceError as error:
        raise AnsibleFilterError(f"accentos.cloud.openstack_host_plan: {error}") from error


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"openstack_host_plan": openstack_host_plan}
