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
from ansible.module_utils.basic import AnsibleModule
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
        for name in ("calls", "boot", "accounts.json"):
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
        deadline = time.monotonic() + 60
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


@pytest.fixture
def run_module(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunModule:
    """Run modules in this process. No driver is opened here: pyghmi's thread would not live on in a fork."""

    def run(name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        warnings: list[str] = []
        # Where the controller's side of Ansible is loaded too, warnings of a module would go there.
        monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: warnings.append(text))
        module = importlib.import_module(f"ansible_collections.accentos.cloud.plugins.modules.{name}")
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            module.main()
        out, err = capfd.readouterr()
        assert PASSWORD not in out + err + " ".join(warnings)
        result: dict[str, Any] = json.loads(out)
        assert bool(result.get("failed")) == bool(ended.value.code), err
        if ended.value.code:
            assert result["remedy"]
        return {**result, "warnings": warnings}

    return run


@pytest.fixture(scope="session")
def auth_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user of the Redfish emulator."""
    digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    path = tmp_path_factory.mktemp("users") / "users"
    path.write_text(f"{USER}:{digest}\n")
    return path


def elsewhere(driver: str, here: dict[str, Any]) -> dict[str, Any]:
    """Return the connection in the file that ACCENTOS_TEST_IPMI or the like names, or the one HERE."""
    path = os.environ.get(f"ACCENTOS_TEST_{driver.upper()}")
    found: dict[str, Any] = json.loads(Path(path).read_text()) if path else here
    return found


def round_trip(run_module: RunModule, bmc: dict[str, Any], **limits: Any) -> None:
    """Turn a machine off and on, let it start from the network, and find nothing left to do each time."""
    run_module("power", bmc=bmc, state="off", **limits)
    assert run_module("power_info", bmc=bmc)["power"] == "off"
    assert run_module("power", bmc=bmc, state="off", **limits)["changed"] is False
    done = run_module("power", bmc=bmc, boot_device="pxe", state="on", **limits)
    assert (done["changed"], done["power"], done["boot"]["device"]) == (True, "on", "pxe")
    assert run_module("power", bmc=bmc, state="on", **limits)["changed"] is False
    assert run_module("power", bmc=bmc, state="cycle", **limits)["commands"] == ["off", "on"]
