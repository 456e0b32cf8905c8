# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Talks to the provisioner service and fetches the image: HTTPS only, trusting the site's authority only."""

from __future__ import annotations

import http.client
import json
import logging
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import AgentError

log = logging.getLogger(__name__)

AUTHORITY = Path("/etc/accentos/ca.crt")
CHUNK = 2**20
_ANSWER_LIMIT = 2**20
_TIMEOUT = 30.0
_LONGEST_PAUSE = 15.0
_UNREACHABLE = (
    "Look at accentos-provisioner.service and apache2.service on the deploy host, at the clock of this machine (date), "
    "and at the network between them."
)


class RefusedError(AgentError):
    """The service answered, and said no: ``status`` is HTTP's."""

    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.status = status


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead away from the deploy host, so that it counts as a refusal."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


def settle_clock(authority: Path = AUTHORITY) -> bool:
    """Set the clock to the age of AUTHORITY if it stands before it, as with an empty battery; tell whether it did.

    No certificate would be valid otherwise.
    """
    floor = authority.stat().st_mtime
    if time.time() >= floor:
        return False
    time.clock_settime(time.CLOCK_REALTIME, floor)
    return True


def trust(authority: Path = AUTHORITY) -> ssl.SSLContext:
    """Return the settings of TLS that trust AUTHORITY only. Raises AgentError."""
    try:
        context = ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise AgentError(
            f"the authority's certificate {authority} cannot be read: {error}",
            "Build the deploy ramdisk anew; role host_image puts the certificate into it.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@dataclass(frozen=True)
class Client:
    """The connection to the service: ``server`` is https://host:port. ``patience`` in seconds bounds all retries."""

    server: str
    context: ssl.SSLContext
    patience: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def post(self, path: str, body: Mapping[str, object], patience: float | None = None) -> dict[str, object]:
        """Send BODY and return the answer. Raises RefusedError, or AgentError after PATIENCE seconds."""
        return self._call("POST", path, json.dumps(body).encode(), {}, patience)

    def get(self, path: str, bearer: str) -> dict[str, object]:
        """Ask with the secret BEARER and return the answer. Raises as post."""
        return self._call("GET", path, None, {"Authorization": f"Bearer {bearer}"}, None)

    def download(self, url: str, size: int) -> Iterator[bytes]:
        """Give the SIZE bytes at URL in chunks; goes on where a dropped connection ended. Raises AgentError."""
        done, until, pause = 0, self.clock() + self.patience, 1.0
        while done < size:
            try:
                for chunk in self._stream(url, done):
                    done += len(chunk)
                    until, pause = self.clock() + self.patience, 1.0
                    yield chunk
                if done >= size:
                    break
                problem: Exception | str = f"the stream ended after {done} of {size} bytes"
            except RefusedError:
                raise
            except (OSError, http.client.HTTPException) as error:
                problem = error
            pause = self._pause(f"image {url}", problem, until, pause)

    def _stream(self, url: str, offset: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._open(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310  https, checked
            if offset and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                raise RefusedError(answer.status, f"{url} cannot be continued at byte {offset}", _UNREACHABLE)
            while chunk := answer.read(CHUNK):
                yield chunk

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.context), _NoRedirect()
        )
        try:
            answer: http.client.HTTPResponse = opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                refusal = _refusal(request, error)
                if error.code in _PASSING:
                    raise OSError(f"HTTP {error.code}, {refusal}") from error
                raise refusal from error
        return answer

    def _call(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], patience: float | None
    ) -> dict[str, object]:
        url = f"{self.server}{path}"
        until, pause = self.clock() + (self.patience if patience is None else patience), 1.0
        while True:
            request = urllib.request.Request(  # noqa: S310  the command line's address is https, checked
                url, data, {**headers, "Content-Type": "application/json"}, method=method
            )
            try:
                with self._open(request) as answer:
                    found = json.loads(answer.read(_ANSWER_LIMIT))
                if not isinstance(found, dict):
                    raise RefusedError(
                        answer.status, f"{url} answered with something else than an object", _UNREACHABLE
                    )
                return found
            except (OSError, http.client.HTTPException, ValueError) as error:
                pause = self._pause(f"{method} {url}", error, until, pause)

    def _pause(self, what: str, problem: Exception | str, until: float, pause: float) -> float:
        """Wait before the next attempt and return the pause after it. Raises AgentError when patience is over."""
        if self.clock() + pause > until:
            raise AgentError(f"{what} failed again and again, last: {problem}", _UNREACHABLE)
        log.warning("%s: %s; again in %.0f s", what, problem, pause)
        # Many machines that lost the same server do not come back in the same moment.
        self.sleep(pause * (0.75 + os.urandom(1)[0] / 512))
        return min(pause * 2, _LONGEST_PAUSE)


_PASSING = frozenset(
    {
        http.HTTPStatus.REQUEST_TIMEOUT,
        http.HTTPStatus.TOO_MANY_REQUESTS,
        http.HTTPStatus.INTERNAL_SERVER_ERROR,
        http.HTTPStatus.BAD_GATEWAY,
        http.HTTPStatus.SERVICE_UNAVAILABLE,
        http.HTTPStatus.GATEWAY_TIMEOUT,
    }
)


def _refusal(request: urllib.request.Request, error: urllib.error.HTTPError) -> RefusedError:
    try:
        told = json.loads(error.read(_ANSWER_LIMIT))
    except (OSError, ValueError):
        told = {}
    told = told if isinstance(told, dict) else {}
    reason = str(told.get("error", error.reason))
    remedy = str(told.get("remedy", "Look at the journal of accentos-provisioner.service and apache2.service."))
    return RefusedError(
        error.code, f"{request.get_method()} {request.full_url} was refused ({error.code}): {reason}", remedy
    )
