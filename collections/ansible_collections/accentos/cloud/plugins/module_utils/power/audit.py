# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lets strangers into a management controller: asked as a stranger would, without a password."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    AccessDeniedError,
    Connection,
    PowerError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import Result, open_driver

CRITICAL, WARNING = "critical", "warning"
# User and password as they leave the factory.
DEFAULTS = {
    "ipmi": (("ADMIN", "ADMIN"), ("root", "calvin"), ("USERID", "PASSW0RD"), ("admin", "admin"), ("root", "root")),
    "redfish": (
        ("ADMIN", "ADMIN"),
        ("root", "calvin"),
        ("USERID", "PASSW0RD"),
        ("admin", "admin"),
        ("root", "0penBmc"),
    ),
    "amt": (("admin", "admin"), ("admin", "P@ssw0rd")),
}
_PORT = 623
_TRIES = 3
_GET_CAPABILITIES, _GET_SUITES = 0x38, 0x54
# Numbers of suites by what they lack (IPMI 2.0, table 22-20).
_NO_AUTHENTICATION = {0}
_NO_ENCRYPTION = {1, 2, 6, 7, 11, 15, 16}
_MD5_OR_RC4 = {4, 5, 8, 9, 10, 12, 13, 14, 18, 19}
_LEAST_PASSWORD = 16
_LIST_BLOCK = 16
# Payload type of a request to open a session, and where the status is in the packet that answers it.
_OPEN_SESSION, _STATUS = 0x10, 17
_MOST_BLOCKS = 0x3F


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A weakness and what to do about it."""

    severity: str
    problem: str
    remedy: str


def audited(connection: Connection, job: Callable[[], Result], *, default_passwords: bool) -> Result:
    """Return the result of JOB with the findings about the controller."""
    result = job()
    findings = list(weaknesses(connection))
    if connection.driver == "ipmi":
        findings += judge_password(connection.password)
    if default_passwords:
        findings += factory_logins(connection)
    findings += [
        Finding(WARNING, warning, "Mend the controller, or the connection in host_bmc.")
        for warning in result.get("warnings", ())
    ]
    return {**result, "findings": [dataclasses.asdict(finding) for finding in findings]}


def weaknesses(connection: Connection) -> Iterable[Finding]:
    """Give what a stranger can see."""
    if connection.driver != "ipmi":
        return
    try:
        with _Asker(connection) as asker:
            yield from judge_capabilities(asker.ask(_GET_CAPABILITIES, (0x8E, 4)))
            yield from judge_suites(offered(parse_suites(asker.suites()), opens=asker.opens_without_password()))
    except OSError as error:
        yield Finding(
            WARNING,
            f"the controller does not tell how it can be entered: {error}",
            "Look at the address and whether IPMI over LAN is on.",
        )


def judge_capabilities(data: Sequence[int]) -> Iterable[Finding]:
    """Give what is wrong by the answer to Get Channel Authentication Capabilities (IPMI 2.0, table 22-15)."""
    kinds, status = data[1], data[2]
    if status & 0b001:
        yield Finding(CRITICAL, "the controller lets in whoever gives neither name nor password", _DISABLE_ANONYMOUS)
    if status & 0b010:
        yield Finding(CRITICAL, "the controller has a user without a name", _DISABLE_ANONYMOUS)
    if kinds & 0b00010001:
        yield Finding(
            CRITICAL,
            "the controller takes IPMI 1.5 with no password or one in plain text",
            "Turn the authentication types NONE and PASSWORD off on the LAN channel.",
        )
    if kinds & 0b00000110:
        yield Finding(
            WARNING, "the controller takes IPMI 1.5, which encrypts nothing", "Turn IPMI 1.5 off on the LAN channel."
        )


def judge_password(password: str) -> Iterable[Finding]:
    """Give what is wrong with a password whose hash every controller hands to whoever asks (CVE-2013-4786)."""
    if len(password) < _LEAST_PASSWORD:
        yield Finding(
            WARNING,
            f"the password has fewer than {_LEAST_PASSWORD} characters, and IPMI hands a hash of it to anybody",
            "Set one of 20 random characters and store it with tools/set-secret, or use Redfish and turn IPMI off.",
        )


_DISABLE_ANONYMOUS = "Disable user 1 of the controller, or give it a name and a password of 20 random characters."


def judge_suites(suites: Iterable[int]) -> Iterable[Finding]:
    """Give what is wrong with the cipher suites that a controller offers."""
    offered = set(suites)
    if offered & _NO_AUTHENTICATION:
        yield Finding(
            CRITICAL,
            "the controller offers cipher suite 0: any password opens it",
            "Turn cipher suite 0 off; with ipmitool: lan set <channel> cipher_privs, an X in its place.",
        )
    for weak, lack in ((_NO_ENCRYPTION, "encrypt nothing"), (_MD5_OR_RC4, "use MD5 or RC4")):
        if offered & weak:
            numbers = ", ".join(str(number) for number in sorted(offered & weak))
            yield Finding(
                WARNING, f"the controller offers cipher suites that {lack}: {numbers}", "Turn off all but 17, or 3."
            )
    if offered and 17 not in offered:  # noqa: PLR2004 - the number of the suite
        yield Finding(WARNING, "the controller does not offer cipher suite 17", "Update its firmware, or use Redfish.")


def offered(listed: Iterable[int], *, opens: bool | None) -> set[int]:
    """Return the suites that count of those LISTED. OPENS: whether suite 0 was accepted; None if it was not told.

    Many controllers list every suite that they know, whatever they were told to accept.
    """
    suites = set(listed)
    if opens is None:
        return suites
    return suites | _NO_AUTHENTICATION if opens else suites - _NO_AUTHENTICATION


def parse_suites(records: bytes) -> list[int]:
    """Return the numbers of the suites in the RECORDS of Get Channel Cipher Suites (IPMI 2.0, table 22-19)."""
    found = []
    place = 0
    while place + 1 < len(records):
        start = records[place]
        if start == 0xC0:  # noqa: PLR2004 - start of a record of a standard suite
            found.append(records[place + 1])
            place += 2
        elif start == 0xC1:  # noqa: PLR2004 - start of a record of a maker's own
            place += 5
        else:
            place += 1
    return found


def factory_logins(connection: Connection) -> list[Finding]:
    """Try the passwords of the factory and return those that open the controller."""
    found = []
    for user, password in DEFAULTS.get(connection.driver, ()):
        driver = open_driver(dataclasses.replace(connection, user=user, password=password))
        try:
            driver.power_state()
        except AccessDeniedError:
            continue
        except PowerError:
            # Some controllers leave an unknown user without an answer.
            continue
        finally:
            driver.close()
        # The password is a public one and still not shown: it is the one in use.
        found.append(
            Finding(
                CRITICAL,
                f"the user {user} still has the password of the factory",
                "Set a password of 20 random characters and store it with tools/set-secret.",
            )
        )
    return found


class _Asker:
    """Asks questions of IPMI that need no session. Raises OSError when there is no answer."""

    def __init__(self, connection: Connection) -> None:
        self._address: Any
        family, kind, protocol, _name, self._address = socket.getaddrinfo(
            connection.address, connection.port or _PORT, type=socket.SOCK_DGRAM
        )[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.settimeout(connection.answer_timeout / _TRIES)
        self._sequence = 0

    def __enter__(self) -> _Asker:
        return self

    def __exit__(self, *_error: Any) -> None:
        self._socket.close()

    def suites(self) -> bytes:
        """Return the records of all cipher suites."""
        records = b""
        for block in range(_MOST_BLOCKS):
            part = bytes(self.ask(_GET_SUITES, (0x0E, 0, 0x80 | block))[1:])
            records += part
            if len(part) < _LIST_BLOCK:
                break
        return records

    def opens_without_password(self) -> bool | None:
        """Tell whether a session with cipher suite 0 may be begun; None if there is no answer."""
        # Open Session Request (IPMI 2.0, 13.17): a tag, the highest privilege there is, any session id, no algorithms.
        body = bytes([1, 0, 0, 0, *b"A-05"])
        for kind in range(3):
            body += bytes([kind, 0, 0, 8, 0, 0, 0, 0])
        packet = bytes([6, 0, 0xFF, 7, 6, _OPEN_SESSION]) + bytes(8) + len(body).to_bytes(2, "little") + body
        for _try in range(_TRIES):
            self._socket.sendto(packet, self._address)
            try:
                answer = self._socket.recv(1024)
            except TimeoutError:
                continue
            if len(answer) > _STATUS and answer[4] == 6 and answer[5] == _OPEN_SESSION + 1:  # noqa: PLR2004 - RMCP+
                return answer[_STATUS] == 0
        return None

    def ask(self, command: int, data: Sequence[int]) -> Sequence[int]:
        """Return the data of the answer to an application COMMAND, without its completion code."""
        self._sequence = (self._sequence + 1) % 0x40
        head = bytes([0x20, 6 << 2])
        body = bytes([0x81, self._sequence << 2, command, *data])
        message = head + bytes([_checksum(head)]) + body + bytes([_checksum(body)])
        packet = bytes([6, 0, 0xFF, 7]) + bytes(9) + bytes([len(message)]) + message
        for _try in range(_TRIES):
            self._socket.sendto(packet, self._address)
            try:
                answer = self._socket.recv(1024)
            except TimeoutError:
                continue
            # 14 bytes of RMCP and session, then addresses, sequence and command.
            if len(answer) > 22 and answer[4] == 0 and answer[19] == command:  # noqa: PLR2004 - its least length
                code = answer[20]
                if code:
                    raise OSError(f"completion code {code:#04x}")
                return answer[21:-1]
        raise OSError("no answer")


def _checksum(data: bytes) -> int:
    return -sum(data) & 0xFF
