# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process; an authority made here signs what it asks for."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import make_key
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_file
from ansible_collections.accentos.cloud.plugins.modules import certificate_requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

OWNER = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}
NAMES = ["DNS:a.example.test", "IP:192.0.2.1"]


class Authority:
    def __init__(self) -> None:
        self.key = make_key()
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.renew()

    def renew(self) -> None:
        builder = x509.CertificateBuilder().subject_name(self.subject).public_key(self.key.public_key())
        self.certificate = self._finish(builder, 3650)

    def _finish(self, builder: x509.CertificateBuilder, days: int) -> str:
        now = datetime.now(UTC)
        builder = builder.issuer_name(self.subject).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=days))
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, requests: list[dict[str, str]], *, days: int = 397) -> None:
        for wanted in requests:
            request = x509.load_pem_x509_csr(wanted["csr"].encode())
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            builder = x509.CertificateBuilder().subject_name(request.subject).public_key(request.public_key())
            signed = self._finish(builder.add_extension(names.value, critical=False), days)
            Path(wanted["path"]).write_text(signed + self.certificate, encoding="ascii")


class Host:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "pki"
        self.authority = Authority()
        self._capsys = capsys

    def run(self, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        args = {
            "folder": str(self.folder),
            "authority": self.authority.certificate,
            "common_name": "a.example.test",
            "certificates": [{"name": "host", "subject_alternative_names": NAMES, **OWNER}],
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
        }
        with patch_module_args(args), pytest.raises(SystemExit):
            certificate_requests.main()
        printed = self._capsys.readouterr().out
        assert "PRIVATE" not in printed
        result: dict[str, Any] = json.loads(printed)
        return result

    def settle(self) -> None:
        self.authority.sign(self.run()["requests"])

    def reason(self, **options: Any) -> str:
        """Return why the certificate is asked for, and that nothing else changes."""
        result = self.run(**options)
        assert result["changed"] is False
        return "".join(wanted["reason"] for wanted in result["requests"])


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


def test_made_asked_signed_and_then_left_alone(host: Host) -> None:
    planned = host.run(check_mode=True)
    assert (planned["changed"], planned["requests"], host.folder.exists()) == (True, [], False)
    assert "host.crt: there is no key yet" in planned["diff"]["after"]
    made = host.run()
    assert made["changed"] is True
    assert made["paths"] == planned["paths"] == [f"{host.folder}/{name}" for name in ("ca.crt", "host.key", "host.crt")]
    known = digest_file(host.folder / "ca.crt")
    assert made["digests"] == planned["digests"] == dict(zip(made["paths"], (known, "", ""), strict=True))
    assert [(wanted["name"], wanted["path"]) for wanted in made["requests"]] == [("host", f"{host.folder}/host.crt")]
    assert (host.folder / "ca.crt").read_text(encoding="ascii") == host.authority.certificate
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in host.folder.iterdir()}
    assert modes == {"ca.crt": 0o644, "host.key": 0o640}
    # A run that was killed before the certificate was written asks again, with the same key.
    key = (host.folder / "host.key").read_bytes()
    assert host.reason() == "there is none that can be read"
    assert host.run(check_mode=True)["paths"] == [f"{host.folder}/host.crt"]
    host.settle()
    again = host.run()
    assert (again["paths"], again["digests"]) == ([], {})
    assert (host.folder / "host.key").read_bytes() == key
    assert host.reason() == ""
    assert host.reason(check_mode=True) == ""


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nMIIB"])
def test_a_certificate_that_a_killed_write_left_is_asked_for_again(host: Host, content: str) -> None:
    host.settle()
    (host.folder / "host.crt").write_text(content, encoding="ascii")
    assert host.reason(check_mode=True) == "there is none that can be read"
    host.settle()
    assert host.reason() == ""


def test_renewal_before_the_end_and_after_a_change_of_names(host: Host) -> None:
    host.authority.sign(host.run()["requests"], days=40)
    assert host.reason() == ""
    assert host.reason(renew_before=41).startswith("it ends on ")
    more = [{"name": "host", "subject_alternative_names": [*NAMES, "DNS:b"], **OWNER}]
    assert host.reason(certificates=more) == "it is for other names"


def test_a_renewed_authority_is_distributed(host: Host) -> None:
    host.settle()
    host.authority.renew()
    result = host.run()
    assert (result["changed"], result["requests"][0]["reason"]) == (True, "the authority has a new certificate")
    assert (host.folder / "ca.crt").read_text(encoding="ascii") == host.authority.certificate
    host.settle()
    assert host.reason() == ""


def test_a_key_that_cannot_be_read_is_made_anew_and_a_wrong_mode_mended(host: Host) -> None:
    host.settle()
    (host.folder / "host.key").chmod(0o644)
    host.folder.chmod(0o777)
    assert host.run()["changed"] is True
    assert stat.S_IMODE((host.folder / "host.key").stat().st_mode) == 0o640
    assert stat.S_IMODE(host.folder.stat().st_mode) == 0o755
    assert host.reason() == ""
    (host.folder / "host.key").write_bytes(b"")
    result = host.run()
    assert (result["changed"], result["requests"][0]["reason"]) == (True, "it is for another key")


def test_an_owner_that_is_missing_in_check_mode_only(host: Host) -> None:
    wanted = [{"name": "host", "subject_alternative_names": NAMES, "owner": "no-such", "group": "no-such"}]
    assert host.run(check_mode=True, certificates=wanted)["changed"] is True
    result = host.run(certificates=wanted)
    assert result["failed"] is True
    assert "no-such:no-such" in result["msg"]
    assert not (host.folder / "host.key").exists()


def test_bad_options(host: Host) -> None:
    named = [{"name": "host", "subject_alternative_names": ["a.example.test"], **OWNER}]
    assert "'a.example.test' is none of DNS:" in host.run(certificates=named)["msg"]
    assert host.run(authority="x")["msg"] == "authority is not one certificate in PEM."


def test_an_error_of_the_system_is_told(host: Host) -> None:
    host.folder.write_text("a file", encoding="ascii")
    assert host.run()["msg"] == f"{host.folder}: File exists"


def test_a_host_without_the_library(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_requests, "LIBRARY_ERROR", "no module")
    planned = host.run(check_mode=True)
    assert (planned["changed"], planned["requests"]) == (True, [])
    assert "python3-cryptography" in host.run()["remedy"]


@pytest.mark.parametrize("name", ["../../x", "a/b", "/etc/x", "..", "", "-x", "a\n", "x" * 201])
@pytest.mark.parametrize("library_error", ["", "no cryptography"])
def test_a_name_that_would_leave_the_folder_is_refused_before_anything_is_written(
    name: str, library_error: str, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate_requests, "LIBRARY_ERROR", library_error)
    wanted = [{"name": one, "subject_alternative_names": NAMES, **OWNER} for one in ("host", name)]
    for check_mode in (True, False):
        result = host.run(certificates=wanted, check_mode=check_mode)
        assert result["failed"] is True
        assert f"The certificate {name!r} has a name that is no plain file name" in result["msg"]
        assert "pki_certificates" in result["remedy"]
    assert list(host.folder.parent.iterdir()) == []
