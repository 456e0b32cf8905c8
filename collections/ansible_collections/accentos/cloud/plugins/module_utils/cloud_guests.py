# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reaches guests of a cloud from the host that this runs on: ping, SSH, and their consoles through the proxy."""

from __future__ import annotations

import base64
import http.client
import os
import shlex
import shutil
import ssl
import subprocess
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

_CONNECT = 10
_GREETING = b"RFB "


class GuestError(Exception):
    """A guest is not reached. The argument says why."""


def call(argv: Sequence[str], timeout: float, text: str = "") -> tuple[int, str]:
    """Run a program and return its exit code and what it printed; 124 if it did not end in TIMEOUT seconds."""
    try:
        done = subprocess.run(  # noqa: S603 (programs and their arguments are ours)
            argv,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no end after {timeout:.0f} s"
    except OSError as error:
        raise GuestError(f"{argv[0]} does not start: {error.strerror}") from error
    return done.returncode, done.stdout


class Pinging:
    """Echo requests to an address, five a second, until they are stopped."""

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 (the address comes from the network service)
            ["ping", "-n", "-q", "-i", "0.2", address],  # noqa: S607 (found like any program of the host)
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def stop(self) -> str:
        """End it and return what it said."""
        # Ping sums up when it is interrupted.
        self._process.send_signal(2)
        return self._process.communicate()[0]


class Keys:
    """A key pair and the keys of known guests, in a folder of their own that only root reads."""

    def __init__(self, folder: Path) -> None:
        """Make the folder anew, with whatever a killed run left in it removed. Raises GuestError."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self.folder = folder
        self._private, self._known = folder / "key", folder / "known_hosts"
        code, said = call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self._private)], 30)
        if code:
            raise GuestError(f"ssh-keygen makes no key: {said.strip()}")
        self.public = self._private.with_suffix(".pub").read_text(encoding="utf-8").strip()

    def know(self, address: str, host_key: str) -> None:
        """Expect that the guest at ADDRESS has HOST_KEY."""
        with self._known.open("a", encoding="utf-8") as known:
            known.write(f"{address} {host_key}\n")

    def _options(self) -> list[str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": _CONNECT,
            "ControlPath": "none",
            "GlobalKnownHostsFile": "none",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self._known,
        }
        return [
            "-F",
            "none",
            "-i",
            str(self._private),
            *(part for name, value in options.items() for part in ("-o", f"{name}={value}")),
        ]

    def run(self, address: str, command: str, *, through: str = "", timeout: float = 60) -> str:
        """Run a command of the shell on the guest at ADDRESS, by way of the one at THROUGH, and return what it printed.

        Raises GuestError.
        """
        way = []
        if through:
            hop = shlex.join(["ssh", *self._options(), "-W", "%h:%p", f"root@{through}"])
            way = ["-o", f"ProxyCommand={hop}"]
        code, said = call(["ssh", *self._options(), *way, f"root@{address}", command], timeout)
        if code:
            raise GuestError(f"{command!r} on {address} ends with {code}: {said.strip()[-300:]}")
        return said


def greet_console(url: str, ca_file: str | None) -> str:
    """Open the console at URL as a browser does, and return the greeting of the screen behind it. Raises GuestError.

    The certificate of the proxy is verified. The page is fetched, then the connection that its program makes is made.
    """
    parts = urllib.parse.urlsplit(url)
    inner = urllib.parse.parse_qs(parts.query).get("path", [""])[0]
    if parts.scheme != "https" or not parts.hostname or "token=" not in inner:
        raise GuestError(f"{url.partition('?')[0]} is no address of a console over HTTPS")
    try:
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=_CONNECT, context=context)
        connection.request("GET", parts.path)
        status = connection.getresponse().status
        connection.close()
        if status != http.client.OK:
            raise GuestError(f"the page of the console answers with {status}")
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=_CONNECT, context=context)
        connection.request(
            "GET",
            f"/{inner.lstrip('/')}",
            headers={
                "Connection": "Upgrade",
                "Origin": f"https://{parts.netloc}",
                "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
                "Sec-WebSocket-Protocol": "binary",
                "Sec-WebSocket-Version": "13",
                "Upgrade": "websocket",
            },
        )
        # The library takes what follows the header of such an answer for nothing, so it is read from below.
        return _first_message(connection)
    except (OSError, http.client.HTTPException) as error:
        raise GuestError(f"the console does not answer: {error}") from error


def _first_message(connection: http.client.HTTPSConnection) -> str:
    """Return the first message on a connection that asked for an upgrade."""
    with connection.sock.makefile("rb") as stream:
        status = stream.readline().decode("latin-1").strip()
        if " 101 " not in f"{status} ":
            raise GuestError(f"the proxy of the console refuses: {status}")
        while stream.readline().strip():
            pass
        _first, length = stream.read(2)
        message = stream.read(length & 0x7F)
    connection.close()
    if not message.startswith(_GREETING):
        raise GuestError(f"the console greets with {message[:20]!r}")
    return message.decode("latin-1").strip()
