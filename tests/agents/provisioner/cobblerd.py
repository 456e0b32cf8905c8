# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Speaks as much of Cobbler 3.3's XML-RPC as the service uses, over a socket. Integration tests ask the real one."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCServer

USER, PASSWORD = "provisioner", "canary-cobbler-password"


class FakeCobbler:
    """Systems by name, what was saved, and what goes wrong (``broken`` makes every call fail)."""

    def __init__(self) -> None:
        self.systems: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, str] = {}
        self.saves: list[str] = []
        self.broken = False
        self.delay = 0.0
        self._handles: dict[str, dict[str, Any]] = {}
        self._server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False, allow_none=True)
        self._server.register_instance(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def add(self, host: str) -> None:
        self.systems[host] = {"kernel_options": {"quiet": ""}, "netboot_enabled": False}
        self.texts[host] = json.dumps({"version": 1, "host": host})

    def token(self, host: str) -> str | None:
        """Return the token that the machine would find on its command line."""
        options = self.systems[host]["kernel_options"]
        assert options["quiet"] == ""
        assert self.systems[host]["netboot_enabled"] is ("accentos.token" in options)
        found: str | None = options.get("accentos.token")
        return found

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _dispatch(self, method: str, arguments: tuple[Any, ...]) -> Any:
        time.sleep(self.delay)
        if self.broken:
            raise Fault(1, "cobbler is unwell")
        return getattr(self, f"call_{method}")(*arguments)

    def call_get_system(self, name: str) -> Any:
        return self.systems.get(name, "~")

    def call_login(self, user: str, password: str) -> str:
        if (user, password) != (USER, PASSWORD):
            raise Fault(1, "login failed")
        return "session"

    def call_get_system_handle(self, name: str, session: str) -> str:
        assert session == "session"
        self._handles[name] = {}
        return name

    def call_modify_system(self, handle: str, attribute: str, value: Any, session: str) -> bool:
        assert session == "session"
        self._handles[handle][attribute] = value
        return True

    def call_save_system(self, handle: str, session: str) -> bool:
        assert session == "session"
        self.systems[handle] |= self._handles.pop(handle)
        self.saves.append(handle)
        return True

    def call_logout(self, session: str) -> bool:
        return session == "session"

    def call_generate_autoinstall(self, profile: str, system: str) -> str:
        assert profile == ""
        return self.texts.get(system, "# system not found")
