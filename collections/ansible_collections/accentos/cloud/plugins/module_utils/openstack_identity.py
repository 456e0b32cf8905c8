# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Talks to the identity service of a cloud through openstacksdk. All remote calls of the catalogue are in this file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import Login, MissingLibraryError
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_catalogue import (
    LOCKOUT_EXEMPTION,
    CatalogueError,
    Key,
    State,
    Step,
    UnknownCatalogueError,
)


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties of an object as openstacksdk names them."""
    found = {("is_enabled" if name == "enabled" else name): value for name, value in values.items()}
    # Options that are not named stay as they are.
    options = {name: found.pop(name) for name in (LOCKOUT_EXEMPTION,) if name in found}
    return {**found, "options": options} if options else found


class Identity:
    """The identity service, as an administrator sees it."""

    def __init__(self, auth: Mapping[str, Any], *, ca_file: str | None, timeout: int) -> None:
        """Log in. ``auth`` holds url, username, password, project and domain; ``timeout`` is in seconds.

        Raises UnknownCatalogueError.
        """
        try:
            login = Login(auth["url"], ca_file=ca_file, timeout=timeout)
        except MissingLibraryError as error:
            raise UnknownCatalogueError(f"{error} cannot be imported.", "Install python3-openstacksdk.") from error
        self._login, self._errors = login, login.errors
        self._auth = auth
        self._session = login.session(auth)
        self._ids: dict[tuple[str, Key], str] = {}
        try:
            connection = login.openstack.connection.Connection(
                session=self._session,
                identity_api_version="3",
                # The address that we are given, not one from the catalogue that we are about to write.
                identity_endpoint_override=auth["url"],
            )
            self._session.get_token()
            self._api = connection.identity
        except self._errors as error:
            raise UnknownCatalogueError(*self._explain("log in", error).args) from error

    def _explain(self, doing: str, error: Exception) -> CatalogueError:
        remedy = (
            "Compare the password of the administrator in the site's secrets with that of the cloud."
            if isinstance(error, self._login.unauthorized)
            else "See whether the service runs and what it logged: journalctl --unit keystone, /var/log/keystone."
        )
        return CatalogueError(f"The identity service at {self._auth['url']} does not let us {doing}: {error}", remedy)

    def read(self, wanted: State) -> dict[str, dict[Key, dict[str, Any]]]:
        """Return what the service holds of the kinds of ``wanted``, by name. Raises CatalogueError."""
        try:
            return self._read(wanted)
        except self._errors as error:
            raise self._explain("read its catalogue", error) from error

    def _read(self, wanted: State) -> dict[str, dict[Key, dict[str, Any]]]:
        api = self._api
        domains = {one.id: one.name for one in api.domains()}
        projects = {one.id: (domains[one.domain_id], one.name, one) for one in api.projects()}
        services = {one.id: one for one in api.services()}
        users = {one.id: (domains[one.domain_id], one.name, one) for one in api.users()}
        roles = {one.id: one.name for one in api.roles() if one.domain_id is None}
        state: dict[str, dict[Key, dict[str, Any]]] = {}
        state["region"] = self._known("region", {(one.id,): (one.id, one) for one in api.regions()}, "description")
        state["domain"] = self._known(
            "domain", {(one.name,): (one.id, one) for one in api.domains()}, "description", "is_enabled"
        )
        state["project"] = self._known(
            "project",
            {(domain, name): (number, one) for number, (domain, name, one) in projects.items()},
            "description",
            "is_enabled",
        )
        state["role"] = self._known("role", {(name,): (number, None) for number, name in roles.items()})
        state["service"] = self._known(
            "service",
            {(one.type, one.name): (number, one) for number, one in services.items()},
            "description",
            "is_enabled",
        )
        state["endpoint"] = self._known(
            "endpoint",
            {
                (one.region_id or "", services[one.service_id].type, one.interface): (one.id, one)
                for one in api.endpoints()
                if one.service_id in services
            },
            "url",
            "is_enabled",
        )
        state["user"] = self._known(
            "user",
            {(domain, name): (number, one) for number, (domain, name, one) in users.items()},
            "description",
            "is_enabled",
        )
        for domain, name, one in users.values():
            state["user"][domain, name][LOCKOUT_EXEMPTION] = (one.options or {}).get(LOCKOUT_EXEMPTION) is True
        for key, values in wanted["user"].items():
            if key in state["user"]:
                user = state["user"][key]
                works = self._works(key, values["password"])
                # Who is locked out or disabled is refused just like one who has another password.
                user["password"] = works if works or (user["enabled"] and user[LOCKOUT_EXEMPTION]) else None
        grants = [self._assignment(one, users, roles, projects, domains) for one in api.role_assignments()]
        state["assignment"] = {key: {} for key in grants if key}
        return state

    def _known(self, kind: str, found: dict[Key, tuple[str, Any]], *names: str) -> dict[Key, dict[str, Any]]:
        self._ids.update({(kind, key): number for key, (number, _one) in found.items()})
        return {
            key: {
                name.removeprefix("is_"): getattr(one, name) or (False if name == "is_enabled" else "")
                for name in names
            }
            for key, (_number, one) in found.items()
        }

    @staticmethod
    def _assignment(
        one: Any,
        users: Mapping[str, Any],
        roles: Mapping[str, str],
        projects: Mapping[str, Any],
        domains: Mapping[str, str],
    ) -> Key | None:
        """Return the key of an assignment of a role to a user in a project, domain or the system; else None."""
        user, role, scope = one.user or {}, one.role or {}, one.scope or {}
        if user.get("id") not in users or role.get("id") not in roles:
            return None
        owner = (*users[user["id"]][:2], roles[role["id"]])
        if "system" in scope:
            return (*owner, "system")
        if "domain" in scope:
            domain = domains.get(scope["domain"]["id"])
            # A role that projects of a domain inherit is not one in the domain.
            return (*owner, "domain", domain) if domain and "OS-INHERIT:inherited_to" not in scope else None
        project = projects.get((scope.get("project") or {}).get("id", ""))
        return (*owner, "project", *project[:2]) if project else None

    def _works(self, user: Key, password: str) -> bool:
        """Tell whether a user can log in with a password."""
        domain, name = user
        try:
            self._login.password(name, password, domain, None).get_token(self._session)
        except self._login.unauthorized:
            return False
        return True

    def apply(self, step: Step) -> None:
        """Do one step. Raises CatalogueError."""
        try:
            if step.verb == "update":
                self._update(step)
            else:
                self._create(step.kind, step.key, _attributes(step.values))
        except self._errors as error:
            raise self._explain(f"{step.verb} the {step.kind} {' / '.join(step.key)}", error) from error

    def _update(self, step: Step) -> None:
        values = dict(step.values)
        change = functools.partial(getattr(self._api, f"update_{step.kind}"), self._ids[step.kind, step.key])
        # A disabled user gets the password in the same request: none may work again with one that is to go.
        if "password" in values and step.before["password"] is None and "enabled" not in values:
            # The service ends a lockout whenever it writes a user who is enabled, and then a login tells the truth. To
            # set the password that the user has would take all tokens of a service that runs.
            password = values.pop("password")
            change(**_attributes({**values, "enabled": True}))
            if self._works(step.key, password):
                return
            values = {"password": password}
        change(**_attributes(values))

    def _create(self, kind: str, key: Key, values: dict[str, Any]) -> None:
        api = self._api
        if kind == "assignment":
            user, role = self._id("user", key[:2]), self._id("role", key[2:3])
            match key[3]:
                case "system":
                    api.assign_system_role_to_user(user, role, "all")
                case "domain":
                    api.assign_domain_role_to_user(self._id("domain", key[4:]), user, role)
                case _:
                    api.assign_project_role_to_user(self._id("project", key[4:]), user, role)
            return
        match kind:
            case "region":
                made = api.create_region(id=key[0], **values)
            case "domain" | "role":
                made = getattr(api, f"create_{kind}")(name=key[0], **values)
            case "project" | "user":
                made = getattr(api, f"create_{kind}")(name=key[1], domain_id=self._id("domain", key[:1]), **values)
            case "service":
                made = api.create_service(type=key[0], name=key[1], **values)
            case _:
                region, service_type, interface = key
                service = next(
                    number for (of, name), number in self._ids.items() if of == "service" and name[0] == service_type
                )
                made = api.create_endpoint(region_id=region, service_id=service, interface=interface, **values)
        self._ids[kind, key] = made.id

    def _id(self, kind: str, key: Key) -> str:
        if (kind, key) not in self._ids:
            raise CatalogueError(
                f"There is no {kind} {' / '.join(key)}, which something else refers to.", "Add it, or mend the name."
            )
        return self._ids[kind, key]
