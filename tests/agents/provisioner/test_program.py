# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service as a process: systemd's notification, TLS, its sockets, SIGTERM, and SIGKILL in the middle of changes."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import accentos_provisioner
import pytest
from accentos_provisioner.__main__ import FAILED, main
from accentos_ramdisk.client import Client, trust
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import ProvisionerError, call, list_machines

from tests.agents.tls import Pki

from .cobblerd import PASSWORD, USER, FakeCobbler

MAC = "52:54:00:00:00:01"


class Site:
    """A configuration, credentials and a place for systemd's notifications."""

    def __init__(self, folder: Path, pki: Pki, cobbler: FakeCobbler) -> None:
        self.folder = folder
        self.socket = folder / "admin.sock"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "tls_key").write_bytes(pki.key.read_bytes())
        (credentials / "cobbler_password").write_text(f"{PASSWORD}\n")
        self.configuration = folder / "configuration.json"
        values = {
            "address": "127.0.0.1",
            "port": self.port,
            "certificate": str(pki.certificate),
            "state": str(folder / "state"),
            "socket": str(self.socket),
            "cobbler_url": cobbler.url,
            "cobbler_user": USER,
        }
        self.configuration.write_text(json.dumps(values))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(20)
        self.environment = {"CREDENTIALS_DIRECTORY": str(credentials), "NOTIFY_SOCKET": str(folder / "notify")}

    def start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "accentos_provisioner", self.configuration],
            env={**os.environ, **self.environment, "PYTHONPATH": str(Path(accentos_provisioner.__file__).parents[1])},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.notify.recv(100) == b"READY=1"
        return process

    def arm(self, host: str) -> None:
        call(str(self.socket), "PUT", "installs", host, body={"macs": [MAC], "reinstall": True, "address": None})


@pytest.fixture
def site(tmp_path: Path, pki: Pki, cobbler: FakeCobbler) -> Iterator[Site]:
    made = Site(tmp_path, pki, cobbler)
    yield made
    made.notify.close()


def test_it_serves_until_it_is_told_to_end(site: Site, pki: Pki) -> None:
    problems: list[str] = []

    def use() -> None:
        try:
            assert site.notify.recv(100) == b"READY=1"
            assert stat.S_IMODE(site.socket.stat().st_mode) == 0o600
            assert list_machines(str(site.socket)) == {}
            client = Client(f"https://127.0.0.1:{site.port}", trust(pki.authority), patience=0.0)
            inventory = {"inventory": {"cards": [{"mac": MAC}]}}
            assert set(client.post("/v1/enrolments", inventory)) == {"id", "secret"}
            old = trust(pki.authority)
            old.minimum_version = ssl.TLSVersion.TLSv1_2
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with socket.create_connection(("127.0.0.1", site.port)) as plain, pytest.raises(ssl.SSLError):
                old.wrap_socket(plain, server_hostname="127.0.0.1")
        except (AssertionError, OSError, ProvisionerError) as error:
            problems.append(repr(error))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    user = threading.Thread(target=use)
    user.start()
    assert main([str(site.configuration)], site.environment) == 0
    user.join()
    assert problems == []
    assert site.notify.recv(100) == b"STOPPING=1"
    assert not site.socket.exists()


def broken_json(site: Site) -> None:
    site.configuration.write_text("{")


def no_credentials(site: Site) -> None:
    site.environment.clear()


def no_certificate(site: Site) -> None:
    values = json.loads(site.configuration.read_text())
    site.configuration.write_text(json.dumps({**values, "certificate": "/nonexistent"}))


@pytest.mark.parametrize(
    ("harm", "message"),
    [(broken_json, "cannot be used"), (no_credentials, "cannot be used"), (no_certificate, "cannot start")],
)
def test_a_start_that_fails_says_why(
    site: Site, harm: Callable[[Site], None], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    harm(site)
    assert main([str(site.configuration)], site.environment) == FAILED
    assert message in caplog.text
    assert PASSWORD not in caplog.text


def test_without_systemd_it_starts_too(site: Site) -> None:
    del site.environment["NOTIFY_SOCKET"]

    def end() -> None:
        while not site.socket.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    user = threading.Thread(target=end)
    user.start()
    assert main([str(site.configuration)], site.environment) == 0
    user.join()


def test_sigkill_at_any_moment_loses_nothing(site: Site, cobbler: FakeCobbler) -> None:
    chance = random.Random(3)  # noqa: S311  no secret
    for _number in range(4):
        process = site.start()
        killer = threading.Timer(chance.uniform(0.0, 0.08), process.kill)
        killer.start()
        try:
            while True:
                site.arm("compute-1")
                call(str(site.socket), "DELETE", "installs", "compute-1")
        except ProvisionerError:
            pass
        killer.join()
        process.wait()
        if process.stderr:
            process.stderr.close()
    process = site.start()
    # Whatever was half done: armed again, service and Cobbler agree, and the token serves.
    call(str(site.socket), "DELETE", "installs", "compute-1")
    site.arm("compute-1")
    assert list_machines(str(site.socket))["compute-1"]["state"] == "armed"
    assert cobbler.token("compute-1")
    process.terminate()
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert "compute-1 is armed" in process.stderr.read()
    process.stderr.close()
