# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for cobblerd 3.3.10 that speaks XML-RPC on loopback and has its faults.

It changes objects in memory before it refuses a value, forgets logins and tasks when it is restarted, and loses
answers. The real one is tested by Molecule.
"""

from __future__ import annotations

import copy
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

USER, PASSWORD = "accentos", "canary-Passw0rd"
INTERFACE = {
    "bonding_opts": "",
    "cnames": [],
    "dns_name": "",
    "interface_master": "",
    "interface_type": "na",
    "ip_address": "",
    "ipv6_address": "",
    "mac_address": "",
    "mtu": "",
    "netmask": "",
    "static": False,
    "virt_bridge": "",
}
ITEM = {
    "comment": "",
    "owners": "<<inherit>>",
    "kernel_options": "<<inherit>>",
    "autoinstall_meta": "<<inherit>>",
    "name_servers": [],
}
NEW: dict[str, dict[str, Any]] = {
    "distro": {**ITEM, "kernel": "", "initrd": "", "arch": "x86_64", "breed": "", "os_version": ""},
    "profile": {**ITEM, "distro": "", "parent": "", "enable_menu": "<<inherit>>", "virt_cpus": 1, "depth": 1},
    "system": {
        **ITEM,
        "profile": "",
        "image": "",
        "hostname": "",
        "netboot_enabled": False,
        "power_pass": "",
        "interfaces": {},
        "depth": 2,
    },
}
SETTINGS = {
    "allow_dynamic_settings": True,
    "allow_duplicate_macs": False,
    "allow_duplicate_ips": False,
    "allow_duplicate_hostnames": False,
    "default_ownership": ["admin"],
    "default_name_servers": [],
    "default_password_crypted": "canary-hash",
    "enable_menu": True,
    "http_port": 80,
    "server": "10.0.0.1",
    "kernel_options": {},
}


class CobblerdError(Exception):
    """What cobblerd raises for anything of its own."""


class LostAnswer(BaseException):
    """The connection is closed without an answer; no handler of exceptions on the way may take it."""


class Daemon:
    """The state and the calls of cobblerd."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, dict[str, Any]]] = {what: {} for what in NEW}
        self.settings: dict[str, Any] = copy.deepcopy(SETTINGS)
        self.files: dict[str, dict[str, str]] = {"template": {}, "snippet": {}}
        self.version = [3, 3, 10]
        self.tokens: set[str] = set()
        self.tasks: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.saved: list[str] = []
        self.unwritable = False
        # By method: what happens to the next calls of it. "drop" does it and loses the answer, "lose" does nothing.
        self.faults: dict[str, list[str]] = {}
        self.next_states = ["notification", "running", "complete"]
        self.number = 0
        self.before_call: Callable[[str], None] = lambda method: None

    def writes(self) -> list[str]:
        """Return the calls that change something, since the last question."""
        found = [name for name in self.calls if name.startswith(("xapi", "remove", "write", "modify", "background"))]
        self.calls.clear()
        return found

    def _dispatch(self, method: str, arguments: tuple[Any, ...]) -> Any:
        self.calls.append(method)
        self.before_call(method)
        fault = self.faults.get(method, [None]).pop(0) if self.faults.get(method) else None
        if fault == "lose":
            raise ConnectionAbortedError
        if fault == "restart":
            self.restart()
        if fault not in (None, "drop", "restart"):
            raise CobblerdError(fault)
        result = getattr(self, f"do_{method}")(*arguments)
        if fault == "drop":
            self.restart()
            raise ConnectionAbortedError
        return result

    def restart(self) -> None:
        """Forget what a real one keeps in its memory only."""
        self.tokens.clear()
        self.tasks.clear()

    def _check(self, token: str) -> None:
        if token not in self.tokens:
            raise CobblerdError(f"invalid token: {token}")

    def do_login(self, user: str, password: str) -> str:
        if (user, password) != (USER, PASSWORD):
            raise CobblerdError(f"login failed ({user})")
        self.number += 1
        token = f"canary-token-{self.number}"
        self.tokens.add(token)
        return token

    def do_logout(self, token: str) -> bool:
        self.tokens.discard(token)
        return True

    def do_extended_version(self) -> dict[str, Any]:
        return {"version": ".".join(map(str, self.version)), "version_tuple": self.version}

    def do_get_items(self, what: str) -> list[dict[str, Any]]:
        return list(self.items.get(what, {}).values())

    def do_get_item(self, what: str, name: str) -> Any:
        return self.items[what].get(name, "~")

    def do_get_settings(self) -> dict[str, Any]:
        return self.settings

    def do_modify_setting(self, name: str, value: Any, token: str) -> int:
        self._check(token)
        if value == "refused":
            return 1
        self.settings[name] = value
        # The real one has set the value in its memory when it finds that it cannot write the file.
        if self.unwritable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/etc/cobbler/settings.yaml")
        return 0

    def do_xapi_object_edit(self, what: str, name: str, kind: str, attributes: dict[str, Any], token: str) -> bool:
        self._check(token)
        if kind == "add":
            if name in self.items[what]:
                raise CobblerdError(f"It seems unwise to overwrite the object {name}, try 'edit'")
            item: dict[str, Any] = {**copy.deepcopy(NEW[what]), "name": name, "ctime": time.time()}
        elif name not in self.items[what]:
            raise CobblerdError(f"internal error, unknown {what} name {name}")
        else:
            item = self.items[what][name]
        for key, value in attributes.items():
            if value == "refused":
                raise ValueError(f"{key} is not to be had")
            if key == "modify_interface":
                for both, given in value.items():
                    field, _dash, interface = both.partition("-")
                    self._set_interface(item, field, interface, given)
            elif key in item or key == "serial_device":
                item[key] = value
        if what == "system":
            self._edit_interfaces(item, attributes)
        item["mtime"] = time.time()
        self.items[what][name] = item
        self.saved.append(name)
        return True

    def _set_interface(self, item: dict[str, Any], field: str, interface: str, value: Any) -> None:
        unique = field in ("mac_address", "ip_address") and value
        for other in self.items["system"].values():
            taken = [raw[field] for raw in other["interfaces"].values()] if unique else []
            if other is not item and value in taken:
                raise ValueError(f'{field} duplicate found "{value}". Conflict with "{other["name"]}"')
        raw = item["interfaces"].setdefault(interface, copy.deepcopy(INTERFACE))
        if field == "virt_bridge" and value == "":
            value = "<<inherit>>"
        if value == "refused":
            raise ValueError(f"{field} is not to be had")
        raw[field] = value

    def _edit_interfaces(self, item: dict[str, Any], attributes: dict[str, Any]) -> None:
        if "delete_interface" in attributes:
            if attributes["interface"] not in item["interfaces"]:
                raise TypeError("The name of the interface must be of type str or dict")
            del item["interfaces"][attributes["interface"]]
        elif attributes.get("interface", "default") not in item["interfaces"]:
            item["interfaces"][attributes.get("interface", "default")] = copy.deepcopy(INTERFACE)

    def do_remove_item(self, what: str, name: str, token: str, recursive: bool) -> bool:
        self._check(token)
        users = [item for item in self.items["system"].values() if what == "profile" and item["profile"] == name]
        if users and not recursive:
            raise CobblerdError(f"removal would orphan system: {users[0]['name']}")
        self.items[what].pop(name, None)
        return True

    def do_background_sync(self, options: dict[str, Any], token: str) -> str:
        self._check(token)
        self.number += 1
        task = f"{self.number}_Sync"
        self.tasks[task] = list(self.next_states)
        # As the real one does at each rendering.
        self.settings["default_ownership"].append("admin")
        return task

    def do_background_syncsystems(self, options: dict[str, Any], token: str) -> str:
        return self.do_background_sync(options, token)

    def do_get_task_status(self, task: str) -> list[Any]:
        if task not in self.tasks:
            raise CobblerdError("no event with that id")
        return [0.0, "Sync", self._state(task), []]

    def _state(self, task: str) -> str:
        states = self.tasks[task]
        return states.pop(0) if len(states) > 1 else states[0]

    def do_get_events(self, user: str) -> dict[str, Any]:
        return {task: [0.0, "Sync", self._state(task), []] for task in self.tasks}

    def do_get_event_log(self, task: str) -> str:
        return f"{task}: line of the log"

    def do_get_autoinstall_templates(self) -> list[str]:
        return sorted(self.files["template"])

    def do_get_autoinstall_snippets(self) -> list[str]:
        return sorted(self.files["snippet"])

    def do_read_autoinstall_template(self, name: str, token: str) -> str:
        self._check(token)
        return self.files["template"][name]

    def do_write_autoinstall_template(self, name: str, text: str, token: str) -> bool:
        self._check(token)
        self.files["template"][name] = text
        return True

    def do_write_autoinstall_snippet(self, name: str, text: str, token: str) -> bool:
        self._check(token)
        self.files["snippet"][name] = text
        return True

    def do_remove_autoinstall_template(self, name: str, token: str) -> bool:
        self._check(token)
        del self.files["template"][name]
        return True


class _Handler(SimpleXMLRPCRequestHandler):
    def do_POST(self) -> None:  # noqa: N802 (the base class names it)
        status = getattr(self.server, "answers", [])
        if status:
            self.send_error(status.pop(0))
            return
        try:
            super().do_POST()
        except LostAnswer:
            self.close_connection = True

    def log_message(self, *arguments: Any) -> None:
        """Stay silent."""


class Server(ThreadingMixIn, SimpleXMLRPCServer):
    """Serves a daemon; ``answers`` holds HTTP status codes that the next requests get."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, daemon: Daemon, port: int = 0) -> None:
        self.answers: list[int] = []
        super().__init__(("127.0.0.1", port), requestHandler=_Handler, allow_none=True, logRequests=False)
        self.register_instance(daemon)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: lost answers are meant."""

    def _marshaled_dispatch(self, data: Any, dispatch_method: Any = None, path: Any = None) -> Any:
        answer: Any = super()._marshaled_dispatch(data, dispatch_method, path)
        if b"ConnectionAbortedError" in answer:
            raise LostAnswer
        return answer

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(daemon: Daemon, port: int = 0) -> Iterator[Server]:
    """Serve DAEMON on loopback until the block ends."""
    server = Server(daemon, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
