# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Conversations with a stand-in for cobblerd, over HTTP and HTTPS, with everything that goes wrong on the way."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.adapter import open_cobbler
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.client import (
    Client,
    CobblerError,
    Connection,
    InvalidError,
    LoginError,
    RefusedError,
    UnreachableError,
    is_loopback,
    parse_fault,
)
from ansible_collections.accentos.cloud.tests.unit.plugins.module_utils.cobbler.daemon import (
    PASSWORD,
    USER,
    Daemon,
    Server,
    serving,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Clock:
    """Time that passes only while somebody sleeps; ``at`` is done when that many seconds are over."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[float, Any] = {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [when for when in self.at if when <= self.now]:
            self.at.pop(when)()


def connect(url: str, clock: Clock | None = None, **options: Any) -> Client:
    time = clock or Clock()
    options = {"user": USER, "password": PASSWORD, "timeout": 10.0, **options}
    return Client(Connection(url=url, **options), clock=lambda: time.now, sleep=time.sleep)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<class 'ValueError'>:bad MAC", ("ValueError", "bad MAC")),
        ("<class 'cobbler.cexceptions.CX'>:'invalid token: x'", ("CX", "invalid token: x")),
        ("<class 'cobbler.cexceptions.CX'>:\"try 'edit'\"", ("CX", "try 'edit'")),
        ("no class", ("", "no class")),
        ("", ("", "")),
    ],
)
def test_faults_of_cobblerd(text: str, expected: tuple[str, str]) -> None:
    assert parse_fault(text) == expected


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("x", False)]
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://10.0.0.10:25151"}, "in clear text"),
        ({"url": "ftp://127.0.0.1"}, "is no address"),
        ({"url": "127.0.0.1"}, "is no address"),
        ({"url": "https://u:p@host/"}, "holds a user"),
        ({"url": "http://127.0.0.1", "timeout": 0}, "more than 0"),
        ({"url": "https://127.0.0.1", "ca": "/nowhere"}, "cannot be read as certificates"),
    ],
)
def test_wrong_connections(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        Client(Connection(**options))
    assert "p@" not in str(caught.value)


def test_a_password_is_in_no_text() -> None:
    assert "canary" not in repr(Connection(password=PASSWORD))


def test_reading_needs_no_login_and_writing_one() -> None:
    daemon = Daemon()
    with serving(daemon) as server:
        client = connect(server.url)
        assert client.read("get_items", "system") == []
        assert "login" not in daemon.calls
        for value in ("a", "b"):
            client.write("modify_setting", "server", value)
        assert daemon.calls.count("login") == 1
        client.close()
        client.close()
        assert daemon.tokens == set()


def test_a_login_that_ran_out_is_renewed() -> None:
    daemon = Daemon()
    with serving(daemon) as server:
        client = connect(server.url)
        client.write("modify_setting", "server", "a")
        daemon.tokens.clear()
        client.write("modify_setting", "server", "b")
        assert daemon.settings["server"] == "b"
        daemon.before_call = lambda method: daemon.tokens.clear() if method == "modify_setting" else None
        with pytest.raises(UnreachableError, match="forgets each login") as caught:
            client.write("modify_setting", "server", "c")
        assert "canary" not in str(caught.value)


def test_wrong_users() -> None:
    with serving(Daemon()) as server:
        with pytest.raises(LoginError, match="user: is needed"):
            connect(server.url, user="").login()
        with pytest.raises(LoginError, match="does not let accentos in"):
            connect(server.url, password=PASSWORD[:-1]).login()


def test_cobblerd_comes_up_while_the_client_waits() -> None:
    port = free_port()
    clock = Clock()
    daemon = Daemon()
    ready, done = threading.Event(), threading.Event()

    def serve() -> None:
        with serving(daemon, port):
            ready.set()
            done.wait()

    thread = threading.Thread(target=serve)

    def start() -> None:
        thread.start()
        ready.wait()

    clock.at[3.0] = start
    try:
        assert connect(f"http://127.0.0.1:{port}", clock).read("get_items", "system") == []
    finally:
        done.set()
        thread.join()
    assert clock.now == 3.0


def test_cobblerd_that_does_not_come_up() -> None:
    clock = Clock()
    with pytest.raises(UnreachableError, match=r"does not answer within 10 s: .*refused") as caught:
        connect(f"http://127.0.0.1:{free_port()}", clock).read("get_items", "system")
    assert "systemctl status cobblerd" in caught.value.remedy
    assert clock.now == 10.0


def test_an_end_of_the_login_that_nobody_hears() -> None:
    with serving(Daemon()) as server:
        client = connect(server.url)
        client.login()
    client.close()


def test_a_proxy_before_cobblerd() -> None:
    with serving(Daemon()) as server:
        server.answers += [503, 502]
        assert connect(server.url).read("get_items", "system") == []
        server.answers += [403]
        with pytest.raises(UnreachableError, match="HTTP 403 Forbidden") as caught:
            connect(server.url).read("get_items", "system")
        assert "allow-list" in caught.value.remedy
        server.answers += [404]
        with pytest.raises(UnreachableError, match="HTTP 404"):
            connect(server.url).read("get_items", "system")
        server.answers += [503] * 100
        with pytest.raises(UnreachableError, match="does not answer within 10 s: 503"):
            connect(server.url).read("get_items", "system")


def test_cobblerd_that_takes_a_call_and_is_silent() -> None:
    daemon = Daemon()
    over = threading.Event()

    def wait(method: str) -> None:
        over.wait(5)

    daemon.before_call = wait
    with serving(daemon) as server:
        with pytest.raises(UnreachableError, match=r"took a call of get_items and did not answer within 0\.1 s"):
            connect(server.url, timeout=0.1).read("get_items", "system")
        over.set()


def test_something_else_that_answers() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        peer, _address = listener.accept()
        with peer:
            peer.recv(65536)
            body = b"<html>hello"
            peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with listener, pytest.raises(UnreachableError, match="is not Cobbler"):
        connect(f"http://127.0.0.1:{listener.getsockname()[1]}").read("get_items", "system")


def test_faults_are_told_and_not_repeated() -> None:
    daemon = Daemon()
    with serving(daemon) as server:
        daemon.faults["get_items"] = ["broken"]
        with pytest.raises(RefusedError, match="Cobbler refuses: broken") as caught:
            connect(server.url).read("get_items", "system")
        assert caught.value.kind == "CobblerdError"
        assert daemon.calls == ["get_items"]


def test_versions() -> None:
    daemon = Daemon()
    with serving(daemon) as server:
        assert open_cobbler(connect(server.url)).objects("system") == {}
        daemon.version = [3, 3, 6]
        with pytest.raises(UnreachableError, match=r"Cobbler 3\.3\.6 is not supported"):
            open_cobbler(connect(server.url))


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Make a self-signed certificate for NAMES and return its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(one)) for one in names]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / "test.crt", folder / "test.key"
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return crt, pem


def over_tls(server: Server, crt: Path, key: Path) -> str:
    """Let SERVER speak TLS and return its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server.url.replace("http:", "https:")


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2"])
def test_certificates(tmp_path: Path, name: str) -> None:
    crt, key = certificate(tmp_path, name)
    daemon = Daemon()
    with serving(daemon) as server:
        url = over_tls(server, crt, key)
        with pytest.raises(UnreachableError, match=r"certificate of https://.* is not accepted") as caught:
            connect(url).read("get_items", "system")
        assert "option ca" in caught.value.remedy
        assert connect(url, verify=False).read("get_items", "system") == []
        if name == "127.0.0.1":
            client = connect(url, ca=str(crt))
            client.write("modify_setting", "server", "x")
            client.close()
        else:
            with pytest.raises(CobblerError, match="not accepted"):
                connect(url, ca=str(crt)).read("get_items", "system")
    assert daemon.tokens == set()
