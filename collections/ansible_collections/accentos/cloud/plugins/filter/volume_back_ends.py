# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.volume_back_ends."""

from __future__ import annotations

DOCUMENTATION = r"""
name: volume_back_ends
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: What back ends of volumes mean for a host
description:
  - Turns descriptions of back ends into options of the volume service, files, packages and features of the kernel.
  - Fails for a driver that is not known, a description with what means nothing, one without what its driver needs, a
    name that cinder.conf has for a section of something else, names that differ in case only, and back ends that share
    a volume type without the option C(volume_backend_name) that they would have to share for it, too.
positional: raw
extends_documentation_fragment: [accentos.cloud.volume_back_ends]
options:
  hostvars:
    description:
      - The variables of all hosts. For one that does not run the volume service those of the first one that does count
        more than O(_input), O(raw) and O(ceph), where it has them. So computes know of back ends that only controllers
        are told of.
    type: dict
    default: {}
  host:
    description: Name of the host.
    type: str
    required: true
  address:
    description: Address of the host at which it hands out volumes of its own.
    type: str
    required: true
  site:
    description: Name of the site, to which volumes belong that are not on the disks of one host.
    type: str
    required: true
  volume_hosts:
    description: Hosts that run the volume service.
    type: list
    elements: str
    required: true
  computes:
    description: Hosts that run guests.
    type: list
    elements: str
    required: true
  ceph:
    description: Whether the site has Ceph.
    type: bool
    required: true
  secret_uuid:
    description: Names the secret of libvirt with which computes open volumes in Ceph.
    type: str
    required: true
"""

EXAMPLES = r"""
kernel: >-
  {{ ({'files': {'driver': 'nfs', 'shares': ['nas.example.com:/volumes']}}
  | accentos.cloud.volume_back_ends(host='controller-1', address='10.0.0.21', site='example',
  volume_hosts=groups.controller, computes=groups.compute, ceph=false, secret_uuid='')).kernel }}
"""

RETURN = r"""
_value:
  description:
    - C(names) of all back ends of the site.
    - C(sections) of cinder.conf and C(texts), other files, for the back ends of the host.
    - C(packages) for its volume service, C(compute_packages) for its compute service, and C(kernel), the features that
      M(accentos.cloud.host_check) has to find there.
    - C(compute_daemons), units that have to run for its compute service.
    - C(masked), units that these packages bring and nothing needs.
    - C(types) for M(accentos.cloud.volume_types), one for each back end of the site, or for several that share it.
  type: dict
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.accentos.cloud.plugins.plugin_utils.volume_back_ends import (
    BACK_ENDS,
    CEPH,
    RAW,
    BackEndError,
    Place,
    plan_back_ends,
    variables_of_volumes,
)


def volume_back_ends(back_ends: Any, raw: Any = None, *, hostvars: Any = None, **place: Any) -> dict[str, Any]:
    """Return what back ends mean for a host, see plan_back_ends()."""
    where = Place(**place)
    told = variables_of_volumes(hostvars or {}, where)
    back_ends, raw = told.get(BACK_ENDS, back_ends), told.get(RAW, raw)
    where = dataclasses.replace(where, ceph=boolean(told.get(CEPH, where.ceph)))
    try:
        return plan_back_ends(back_ends or {}, raw or {}, where)
    except BackEndError as error:
        raise AnsibleFilterError(f"accentos.cloud.volume_back_ends: {error}") from error


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"volume_back_ends": volume_back_ends}
