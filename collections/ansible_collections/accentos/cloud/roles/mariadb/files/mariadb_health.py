# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells load balancers over HTTPS whether the database server of this host works: 200 if it does, 503 if not.

A server of a cluster that lost the quorum, or that is still taking its data, accepts connections and refuses every
statement. So the server itself is asked, with a statement, over its socket.
"""

from __future__ import annotations

import argparse
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pymysql

SOCKET = "/run/mysqld/mysqld.sock"
# Seconds for an answer of the server, and for all that a client says.
_PATIENCE = 3
_FULL = 1040
_SYNCED, _DONOR = "4", "2"
# All that a server answers without the quorum, too.
_QUESTIONS = (
    "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'",
    (
        "SHOW GLOBAL STATUS WHERE Variable_name IN "
        "('wsrep_cluster_status', 'wsrep_local_state', 'wsrep_local_state_comment', 'wsrep_ready')"
    ),
)


def judge(status: Mapping[str, str]) -> tuple[bool, str]:
    """Tell from variables of wsrep whether a server works, and what it is.

    One that hands its data to another goes on working meanwhile: the copy is taken without a lock.
    """
    if status.get("wsrep_on", "OFF") == "OFF":
        return True, "in no cluster"
    if status.get("wsrep_cluster_status") != "Primary":
        return False, "without the quorum of its cluster"
    works = status.get("wsrep_ready") == "ON" and status.get("wsrep_local_state") in (_SYNCED, _DONOR)
    return works, status.get("wsrep_local_state_comment") or "not ready"


def ask(path: str) -> tuple[bool, str]:
    """Ask the server at a socket whether it works."""
    try:
        with (
            pymysql.connect(
                unix_socket=path, user="mysql", connect_timeout=_PATIENCE, read_timeout=_PATIENCE
            ) as connection,
            connection.cursor() as cursor,
        ):
            found: dict[str, str] = {}
            for question in _QUESTIONS:
                cursor.execute(question)
                found.update(cursor.fetchall())
            return judge(found)
    except (pymysql.MySQLError, RuntimeError) as error:
        # One that is full is at work; to cut its clients off would only bring them to the next one.
        code = error.args[0] if error.args else 0
        return code == _FULL, str(error.args[-1] if error.args else error)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = _PATIENCE

    def __init__(self, *arguments: object, path: str, **others: object) -> None:
        self._path = path
        super().__init__(*arguments, **others)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer whether the server works, and why not, in one line."""
        works, told = ask(self._path)
        body = f"{told}\n".encode()
        self.send_response(HTTPStatus.OK if works else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: load balancers ask all the time."""


class Server(ThreadingHTTPServer):
    """Answers each client in a thread of its own, which also does the handshake: a slow one holds nobody up."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, path: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, partial(Handler, path=path))
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_arguments: object) -> None:
        """Say nothing of clients that go away."""


def main() -> None:
    """Answer until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("certificate", type=Path, help="its key stands beside it")
    arguments = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(arguments.certificate, arguments.certificate.with_suffix(".key"))
    Server((arguments.address, arguments.port), context, SOCKET).serve_forever()


if __name__ == "__main__":
    main()
