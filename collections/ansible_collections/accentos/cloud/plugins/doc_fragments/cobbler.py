# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options and attributes that all modules for Cobbler share."""

from __future__ import annotations


class ModuleDocFragment:
    """The fragment C(accentos.cloud.cobbler)."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of cobblerd's XML-RPC. Plain HTTP is accepted to this host itself only.
    type: str
    default: http://127.0.0.1:25151
  user:
    description: User of Cobbler. Reading needs none.
    type: str
  password:
    description: Password of the user.
    type: str
  timeout:
    description: Seconds to wait for one answer, and for a cobblerd that is being restarted to come up.
    type: float
    default: 60
  verify:
    description: Whether the certificate of an HTTPS address is verified.
    type: bool
    default: true
  ca:
    description: File with the authority that signed the certificate. By default the authorities of the host.
    type: path
notes:
  - Cobbler 3.3, from 3.3.10 on, is supported.
  - Use C(module_defaults) with the group C(accentos.cloud.cobbler) to give the connection once.
  - Anybody who reaches cobblerd reads everything in it without a password. Passwords are refused as values, and BMCs
    are not described here at all.
"""
