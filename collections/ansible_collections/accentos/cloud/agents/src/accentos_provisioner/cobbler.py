# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few calls to cobblerd's XML-RPC that the service needs. Cobbler 3.3; it listens on loopback only."""

from __future__ import annotations

import http.client
import json
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import ServiceError

TOKEN_OPTION = "accentos.token"  # noqa: S105  the name of an option
_TIMEOUT = 60.0
_AWAY = "Look at cobblerd.service on the deploy host; the request may be made again."


class _Transport(xmlrpc.client.Transport):
    """Does not wait for ever."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = _TIMEOUT
        return connection


class Cobbler:
    """Cobbler at URL, used as USER. Every call logs in anew: cobblerd forgets sessions when it restarts."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._user = user
        self._password = password

    @contextmanager
    def _server(self) -> Iterator[Any]:
        try:
            with xmlrpc.client.ServerProxy(self._url, transport=_Transport(), allow_none=True) as server:
                yield server
        except xmlrpc.client.Fault as error:
            # Cobbler's own words name objects, never what was passed.
            raise ServiceError(
                502, f"Cobbler refuses: {error.faultString}", "Define the system in Cobbler first."
            ) from error
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise ServiceError(503, f"Cobbler does not answer: {type(error).__name__}", _AWAY) from error

    def set_install(self, host: str, token: str | None) -> None:
        """Let HOST boot into its installation with TOKEN, or from its disk (None). Raises ServiceError.

        Nothing is saved, and so no boot file is written anew, if it is so already.
        """
        with self._server() as server:
            system = server.get_system(host)
            if not isinstance(system, dict):
                raise ServiceError(404, f"Cobbler has no system {host}", "Define it first (module cobbler_system).")
            known = system.get("kernel_options")
            options = dict(known) if isinstance(known, dict) else {}
            options.pop(TOKEN_OPTION, None)
            if token is not None:
                options[TOKEN_OPTION] = token
            wanted = {"kernel_options": options, "netboot_enabled": token is not None}
            changes = {name: value for name, value in wanted.items() if (system.get(name) or {}) != (value or {})}
            if not changes:
                return
            session = server.login(self._user, self._password)
            handle = server.get_system_handle(host, session)
            for name, value in changes.items():
                server.modify_system(handle, name, value, session)
            server.save_system(handle, session)
            server.logout(session)

    def render(self, host: str) -> dict[str, Any]:
        """Return the specification that the autoinstall template gives for HOST. Raises ServiceError."""
        with self._server() as server:
            text = server.generate_autoinstall("", host)
        try:
            found = json.loads(text)
        except (TypeError, ValueError) as error:
            raise ServiceError(
                502,
                f"Cobbler renders no JSON for {host}: {str(text)[:200]!r}",
                "Look at the template of the profile and at autoinstall_meta of the system.",
            ) from error
        if not isinstance(found, dict) or found.get("host") != host:
            raise ServiceError(
                502, f"Cobbler renders a specification that is not of {host}", "Mend its autoinstall_meta."
            )
        return found
