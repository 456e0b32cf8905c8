# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How modules log in to a cloud: options of the fragment ``cloud_login``, and a session of keystoneauth from them.

All requests to a cloud pass the session that is made here: those of openstacksdk, logins, and questions for versions.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.api_patience import (
    Courier,
    Order,
    Patience,
    TroubleError,
    UnansweredError,
)

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


def _patient_adapter(parent: type[Any], courier: Courier) -> Any:
    """Return an adapter of ``requests``, made from keystoneauth's PARENT, that has COURIER make the requests.

    What keystoneauth repeats itself is left unused: its release of 2025.1 takes an answer that is lost for a request
    that was not sent, and repeats what creates something; it knows neither Retry-After nor random pauses nor a time for
    all of it, and repeats neither logins nor questions for versions.
    """
    import requests  # noqa: PLC0415 (it comes with openstacksdk)
    from urllib3.exceptions import NewConnectionError  # noqa: PLC0415

    broken = requests.exceptions

    class PatientAdapter(parent):
        """Returns whole answers of services that are neither busy nor dead."""

        def _once(self, adapter: Any, request: Any, options: dict[str, Any], seconds: tuple[float, float]) -> Any:
            # Who asks in the midst of handling another error has that as context of all that goes wrong here.
            outside = sys.exception()
            try:
                answer = adapter.send(request, **{**options, "timeout": seconds})
                # One that ends in its midst is none.
                _whole = answer.content
            except broken.ConnectTimeout as error:
                raise TroubleError(f"no connection in {seconds[0]:.1f} s", sent=False) from error
            except broken.Timeout as error:
                raise TroubleError(f"silence for {seconds[1]:.1f} s", sent=True) from error
            except broken.SSLError as error:
                # That does not change while we wait.
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise
                raise TroubleError(f"a broken TLS connection ({_cause(error, outside)})", sent=True) from error
            except (broken.ConnectionError, broken.ChunkedEncodingError, broken.ContentDecodingError) as error:
                if any(isinstance(one, NewConnectionError) for one in _causes(error, outside)):
                    raise TroubleError(f"no connection ({_cause(error, outside)})", sent=False) from error
                raise TroubleError(f"a lost connection ({_cause(error, outside)})", sent=True) from error
            return answer

        def send(self, request: Any, **options: Any) -> Any:
            """Send a request as often as it takes. Raises UnansweredError."""
            once = not isinstance(request.body, str | bytes | None)
            order = Order(request.method, request.url, once=once)
            if order.idempotent:
                kept = super()
                return courier.deliver(order, lambda *seconds: self._once(kept, request, options, seconds))
            # A load balancer that loses the server for the first request in a connection says so, and for a later one
            # hangs up, which would leave open whether it was done.
            with contextlib.closing(parent()) as fresh:

                def attempt(connect: float, answer: float) -> Any:
                    # While a body is sent, urllib3 waits as long as for a connection, and a service may stop reading a
                    # file to write what it has.
                    return self._once(fresh, request, options, (answer if once else connect, answer))

                return courier.deliver(order, attempt)

    return PatientAdapter()


def _causes(error: BaseException, outside: BaseException | None) -> list[BaseException]:
    """Return an error and what it came from, the innermost last; OUTSIDE was there before and is none of them."""
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) and cause is not outside:
        found.append(cause)
    return found


def _cause(error: BaseException, outside: BaseException | None) -> str:
    """Return the innermost reason of an error of ``requests``, without what the outer ones say of connections."""
    innermost = _causes(error, outside)[-1]
    return getattr(innermost, "strerror", None) or str(innermost)


class Login:
    """The library that logs in: ``openstack`` is openstacksdk, ``errors`` all that it and its own libraries raise."""

    def __init__(self, url: str, *, ca_file: str | None, timeout: int) -> None:
        """Take the address of the identity service; ``timeout`` is in seconds for one answer.

        Raises MissingLibraryError.
        """
        try:
            import openstack  # noqa: PLC0415 (it is on the hosts only, and module_utils are imported for tests too)
            import requests  # noqa: PLC0415
            from keystoneauth1 import exceptions, session  # noqa: PLC0415
            from keystoneauth1.identity import v3  # noqa: PLC0415
        except ImportError as error:
            raise MissingLibraryError(error.name) from error
        self.openstack = openstack
        self.unauthorized: type[Exception] = exceptions.Unauthorized
        # Those of the library below, of openstacksdk itself and of the way to both have nothing in common.
        self.errors: tuple[type[Exception], ...] = (
            exceptions.ClientException,
            openstack.exceptions.SDKException,
            UnansweredError,
        )
        self._url, self._ca_file = url, ca_file
        self._password, self._session = v3.Password, session.Session
        self._way = requests.Session()
        adapter = _patient_adapter(session.TCPKeepAliveAdapter, Courier(Patience.of(timeout)))
        for scheme in ("https://", "http://"):
            self._way.mount(scheme, adapter)

    def password(self, username: str, password: str, domain: str, project: str | None) -> Any:
        """Return how a user of ``domain`` logs in to a project of it, or to none."""
        scope = {"project_name": project, "project_domain_name": domain} if project else {"unscoped": True}
        return self._password(
            auth_url=self._url, username=username, password=password, user_domain_name=domain, **scope
        )

    def session(self, auth: Mapping[str, Any]) -> Any:
        """Return a session for ``auth``, which holds username, password, project and domain."""
        login = self.password(auth["username"], auth["password"], auth["domain"], auth["project"])
        return self._session(auth=login, session=self._way, verify=self._ca_file or True, app_name="accentos")
