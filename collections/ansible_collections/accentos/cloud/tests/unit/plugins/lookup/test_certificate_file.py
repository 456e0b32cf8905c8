# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup, on files that hold a certificate, and on others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import make_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID


def look_up(path: Path) -> str:
    """Run the lookup for one file."""
    loader = DataLoader()
    templar = Templar(loader=loader, variables={})
    lookup = lookup_loader.get("accentos.cloud.certificate_file", loader=loader, templar=templar)
    (found,) = lookup.run([str(path)], variables={})
    return str(found)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a certificate."""
    key, now = make_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    path = tmp_path / "ca.crt"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def test_a_certificate_and_none(file: Path) -> None:
    assert look_up(file) == file.read_text(encoding="ascii").rstrip()
    assert look_up(file.with_name("other")) == ""


@pytest.mark.parametrize("damage", ["a line", "cut off", "empty", "binary", "twice"])
def test_what_is_no_certificate_is_named_with_a_remedy(damage: str, file: Path) -> None:
    whole = file.read_bytes()
    lines = whole.splitlines()
    file.write_bytes(
        {
            "a line": b"\n".join([*lines[:2], b"AAAA", *lines[3:]]),
            "cut off": whole[: len(whole) // 2],
            "empty": b"",
            "binary": b"\xff\0",
            "twice": whole + whole,
        }[damage]
    )
    with pytest.raises(AnsibleError) as caught:
        look_up(file)
    assert str(caught.value).startswith(f"{file} does not hold one certificate in PEM")
    assert "Put it back from a copy" in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=rf"^{tmp_path} cannot be read: Is a directory"):
        look_up(tmp_path)
