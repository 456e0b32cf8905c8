# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a host needs a new certificate, with certificates made here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    dump_key,
    load_certificates,
    load_key,
    make_key,
    make_request,
    parse_name,
    sign_request,
    why_new,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
NAMES = [parse_name("DNS:a.example.test"), parse_name("IP:192.0.2.1")]


def sign(
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    subject: str = "a.example.test",
    issuer: str = "authority",
    names: list[x509.GeneralName] | None = None,
    days: int = 397,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


CA_KEY, KEY = make_key(), make_key()
CA = sign(CA_KEY.public_key(), CA_KEY, subject="authority", days=3650)
RENEWED_CA = sign(CA_KEY.public_key(), CA_KEY, subject="authority", days=7300)
OWN = sign(KEY.public_key(), CA_KEY, names=NAMES)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def reason(present: list[x509.Certificate], authority: x509.Certificate = CA, *, now: datetime = NOW) -> str:
    return why_new(present, authority, KEY, "a.example.test", NAMES, now=now, renew_before=MONTH)


def test_a_good_certificate_stays() -> None:
    assert reason([OWN, CA]) == ""
    assert reason([OWN, CA], now=NOW + timedelta(days=366)) == ""


@pytest.mark.parametrize("damaged", [b"", b"\0", pem(OWN)[:300], b"-----BEGIN CERTIFICATE-----\n"])
def test_what_cannot_be_read_counts_as_none(damaged: bytes) -> None:
    assert load_certificates(damaged) == []
    assert reason([]) == "there is none that can be read"


def test_each_reason() -> None:
    assert reason([sign(make_key().public_key(), CA_KEY, names=NAMES), CA]) == "it is for another key"
    assert reason([sign(KEY.public_key(), CA_KEY, names=NAMES[:1]), CA]) == "it is for other names"
    assert reason([sign(KEY.public_key(), CA_KEY), CA]) == "it is for other names"
    assert reason([sign(KEY.public_key(), CA_KEY, names=NAMES, subject="b"), CA]) == "it is for other names"
    assert reason([sign(KEY.public_key(), make_key(), names=NAMES), CA]) == "another authority signed it"
    assert reason([sign(KEY.public_key(), CA_KEY, names=NAMES, issuer="b"), CA]) == "another authority signed it"
    assert reason([OWN]) == "the authority has a new certificate"
    assert reason([OWN, CA], now=NOW + timedelta(days=367)) == "it ends on 2027-02-02"


def test_a_renewed_authority_of_the_same_key_is_trusted_by_old_and_new() -> None:
    # What it signed before still proves itself with the new one, and the other way round: hosts may change one by one.
    for authority in (CA, RENEWED_CA):
        OWN.verify_directly_issued_by(authority)
    assert reason([OWN, CA], RENEWED_CA) == "the authority has a new certificate"


def test_keys_that_cannot_be_used_count_as_none() -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    locked = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    plain = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (b"", dump_key(KEY)[:50], locked, plain):
        assert load_key(content) is None
    assert load_key(dump_key(KEY)) is not None


def test_the_request_says_what_is_wanted() -> None:
    request = x509.load_pem_x509_csr(make_request(KEY, "a.example.test", NAMES).encode())
    assert request.is_signature_valid
    assert request.public_key() == KEY.public_key()
    extensions = request.extensions
    assert list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == NAMES
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.critical, usage.value.digital_signature, usage.value.key_cert_sign) == (True, True, False)


def test_a_signed_request_is_a_good_certificate() -> None:
    request, authority = make_request(KEY, "a.example.test", NAMES), pem(CA).decode()
    text = sign_request(request, authority, dump_key(CA_KEY).decode(), now=NOW, lasts=timedelta(days=90))
    (made,) = x509.load_pem_x509_certificates(text.encode())
    assert reason([made, CA]) == ""
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW, NOW + timedelta(days=90))
    asked = {extension.oid: extension for extension in x509.load_pem_x509_csr(request.encode()).extensions}
    assert {oid: made.extensions.get_extension_for_oid(oid) for oid in asked} == asked
    found = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found == x509.AuthorityKeyIdentifier.from_issuer_public_key(CA_KEY.public_key())


def test_a_key_of_another_authority_signs_nothing() -> None:
    request = make_request(KEY, "a.example.test", NAMES)
    with pytest.raises(ValueError, match="for another key"):
        sign_request(request, pem(CA).decode(), dump_key(KEY).decode(), now=NOW, lasts=MONTH)


def test_a_request_without_its_key_is_not_signed() -> None:
    request = make_request(KEY, "a.example.test", NAMES)
    lines = request.splitlines()
    # The end of the signature, before the last characters, which may be padding.
    last = lines[-2]
    lines[-2] = last[:4] + ("A" if last[4] != "A" else "B") + last[5:]
    with pytest.raises(ValueError, match="does not have its key"):
        sign_request("\n".join(lines), pem(CA).decode(), dump_key(CA_KEY).decode(), now=NOW, lasts=MONTH)


def test_nobody_becomes_an_authority() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(CA.subject)
    request = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    text = request.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(ValueError, match="an authority itself"):
        sign_request(text, pem(CA).decode(), dump_key(CA_KEY).decode(), now=NOW, lasts=MONTH)


@pytest.mark.parametrize("text", ["a.example.test", "DNS:", "IP:a", "email:x", "URI:"])
def test_names_that_are_not_understood(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_name(text)


def test_names_of_all_kinds() -> None:
    assert parse_name("URI:spiffe://x/y") == x509.UniformResourceIdentifier("spiffe://x/y")
    assert parse_name("IP:fd00::1").value.compressed == "fd00::1"
