# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fingerprints of OpenPGP keys, compared with those that gpg 2.2.40 printed for the key files in fixtures/openpgp."""

from __future__ import annotations

import base64
import string
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.filter.openpgp_fingerprints import FilterModule
from hypothesis import given, settings
from hypothesis import strategies as st

openpgp_fingerprints = FilterModule().filters()["openpgp_fingerprints"]

FIXTURES = Path(__file__).parent / "fixtures" / "openpgp"
ED25519 = (FIXTURES / "ed25519.asc").read_text(encoding="ascii")
ED25519_FINGERPRINT = "16C9B7669AB4C500AB4262A09F62D6378EB8CE8C"
RSA2048 = (FIXTURES / "rsa2048.asc").read_text(encoding="ascii")
RSA2048_FINGERPRINT = "7E7A2C4D61307B9FA68416350BCCBBF8F4CDA392"

# The primary key of the sample in RFC 9580, appendix A.3, and the fingerprint that is printed there.
VERSION_6 = "xioGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laM="
VERSION_6_FINGERPRINT = "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9"

BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
END = "-----END PGP PUBLIC KEY BLOCK-----"


def data_of(armoured: str) -> bytes:
    """Return the packets of a key file."""
    return base64.b64decode("".join(line for line in armoured.splitlines() if line[:1] not in ("-", "=")))


def armour(data: bytes) -> str:
    """Put packets into a block."""
    return f"{BEGIN}\n\n{base64.encodebytes(data).decode('ascii')}{END}\n"


def old_packet(tag: int, body: bytes) -> bytes:
    """Make a packet with a header of the old form and two octets of length, as gpg does."""
    return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body


def new_packet(tag: int, body: bytes) -> bytes:
    """Make a packet with a header of the new form, with the shortest length that fits."""
    if len(body) < 192:
        length = bytes([len(body)])
    elif len(body) < 8384:
        length = bytes([192 + (len(body) - 192 >> 8), len(body) - 192 & 0xFF])
    else:
        length = b"\xff" + len(body).to_bytes(4, "big")
    return bytes([0xC0 | tag]) + length + body


ED25519_DATA, RSA2048_DATA = data_of(ED25519), data_of(RSA2048)
# The bodies of the primary keys, behind the headers of the first packets: 0x98 and one octet of length, 0x99 and two.
ED25519_BODY, RSA2048_BODY = ED25519_DATA[2 : 2 + ED25519_DATA[1]], RSA2048_DATA[3:272]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ED25519, [ED25519_FINGERPRINT]),
        (RSA2048, [RSA2048_FINGERPRINT]),
        (armour(base64.b64decode(VERSION_6)), [VERSION_6_FINGERPRINT]),
        # Two keys: in two blocks, in one block.
        (RSA2048 + ED25519, [RSA2048_FINGERPRINT, ED25519_FINGERPRINT]),
        (armour(ED25519_DATA + RSA2048_DATA), [ED25519_FINGERPRINT, RSA2048_FINGERPRINT]),
        # What publishers do to their files.
        (ED25519.replace("\n", "\r\n"), [ED25519_FINGERPRINT]),
        (ED25519.rstrip("\n"), [ED25519_FINGERPRINT]),
        (ED25519.replace("\n\n", "\n \t\n", 1), [ED25519_FINGERPRINT]),
        (
            ED25519.replace("\n\n", "\nVersion: GnuPG v1\nComment: Example Archive: key\n\n", 1),
            [ED25519_FINGERPRINT],
        ),
        (f"This key signs the archive.\n\n{ED25519}\nUntil 2040.\n", [ED25519_FINGERPRINT]),
        (armour(ED25519_DATA), [ED25519_FINGERPRINT]),
        # The three lengths of the new form.
        (armour(new_packet(6, ED25519_BODY)), [ED25519_FINGERPRINT]),
        (armour(new_packet(6, RSA2048_BODY)), [RSA2048_FINGERPRINT]),
        (armour(new_packet(13, b"u" * 9000) + new_packet(6, ED25519_BODY)), [ED25519_FINGERPRINT]),
    ],
)
def test_fingerprints(text: str, expected: list[str]) -> None:
    assert openpgp_fingerprints(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        f"{BEGIN}\n\n{END}\n",
        ED25519.replace("PUBLIC", "PRIVATE"),
        # A user identity without a key.
        armour(old_packet(13, b"Example Archive <archive@example.test>")),
    ],
)
def test_no_key_gives_no_fingerprint(text: str) -> None:
    assert openpgp_fingerprints(text) == []


