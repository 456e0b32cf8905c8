# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of OpenStack's APIs that the checks of a cloud use, at one address over TLS and in memory."""

from __future__ import annotations

import hashlib
import itertools
import json
import urllib.parse
from pathlib import Path
from typing import Any

from .tls_server import TlsHandler, TlsServer

ADMIN = "admin-password"
CONSOLE = """accentos-guest: 2.0 start
accentos-guest: 3.0 host-key ssh-ed25519 AAAA
accentos-guest: 4.0 lease eth0 {address}/24 router=192.168.222.1
accentos-guest: 5.0 metadata {name} key
accentos-guest: 6.0 ready
"""
_SINGULAR = {"security-groups": "security_group", "security-group-rules": "security_group_rule"}
_SINGULAR |= {"os-server-groups": "server_group", "os-keypairs": "keypair", "floatingips": "floatingip"}
_PLURAL = {"types": "volume_types"}
_PLAIN = ("images",)
# Properties by which something belongs to what it goes with.
_PARTS = ("device_id", "domain_id", "network_id", "security_group_id")


class WholeCloud(TlsServer):
    """Holds objects by collection and id. ``fail`` maps a method and path without ids to a code that is answered."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Handler)
        self.numbers = itertools.count(1)
        self.volumes = True
        # Of each volume that was made. One of type "slow" ends in an error when "volumes of slow" is stuck.
        self.types_of_volumes: list[str] = []
        self.fail: dict[tuple[str, str], int] = {}
        self.console = CONSOLE
        # So many times a compute does not answer in time when it is asked for a console.
        self.late_consoles = 0
        self.stuck: set[str] = set()
        self.detaching: set[str] = set()
        self.computes = ["compute-1", "compute-2"]
        self.kinds: dict[str, str | None] = {}
        # So often a new guest is shown before it runs; and how many guests were asked for while one did not yet.
        self.starting = 0
        self.hasty = 0
        self.alive = True
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.add("roles", name="member")

    def add(self, collection: str, **values: Any) -> dict[str, Any]:
        """Add an object and return it with its id."""
        made = {"id": f"id-{next(self.numbers)}", "status": "active", **values}
        self.objects.setdefault(collection, {})[made["id"]] = made
        return made

    def remove_parts(self, number: str) -> None:
        """Remove what goes with an object."""
        for collection, known in self.objects.items():
            kept = {key: one for key, one in known.items() if number not in [one.get(part) for part in _PARTS]}
            self.objects[collection] = kept

    def left(self) -> dict[str, list[str]]:
        """Return the names of what is there, by collection."""
        return {
            collection: [str(one.get("name", number)) for number, one in known.items()]
            for collection, known in self.objects.items()
            if known and collection != "roles"
        }

    def catalogue(self) -> list[dict[str, Any]]:
        """Return the catalogue: every service has a path of its own."""
        paths = {
            "identity": "/v3",
            "image": "/image/v2",
            "compute": "/compute/v2.1",
            "network": "/network/v2.0",
            **({"volumev3": "/volume/v3"} if self.volumes else {}),
        }
        return [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [
                    {"id": kind, "interface": "public", "region": "r", "region_id": "r", "url": self.url(path)}
                ],
            }
            for kind, path in paths.items()
        ]


class Handler(TlsHandler):
    server: WholeCloud
    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece, or the client waits for the second one.
    wbufsize = 65536

    def version(self, path: str) -> None:
        """Tell of the one version that is there."""
        number = {"compute": "v2.1", "image": "v2.9", "network": "v2.0", "volume": "v3.0"}.get(
            path.split("/")[1], "v3.14"
        )
        more = {"version": "2.96", "min_version": "2.1"} if number == "v2.1" else {}
        link = {"rel": "self", "href": self.server.url(f"{path.rstrip('/')}/")}
        self.answer(200, {"version": {"id": number, "status": "CURRENT", "links": [link], **more}})

    def handle_one(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            raw = b""
            while size := int(self.rfile.readline(), 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        for prefix in ("/v3", "/image/v2", "/compute/v2.1", "/network/v2.0", "/volume/v3"):
            if url.path.startswith(prefix):
                break
        path = url.path.removeprefix(prefix).rstrip("/")
        if not path:
            self.version(url.path)
            return
        parts = path.strip("/").split("/")
        named = "/".join(part for part in parts if not part.startswith("id-"))
        if (method, named) in self.server.fail:
            self.answer(self.server.fail[method, named], {"badRequest": {"message": "told to", "code": 400}})
        elif parts == ["auth", "tokens"]:
            self.log_in(json.loads(raw)["auth"])
        elif parts[-1] == "file":
            image = self.server.objects["images"][parts[1]]
            image |= {"status": "active", "os_hash_value": hashlib.sha512(raw).hexdigest()}
            self.answer(204)
        else:
            self.objects(method, parts, query, json.loads(raw) if raw else {})

    def log_in(self, given: dict[str, Any]) -> None:
        user, project = given["identity"]["password"]["user"], given["scope"]["project"]["name"]
        users = {one["name"]: one for one in self.server.objects.get("users", {}).values()}
        projects = {one["name"]: one["id"] for one in self.server.objects.get("projects", {}).values()}
        if user["password"] != (ADMIN if user["name"] == "admin" else users[user["name"]]["password"]):
            self.answer(401, {"error": {"code": 401, "message": "Wrong password.", "title": "Unauthorized"}})
            return
        number = users.get(user["name"], {"id": "admin"})["id"]
        token = {
            "methods": ["password"],
            "user": {"id": number, "name": user["name"], "domain": {"id": "default", "name": "Default"}},
            "project": {
                "id": projects.get(project, "admin"),
                "name": project,
                "domain": {"id": "default", "name": "Default"},
            },
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2020-01-01T00:00:00.000000Z",
            "catalog": self.server.catalogue(),
        }
        self.answer(201, {"token": token}, **{"X-Subject-Token": f"{number}@{projects.get(project, 'admin')}"})

    def project(self) -> str:
        return self.headers["X-Auth-Token"].partition("@")[2]

    def objects(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> None:
        server = self.server
        match method, parts:
            case "GET", ["os-services"]:
                state = "up" if server.alive else "down"
                one = {"binary": "nova-compute", "status": "enabled", "state": state}
                self.answer(200, {"services": [{**one, "host": host} for host in server.computes]})
            case "GET", ["agents" | "extensions" as kind]:
                self.answer(200, {kind: [{"alias": "router"}] if kind == "extensions" else []})
            case ("PUT", [_, _, "users", *_]) | ("POST", ["flavors", _, "action"]):
                self.answer(204)
            case "PUT", ["routers", router, "add_router_interface"]:
                server.add(
                    "ports", device_id=router, device_owner="network:router_interface", project_id=self.project()
                )
                self.answer(200, {})
            case "PUT", ["routers", _router, "remove_router_interface"]:
                del server.objects["ports"][body["port_id"]]
                self.answer(200, {})
            case "POST", ["servers", number, "action"]:
                self.act(server.objects["servers"][number], body)
            case "GET", ["servers", number, "diagnostics"]:
                host = server.objects["servers"][number]["OS-EXT-SRV-ATTR:host"]
                self.answer(200, {"driver": "libvirt", "hypervisor": server.kinds.get(host)})
            case "POST", ["servers", _number, "remote-consoles"]:
                self.answer(200, {"remote_console": {"url": server.url("/console/vnc_auto.html?path=%3Ftoken%3Dx")}})
            case "POST", ["servers", number, "os-volume_attachments"]:
                # A compute that fails to attach a volume gives it back and forgets it.
                state = "available" if "attachments" in server.stuck else "in-use"
                server.objects["volumes"][body["volumeAttachment"]["volumeId"]]["status"] = state
                self.answer(200, {})
            case "DELETE", ["servers", _number, "os-volume_attachments", volume]:
                server.objects["volumes"][volume]["status"] = "available"
                server.detaching.add(volume)
                self.answer(202)
            case "GET", ["servers", _number, "os-volume_attachments", volume]:
                # It is told of once more, as by a compute that has not heard of it yet.
                still = volume in server.detaching
                server.detaching.discard(volume)
                self.answer(200 if still else 404, {"volumeAttachment": {"volumeId": volume}} if still else {})
            case _:
                self.plain(method, parts, query, body)

    def act(self, one: dict[str, Any], body: dict[str, Any]) -> None:
        if "os-migrateLive" in body:
            if "migration" not in self.server.stuck:
                one["OS-EXT-SRV-ATTR:host"] = body["os-migrateLive"]["host"]
            self.answer(202)
        elif self.server.late_consoles:
            self.server.late_consoles -= 1
            self.answer(500, {"computeFault": {"message": "MessagingTimeout", "code": 500}})
        else:
            (port,) = [two for two in self.server.objects["ports"].values() if two["device_id"] == one["id"]]
            said = self.server.console.format(address=port["fixed_ips"][0]["ip_address"], name=one["name"])
            self.answer(200, {"output": said})

    def start(self, one: dict[str, Any]) -> None:
        """Let a new guest run, or wait a little longer for that."""
        if one["starting"]:
            one["starting"] -= 1
        elif one["status"] == "BUILD":
            one["status"] = "ACTIVE"

    def plain(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> None:
        """Make, show, list and remove objects."""
        collection = parts[0]
        known = self.server.objects.setdefault(collection, {})
        name = _SINGULAR.get(collection, collection.removesuffix("s"))
        if method == "POST":
            made = self.server.add(collection, **{"project_id": self.project(), **body.get(name, body)})
            self.complete(collection, made)
            self.answer(201, made if collection in _PLAIN else {name: made})
        elif method == "GET" and (len(parts) == 1 or parts[1] == "detail"):
            many = _PLURAL.get(collection, collection.replace("-", "_").removeprefix("os_"))
            wanted = {key: value for key, value in query.items() if key in ("name", "project_id", "device_id")}
            found = [one for one in known.values() if all(one.get(key) == value for key, value in wanted.items())]
            owners = {key: value for key, value in query.items() if key in ("domain_id", "user_id")}
            found = [one for one in found if all(one.get(key, value) == value for key, value in owners.items())]
            self.answer(200, {many: [{"keypair": one} for one in found] if many == "keypairs" else found})
        else:
            number = next((one["id"] for one in known.values() if parts[1] in (one["id"], one.get("name"))), "")
            if not number:
                self.answer(404, {"itemNotFound": {"message": "There is no such thing.", "code": 404}})
            elif method == "DELETE":
                if collection not in self.server.stuck:
                    del known[number]
                    self.server.remove_parts(number)
                self.answer(204)
            else:
                if collection == "servers":
                    self.start(known[number])
                self.answer(200, known[number] if collection in _PLAIN else {name: known[number]})

    def complete(self, collection: str, made: dict[str, Any]) -> None:
        """Give a new object what its service adds."""
        match collection:
            case "servers":
                known = list(self.server.objects["servers"].values())
                number = len(known)
                self.server.hasty += any(one["status"] == "BUILD" for one in known[:-1])
                made |= {
                    "status": "BUILD",
                    # Before it runs there.
                    "OS-EXT-SRV-ATTR:host": self.server.computes[(number - 1) % len(self.server.computes)],
                    "starting": self.server.starting,
                    "OS-EXT-STS:task_state": None,
                }
                if "guests" in self.server.stuck:
                    made |= {"status": "ERROR", "fault": {"message": "No valid host was found."}}
                address = {"ip_address": f"192.168.222.{10 + number}"}
                self.server.add(
                    "ports",
                    device_id=made["id"],
                    device_owner="compute:nova",
                    fixed_ips=[address],
                    project_id=self.project(),
                )
            case "networks":
                made |= {"mtu": 1442}
            case "floatingips":
                made |= {"floating_ip_address": "203.0.113.200"}
            case "volumes":
                kind = made.get("volume_type", "")
                self.server.types_of_volumes.append(kind)
                made |= {"status": "error" if f"volumes of {kind}" in self.server.stuck else "available"}
            case "images":
                made |= {"status": "queued", "owner": self.project()}
