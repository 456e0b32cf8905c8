# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that reads fingerprints from OpenPGP keys."""

from __future__ import annotations

DOCUMENTATION = r"""
name: openpgp_fingerprints
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Fingerprints of the primary keys in an armoured OpenPGP key file
description:
  - Reads the text of a key file, as publishers of package archives offer it, and gives the fingerprint of each primary
    key in it.
  - Knows keys of version 4 and 6. Text that is no key gives no fingerprint.
  - A text with any part that cannot be read gives none at all, so that no key hides behind one that is pinned.
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
import hashlib
import re
from collections.abc import Callable, Iterator

_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?:[A-Za-z]+:[^\r\n]*\r?\n)*[ \t]*\r?\n"
    r"(?P<body>(?:[A-Za-z0-9+/=]*[ \t]*\r?\n)*)-----END PGP PUBLIC KEY BLOCK-----"
)
_PUBLIC_KEY_TAG = 6
# What a published key consists of: signatures, markers, trust, user identities, subkeys, attributes, padding.
_OTHER_TAGS = frozenset({2, 10, 12, 13, 14, 17, 21})
_LONGEST_VERSION_4_KEY = 0xFFFF


class _UnreadableError(ValueError):
    """A part of the text may hide a key."""


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet (RFC 9580, section 4.2)."""
    at = 0
    while at < len(data):
        # Zeros stand for what is cut off; such a packet ends behind the data and is refused below.
        head, first, second = data[at], *data[at + 1 : at + 3].ljust(2, b"\0")
        if not head & 0x80:
            raise _UnreadableError
        if head & 0x40:
            tag = head & 0x3F
            if first < 192:  # noqa: PLR2004 - the bounds of the three length forms
                length, start = first, at + 2
            elif first < 224:  # noqa: PLR2004
                length, start = ((first - 192) << 8) + second + 192, at + 3
            elif first == 255:  # noqa: PLR2004
                length, start = int.from_bytes(data[at + 2 : at + 6], "big"), at + 6
            else:
                raise _UnreadableError
        else:
            tag, size = head >> 2 & 0x0F, 1 << (head & 0x03)
            # The fourth size means "up to the end", which keys do not use.
            if size == 8:  # noqa: PLR2004
                raise _UnreadableError
            length, start = int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
        if start + length > len(data):
            raise _UnreadableError
        yield tag, data[start : start + length]
        at = start + length


def _fingerprint(body: bytes) -> str:
    """Digest a public key packet (RFC 9580, section 5.5.4)."""
    if body[:1] == b"\x04" and len(body) <= _LONGEST_VERSION_4_KEY:
        digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
        return digest.hexdigest().upper()
    if body[:1] == b"\x06":
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise _UnreadableError


def _block_fingerprints(body: str) -> Iterator[str]:
    # A line that starts with "=" is the checksum of the armour.
    lines = [line.strip() for line in body.splitlines() if not line.startswith("=")]
    for tag, packet in _packets(base64.b64decode("".join(lines), validate=True)):
        if tag == _PUBLIC_KEY_TAG:
            yield _fingerprint(packet)
        elif tag not in _OTHER_TAGS:
            raise _UnreadableError


def openpgp_fingerprints(text: str) -> list[str]:
    """Return the fingerprints of all primary keys in the armoured blocks of a text.

    Empty if any part of it cannot be read: a program that reads more than this filter does would trust keys that
    nobody compared.
    """
    if "-----BEGIN PGP" in _BLOCK.sub("", text):
        return []
    try:
        return [fingerprint for block in _BLOCK.finditer(text) for fingerprint in _block_fingerprints(block["body"])]
    except ValueError:
        return []


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[[str], list[str]]]:
        """Return the filters of this file by name."""
        return {"openpgp_fingerprints": openpgp_fingerprints}
