# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud with two computes in memory, as the class Cloud shows one, and a program that stands for OVN's database."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import CloudError, NoSuchThingError

SBCTL = """#!/bin/sh
case "$*" in
    *list*) [ -e "{folder}/broken" ] && {{ echo 'database is gone' >&2; exit 1; }}; cat "{folder}/chassis" ;;
    *chassis-del*) echo "$@" >>"{folder}/log"; echo '{{"data": []}}' >"{folder}/chassis" ;;
esac
"""


def server(name: str, host: str = "compute-2", state: str = "active", **more: Any) -> dict[str, Any]:
    """Return a guest as nova tells of it."""
    return {
        "id": f"id-{name}",
        "name": name,
        "image": {"id": "image"},
        "flavor": {"ephemeral": 0, "swap": 0},
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-STS:vm_state": state,
        "OS-EXT-STS:task_state": None,
        **more,
    }


class ComputeCloud:
    """Objects by what they are. ``refuse`` maps a method and path to what is said instead of an answer."""

    def __init__(self, folder: Path) -> None:
        self.services: list[dict[str, Any]] = [
            {"id": f"s-{host}", "host": host, "binary": "nova-compute", "status": "enabled", "state": "up"}
            | {"forced_down": False, "disabled_reason": None}
            for host in ("compute-1", "compute-2")
        ]
        self.servers: list[dict[str, Any]] = []
        self.migrations: list[dict[str, Any]] = []
        self.agents: list[dict[str, Any]] = [
            {"id": f"{kind}@{host}", "host": host, "agent_type": kind, "alive": True}
            for host in ("compute-1", "compute-2")
            for kind in ("OVN Controller agent", "OVN Metadata agent")
        ]
        self.aggregates: list[dict[str, Any]] = [{"id": 7, "name": "fast", "hosts": ["compute-1", "compute-2"]}]
        self.providers = [
            {"uuid": f"p-{host}", "name": host, "root_provider_uuid": f"p-{host}"}
            for host in ("compute-1", "compute-2")
        ]
        self.allocations: dict[str, dict[str, Any]] = {}
        self.hypervisors = ["compute-1", "compute-2"]
        self.refuse: dict[tuple[str, str], str] = {}
        self.stuck: set[str] = set()
        self.asked: list[str] = []
        self.folder = folder
        (folder / "chassis").write_text('{"headings": ["name", "hostname"], "data": [["c-2", "compute-2"]]}')
        program = folder / "ovn-sbctl"
        program.write_text(SBCTL.format(folder=folder))
        program.chmod(stat.S_IRWXU)

    def __call__(self, _auth: Any, *, ca_file: str | None, timeout: int) -> ComputeCloud:
        """Stand for the class."""
        del ca_file, timeout
        return self

    def has(self, _service: str) -> bool:
        """Tell of every service."""
        return True

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Answer a question. Guests on their way arrive when somebody looks."""
        self._asked("GET", path)
        parts = path.strip("/").split("/")
        if parts == ["servers", "detail"]:
            self._arrive()
        match service, parts:
            case "compute", ["servers", "detail"]:
                found = [one for one in self.servers if one["OS-EXT-SRV-ATTR:host"] == query["host"]]
                after = [one["id"] for one in found].index(query["marker"]) + 1 if "marker" in query else 0
                answer: dict[str, Any] = {"servers": found[after : after + query["limit"]]}
            case "compute", ["servers", number]:
                answer = {"server": self._find(self.servers, number)}
            case "compute", ["servers", _number, "os-instance-actions"]:
                answer = {"instanceActions": [{"action": "live-migration", "request_id": "r", "message": "Error"}]}
            case "compute", ["servers", _number, "os-instance-actions", _request]:
                answer = {"instanceAction": {"events": [{"result": "Error", "details": "No valid host was found."}]}}
            case "compute", ["os-hypervisors"]:
                answer = {"hypervisors": [{"hypervisor_hostname": f"{host}.test"} for host in self.hypervisors]}
            case "placement", ["resource_providers", number, "allocations"]:
                self._find(self.providers, number, "uuid")
                answer = {"allocations": {key: {} for key, one in self.allocations.items() if number in one}}
            case "placement", ["allocations", number]:
                answer = {"allocations": {key: {"resources": {"VCPU": 1}} for key in self.allocations[number]}}
            case _, [kind]:
                lists = {"os-services": "services", "os-migrations": "migrations", "os-aggregates": "aggregates"}
                name = lists.get(kind, kind)
                answer = {name: self.providers if kind == "resource_providers" else getattr(self, name)}
            case _:
                raise AssertionError(path)
        return answer

    def ask(self, _service: str, method: str, path: str, body: Any = None, **_query: Any) -> Any:
        """Change something."""
        self._asked(method, path)
        parts = path.strip("/").split("/")
        match parts:
            case ["os-services", number]:
                service = self._find(self.services, number)
                service |= body
                if body.get("forced_down"):
                    service["state"] = "down"
            case ["os-aggregates", _number, "action"]:
                self.aggregates[0]["hosts"].remove(body["remove_host"]["host"])
            case ["allocations", number]:
                self.allocations[number] = body["allocations"]
            case _:
                raise AssertionError(path)

    def act(self, guest: str, body: dict[str, Any], *, version: str | None = None) -> None:
        """Let a guest begin to move."""
        (kind,) = body
        self._asked("POST", f"{kind} {guest} {version or ''}".strip())
        one = self._find(self.servers, guest)
        if kind == "evacuate":
            assert all(one["state"] == "down" for one in self.services if one["host"] == "compute-2")
        one["OS-EXT-STS:task_state"] = "rebuilding" if kind == "evacuate" else "migrating"

    def remove(self, _service: str, path: str) -> None:
        """Remove something; with a compute service its provider goes, if nothing holds it."""
        self._asked("DELETE", path)
        kind, number = path.strip("/").split("/")
        match kind:
            case "os-services":
                self.services = [one for one in self.services if one["id"] != number]
                if not any("p-compute-2" in one for one in self.allocations.values()):
                    self.providers = [one for one in self.providers if one["uuid"] != "p-compute-2"]
            case "agents":
                self.agents = [one for one in self.agents if one["id"] != number]
            case "allocations":
                del self.allocations[number]
            case "resource_providers":
                self.providers = [one for one in self.providers if one["uuid"] != number]

    def _asked(self, method: str, path: str) -> None:
        if method != "GET":
            self.asked.append(f"{method} {path}")
        if (method, path) in self.refuse:
            raise CloudError(self.refuse[method, path])

    @staticmethod
    def _find(objects: list[dict[str, Any]], number: str, key: str = "id") -> dict[str, Any]:
        found = next((one for one in objects if one[key] == number), None)
        if found is None:
            raise NoSuchThingError(number)
        return found

    def _arrive(self) -> None:
        for one in self.servers:
            if one["OS-EXT-STS:task_state"] in ("migrating", "rebuilding") and one["id"] not in self.stuck:
                one["OS-EXT-STS:task_state"] = None
                if not one.get("fails"):
                    one["OS-EXT-SRV-ATTR:host"] = "compute-1"
                if one.get("breaks"):
                    one["OS-EXT-STS:vm_state"] = "error"
