# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How modules log in to a cloud."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment C(accentos.cloud.cloud_login)."""

    DOCUMENTATION = r"""
options:
  auth:
    description: How to reach the identity service as an administrator.
    type: dict
    required: true
    suboptions:
      url:
        description: Address of version 3 of the service.
        type: str
        required: true
      username:
        description: Name of the administrator.
        type: str
        default: admin
      password:
        description: Password of the administrator.
        type: str
        required: true
      project:
        description: Project of the administrator.
        type: str
        default: admin
      domain:
        description: Domain of the administrator and the project.
        type: str
        default: Default
  ca_file:
    description: Authorities that certificates of services are checked with. By default those of the system.
    type: path
notes:
  - The host that it runs on needs C(python3-openstacksdk).
  - A service that is slow, busy or dead is asked up to six times, with growing pauses of random length or those that it
    asks for with C(Retry-After), for as long as two answers may take. It gets at most five requests a second until it
    answers. What creates something is asked for again only if it was certainly not done.
"""
