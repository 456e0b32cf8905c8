# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what the identity service of a cloud lacks: regions, domains, projects, roles, services, endpoints, users.

Objects are named, never numbered, in what is wanted and in what is found. A state is a mapping of each kind in
``KINDS`` to a mapping of keys to properties. Keys are tuples of names, see ``wanted_state``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# In the order in which they are made; later kinds refer to earlier ones.
KINDS = ("region", "domain", "project", "role", "service", "endpoint", "user", "assignment")
# The identity service's own name for it: no number of wrong passwords locks the user out.
LOCKOUT_EXEMPTION = "ignore_lockout_failure_attempts"

Key = tuple[str, ...]
State = Mapping[str, Mapping[Key, Mapping[str, Any]]]


class CatalogueError(Exception):
    """The catalogue cannot be as wanted. The first argument says why, the second what helps."""


class UnknownCatalogueError(CatalogueError):
    """The service lets nobody in, or is not there: nobody knows what it holds."""


@dataclass(frozen=True)
class Step:
    """One change: ``create`` or ``update`` of an object; ``values`` are the properties that are set."""

    verb: str
    kind: str
    key: Key
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> tuple[str, str]:
        """Return what was and what will be, one line for each property and without passwords."""
        name = f"{self.kind} {' / '.join(self.key)}"
        lines = tuple(
            "".join(f"{name}: {key} = {_shown(key, values[key], old=old)}\n" for key in sorted(self.values))
            if values
            else ""
            for values, old in ((self.before, True), (self.values, False))
        )
        if self.verb == "create":
            return "", f"{name}\n{lines[1]}"
        return lines[0], lines[1]


def _shown(key: str, value: Any, *, old: bool) -> str:
    if key == "password":
        return ("not known" if value is None else "another one") if old else "the wanted one"
    return str(value)


def wanted_state(wanted: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[Key, dict[str, Any]]]:
    """Return the state that the options of the module describe. Raises CatalogueError.

    Keys: ``(region,)``, ``(domain,)``, ``(domain, project)``, ``(role,)``, ``(type, name)`` of a service,
    ``(region, type, interface)`` of an endpoint, ``(domain, user)``, and of an assignment ``(domain, user, role)`` with
    ``("project", domain, project)``, ``("domain", domain)`` or ``("system",)`` behind it.
    """
    state: dict[str, dict[Key, dict[str, Any]]] = {kind: {} for kind in KINDS}

    def add(kind: str, key: Key, values: dict[str, Any]) -> None:
        if key in state[kind]:
            raise CatalogueError(f"The {kind} {' / '.join(key)} is wanted twice.", "Take one of them away.")
        state[kind][key] = values

    for region in wanted["regions"]:
        add("region", (region["name"],), {"description": region["description"]})
    for domain in wanted["domains"]:
        add("domain", (domain["name"],), {"description": domain["description"], "enabled": True})
    for project in wanted["projects"]:
        add(
            "project",
            (project["domain"], project["name"]),
            {"description": project["description"], "enabled": True},
        )
    for role in wanted["roles"]:
        add("role", (role["name"],), {})
    for service in wanted["services"]:
        name, kind = service["name"], service["type"]
        add("service", (kind, name), {"description": service["description"], "enabled": True})
        for interface, url in service["endpoints"].items():
            if interface not in ("public", "internal", "admin"):
                raise CatalogueError(
                    f"The service {name} has an endpoint {interface!r}.", "Endpoints are public, internal and admin."
                )
            add("endpoint", (service["region"], kind, interface), {"url": url, "enabled": True})
    for user in wanted["users"]:
        owner = (user["domain"], user["name"])
        values = {"description": user["description"], "enabled": True, "password": user["password"]}
        if user[LOCKOUT_EXEMPTION] is not None:
            values[LOCKOUT_EXEMPTION] = user[LOCKOUT_EXEMPTION]
        add("user", owner, values)
        for grant in user["grants"]:
            add("assignment", (*owner, grant["role"], *_scope(grant)), {})
    return state


def _scope(grant: Mapping[str, Any]) -> Key:
    match grant["scope"]:
        case "system":
            return ("system",)
        case "domain":
            return ("domain", grant["domain"])
    return ("project", grant["domain"], grant["project"])


def plan(wanted: State, found: State) -> list[Step]:
    """Return the steps from what is found to what is wanted.

    What nobody asked for is left alone. The value of ``password`` in ``found`` is whether the wanted one works, None if
    nobody knows.
    """
    return [step for kind in KINDS for step in _plan_kind(kind, wanted[kind], found[kind])]


def _plan_kind(
    kind: str, wanted: Mapping[Key, Mapping[str, Any]], found: Mapping[Key, Mapping[str, Any]]
) -> Iterator[Step]:
    for key, values in wanted.items():
        if key not in found:
            yield Step("create", kind, key, values)
            continue
        different = {
            name: value
            for name, value in values.items()
            if (found[key].get(name) is not True if name == "password" else found[key].get(name) != value)
        }
        if different:
            yield Step("update", kind, key, different, {name: found[key].get(name) for name in different})
