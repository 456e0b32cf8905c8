# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Speaks XML-RPC with cobblerd: login, time-outs, retries, typed errors. The only file that opens a connection.

Every method that is called more than once after a lost answer must allow that; the adapters see to it.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

# What a proxy answers while cobblerd starts behind it.
_STARTING = frozenset({502, 503, 504})
_FORBIDDEN = frozenset({401, 403})
_RETRY_PAUSE = 0.5
_LOGINS = 4
_LOGIN_OVER = "invalid token"
_FAULT = re.compile(r"^<class '(?:[\w.]+\.)?(\w+)'>:(.*)$", re.DOTALL)


class CobblerError(Exception):
    """Something that ends the module: what went wrong, and what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class UnreachableError(CobblerError):
    """cobblerd does not answer."""


class LoginError(CobblerError):
    """cobblerd does not know the user, or its password is another."""


class RefusedError(CobblerError):
    """cobblerd answered with a fault. ``kind`` is the name of its exception, ``reason`` its text."""

    def __init__(self, kind: str, reason: str, remedy: str) -> None:
        super().__init__(f"Cobbler refuses: {reason}", remedy)
        self.kind = kind
        self.reason = reason


class UnwritableError(CobblerError):
    """cobblerd cannot write its settings file, for a REASON that is its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"cobblerd cannot write its settings file: {reason}",
            "Write the setting to the settings file of cobblerd and restart cobblerd; the role accentos.cloud.cobbler "
            "does that, and keeps the file from cobblerd.",
        )


class InvalidError(CobblerError):
    """What is asked for is refused before anything is sent."""


def parse_fault(text: str) -> tuple[str, str]:
    """Return the exception and the text of a fault such as ``<class 'ValueError'>:bad MAC``."""
    found = _FAULT.match(text)
    kind, reason = (found.group(1), found.group(2)) if found else ("", text)
    # cobblerd puts strings through repr() once.
    if len(reason) > 1 and reason[0] == reason[-1] and reason[0] in "'\"":
        reason = reason[1:-1]
    return kind, reason.strip()


def is_loopback(host: str) -> bool:
    """Tell whether HOST names this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True)
class Connection:
    """Where cobblerd is and who asks. ``timeout`` is in seconds: for one answer, and for cobblerd to come up."""

    url: str = "http://127.0.0.1:25151"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 60.0
    verify: bool = True
    ca: str | None = None

    def validate(self) -> None:
        """Refuse an address that would send the password in clear text or hold it. Raises InvalidError."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidError(f"url: {self.url!r} is no address.", "Give http://127.0.0.1:25151 or https://host/path.")
        if parts.username is not None or parts.password is not None:
            raise InvalidError("url: holds a user or a password.", "Give them as the options user and password.")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise InvalidError(
                f"url: {self.url} would send the password over the network in clear text.",
                "Use https, or run the module on the host of cobblerd and use http://127.0.0.1:25151.",
            )
        if self.timeout <= 0:
            raise InvalidError("timeout: must be more than 0 seconds.", "Give the seconds to wait for an answer.")


class _PlainTransport(xmlrpc.client.Transport):
    """HTTP with a time-out."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Connect as the base class does, and limit the time."""
        connection = super().make_connection(host)
        connection.timeout = self._timeout
        return connection


