# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a host needs a new certificate, with certificates made here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    Authority,
    dump_key,
    load_authority,
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


def signed(request: str) -> str:
    """Return what the authority signs for the host a.example.test."""
    return sign_request(request, "a.example.test", NAMES, Authority(CA, CA_KEY, timedelta(days=90)), now=NOW)


def request_with(*extensions: x509.ExtensionType, subject: x509.Name = OWN.subject) -> str:
    """Return a request that is made by hand."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_signed_request_is_a_good_certificate() -> None:
    request = make_request(KEY, "a.example.test", NAMES)
    (made,) = x509.load_pem_x509_certificates(signed(request).encode())
    assert reason([made, CA]) == ""
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (NOW, NOW + timedelta(days=90))
    asked = {extension.oid: extension for extension in x509.load_pem_x509_csr(request.encode()).extensions}
    assert {oid: made.extensions.get_extension_for_oid(oid) for oid in asked} == asked
    found = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found == x509.AuthorityKeyIdentifier.from_issuer_public_key(CA_KEY.public_key())


def test_a_key_of_another_authority_signs_nothing() -> None:
    assert load_authority(pem(CA).decode(), dump_key(CA_KEY).decode(), MONTH).certificate == CA
    with pytest.raises(ValueError, match="for another key"):
        load_authority(pem(CA).decode(), dump_key(KEY).decode(), MONTH)


def test_a_request_without_its_key_is_not_signed() -> None:
    request = make_request(KEY, "a.example.test", NAMES)
    lines = request.splitlines()
    # The end of the signature, before the last characters, which may be padding.
    last = lines[-2]
    lines[-2] = last[:4] + ("A" if last[4] != "A" else "B") + last[5:]
    with pytest.raises(ValueError, match="does not have its key"):
        signed("\n".join(lines))


@pytest.mark.parametrize(
    "request_text",
    [
        make_request(KEY, "api.example.test", NAMES),
        make_request(KEY, "a.example.test", [*NAMES, parse_name("DNS:api.example.test")]),
        make_request(KEY, "a.example.test", NAMES[:1]),
        make_request(KEY, "a.example.test", [parse_name("DNS:192.0.2.1"), NAMES[0]]),
        request_with(),
    ],
)
def test_a_host_gets_no_names_that_are_not_its_own(request_text: str) -> None:
    with pytest.raises(ValueError, match=r"it asks for .*, and the site gives it 'CN=a[.]example[.]test"):
        signed(request_text)


def test_names_that_would_move_the_cursor_are_shown_harmless() -> None:
    with pytest.raises(ValueError, match=r"it asks for .*\\x1b\[2J") as refusal:
        signed(make_request(KEY, "\x1b[2J", NAMES))
    assert "\x1b" not in str(refusal.value)


def test_nobody_becomes_an_authority() -> None:
    names = x509.SubjectAlternativeName(NAMES)
    with pytest.raises(ValueError, match="an authority itself"):
        signed(request_with(names, x509.BasicConstraints(ca=True, path_length=None)))


def test_uses_that_a_host_asks_for_do_not_count() -> None:
    signing = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CODE_SIGNING])
    (made,) = x509.load_pem_x509_certificates(
        signed(request_with(x509.SubjectAlternativeName(NAMES), signing)).encode()
    )
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.oid.ExtendedKeyUsageOID.CODE_SIGNING not in uses


@pytest.mark.parametrize("text", ["a.example.test", "DNS:", "IP:a", "email:x", "URI:"])
def test_names_that_are_not_understood(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_name(text)


def test_names_of_all_kinds() -> None:
    assert parse_name("URI:spiffe://x/y") == x509.UniformResourceIdentifier("spiffe://x/y")
    assert parse_name("IP:fd00::1").value.compressed == "fd00::1"
