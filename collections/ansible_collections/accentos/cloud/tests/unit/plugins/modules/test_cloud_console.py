# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The console of a guest, opened through a proxy that speaks WebSocket over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_guests import GuestError, call, greet_console

from .tls_server import TlsHandler, TlsServer, serving

GREETING = b"RFB 003.008\n"


class Proxy(TlsServer):
    """Answers for the page with ``page``, and for the connection behind it with ``code`` and ``greeting``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Handler)
        self.page, self.code, self.greeting = 200, 101, GREETING


class Handler(TlsHandler):
    server: Proxy

    def handle_one(self, _method: str) -> None:
        if "Upgrade" not in self.headers:
            self.send_response(self.server.page)
            self.end_headers()
            return
        assert self.path == "/?token=secret"
        self.send_response(self.server.code)
        self.end_headers()
        # One unmasked frame with bytes, as a server sends it.
        self.wfile.write(bytes([0x82, len(self.server.greeting)]) + self.server.greeting)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy(tmp_path)
    with serving(made):
        yield made


def greet(proxy: Proxy) -> str:
    return greet_console(proxy.url("/vnc_auto.html?path=%3Ftoken%3Dsecret"), str(proxy.certificate))


def test_the_screen_behind_the_proxy_greets(proxy: Proxy) -> None:
    assert greet(proxy) == "RFB 003.008"


def test_what_is_wrong_with_a_console_is_told(proxy: Proxy, tmp_path: Path) -> None:
    proxy.greeting = b"what?"
    with pytest.raises(GuestError, match="greets with b'what"):
        greet(proxy)
    proxy.code = 403
    with pytest.raises(GuestError, match=r"refuses: HTTP/1\.0 403"):
        greet(proxy)
    proxy.page = 404
    with pytest.raises(GuestError, match="answers with 404"):
        greet(proxy)
    with pytest.raises(GuestError, match="certificate verify failed"):
        greet_console(proxy.url("/vnc_auto.html?path=%3Ftoken%3Dsecret"), None)
    with pytest.raises(GuestError, match=r"http://127.0.0.1/x is no address of a console"):
        greet_console("http://127.0.0.1/x?path=%3Ftoken%3Dsecret", None)


def test_programs_that_hang_or_are_not_there_are_told() -> None:
    assert call(["sleep", "30"], 0.1) == (124, "no end after 0 s")
    with pytest.raises(GuestError, match="does not start: No such file"):
        call(["/nonexistent"], 1)
