# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client against a real HTTPS server that answers from a script."""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from accentos_ramdisk.client import CHUNK, Client, RefusedError, settle_clock, trust
from accentos_ramdisk.enrolment import enrol
from accentos_ramdisk.errors import AgentError

from tests.agents.tls import Pki, make_pki


class Server:
    """Gives its scripted answers in order and notes what was asked."""

    def __init__(self, pki: Pki) -> None:
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.asked: list[tuple[str, str, bytes, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                told = self.headers.get("Authorization") or self.headers.get("Range") or ""
                outer.asked.append((self.command, self.path, body, told))
                status, content, headers = outer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815  the name is http.server's

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = pki.server().wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def will(self, status: int, content: object = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answers.append((status, data, {name.replace("_", "-"): value for name, value in headers.items()}))

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(pki: Pki) -> Iterator[Server]:
    made = Server(pki)
    yield made
    made.stop()


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(server: Server, pki: Pki, clock: Clock) -> Client:
    return Client(server.address, trust(pki.authority), 60.0, clock.sleep, lambda: clock.now)


def test_an_answer(server: Server, client: Client) -> None:
    server.will(200, {"a": 1})
    server.will(200, {"b": 2})
    assert client.post("/v1/x", {"q": 1}) == {"a": 1}
    assert client.get("/v1/y", "s3") == {"b": 2}
    assert server.asked == [("POST", "/v1/x", b'{"q": 1}', ""), ("GET", "/v1/y", b"", "Bearer s3")]


def test_a_refusal_is_final_and_brings_the_remedy(server: Server, client: Client, clock: Clock) -> None:
    server.will(403, {"error": "the token was used", "remedy": "Arm the host again."})
    with pytest.raises(RefusedError, match=r"refused \(403\): the token was used") as caught:
        client.post("/v1/x", {})
    assert (caught.value.status, caught.value.remedy, clock.pauses) == (403, "Arm the host again.", [])


@pytest.mark.parametrize("body", [b"<html>", [1]])
def test_a_refusal_without_words(server: Server, client: Client, body: object) -> None:
    server.will(404, body)
    with pytest.raises(RefusedError, match="Not Found"):
        client.post("/v1/x", {})


def test_an_overloaded_service_is_asked_again_with_growing_pauses(server: Server, client: Client, clock: Clock) -> None:
    for status in (503, 429, 500, 502, 504, 503):
        server.will(status)
    server.will(200, b"no json")
    server.will(200, {})
    assert client.post("/v1/x", {}, patience=90.0) == {}
    assert len(clock.pauses) == 7
    assert all(
        0.75 * wanted <= pause <= 1.25 * wanted
        for pause, wanted in zip(clock.pauses, [1, 2, 4, 8, 15, 15, 15], strict=True)
    )


def test_patience_ends(server: Server, client: Client, clock: Clock) -> None:
    server.stop()
    with pytest.raises(AgentError, match=r"failed again and again, last: .*refused") as caught:
        client.post("/v1/x", {}, patience=20.0)
    assert "accentos-provisioner.service" in caught.value.remedy
    assert 5.0 < clock.now <= 20.0


def test_an_answer_that_is_no_object_is_refused(server: Server, client: Client) -> None:
    server.will(200, [])
    with pytest.raises(RefusedError, match="something else than an object"):
        client.post("/v1/x", {})


def test_a_redirect_is_not_followed(server: Server, client: Client) -> None:
    server.will(302, b"", Location=f"{server.address}/elsewhere")
    with pytest.raises(RefusedError, match="302"):
        client.get("/v1/x", "s")
    assert len(server.asked) == 1


def test_another_authority_is_not_trusted(server: Server, clock: Clock, tmp_path: Path) -> None:
    stranger = Client(server.address, trust(make_pki(tmp_path).authority), 0.5, clock.sleep, lambda: clock.now)
    with pytest.raises(AgentError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.post("/v1/x", {})
    assert server.asked == []


def test_a_missing_authority_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="cannot be read"):
        trust(tmp_path / "ca.crt")


def test_a_download(server: Server, client: Client) -> None:
    data = os.urandom(CHUNK + 100)
    server.will(200, data)
    assert b"".join(client.download(f"{server.address}/i", len(data))) == data


def test_a_dropped_download_goes_on_where_it_ended(server: Server, client: Client) -> None:
    data = os.urandom(1000)
    server.will(503)
    server.will(200, data[:300])
    server.will(206, data[300:500], Content_Length="700")
    server.will(206, data[500:])
    assert b"".join(client.download(f"{server.address}/i", 1000)) == data
    assert [told for *_rest, told in server.asked] == ["", "", "bytes=300-", "bytes=500-"]


def test_a_server_that_starts_anew_is_refused(server: Server, client: Client) -> None:
    server.will(200, b"a" * 10)
    server.will(200, b"a" * 100)
    with pytest.raises(RefusedError, match="cannot be continued at byte 10"):
        list(client.download(f"{server.address}/i", 100))


def test_a_missing_image_is_final(server: Server, client: Client) -> None:
    server.will(404)
    with pytest.raises(RefusedError, match="404"):
        list(client.download(f"{server.address}/i", 100))


def test_an_empty_battery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = tmp_path / "ca.crt"
    authority.touch()
    assert not settle_clock(authority)
    ahead = time.time() + 1e6
    os.utime(authority, (ahead, ahead))
    set_to: list[float] = []
    monkeypatch.setattr(time, "clock_settime", lambda _clock, value: set_to.append(value))
    assert settle_clock(authority)
    assert set_to == [pytest.approx(ahead)]


def test_enrolment_waits_for_approval(server: Server, client: Client, clock: Clock) -> None:
    server.will(202, {"id": "e1", "secret": "s1"})
    server.will(200, {"state": "pending"})
    server.will(403, {})
    server.will(202, {"id": "e2", "secret": "s2"})
    server.will(200, {"state": "approved"})
    server.will(200, {"state": "approved", "token": "t" * 40})
    assert enrol(client, {"version": 1}, clock.sleep) == "t" * 40
    assert [path for _method, path, _body, _told in server.asked] == [
        "/v1/enrolments",
        "/v1/enrolments/e1",
        "/v1/enrolments/e1",
        "/v1/enrolments",
        "/v1/enrolments/e2",
        "/v1/enrolments/e2",
    ]
    assert json.loads(server.asked[0][2]) == {"inventory": {"version": 1}}
    assert clock.pauses == [5.0, 7.5, 5.0, 7.5]


@pytest.mark.parametrize(
    ("status", "answer", "message"), [(200, {"state": "rejected"}, "was rejected"), (400, {}, "400")]
)
def test_enrolment_ends(
    server: Server, client: Client, clock: Clock, status: int, answer: object, message: str
) -> None:
    server.will(202, {"id": "e1", "secret": "s1"})
    server.will(status, answer)
    with pytest.raises(AgentError, match=message):
        enrol(client, {}, clock.sleep)


def test_enrolment_outlasts_a_service_that_is_away(server: Server, client: Client, clock: Clock) -> None:
    server.will(202, {"id": "e1", "secret": "s1"})
    for _number in range(12):
        server.will(503)
    server.will(200, {"state": "approved", "token": "x"})
    assert enrol(client, {}, clock.sleep) == "x"


def test_only_the_newest_tls_is_spoken(pki: Pki) -> None:
    assert trust(pki.authority).minimum_version == ssl.TLSVersion.TLSv1_3
