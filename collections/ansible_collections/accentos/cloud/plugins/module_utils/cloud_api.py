# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks the services of a cloud as one user, through openstacksdk. All remote calls go through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.accentos.cloud.plugins.module_utils.api_patience import UnansweredError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import Login, MissingLibraryError

_PAUSE = 1.0
_NOT_FOUND = 404
_ERROR = 400
_BROKEN = 500
# What a service calls itself, and the attribute of openstacksdk's connection that talks to it.
_PROXIES = {
    "identity": "identity",
    "image": "image",
    "compute": "compute",
    "network": "network",
    "volume": "block_storage",
    "placement": "placement",
}
_TYPES = {"volume": ("volumev3", "block-storage", "block-store")}
# Of release 2025.1, whose answers we know. Others have no versions, or we need none of their later ones.
_VERSIONS = {"compute": "2.96", "placement": "1.39"}

Found = TypeVar("Found")


class CloudError(Exception):
    """A service does not do what it is asked for. The argument says what and why."""


class NoSuchThingError(CloudError):
    """A service has not what it is asked for."""


class ServiceBrokenError(CloudError):
    """A service could not do what it is asked for, and may do it when it is asked again."""


class Cloud:
    """The services of a cloud, as one user sees them."""

    def __init__(self, auth: Mapping[str, Any], *, ca_file: str | None, timeout: int) -> None:
        """Log in. ``auth`` holds url, username, password, project and domain; ``timeout`` is in seconds.

        Raises CloudError.
        """
        try:
            login = Login(auth["url"], ca_file=ca_file, timeout=timeout)
        except MissingLibraryError as error:
            raise CloudError(f"{error} cannot be imported; python3-openstacksdk is not installed.") from error
        self._errors = login.errors
        self._session = login.session(auth)
        try:
            self._connection = login.openstack.connection.Connection(session=self._session, identity_api_version="3")
            access = self._session.auth.get_access(self._session)
        except self._errors as error:
            raise CloudError(f"{auth['username']} cannot log in at {auth['url']}: {error}") from error
        self.project_id: str = access.project_id
        self.user_id: str = access.user_id
        self._types = {entry["type"] for entry in access.service_catalog.catalog}

    def has(self, service: str) -> bool:
        """Tell whether the catalogue has a service."""
        return self.type_of(service) is not None

    def type_of(self, service: str) -> str | None:
        """Return the type that a service has in the catalogue, None where it has none."""
        return next((name for name in _TYPES.get(service, (service,)) if name in self._types), None)

    def ask(self, service: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Ask a service and return its answer, None if that is empty. Raises CloudError."""
        return self._ask(service, method, path, json=body, params=query)

    def act(self, guest: str, body: Mapping[str, Any], *, version: str | None = None) -> Any:
        """Let the compute service do something with a guest, as a version of its API means it. Raises CloudError."""
        more = {"microversion": version} if version else {}
        return self._ask("compute", "POST", f"/servers/{guest}/action", json=body, **more)

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Return what a service has at PATH. Raises CloudError."""
        return self.ask(service, "GET", path, **query)

    def put_file(self, path: str, file: Path) -> None:
        """Give a file to the image service. Raises CloudError."""
        with file.open("rb") as data:
            self._ask("image", "PUT", path, data=data, headers={"Content-Type": "application/octet-stream"})

    def _ask(self, service: str, method: str, path: str, **more: Any) -> Any:
        more = {name: value for name, value in more.items() if value not in (None, {})}
        if service in _VERSIONS:
            more.setdefault("microversion", _VERSIONS[service])
        try:
            # The first use of a service asks for its versions.
            proxy = getattr(self._connection, _PROXIES[service])
            answer = proxy.request(path, method, raise_exc=False, **more)
        except UnansweredError as error:
            raise ServiceBrokenError(f"the {service} service does not answer: {error}") from error
        except self._errors as error:
            raise CloudError(f"the {service} service does not answer {method} {path}: {error}") from error
        if answer.status_code >= _ERROR:
            kind = CloudError
            if answer.status_code == _NOT_FOUND:
                kind = NoSuchThingError
            elif answer.status_code >= _BROKEN:
                kind = ServiceBrokenError
            raise kind(f"the {service} service refuses {method} {path}: {answer.status_code} {_reason(answer)}")
        return answer.json() if answer.content else None

    def remove(self, service: str, path: str) -> None:
        """Let something be gone. Raises CloudError."""
        try:
            self.ask(service, "DELETE", path)
        except NoSuchThingError:
            # Somebody else was quicker, or the service removed it with something before.
            return

    def gone(self, service: str, path: str) -> bool:
        """Tell whether something is not there any more. Raises CloudError."""
        try:
            self.get(service, path)
        except NoSuchThingError:
            return True
        return False


def _reason(answer: Any) -> str:
    """Return what a service says about a refusal, in one line."""
    try:
        told = answer.json()
    except ValueError:
        told = answer.text
    while isinstance(told, dict) and told:
        told = told.get("message") or told.get("NeutronError") or next(iter(told.values()))
    return " ".join(str(told).split())[:500]


def wait(
    ask: Callable[[], Found | None],
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Found | None:
    """Ask again and again until the answer is a true one, and return it, or None after TIMEOUT seconds."""
    deadline = clock() + timeout
    while True:
        if found := ask():
            return found
        if clock() >= deadline:
            return None
        sleep(_PAUSE)
