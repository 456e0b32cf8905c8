# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pyghmi's own controller with one machine, and faults: ipmi_server.py PORT FOLDER USER PASSWORD-FILE.

The faults are read anew for each command, from FOLDER/faults.json:
  suites      the cipher suites that are offered, [3] by default; pyghmi's own server knows 3 only
  other       the controller agrees to suites that nobody proposed: "none" (cipher 0) or "swap" (SHA-1 unasked)
  ignore      so many commands are accepted and not carried out
  says        the power state that is shown whatever it is; says_times: only so often
  mute        nothing is answered any more; mute_times: only to so many commands
  present     a command to the present state gets completion code D5h
  short       the answers have less data than they should
  old         the controller claims to know IPMI 1.5 only
  code        the completion code that every command gets
  slow        seconds that each answer takes
  stop        nothing is answered any more after so many writes of what lets people in
  deaf        writes of these kinds are accepted and not carried out: access, name, password, parameter
  read_only   these LAN parameters cannot be written
  truncate    so many characters of a password are kept
  shut        nobody gets in any more once a cipher suite was turned off

Who is let in is FOLDER/accounts.json, if it is there; see `doors`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

from pyghmi.ipmi import bmc
from pyghmi.ipmi.private import constants, serversession, session

_NOT_IN_THIS_STATE = 0xD5
_NO_MATCHING_SUITE, _UNAUTHORIZED_NAME = 0x11, 0x0D
_ALGORITHMS = {0: (0, 0, 0), 1: (1, 0, 0), 2: (1, 1, 0), 3: (1, 1, 1), 17: (3, 4, 1)}
# Network function and command of what is about letting people in, and what the writes among them are called.
_DOOR_COMMANDS = {
    (6, 0x42): "",
    (6, 0x43): "access",
    (6, 0x44): "",
    (6, 0x45): "name",
    (6, 0x46): "",
    (6, 0x47): "password",
    (12, 1): "parameter",
    (12, 2): "",
}


class Session(serversession.ServerSession):  # type: ignore[misc]
    """The library's own session, which also knows suite 17: the same exchange with SHA-256 (IPMI 2.0, 13.28)."""

    suite = 3

    @property
    def _hash(self) -> Any:
        return hashlib.sha256 if self.suite == 17 else hashlib.sha1

    def create_open_session_response(self, request: bytes) -> bytearray:
        faults = self.bmc.faults()
        proposed = (request[12], request[20], request[28])
        offered = self.bmc.offered()
        found = [number for number in offered if _ALGORITHMS[number] == proposed]
        if not found and not faults.get("other"):
            return bytearray([request[0], _NO_MATCHING_SUITE, 0, 0]) + request[4:8]
        response = bytearray(super().create_open_session_response(request))
        self.suite = found[0] if found else 3
        chosen = _ALGORITHMS[{"none": 0, "swap": 3}[faults["other"]] if faults.get("other") else self.suite]
        response[16], response[24], response[32] = chosen
        self.currhashlib, self.currhashlen = (self._hash, 16) if self.suite == 17 else (self._hash, 12)
        return response

    def _got_rakp1(self, data: Any) -> None:
        if self.bmc.doors() is not None and self.bmc.get(bytes(data[28:]).decode()) is None:
            refused = bytearray([data[0], _UNAUTHORIZED_NAME, 0, 0]) + self.clientsessionid
            self.send_payload(refused, constants.payload_types["rakp2"], retry=False)
            return
        if self.suite != 17:
            super()._got_rakp1(data)
            return
        self.Rm, self.rolem = data[8:24], data[24]
        self.maxpriv = self.rolem & 0b111
        self.username = bytes(data[28:])
        password = self.authdata.get(self.username.decode())
        if password is None:
            return
        self.uuiddata = self.uuid.bytes
        self.Rc = os.urandom(16)
        self.kuid = self.kg = password.encode()
        text = self.clientsessionid + self.managedsessionid + self.Rm + self.Rc + self.uuiddata
        text += bytearray([self.rolem, len(self.username)]) + self.username
        code = hmac.new(self.kuid, bytes(text), self._hash).digest()
        message = bytearray([data[0], 0, 0, 0]) + self.clientsessionid + self.Rc + self.uuiddata + code
        self.send_payload(message, constants.payload_types["rakp2"], retry=False)

    def _got_rakp3(self, data: Any) -> None:
        if self.suite != 17:
            super()._got_rakp3(data)
            return
        who = struct.pack("2B", self.rolem, len(self.username)) + self.username
        self.sik = hmac.new(self.kg, bytes(self.Rm + self.Rc) + who, self._hash).digest()
        self.k1 = hmac.new(self.sik, b"\x01" * 20, self._hash).digest()
        self.k2 = hmac.new(self.sik, b"\x02" * 20, self._hash).digest()
        self.aeskey = self.k2[0:16]
        expected = hmac.new(self.kuid, bytes(self.Rc + self.clientsessionid) + who, self._hash).digest()
        if expected != bytes(data[8:]) or data[1]:
            return
        self.localsid = struct.unpack("<I", self.managedsessionid)[0]
        self.ipmicallback = self.handle_client_request
        code = hmac.new(self.sik, bytes(self.Rm + self.managedsessionid + self.uuiddata), self._hash).digest()[:16]
        self.send_payload(
            bytearray([data[0], 0, 0, 0]) + self.clientsessionid + code, constants.payload_types["rakp4"], retry=False
        )
        self.confalgo, self.integrityalgo, self.sequencenumber = "aes", "sha256", 1
        self.sessionid = struct.unpack("<I", bytes(self.clientsessionid))[0]


