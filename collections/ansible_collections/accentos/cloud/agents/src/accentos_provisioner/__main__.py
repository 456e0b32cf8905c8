# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python3 -m accentos_provisioner CONFIGURATION``: runs the service until it gets SIGTERM.

CONFIGURATION is a JSON file. The key of the certificate and Cobbler's password are systemd credentials of the unit
(tls_key and cobbler_password below $CREDENTIALS_DIRECTORY).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from .cobbler import Cobbler
from .errors import ServiceError
from .server import admin_application, public_application
from .service import Limiter, Provisioner

log = logging.getLogger("accentos_provisioner")

FAILED = 1
# A machine sends about fifteen requests in its installation, and one in a minute while it waits in quarantine.
BURST, RATE = 60.0, 1.0
_BACKLOG = 512
_EXPIRY_INTERVAL = 30.0


@dataclass(frozen=True)
class Configuration:
    """Where the service listens and what it uses; ``port`` 0 takes a free one."""

    address: str
    port: int
    certificate: Path
    key: Path
    state: Path
    socket: Path
    cobbler_url: str
    cobbler_user: str
    cobbler_password: str


def read_configuration(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Return the configuration in the file PATH. Raises ServiceError."""
    try:
        credentials = Path(environment["CREDENTIALS_DIRECTORY"])
        values = json.loads(path.read_text(encoding="utf-8"))
        return Configuration(
            address=values["address"],
            port=values["port"],
            certificate=Path(values["certificate"]),
            key=credentials / "tls_key",
            state=Path(values["state"]),
            socket=Path(values["socket"]),
            cobbler_url=values["cobbler_url"],
            cobbler_user=values["cobbler_user"],
            cobbler_password=(credentials / "cobbler_password").read_text(encoding="utf-8").strip(),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServiceError(
            500, f"{path} cannot be used: {type(error).__name__}: {error}", "Run the role provisioner again."
        ) from error


def tls(configuration: Configuration) -> ssl.SSLContext:
    """Return the server's TLS settings: version 1.3 only. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(configuration.certificate, configuration.key)
    return context


def tell_systemd(state: str, environment: Mapping[str, str]) -> None:
    """Tell systemd, if it started the service, of its STATE (sd_notify)."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            notify.send(state.encode())


async def expire_tokens(service: Provisioner, interval: float = _EXPIRY_INTERVAL) -> None:
    """Disarm hosts whose token has expired, again and again."""
    while True:
        await service.expire()
        await asyncio.sleep(interval)


async def serve(configuration: Configuration, environment: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. Raises ServiceError and OSError when it cannot start."""
    cobbler = Cobbler(configuration.cobbler_url, configuration.cobbler_user, configuration.cobbler_password)
    service = Provisioner(configuration.state, cobbler)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    public = web.AppRunner(public_application(service, Limiter(BURST, RATE)), access_log=None, keepalive_timeout=15)
    admin = web.AppRunner(admin_application(service), access_log=None)
    try:
        await public.setup()
        await admin.setup()
        configuration.socket.unlink(missing_ok=True)
        # Nobody but the service and root opens the socket, not even between its making and a chmod.
        mask = os.umask(0o177)
        try:
            await web.UnixSite(admin, configuration.socket).start()
        finally:
            os.umask(mask)
        site = web.TCPSite(
            public, configuration.address, configuration.port, ssl_context=tls(configuration), backlog=_BACKLOG
        )
        await site.start()
        log.info("listening on %s", ", ".join(f"{name[0]} port {name[1]}" for name in public.addresses))
        expiry = asyncio.create_task(expire_tokens(service))
        tell_systemd("READY=1", environment)
        await stop.wait()
        tell_systemd("STOPPING=1", environment)
        expiry.cancel()
    finally:
        await public.cleanup()
        await admin.cleanup()
        with contextlib.suppress(OSError):
            configuration.socket.unlink(missing_ok=True)


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run the service and return its exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        asyncio.run(serve(read_configuration(Path(arguments[0]), environment), environment))
    except ServiceError as error:
        log.error("%s Remedy: %s", error, error.remedy)
        return FAILED
    except OSError as error:
        log.error("the service cannot start: %s", error)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
