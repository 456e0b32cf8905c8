# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides whether a host needs a new certificate, asks for it, and signs it."""

from __future__ import annotations

import ipaddress
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    LIBRARY_ERROR = ""
except ImportError:
    LIBRARY_ERROR = traceback.format_exc()


def parse_name(text: str) -> x509.GeneralName:
    """Return an alternative name that is written with its kind, such as ``DNS:api.example.test``. Raises ValueError."""
    kind, _colon, value = text.partition(":")
    match kind:
        case "DNS" if value:
            return x509.DNSName(value)
        case "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
        case "URI" if value:
            return x509.UniformResourceIdentifier(value)
    raise ValueError(f"the name {text!r} is none of DNS:, IP: and URI: with a value")


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a file; an empty list if it is missing (empty), cut off or damaged."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    """Return a private key; None if the file is missing (empty), cut off, damaged or holds another kind of key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, ValueError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def make_key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def dump_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key in PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _extensions(names: Sequence[x509.GeneralName]) -> list[tuple[x509.ExtensionType, bool]]:
    """Return what a server and client with these names may do, each with whether it must be understood."""
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return [
        (x509.SubjectAlternativeName(names), False),
        (x509.KeyUsage(digital_signature=True, **usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
    ]


def make_request(key: ec.EllipticCurvePrivateKey, common_name: str, names: Sequence[x509.GeneralName]) -> str:
    """Return a request, in PEM, for a certificate of a server and client."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(common_name))
    for extension, critical in _extensions(names):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")


@dataclass(frozen=True)
class Authority:
    """Who signs: its certificate and private key, and for how long what it signs is valid."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    lasts: timedelta


def load_authority(certificate: str, key: str, lasts: timedelta) -> Authority:
    """Return the authority of a certificate and a private key in PEM. Raises ValueError."""
    (issuer,) = x509.load_pem_x509_certificates(certificate.encode())
    signer = load_key(key.encode())
    if signer is None or signer.public_key() != issuer.public_key():
        raise ValueError("the authority's certificate is for another key")
    return Authority(issuer, signer, lasts)


def sign_request(
    request: str, common_name: str, names: Sequence[x509.GeneralName], authority: Authority, *, now: datetime
) -> str:
    """Return the certificate, in PEM and valid from ``now`` on, for the key of a request and for these names.

    Only the key is taken from the request: a host that is not the site's any more may ask for whatever it likes, so
    one that asks for other names is refused. Raises ValueError.
    """
    asked = x509.load_pem_x509_csr(request.encode())
    if not asked.is_signature_valid:
        raise ValueError("who asks for it does not have its key")
    try:
        extensions = [extension.value for extension in asked.extensions]
        asked_for = (asked.subject, _names_of(asked))
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the request is not well formed: {error}") from error
    wanted = (_subject(common_name), set(names))
    if asked_for != wanted:
        raise ValueError(f"it asks for {_show(*asked_for)}, and the site gives it {_show(*wanted)}")
    # It would not become one; yet who asks for that is not who it should be.
    if any(isinstance(extension, x509.BasicConstraints) and extension.ca for extension in extensions):
        raise ValueError("it asks to be an authority itself")
    start = now.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + authority.lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    for extension, critical in _extensions(names):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")


def _show(subject: x509.Name, names: set[x509.GeneralName]) -> str:
    """Return a subject and names for a person, without characters that a terminal would obey."""
    return ascii(" ".join([subject.rfc4514_string(), *sorted(str(name.value) for name in names)]))


def _names_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def why_new(  # noqa: PLR0911 - one return for each reason
    present: Sequence[x509.Certificate],
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    common_name: str,
    names: Sequence[x509.GeneralName],
    *,
    now: datetime,
    renew_before: timedelta,
) -> str:
    """Return why a new certificate is needed, empty if the present one is good.

    ``present`` are the certificates of the file: the host's own, then the authority's.
    """
    if not present:
        return "there is none that can be read"
    own = present[0]
    if own.public_key() != key.public_key():
        return "it is for another key"
    if own.subject != _subject(common_name) or _names_of(own) != set(names):
        return "it is for other names"
    try:
        own.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return "another authority signed it"
    if list(present[1:]) != [authority]:
        return "the authority has a new certificate"
    if own.not_valid_after_utc <= now + renew_before:
        return f"it ends on {own.not_valid_after_utc:%Y-%m-%d}"
    return ""
