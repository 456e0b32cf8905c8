# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A library rados whose monitors are in this process: they keep users, rules, pools and OSDs."""

from __future__ import annotations

import json
from typing import Any


class Error(Exception):
    """As rados.Error."""


class Monitors:
    """What the monitors know. ``commands`` is what they were told, questions left out."""

    def __init__(self) -> None:
        self.reachable = True
        self.refuses = ""
        self.commands: list[dict[str, Any]] = []
        self.users: dict[str, dict[str, Any]] = {}
        self.rules = ["replicated_rule"]
        self.pools: dict[str, dict[str, Any]] = {}
        self.osds: dict[str, tuple[int, str]] = {}
        self.logins: list[tuple[str, dict[str, str]]] = []

    def Rados(self, name: str, conffile: str, conf: dict[str, str]) -> Connection:  # noqa: N802  the library's name
        """Make a connection, not yet open."""
        self.logins.append((name, conf))
        return Connection(self)

    Error = Error

    def answer(self, command: dict[str, Any], data: str) -> Any:
        """Answer a question or do what is told."""
        match command["prefix"]:
            case "auth ls":
                return {"auth_dump": [{"entity": name, **user} for name, user in self.users.items()]}
            case "osd crush rule dump":
                return [{"rule_id": number, "rule_name": name} for number, name in enumerate(self.rules)]
            case "osd dump":
                return {"pools": list(self.pools.values())}
            case "mon getmap":
                return "monmap"
        self.commands.append(command)
        return self.follow(command, data)

    def follow(self, command: dict[str, Any], data: str) -> Any:
        """Do what is told."""
        match command["prefix"]:
            case "auth import":
                lines = data.splitlines()
                caps = dict(line.removeprefix("\tcaps ").split(" = ", 1) for line in lines[2:])
                user = {"key": lines[1].removeprefix("\tkey = "), "caps": {k: v.strip('"') for k, v in caps.items()}}
                self.users[lines[0].strip("[]")] = user
            case "osd crush rule create-replicated":
                self.rules.append(command["name"])
            case "osd pool create":
                self.pools[command["pool"]] = {
                    "pool_name": command["pool"],
                    "size": command["size"],
                    "min_size": 1,
                    "crush_rule": self.rules.index(command["rule"]),
                    "application_metadata": {},
                }
            case "osd pool set":
                value = command["val"]
                value = self.rules.index(value) if command["var"] == "crush_rule" else int(value)
                self.pools[command["pool"]][command["var"]] = value
            case "osd pool application enable":
                self.pools[command["pool"]]["application_metadata"][command["app"]] = {}
            case "osd new":
                secret = json.loads(data)["cephx_secret"]
                number, known = self.osds.setdefault(command["uuid"], (len(self.osds), secret))
                assert known == secret, "a number belongs to one key"
                return {"osdid": number}
        return ""


class Connection:
    """As rados.Rados."""

    def __init__(self, monitors: Monitors) -> None:
        self.monitors = monitors
        self.open = False

    def connect(self, timeout: int) -> None:
        """Open the connection."""
        self._take(timeout)
        if not self.monitors.reachable:
            raise Error("[errno 110] RADOS timed out (error connecting to the cluster)")
        self.open = True

    @staticmethod
    def _take(timeout: int) -> None:
        if not isinstance(timeout, int):
            raise TypeError(f"Argument 'timeout' has incorrect type (expected int, got {type(timeout).__name__})")

    def mon_command(self, command: str, data: bytes, timeout: int) -> tuple[int, bytes, str]:
        """Give a command to the monitors."""
        self._take(timeout)
        assert self.open
        told = json.loads(command)
        if told["prefix"] == self.monitors.refuses:
            return -22, b"", "invalid argument"
        answer = self.monitors.answer(told, data.decode())
        return 0, answer.encode() if isinstance(answer, str) else json.dumps(answer).encode(), ""

    def shutdown(self) -> None:
        """Close the connection."""
        self.open = False