class _TLSTransport(xmlrpc.client.SafeTransport):
    """HTTPS with a time-out."""

    def __init__(self, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._timeout = timeout

    def make_connection(self, host: Any) -> http.client.HTTPSConnection:
        """Connect as the base class does, and limit the time."""
        connection = super().make_connection(host)
        connection.timeout = self._timeout
        return connection


def _tls_context(connection: Connection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=connection.ca)
    except (OSError, ssl.SSLError) as error:
        raise InvalidError(
            f"ca: {connection.ca} cannot be read as certificates: {error}", "Name a file in PEM format."
        ) from error
    if not connection.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """One conversation with cobblerd. It logs in when a call first needs that, and again when cobblerd forgot it."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        connection.validate()
        self.connection = connection
        self._clock = clock
        self._sleep = sleep
        self._token: str | None = None
        self._proxy = self._connect()

    def _connect(self) -> xmlrpc.client.ServerProxy:
        transport: xmlrpc.client.Transport
        if self.connection.url.startswith("https:"):
            transport = _TLSTransport(self.connection.timeout, _tls_context(self.connection))
        else:
            transport = _PlainTransport(self.connection.timeout)
        return xmlrpc.client.ServerProxy(self.connection.url, transport=transport, allow_none=True)

    def read(self, method: str, *arguments: Any) -> Any:
        """Call a METHOD that needs no login."""
        return self._call(method, arguments)

    def write(self, method: str, *arguments: Any, after: tuple[Any, ...] = ()) -> Any:
        """Call a METHOD that takes the token of a login behind its ARGUMENTS and before those AFTER it.

        Log in first, and again when the token has run out.
        """
        for _login in range(_LOGINS):
            token = self._token or self.login()
            try:
                return self._call(method, (*arguments, token, *after))
            except RefusedError as error:
                if error.reason != _LOGIN_OVER:
                    raise
            # The token ran out, or cobblerd was restarted and lost it; what was done until then is done again.
            self._token = None
        raise UnreachableError(
            f"cobblerd at {self.connection.url} forgets each login at once.",
            "Look whether it is restarted over and over: journalctl --unit cobblerd",
        )

    def close(self) -> None:
        """End the login, if there is one; a cobblerd that is gone has ended it already."""
        if self._token is not None:
            token, self._token = self._token, None
            try:
                self._proxy.logout(token)
            except (OSError, http.client.HTTPException, xmlrpc.client.Error):
                return

    def login(self) -> str:
        """Log in and return the token. Raises LoginError."""
        self._token = None
        user = self.connection.user
        if not user:
            raise LoginError("user: is needed to change anything.", "Give the options user and password.")
        try:
            self._token = str(self._call("login", (user, self.connection.password)))
        except RefusedError as error:
            if error.reason.startswith("login failed"):
                raise LoginError(
                    f"Cobbler does not let {user} in.", "Compare the password with the digest file of cobblerd."
                ) from error
            raise
        return self._token

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        deadline = self._clock() + self.connection.timeout
        while True:
            try:
                return self._once(method, arguments)
            except (ConnectionError, http.client.HTTPException, socket.gaierror) as error:
                # Refused, reset, or closed in the middle of an answer: cobblerd is being restarted.
                cause: Exception = error
            except xmlrpc.client.ProtocolError as error:
                if error.errcode not in _STARTING:
                    raise self._protocol_error(error) from error
                cause = error
            if self._clock() >= deadline:
                raise UnreachableError(
                    f"cobblerd at {self.connection.url} does not answer within {self.connection.timeout:g} s: "
                    f"{self._describe(cause)}",
                    "Look at `systemctl status cobblerd` and its journal on the host of Cobbler.",
                ) from cause
            self._sleep(_RETRY_PAUSE)

    def _once(self, method: str, arguments: tuple[Any, ...]) -> Any:
        url = self.connection.url
        try:
            return getattr(self._proxy, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            kind, reason = parse_fault(fault.faultString)
            if reason.startswith(_LOGIN_OVER):
                # The text goes on with the token itself.
                reason = _LOGIN_OVER
            raise RefusedError(kind, reason, "Mend the value that the message names, then run again.") from None
        except ssl.SSLCertVerificationError as error:
            raise UnreachableError(
                f"The certificate of {url} is not accepted: {error.verify_message}",
                "Name the authority that signed it with the option ca.",
            ) from error
        except TimeoutError as error:
            raise UnreachableError(
                f"cobblerd at {url} took a call of {method} and did not answer within {self.connection.timeout:g} s.",
                "Look at /var/log/cobbler/cobbler.log, or raise the option timeout.",
            ) from error
        except (xmlrpc.client.ResponseError, ExpatError) as error:
            raise UnreachableError(
                f"What answers at {url} is not Cobbler: {error}", "Mend the option url; the path counts, too."
            ) from error

    def _protocol_error(self, error: xmlrpc.client.ProtocolError) -> CobblerError:
        remedy = "Mend the option url; the path counts, too."
        if error.errcode in _FORBIDDEN:
            remedy = "Put the address of this host on the allow-list of the web server before cobblerd."
        return UnreachableError(f"{self.connection.url} answers HTTP {self._describe(error)}.", remedy)

    @staticmethod
    def _describe(error: Exception) -> str:
        # The text of a protocol error would show headers.
        if isinstance(error, xmlrpc.client.ProtocolError):
            return f"{error.errcode} {error.errmsg}"
        return str(error) or type(error).__name__
