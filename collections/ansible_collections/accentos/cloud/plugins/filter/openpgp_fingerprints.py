# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that reads fingerprints from OpenPGP keys."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openpgp_fingerprints
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Fingerprints of the primary keys in an armoured OpenPGP key file
description:
  - Reads the text of a key file, as publishers of package archives offer it, and gives the fingerprint of each primary key in it.
  - Knows keys of version 4 and 6. Text that is no key gives no fingerprint.
options:
  _input:
    description: The text of the key file.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the fingerprints
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'example.asc') | accentos.cloud.openpgp_fingerprints }}"
"""

RETURN = r"""
_value:
  description: The fingerprints in upper-case hexadecimal, in the order of the keys.
  type: list
  elements: str
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator

_ARMOUR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*?\r?\n(?P<body>.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_PUBLIC_KEY_TAG = 6


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet (RFC 9580, section 4.2); stops at the first that is malformed."""
    at = 0
    while at + 1 < len(data) and data[at] & 0x80:
        head, first = data[at], data[at + 1]
        if head & 0x40:
            tag = head & 0x3F
            if first < 192:  # noqa: PLR2004 - the bounds of the three length forms
                length, start = first, at + 2
            elif first < 224:  # noqa: PLR2004
                length, start = ((first - 192) << 8) + data[at + 2] + 192, at + 3
            elif first == 255:  # noqa: PLR2004
                length, start = int.from_bytes(data[at + 2 : at + 6], "big"), at + 6
            else:
                return
        else:
            tag, size = head >> 2 & 0x0F, 1 << (head & 0x03)
            length, start = int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
        if start + length > len(data):
            return
        yield tag, data[start : start + length]
        at = start + length


def _fingerprint(body: bytes) -> str | None:
    """Digest a public key packet (RFC 9580, section 5.5.4)."""
    if body[:1] == b"\x04":
        digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
        return digest.hexdigest().upper()
    if body[:1] == b"\x06":
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    return None


def openpgp_fingerprints(text: str) -> list[str]:
    """Return the fingerprints of all primary keys in the armoured blocks of a text."""
    found = []
    for block in _ARMOUR.finditer(text):
        # A line that starts with "=" is the checksum of the armour.
        lines = [line.strip() for line in block["body"].splitlines() if not line.startswith("=")]
        try:
            data = base64.b64decode("".join(lines), validate=True)
        except binascii.Error:
            continue
        found += [_fingerprint(body) for tag, body in _packets(data) if tag == _PUBLIC_KEY_TAG]
    return [fingerprint for fingerprint in found if fingerprint]


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[[str], list[str]]]:
        """Return the filters of this file by name."""
        return {"openpgp_fingerprints": openpgp_fingerprints}
