# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options of filters over back ends of volumes."""

from __future__ import annotations


class ModuleDocFragment:
    """Back ends as the site describes them."""

    DOCUMENTATION = r"""
options:
  _input:
    description: Descriptions by name, see C(openstack_service_volume_back_ends) of the role openstack_service.
    type: dict
    required: true
  raw:
    description: Options in cinder.conf by back end, of those in O(_input) and of others.
    type: dict
    default: {}
"""
