# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How modules log in to a cloud: options of the fragment ``cloud_login``, and a session of keystoneauth from them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

# A request that is not the first in its connection ends without an answer where the load balancer loses the server, and
# is for us to repeat. keystoneauth repeats all but logins.
_ATTEMPTS = 4
_PAUSE = 1.0
_NAME = {"type": "str", "required": True}
LOGIN_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "auth": {
        "type": "dict",
        "required": True,
        "options": {
            "url": _NAME,
            "username": {"type": "str", "default": "admin"},
            "password": {"type": "str", "required": True, "no_log": True},
            "project": {"type": "str", "default": "admin"},
            "domain": {"type": "str", "default": "Default"},
        },
    },
    "ca_file": {"type": "path"},
}


class MissingLibraryError(Exception):
    """A library cannot be imported. The argument is its name."""


class Login:
    """The library that logs in: ``openstack`` is openstacksdk, ``errors`` all that it and its own libraries raise."""

    def __init__(self, url: str, *, ca_file: str | None, timeout: int) -> None:
        """Take the address of the identity service; ``timeout`` is in seconds for one answer.

        Raises MissingLibraryError.
        """
        try:
            import openstack  # noqa: PLC0415 (it is on the hosts only, and module_utils are imported for tests too)
            from keystoneauth1 import exceptions, session  # noqa: PLC0415
            from keystoneauth1.identity import v3  # noqa: PLC0415
        except ImportError as error:
            raise MissingLibraryError(error.name) from error
        self.openstack = openstack
        self.unauthorized: type[Exception] = exceptions.Unauthorized
        # Those of the library below and those of openstacksdk itself have nothing in common.
        self.errors: tuple[type[Exception], ...] = (exceptions.ClientException, openstack.exceptions.SDKException)
        self._url, self._ca_file, self._timeout = url, ca_file, timeout
        self._session = session

        class PatientPassword(v3.Password):
            """A login that a lost connection does not end. Nothing changes when it is asked for twice."""

            def get_auth_ref(self, session: Any, **options: Any) -> Any:
                for attempt in range(1, _ATTEMPTS):
                    try:
                        return super().get_auth_ref(session, **options)
                    except exceptions.ConnectFailure:
                        time.sleep(_PAUSE * attempt)
                return super().get_auth_ref(session, **options)

        self._password = PatientPassword

    def password(self, username: str, password: str, domain: str, project: str | None) -> Any:
        """Return how a user of ``domain`` logs in to a project of it, or to none."""
        scope = {"project_name": project, "project_domain_name": domain} if project else {"unscoped": True}
        return self._password(
            auth_url=self._url, username=username, password=password, user_domain_name=domain, **scope
        )

    def session(self, auth: Mapping[str, Any]) -> Any:
        """Return a session for ``auth``, which holds username, password, project and domain."""
        login = self.password(auth["username"], auth["password"], auth["domain"], auth["project"])
        return self._session.Session(
            auth=login, verify=self._ca_file or True, timeout=self._timeout, app_name="accentos"
        )
