# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole service in a thread, with both its sides, Cobbler's fake behind it, and a clock of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accentos_provisioner.cobbler import Cobbler
from accentos_provisioner.server import admin_application, public_application
from accentos_provisioner.service import Limiter, Provisioner
from accentos_ramdisk.client import Client, trust
from aiohttp import web
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import call

from tests.agents.tls import Pki

from .cobblerd import PASSWORD, USER, FakeCobbler

MAC = "52:54:00:00:00:01"


class Running:
    """The service: ``client`` is a machine, ``admin`` an administrator, ``now`` the time."""

    def __init__(self, folder: Path, pki: Pki, cobbler: FakeCobbler) -> None:
        self.folder = folder
        self.pki = pki
        self.cobbler = cobbler
        self.socket = str(folder / "admin.sock")
        self.now = 1000.0
        self.limiter = Limiter(1000, 0)
        self.start()

    def start(self) -> None:
        provider = Cobbler(self.cobbler.url, USER, PASSWORD)
        self.service = Provisioner(self.folder / "state", provider, lambda: self.now)
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        assert ready.wait(10)
        self.client = Client(self.address, trust(self.pki.authority), patience=0.0)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(asyncio.gather(*(runner.cleanup() for runner in self._runners)))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _listen(self) -> None:
        applications = (public_application(self.service, self.limiter), admin_application(self.service))
        self._runners = [web.AppRunner(application, access_log=None) for application in applications]
        for runner in self._runners:
            await runner.setup()
        await web.TCPSite(self._runners[0], "127.0.0.1", 0, ssl_context=self.pki.server()).start()
        await web.UnixSite(self._runners[1], self.socket).start()
        self.address = f"https://127.0.0.1:{self._runners[0].addresses[0][1]}"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def expire(self) -> None:
        asyncio.run_coroutine_threadsafe(self.service.expire(), self._loop).result(20)

    def restart(self) -> None:
        self.stop()
        self.start()

    def admin(self, method: str, *place: str, **body: Any) -> dict[str, Any]:
        return call(self.socket, method, *place, body=body or None)

    def arm(self, host: str = "compute-1", **options: Any) -> bool:
        found = self.admin("PUT", "installs", host, **{"macs": [MAC], "address": "127.0.0.1", **options})
        changed: bool = found["changed"]
        return changed

    def state(self, host: str = "compute-1") -> str:
        found: str = self.admin("GET", "machines", host)["state"]
        return found

    def fetch(self, token: str | None, mac: str = MAC) -> dict[str, Any]:
        return self.client.post("/v1/specification", {"token": token, "macs": [mac]})

    def report(self, session: object, stage: str, status: str, **more: Any) -> None:
        self.client.post("/v1/reports", {"session": session, "stage": stage, "status": status, "seconds": 1, **more})


@pytest.fixture
def cobbler() -> Iterator[FakeCobbler]:
    made = FakeCobbler()
    for host in ("compute-1", "compute-2"):
        made.add(host)
    yield made
    made.stop()


@pytest.fixture
def running(tmp_path: Path, pki: Pki, cobbler: FakeCobbler) -> Iterator[Running]:
    made = Running(tmp_path, pki, cobbler)
    yield made
    made.stop()