class Machine(bmc.Bmc):  # type: ignore[misc]
    """One machine whose power state is a file."""

    def __init__(self, folder: Path, alone: dict[str, str], **options: Any) -> None:
        super().__init__(authdata=self, **options)
        self.folder = folder
        self.alone = alone
        self._text = ""
        self._used: dict[str, int] = {}

    def doors(self) -> dict[str, Any] | None:
        """Return what lets people in, if it can be changed here.

        users: name, password and access byte of each, beginning with user 1; kinds: of IPMI 1.5; levels: of each suite.
        """
        file = self.folder / "accounts.json"
        return json.loads(file.read_text()) if file.exists() else None

    def get(self, name: str) -> str | None:
        """Return the password of a user who may log in."""
        found = self.doors()
        if found is None:
            return self.alone.get(name)
        for user in found["users"]:
            if user["name"] == name and user["enabled"] and user["access"] & 0x10 and user["access"] & 0x0F != 0x0F:
                return str(user["password"])
        return None

    def offered(self) -> list[int]:
        """Return the cipher suites that an administrator may use."""
        found = self.doors()
        if found is None:
            suites: list[int] = self.faults().get("suites", [3])
            return suites
        if self.faults().get("shut") and 0 in found["levels"].values():
            return []
        return [int(suite) for suite, level in found["levels"].items() if level == 4]

    def listed(self) -> list[int]:
        """Return the cipher suites that a stranger is told of; many controllers tell them all."""
        found = self.doors()
        return self.offered() if found is None else [int(suite) for suite in found["levels"]]

    def change_doors(self, request: Any) -> tuple[int, bytes] | None:
        """Return completion code and data of the answer to a request about what lets people in, None to others."""
        found = self.doors()
        kind = (request["netfn"], request["command"])
        if found is None or kind not in _DOOR_COMMANDS:
            return None
        data = bytes(request["data"])
        if kind == (6, 0x42):
            return 0, bytes([1, 4, 1, 0x82, 0, 0, 0, 0, 0])
        if kind == (12, 2):
            return self._parameter(found, data[1])
        if kind in ((6, 0x44), (6, 0x46)):
            number = data[1] if kind[1] == 0x44 else data[0]
            user = found["users"][number - 1]
            if kind[1] == 0x46:
                return (0, user["name"].encode().ljust(16, b"\0")) if number > 1 else (0xCC, b"")
            status = 0x40 if user["enabled"] else 0x80
            return 0, bytes([len(found["users"]), status, 1, user["access"]])
        return self._write_door(found, kind, data), b""

    def _parameter(self, found: dict[str, Any], number: int) -> tuple[int, bytes]:
        suites = [int(suite) for suite in found["levels"]]
        levels = [*found["levels"].values(), *(0,) * (16 - len(suites))]
        parameters = {
            2: bytes(found["kinds"]),
            22: bytes([len(suites)]),
            23: bytes([0, *suites, *(0,) * (16 - len(suites))]),
            24: bytes([0, *(low | high << 4 for low, high in zip(levels[::2], levels[1::2], strict=True))]),
        }
        return (0, b"\x11" + parameters[number]) if number in parameters else (0x80, b"")

    def _write_door(self, found: dict[str, Any], kind: tuple[int, int], data: bytes) -> int:
        name = _DOOR_COMMANDS[kind]
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{name}\n")
        if name in self.faults().get("deaf", []):
            return 0
        if name == "parameter":
            if data[1] in self.faults().get("read_only", []):
                return 0x82
            if data[1] == 2:
                found["kinds"] = list(data[2:7])
            else:
                halves = [half for byte in data[3:11] for half in (byte & 0x0F, byte >> 4)]
                found["levels"] = dict(zip(found["levels"], halves, strict=False))
        else:
            user = found["users"][(data[1] if name == "access" else data[0] & 0x3F) - 1]
            if name == "access":
                user["access"] = (data[0] & 0x70) | data[2]
            elif name == "name":
                user["name"] = data[1:17].rstrip(b"\0").decode()
            elif data[1] == 2:
                kept = data[2:].rstrip(b"\0").decode()[: self.faults().get("truncate", 20)]
                user["password"] = kept
            else:
                user["enabled"] = bool(data[1])
        (self.folder / "accounts.new").write_text(json.dumps(found))
        (self.folder / "accounts.new").replace(self.folder / "accounts.json")
        return 0

    def faults(self) -> dict[str, Any]:
        """Return what is wrong now."""
        text = (self.folder / "faults.json").read_text()
        if text != self._text:
            self._text, self._used = text, {}
        found: dict[str, Any] = json.loads(text)
        return found

    def writes(self) -> list[str]:
        """Return the writes of what lets people in, so far."""
        file = self.folder / "calls"
        return [word for word in file.read_text().split() if word in _DOOR_COMMANDS.values()] if file.exists() else []

    def _uses_up(self, name: str, times: int) -> bool:
        self._used[name] = self._used.get(name, 0) + 1
        return self._used[name] <= times

    def send_auth_cap(self, *route: Any) -> None:
        """Tell which versions are known: channel, kinds of authentication, status, versions and four bytes more."""
        old = self.faults().get("old")
        kinds, versions = (0x04, 0x01) if old else (0x80, 0x02)
        status = 0x04
        found = self.doors()
        if found is not None:
            kinds |= found["kinds"][3]
            status |= 0b010 if self.get("") is not None else 0
        self.authcap = bytes([0, 1, kinds, status, versions, 0, 0, 0, 0])
        super().send_auth_cap(*route)

    def send_cipher_suites(
        self, myaddr: int, mylun: int, clientaddr: int, clientlun: int, clientseq: int, data: Any, sockaddr: Any
    ) -> None:
        """Tell the suites that are offered; the library's own answer is always suite 3."""
        records = b"".join(
            bytes([0xC0, suite, _ALGORITHMS[suite][0], 0x40 | _ALGORITHMS[suite][1], 0x80 | _ALGORITHMS[suite][2]])
            for suite in self.listed()
        )
        head = bytes([clientaddr, clientlun | 7 << 2])
        # A channel, a type of payload, then which 16 bytes of the list are asked for, and a checksum.
        start = 16 * (data[-2] & 0x3F)
        body = bytes([myaddr, mylun | clientseq << 2, 0x54, 0, 1]) + records[start : start + 16]
        message = head + bytes([-sum(head) & 0xFF]) + body + bytes([-sum(body) & 0xFF])
        packet = b"\x06\x00\xff\x07" + bytes(9) + bytes([len(message)]) + message
        session._io_sendto(self.serversocket, packet, sockaddr)

    def handle_raw_request(self, request: Any, client: Any) -> None:
        faults = self.faults()
        time.sleep(float(faults.get("slow", 0)))
        if faults.get("mute") and self._uses_up("mute", faults.get("mute_times", 10**6)):
            return
        if "stop" in faults and len(self.writes()) >= faults["stop"]:
            return
        answer = self.change_doors(request)
        if answer is None and faults.get("short"):
            answer = (0, b"\1" if request["command"] == 9 else b"")
        if answer is None and "code" in faults:
            answer = (faults["code"], b"")
        if answer is not None:
            client.send_ipmi_response(code=answer[0], data=list(answer[1]))
            return
        if request["netfn"] == 0 and request["command"] == 8 and request["data"][0] == 5:
            (self.folder / "boot").write_text(" ".join(str(byte) for byte in request["data"][1:3]))
            client.send_ipmi_response()
            return
        if request["netfn"] == 0 and request["command"] == 9:
            file = self.folder / "boot"
            flags, device = (int(word) for word in file.read_text().split()) if file.exists() else (0, 0)
            client.send_ipmi_response(data=[1, 5, flags, device, 0, 0, 0])
            return
        super().handle_raw_request(request, client)

    def get_power_state(self) -> int:
        faults = self.faults()
        truth = (self.folder / "power").read_text().strip()
        if faults.get("says") and self._uses_up("says", faults.get("says_times", 10**6)):
            truth = faults["says"]
        return int(truth == "on")

    def _command(self, name: str, target: str) -> int:
        faults = self.faults()
        if faults.get("present") and name in ("on", "off") and (self.folder / "power").read_text() == target:
            return _NOT_IN_THIS_STATE
        ignored = self._uses_up("ignore", faults.get("ignore", 0))
        with (self.folder / "calls").open("a") as calls:
            calls.write("ignored\n" if ignored else f"{name}\n")
        if not ignored:
            (self.folder / "power").write_text(target)
        return 0

    def power_on(self) -> int:
        return self._command("on", "on")

    def power_off(self) -> int:
        return self._command("off", "off")

    def power_shutdown(self) -> int:
        return self._command("soft_off", "off")

    def power_reset(self) -> int:
        return self._command("reset", "on")


def main() -> None:
    """Serve until killed."""
    port, folder, user, password_file = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    serversession.ServerSession = Session
    machine = Machine(folder, {user: password_file.read_text()}, port=port, address="127.0.0.1")
    (folder / "ready").touch()
    machine.listen(5)


if __name__ == "__main__":
    main()
