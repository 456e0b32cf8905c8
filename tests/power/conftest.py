# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controllers on loopback, on ports of their own: real servers where there are some, fakes of hardware where not."""

from __future__ import annotations

import datetime
import importlib
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import bcrypt
import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
USER = "operator"
# Looked for in every process list, environment and output.
PASSWORD = "canary-5up3r-s3cret"  # noqa: S105 - of servers that live for one test


@dataclass(frozen=True)
class Certificates:
    """An authority and the files of server certificates, key and certificate in one file each."""

    ca: Path
    good: Path
    wrong_name: Path
    self_signed: Path


def _certificate(
    folder: Path, name: str, address: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[Path, x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    is_ca = issuer is None and name == "ca"
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
    )
    signed = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    path = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    if is_ca:
        path.write_bytes(signed.public_bytes(pem))
    return path, signed, key


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    ca, ca_certificate, ca_key = _certificate(folder, "ca", "127.0.0.1", None)
    issuer = (ca_certificate, ca_key)
    return Certificates(
        ca,
        _certificate(folder, "good", "127.0.0.1", issuer)[0],
        _certificate(folder, "wrong_name", "127.0.0.9", issuer)[0],
        _certificate(folder, "self_signed", "127.0.0.1", None)[0],
    )


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """A server in a process of its own. Its faults and what it was told are files in its folder."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def renew(self) -> Server:
        """Make it a machine that is on, with a faultless controller."""
        for name in ("calls", "boot"):
            (self.folder / name).unlink(missing_ok=True)
        self.set_state("on")
        self.fault()
        return self

    def fault(self, **values: Any) -> None:
        """Change what is wrong with the server."""
        _replace(self.folder / "faults.json", json.dumps(values))

    def calls(self) -> list[str]:
        """Return the commands that changed something, in their order."""
        file = self.folder / "calls"
        return file.read_text().split() if file.exists() else []

    def set_state(self, power: str) -> None:
        """Turn the machine on or off without asking anybody."""
        _replace(self.folder / "power", power)

    def state(self) -> str:
        """Return what the machine does in truth."""
        return (self.folder / "power").read_text().strip()


def _replace(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


Starter = Callable[..., Server]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Start servers of this folder and end them with the module."""
    started: list[Server] = []

    def run(script: str, *arguments: object, kind: socket.SocketKind = socket.SOCK_STREAM) -> Server:
        folder = tmp_path_factory.mktemp("server")
        port = free_port(kind)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, HERE / script, str(port), str(folder), *(str(argument) for argument in arguments)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, port, folder)
        started.append(server)
        server.renew()
        deadline = time.monotonic() + 20
        while not (folder / "ready").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, f"{script} is not ready: {(folder / 'log').read_text()}"
            time.sleep(0.05)
        return server

    yield run
    for server in started:
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(5)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


class RunModule(Protocol):
    """Runs a module with options and returns what it hands to Ansible."""

    def __call__(self, name: str, *, check: bool = False, **options: Any) -> dict[str, Any]: ...


def _arguments(check: bool, options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "_ansible_check_mode": check, "_ansible_diff": True}


@pytest.fixture
def run_module(capfd: pytest.CaptureFixture[str]) -> RunModule:
    """Run modules in this process."""

    def run(name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        warnings._global_warnings.clear()
        module = importlib.import_module(f"ansible_collections.accentos.cloud.plugins.modules.{name}")
        with patch_module_args(_arguments(check, options)), pytest.raises(SystemExit) as ended:
            module.main()
        out, err = capfd.readouterr()
        return judge(out, err, failed=bool(ended.value.code))

    return run


@pytest.fixture
def run_apart() -> RunModule:
    """Run modules in a process of their own: pyghmi's thread, once started here, would not live in a fork."""

    def run(name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, HERE / "run_module.py", name],
            input=json.dumps(_arguments(check, options)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return judge(done.stdout, done.stderr, failed=bool(done.returncode))

    return run


def judge(out: str, err: str, *, failed: bool) -> dict[str, Any]:
    """Return the result of a module, which must keep the password to itself."""
    assert out, err
    assert PASSWORD not in out + err
    result: dict[str, Any] = json.loads(out)
    result["warnings"] = [warning["event"]["msg"] for warning in result.get("warnings", ())]
    assert bool(result.get("failed")) == failed, err
    if failed:
        assert result["remedy"]
    return result


@pytest.fixture(scope="session")
def auth_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user of the Redfish emulator."""
    digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    path = tmp_path_factory.mktemp("users") / "users"
    path.write_text(f"{USER}:{digest}\n")
    return path


def environ_address(name: str) -> tuple[str, int] | None:
    """Return address and port of a controller elsewhere, from the environment, such as 10.0.4.31:623."""
    text = os.environ.get(name)
    if not text:
        return None
    address, _colon, port = text.rpartition(":")
    return address, int(port)