@pytest.mark.parametrize(
    "packet",
    [
        b"\x00\x00",
        # Headers that are cut off, in each form of the length.
        b"\xc6",
        b"\xc6\xc0",
        b"\xc6\xff\x00",
        b"\x99\x00",
        b"\x98",
        # Longer than what follows.
        b"\xc6\x7f\x04",
        b"\x98\x7f\x04",
        # Parts, and "up to the end": other programs read on behind such a packet.
        b"\xe6" + ED25519_BODY,
        b"\xc6\xe1\x04\x04\x00",
        b"\x9b" + ED25519_BODY,
        b"\x8b" + bytes(8) + old_packet(6, RSA2048_BODY),
        # Keys that are not to be found in a published key: secret, compressed, of other versions, beyond all bounds.
        old_packet(5, RSA2048_BODY),
        old_packet(8, b"\x00" + old_packet(6, RSA2048_BODY)),
        old_packet(6, b"\x03" + RSA2048_BODY[1:]),
        old_packet(6, b"\x05" + RSA2048_BODY[1:]),
        old_packet(6, b""),
        new_packet(6, b"\x04" + bytes(0x10000)),
    ],
)
def test_what_cannot_be_read_hides_no_key(packet: bytes) -> None:
    # The key in front of it would pass a comparison with its pinned fingerprint.
    assert openpgp_fingerprints(armour(ED25519_DATA + packet)) == []


@pytest.mark.parametrize(
    "text",
    [
        # Blocks that other programs read more generously.
        RSA2048.replace("\n\n", "\n", 1),
        RSA2048.replace("PUBLIC KEY BLOCK", "MESSAGE"),
        RSA2048.replace("\n", "\n ", 5),
        RSA2048.replace(END, ""),
        RSA2048.replace("\n\n", "\n\n\N{LATIN SMALL LETTER E WITH ACUTE}", 1),
        RSA2048.replace("\n\n", "\n\nA", 1),
        RSA2048.replace("\n\n", f"\n{ED25519.splitlines()[2]}\n\n", 1),
        RSA2048.replace(END, f"AA{END}"),
    ],
)
def test_a_second_block_that_cannot_be_read_hides_no_key(text: str) -> None:
    assert openpgp_fingerprints(ED25519 + text) == []


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=len(ED25519_DATA) - 1))
def test_a_key_that_is_cut_off_is_never_another_key(end: int) -> None:
    found = openpgp_fingerprints(armour(ED25519_DATA[:end]))
    # Cut between two packets it is a shorter key with the same fingerprint.
    assert found in ([], [ED25519_FINGERPRINT])
    if end < 2 + len(ED25519_BODY):
        assert found == []


@settings(deadline=None)
@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert openpgp_fingerprints(text) == []


@settings(deadline=None)
@given(st.text())
def test_any_text_can_stand_in_a_block(text: str) -> None:
    openpgp_fingerprints(f"{BEGIN}\n\n{text}\n{END}\n")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=64), st.sampled_from([b"", b"\xc6", b"\xc2", b"\x98", b"\x99", b"\x9a", b"\x9b"]))
def test_any_data_can_stand_in_a_block(data: bytes, start: bytes) -> None:
    for fingerprint in openpgp_fingerprints(armour(start + data)):
        assert len(fingerprint) in (40, 64)


# Where the characters of the primary key are, with its header and the end of the first line, without the one that the
# packet behind it has a part of.
KEY_BEGINS = ED25519.index("\n\n") + 2
KEY_ENDS = KEY_BEGINS + (2 + len(ED25519_BODY)) * 8 // 6 + 1


@settings(deadline=None)
@given(st.integers(min_value=KEY_BEGINS, max_value=KEY_ENDS - 1), st.sampled_from(f"{string.printable}\xe9"))
def test_a_damaged_key_is_another_key_or_none(at: int, character: str) -> None:
    damaged = ED25519[:at] + character + ED25519[at + 1 :]
    assert damaged == ED25519 or ED25519_FINGERPRINT not in openpgp_fingerprints(damaged)


def test_a_subkey_that_is_damaged_to_a_key_is_told() -> None:
    # Its header is the only thing that makes it a subkey. Whoever pins one fingerprint must be given both.
    data = bytearray(ED25519_DATA)
    at = data.rindex(b"\xb8\x38\x04")
    data[at] = 0x98
    assert len(openpgp_fingerprints(armour(bytes(data)))) == 2
