# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A proxy before a server of the tests that takes requests over TLS and, as told, loses, delays or refuses them."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

from .tls_server import TlsHandler, TlsServer

Fault = Callable[["_Handler"], None]
_HOP = ("connection", "keep-alive", "transfer-encoding", "host", "date", "server")


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request that arrived: when, on the monotonic clock, and what for."""

    at: float
    method: str
    path: str


class FaultProxy(socketserver.ThreadingTCPServer):
    """Has a port of its own before BACKEND, which gives it for its own, and notes all requests in ``asked``.

    Without ``listening`` connections are refused; without ``handshakes`` they are accepted and TLS never begins.
    """

    daemon_threads = True
    # Those that are kept waiting are not waited for.
    block_on_close = False

    def __init__(self, backend: TlsServer, *, listening: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.server_bind()
        if listening:
            self.server_activate()
        self.backend = backend
        self.asked: list[Asked] = []
        self.connections = 0
        self.handshakes = True
        # Seconds for which what follows the head of a request is left where it is.
        self.reading_after = 0.0
        self.done = threading.Event()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(backend.certificate, backend.certificate.with_name("key"))
        self._real_url, backend.url = backend.url, self.url  # type: ignore[method-assign]
        self._faults: list[tuple[str, str, Fault, float]] = []

    def url(self, path: str) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}{path}"

    def break_down(self, method: str, path: str, fault: Fault, times: float = float("inf")) -> None:
        """Let so many requests of METHOD whose path ends in PATH meet a fault."""
        self._faults.append((method, path, fault, times))

    def fault(self, method: str, path: str) -> Fault | None:
        """Return the fault that a request meets."""
        for place, (of, end, fault, times) in enumerate(self._faults):
            if (of, times > 0) == (method, True) and path.partition("?")[0].endswith(end):
                self._faults[place] = (of, end, fault, times - 1)
                return fault
        return None

    def at(self, method: str, path: str) -> list[float]:
        """Return when requests of METHOD came whose path ends in PATH."""
        return [one.at for one in self.asked if one.method == method and one.path.partition("?")[0].endswith(path)]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that gave up."""


class _Handler(TlsHandler):
    server: FaultProxy
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def setup(self) -> None:
        self.server.connections += 1
        if self.server.handshakes:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        BaseHTTPRequestHandler.setup(self)

    def handle(self) -> None:
        if self.server.handshakes:
            super().handle()
        else:
            self.server.done.wait()

    def handle_one(self, method: str) -> None:
        self.server.asked.append(Asked(time.monotonic(), method, self.path))
        time.sleep(self.server.reading_after)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(method, self.path)
        if fault:
            fault(self)
        else:
            self.write(*self.forward())

    def forward(self) -> tuple[int, dict[str, str], bytes]:
        """Have the request done, and return status, header and body of the answer."""
        context = ssl.create_default_context(cafile=str(self.server.backend.certificate))
        connection = http.client.HTTPSConnection(*self.server.backend.server_address[:2], context=context)  # type: ignore[arg-type]
        with contextlib.closing(connection):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, self.body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return answer.status, kept, answer.read()

    def write(self, status: int, headers: dict[str, str], body: bytes, end: int | None = None) -> None:
        """Write an answer, its body up to END only."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:end])


def status(code: int, **headers: str) -> Fault:
    """Answer with a code, as who has not done it."""
    return lambda handler: handler.write(
        code, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}"
    )


def silence(handler: _Handler) -> None:
    """Have it done and never answer, with the connection open."""
    handler.forward()
    handler.server.done.wait()


def hang_up(handler: _Handler) -> None:
    """Have it done, and end the connection without an answer."""
    handler.forward()
    handler.close_connection = True


def half_an_answer(handler: _Handler) -> None:
    """Have it done, and end the connection in the midst of the answer."""
    code, headers, body = handler.forward()
    handler.write(code, headers, body, len(body) // 2)
    handler.close_connection = True


@contextlib.contextmanager
def proxied(backend: TlsServer, *, listening: bool = True) -> Iterator[FaultProxy]:
    """Have a proxy before a server meanwhile."""
    proxy = FaultProxy(backend, listening=listening)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.done.set()
        proxy.shutdown()
        proxy.server_close()
