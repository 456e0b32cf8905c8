# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of OpenStack's identity API, version 3, that a catalogue is written with, over TLS and in memory."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from .tls_server import TlsHandler, TlsServer

ADMIN = "admin-password"
_COLLECTIONS = ("regions", "domains", "projects", "roles", "services", "endpoints", "users")
# After so many wrong passwords the service refuses the right one too, with the same words.
ATTEMPTS = 10
EXEMPTION = "ignore_lockout_failure_attempts"
_REFUSED = {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}


class IdentityService(TlsServer):
    """Holds objects by collection and id, assignments as tuples, and each request in ``requests``.

    ``fail`` maps a method and path to a code that it is answered with; ``drop`` is how many logins it hangs up on;
    ``passwords`` is how often one was set anew, which ends all sessions of its user.
    Time does not end a lockout here: what happens within five minutes is what is tested.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Handler)
        self.numbers = itertools.count(1)
        self.objects: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in _COLLECTIONS}
        self.assignments: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.fail: dict[tuple[str, str], int] = {}
        self.drop = 0
        self.passwords = 0
        self.add("domains", id="default", name="Default", description="", enabled=True)
        self.add("projects", id="admin", name="admin", domain_id="default", description="", enabled=True)
        self.add("users", id="admin", name="admin", domain_id="default", enabled=True, password=ADMIN)
        for role in ("admin", "service", "reader"):
            self.add("roles", id=role, name=role, domain_id=None)

    def add(self, collection: str, **values: Any) -> dict[str, Any]:
        """Add an object and return it with its id."""
        made = {"id": f"id-{next(self.numbers)}", **values}
        self.objects[collection][str(made["id"])] = made
        return made

    def user(self, name: str) -> dict[str, Any]:
        """Return a user."""
        return next(one for one in self.objects["users"].values() if one["name"] == name)

    def lock_out(self, name: str) -> None:
        """Leave a user as somebody does who guesses passwords."""
        self.user(name)["failures"] = ATTEMPTS

    def right(self, name: str, password: str) -> bool:
        """Tell whether a login is right, and count it."""
        users = [one for one in self.objects["users"].values() if one["name"] == name]
        if not users:
            return False
        (user,) = users
        failures = user.get("failures", 0)
        if failures >= ATTEMPTS and user.get("options", {}).get(EXEMPTION) is not True:
            return False
        if user.get("password") != password:
            user["failures"] = failures + 1
            return False
        if not user["enabled"]:
            return False
        user["failures"] = 0
        return True

    def written(self) -> list[tuple[str, str]]:
        """Return the requests that change something since the last question, without logins."""
        found = [one for one in self.requests if one[0] != "GET" and not one[1].endswith("/auth/tokens")]
        self.requests.clear()
        return found


def shown(one: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the service shows it."""
    return {key: value for key, value in one.items() if key not in ("password", "failures")}


def update(one: dict[str, Any], values: dict[str, Any]) -> None:
    """Set properties of an object; options that are not named stay, and whoever is enabled is no longer locked out."""
    options = {**one.get("options", {}), **values.get("options", {})}
    one.update(values)
    if options:
        one["options"] = {name: value for name, value in options.items() if value is not None}
    if one.get("enabled"):
        one.pop("failures", None)


class Handler(TlsHandler):
    server: IdentityService

    def body(self) -> dict[str, Any]:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def handle_one(self, method: str) -> None:
        path = self.path.partition("?")[0].removeprefix("/v3").rstrip("/")
        self.server.requests.append((method, path))
        body = self.body()
        if (method, path) in self.server.fail:
            code = self.server.fail[method, path]
            self.answer(code, {"error": {"code": code, "message": "told to", "title": "Error"}})
        elif path == "/auth/tokens" and self.server.drop:
            self.server.drop -= 1
            self.close_connection = True
        elif path == "/auth/tokens":
            self.log_in(body)
        elif path == "":
            link = {"rel": "self", "href": self.server.url("/v3/")}
            self.answer(200, {"version": {"id": "v3.14", "status": "stable", "links": [link]}})
        elif path == "/role_assignments":
            self.answer(200, {"role_assignments": self.server.assignments, "links": {}})
        elif method == "PUT":
            self.assign(path.strip("/").split("/"))
        else:
            self.objects(method, path.strip("/").split("/"), body)

    def log_in(self, body: dict[str, Any]) -> None:
        given = body["auth"]["identity"]["password"]["user"]
        if self.server.right(given["name"], given["password"]):
            token = {
                "methods": ["password"],
                "user": {"id": self.server.user(given["name"])["id"], "name": given["name"]},
            }
            times = {"expires_at": "2099-01-01T00:00:00.000000Z", "issued_at": "2020-01-01T00:00:00.000000Z"}
            self.answer(201, {"token": {**token, **times, "catalog": []}}, **{"X-Subject-Token": "token"})
            return
        self.answer(401, {"error": _REFUSED})

    def assign(self, parts: list[str]) -> None:
        user, role = parts[parts.index("users") + 1], parts[parts.index("roles") + 1]
        scope: dict[str, Any] = {parts[0].removesuffix("s"): {"id": parts[1]}}
        if parts[0] == "system":
            scope = {"system": {"all": True}}
        self.server.assignments.append({"user": {"id": user}, "role": {"id": role}, "scope": scope})
        self.answer(204)

    def objects(self, method: str, parts: list[str], body: dict[str, Any]) -> None:
        collection, known = parts[0], self.server.objects[parts[0]]
        name = collection.removesuffix("s")
        if method == "GET" and len(parts) == 1:
            self.answer(200, {collection: [shown(one) for one in known.values()], "links": {"next": None}})
        elif method == "GET":
            self.answer(200, {name: shown(known[parts[1]])})
        elif method == "POST":
            self.answer(201, {name: shown(self.server.add(collection, **body[name]))})
        else:
            self.server.passwords += "password" in body[name]
            update(known[parts[1]], body[name])
            self.answer(200, {name: shown(known[parts[1]])})
