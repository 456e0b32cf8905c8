# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that makes a key of Ceph from a secret of the site."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ceph_key
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: A key as Ceph writes it, from random hexadecimal digits
description:
  - Ceph's keys are 16 random bytes with a short header, in Base64. Made from a secret of the site they are known before
    there is a cluster, and need not be fetched from one host for another.
  - The first 32 digits are used.
options:
  _input:
    description: At least 32 hexadecimal digits, such as a secret of the kind V(hex).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write a keyring
  accentos.cloud.secret_file:
    path: /etc/ceph/ceph.client.example.keyring
    content: |
      [client.example]
      key = {{ lookup('accentos.cloud.secret', 'ceph_client_example_key', kind='hex') | accentos.cloud.ceph_key }}
"""

RETURN = r"""
_value:
  description: The key.
  type: str
"""

import base64
import binascii
import struct
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

_KEY_BYTES = 16
# Type (AES), seconds and nanoseconds of its making, which Ceph does not look at, and the length of what follows.
_HEADER = struct.pack("<HIIH", 1, 0, 0, _KEY_BYTES)


def ceph_key(digits: str) -> str:
    """Return the key. Raises AnsibleFilterError, without the digits in its text."""
    try:
        secret = binascii.unhexlify(digits[: 2 * _KEY_BYTES])
    except ValueError:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise AnsibleFilterError(
            "A key of Ceph is made from at least 32 hexadecimal digits, and the given secret is none. Look it up with "
            "kind='hex'; one that was stored as something else has to be removed from the site's secrets."
        )
    return base64.b64encode(_HEADER + secret).decode("ascii")


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters of this file by name."""
        return {"ceph_key": ceph_key}
