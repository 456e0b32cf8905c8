# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules need that try a cloud with guests."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment C(accentos.cloud.cloud_trial)."""

    DOCUMENTATION = r"""
options:
  image:
    description: Disk of a guest on the host.
    type: path
    required: true
  external_network:
    description: External network to take floating addresses from. By default the first one by name.
    type: str
  external:
    description: An external network to make for the run where there is none. By default none is made.
    type: dict
    suboptions:
      physical_network: {description: Name of the physical network., type: str, default: external}
      cidr: {description: Its range., type: str, required: true}
      gateway: {description: The router in it., type: str}
      first: {description: First address that the cloud may give out., type: str, required: true}
      last: {description: Last address that the cloud may give out., type: str, required: true}
  memory_mib:
    description: Memory of a guest.
    type: int
    default: 128
  timeout:
    description: Seconds to wait for one thing such as a guest that starts.
    type: int
    default: 300
"""
