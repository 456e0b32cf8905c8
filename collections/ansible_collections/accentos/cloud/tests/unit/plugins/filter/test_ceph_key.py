# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys as Ceph writes them."""

from __future__ import annotations

import base64

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.ceph_key import FilterModule

ceph_key = FilterModule().filters()["ceph_key"]
DIGITS = "00112233445566778899aabbccddeeff" * 2


def test_a_key_is_a_header_and_sixteen_bytes() -> None:
    key = ceph_key(DIGITS)
    # As ceph-authtool 18.2.7 prints a key: 28 bytes in Base64, the first of which say AES and a length of 16.
    raw = base64.b64decode(key)
    assert (len(raw), raw[:2], raw[10:12], raw[12:].hex()) == (28, b"\x01\0", b"\x10\0", DIGITS[:32])
    assert ceph_key(DIGITS) == key


@pytest.mark.parametrize("wrong", ["", "0011", "x" * 64])
def test_other_secrets_are_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        ceph_key(wrong)
    assert not wrong or wrong not in str(caught.value)
