# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""sushy-emulator with one machine, and faults in front of it: redfish_server.py PORT FOLDER CERTIFICATE USERS.

The faults are read anew for each request, from FOLDER/faults.json:
  ignore      so many commands are accepted and not carried out
  says        the power state that is shown whatever it is; says_times: only so often
  slow        seconds that each answer takes
  drip        an answer comes byte by byte and never ends
  drop        the connection is cut in the middle of the answer, so many times
  patch       what is put into the answers about the machine, key by key
  status      the HTTP status of each answer about the machine
  no_json     the answers about the machine are no JSON
  conflict    a command to the present state is refused with 409
  boot_lost   a boot device is accepted and not kept
  no_media    there is no virtual media; media_at_manager: it is where older controllers have it
  usb_media   the virtual drive is called another name than a drive of the machine
  insert      the HTTP status of an answer to the insertion of an image; eject: to its ejection. Nothing is done
  media_cut   an image is inserted, and the connection is cut before the answer
  media_name  what is shown as the address of any image that is inserted
  deaf        changes of accounts are accepted and not carried out
  stop        the connection is cut once so many changes of accounts were made
  protocols   the HTTP status of an answer to a change of the protocols, which is not carried out
  slots       no account is added; empty ones are filled in
  must_change nothing but the own account is shown while it has the password that this names

Who is let in is FOLDER/accounts.json, if it is there: a list of what a ManagerAccount has. What the manager of the
machine tells of its protocols (ManagerNetworkProtocol) is FOLDER/protocols.json, if that is there, too.
"""

from __future__ import annotations

import io
import json
import socket
import ssl
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
from sushy_tools.emulator import auth_basic
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.fakedriver import FakeDriver
from sushy_tools.error import FishyError
from werkzeug.serving import make_server

ACCOUNT_SERVICE = "/redfish/v1/AccountService"
ACCOUNTS = f"{ACCOUNT_SERVICE}/Accounts"
UUID = "27946b59-9e44-4fa7-8e91-f3527a1ef094"
MANAGER = f"/redfish/v1/Managers/{UUID}"
PROTOCOLS = f"{MANAGER}/NetworkProtocol"


class Machine(FakeDriver):  # type: ignore[misc]
    """The emulator's own fake machine, with its power state in a file and without delays."""

    folder = Path()

    def get_power_state(self, identity: str) -> str:
        return (self.folder / "power").read_text().strip().capitalize()

    def set_power_state(self, identity: str, state: str) -> None:
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{state}\n")
        target = "off" if state in ("ForceOff", "GracefulShutdown") else "on"
        (self.folder / "power").write_text(target)

    def get_boot_device(self, identity: str) -> str:
        file = self.folder / "boot"
        return file.read_text() if file.exists() else "Hdd"

    def set_boot_device(self, identity: str, boot_source: str) -> None:
        (self.folder / "boot").write_text(boot_source)


class Accounts:
    """The account service, which the emulator does not have. Its users are those that the emulator lets in."""

    def __init__(self, inner: Any, folder: Path, users: Path) -> None:
        self.inner = inner
        self.faults = folder / "faults.json"
        self.file = folder / "accounts.json"
        self.protocols = folder / "protocols.json"
        self.calls = folder / "calls"
        self.users = users

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        there = self.file.exists()
        if there:
            self.renew_users()
        if not there or not environ["PATH_INFO"].startswith((ACCOUNT_SERVICE, PROTOCOLS)):
            inner: Iterable[bytes] = self.inner(environ, start_response)
            return inner
        faults = json.loads(self.faults.read_text())
        if "stop" in faults and len(self.changes()) >= faults["stop"]:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        status, document = self.answer(environ, faults)
        start_response(status, [("Content-Type", "application/json"), ("ETag", '"1"')])
        return [json.dumps(document).encode()]

    def renew_users(self) -> None:
        """Let in whom the accounts let in."""
        lines = [
            f"{one['UserName']}:{bcrypt.hashpw(one['Password'].encode(), bcrypt.gensalt(4)).decode()}\n"
            for one in json.loads(self.file.read_text())
            if one["Enabled"] and one["UserName"]
        ]
        self.users.with_suffix(".new").write_text("".join(lines))
        self.users.with_suffix(".new").replace(self.users)

    def changes(self) -> list[str]:
        """Return the changes made so far."""
        told = self.calls.read_text().split() if self.calls.exists() else []
        return [call for call in told if call.startswith("account")]

    def answer(self, environ: dict[str, Any], faults: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return status and document of the answer to a request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        try:
            name, password = auth_basic.parse_token(auth_basic.parse_header(environ))
            auth_basic.authenticate(self.users, name, password)
        except FishyError:
            return "401 Unauthorized", {"error": {"code": "Base.1.0.X", "message": "who are you"}}
        known = json.loads(self.file.read_text())
        own = next(number for number, one in enumerate(known) if one["UserName"] == name)
        wanted = path.removeprefix(ACCOUNTS).strip("/")
        must_change = known[own]["Password"] == faults.get("must_change")
        if must_change and (wanted != str(own) or not path.startswith(ACCOUNTS)):
            told = {"MessageId": "Base.1.8.PasswordChangeRequired", "MessageArgs": [f"{ACCOUNTS}/{own}"]}
            return "403 Forbidden", {"error": {"code": "Base.1.0.X", "message": "no", "@Message.ExtendedInfo": [told]}}
        if method in ("PATCH", "POST"):
            return self._change(environ, faults, known, wanted)
        if not path.startswith(ACCOUNTS):
            shown = {"Accounts": {"@odata.id": ACCOUNTS}}
            if path == PROTOCOLS:
                shown = json.loads(self.protocols.read_text())
            return "200 OK", {"@odata.id": path, **shown}
        if wanted:
            shown = {key: value for key, value in known[int(wanted)].items() if key != "Password"}
            return "200 OK", {"@odata.id": path, "Password": None, **shown}
        members = [{"@odata.id": f"{ACCOUNTS}/{number}"} for number in range(len(known))]
        return "200 OK", {"@odata.id": ACCOUNTS, "Members": members}

    def _change_protocols(self, wanted: dict[str, Any], faults: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if "protocols" in faults:
            return f"{faults['protocols']} As told", {"error": {"code": "Base.1.0.X", "message": "not that"}}
        with self.calls.open("a") as calls:
            calls.write(f"protocols-{'-'.join(sorted(wanted))}\n")
        if not faults.get("deaf"):
            known = json.loads(self.protocols.read_text())
            changed = {name: {**known.get(name, {}), **values} for name, values in wanted.items()}
            self.protocols.write_text(json.dumps({**known, **changed}))
        return "200 OK", {}

    def _change(
        self, environ: dict[str, Any], faults: dict[str, Any], known: list[dict[str, Any]], wanted: str
    ) -> tuple[str, dict[str, Any]]:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        if environ["PATH_INFO"] == PROTOCOLS:
            return self._change_protocols(body, faults)
        if not wanted and faults.get("slots"):
            return "405 Method Not Allowed", {"error": {"code": "Base.1.0.X", "message": "no room"}}
        with self.calls.open("a") as calls:
            calls.write(f"account-{'-'.join(sorted(body))}\n")
        if not faults.get("deaf"):
            if wanted:
                known[int(wanted)] |= body
            else:
                known.append(body)
            self.file.with_suffix(".new").write_text(json.dumps(known))
            self.file.with_suffix(".new").replace(self.file)
        return "200 OK", {}


class Faults:
    """A WSGI layer in front of the emulator."""

    def __init__(self, inner: Any, folder: Path) -> None:
        self.inner = inner
        self.folder = folder
        self.text = ""
        self.used: dict[str, int] = {}

    def _uses_up(self, faults: dict[str, Any], name: str) -> bool:
        """Tell whether a fault that is counted is still there, and count it."""
        self.used[name] = self.used.get(name, 0) + 1
        return self.used[name] <= int(faults.get(name, 0))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        text = (self.folder / "faults.json").read_text()
        if text != self.text:
            self.text, self.used = text, {}
        faults = json.loads(text)
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        time.sleep(float(faults.get("slow", 0)))
        if path.endswith("ComputerSystem.Reset") and method == "POST":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            wanted = "Off" if "Off" in body.decode() or "Shutdown" in body.decode() else "On"
            now = (self.folder / "power").read_text().strip().capitalize()
            if faults.get("conflict") and wanted == now:
                start_response("409 Conflict", [("Content-Type", "application/json")])
                return [json.dumps({"error": {"code": "Base.1.0.X", "message": f"already {now}"}}).encode()]
            if self._uses_up(faults, "ignore"):
                with (self.folder / "calls").open("a") as calls:
                    calls.write("ignored\n")
                start_response("204 No Content", [])
                return []
            environ["wsgi.input"] = io.BytesIO(body)
        if method == "PATCH" and faults.get("boot_lost"):
            start_response("204 No Content", [])
            return []
        is_system = path.rstrip("/").endswith(f"/Systems/{UUID}") and method == "GET"
        if is_system and self._uses_up(faults, "drop"):
            connection: socket.socket = environ["werkzeug.socket"]
            connection.shutdown(socket.SHUT_RDWR)
            return []
        if faults.get("drip"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return _drip()
        return self._altered(environ, start_response, faults, is_system=is_system)

    def _media(self, environ: dict[str, Any], start_response: Any, faults: dict[str, Any]) -> Iterable[bytes] | None:
        """Return what is answered to a question about virtual media, None if the emulator is to answer it."""
        verb = environ["PATH_INFO"].rpartition(".")[2].removesuffix("Media").lower()
        if faults.get(verb):
            start_response(f"{faults[verb]} As told", [("Content-Type", "application/json")])
            return [json.dumps({"error": {"code": "Base.1.0.X", "message": f"no {verb} today"}}).encode()]
        if verb == "insert" and self._uses_up(faults, "media_cut"):
            b"".join(self.inner(environ, lambda *_answer: None))
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        return None

    def _altered(
        self, environ: dict[str, Any], start_response: Any, faults: dict[str, Any], *, is_system: bool
    ) -> Iterable[bytes]:
        if "/VirtualMedia" in environ["PATH_INFO"]:
            refused = self._media(environ, start_response, faults)
            if refused is not None:
                return refused
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            told[:] = [status, headers]

        answer = b"".join(self.inner(environ, start))
        status, headers = told
        if environ["PATH_INFO"].rstrip("/") == "/redfish/v1" and (self.folder / "accounts.json").exists():
            answer = json.dumps({**json.loads(answer), "AccountService": {"@odata.id": ACCOUNT_SERVICE}}).encode()
        if environ["PATH_INFO"].rstrip("/") == MANAGER and (self.folder / "protocols.json").exists():
            answer = json.dumps({**json.loads(answer), "NetworkProtocol": {"@odata.id": PROTOCOLS}}).encode()
        if is_system and status.startswith("200"):
            document = json.loads(answer)
            if faults.get("says") and self._uses_up({"says": faults.get("says_times", 10**6)}, "says"):
                document["PowerState"] = faults["says"]
            document |= faults.get("patch", {})
            if faults.get("no_media") or faults.get("media_at_manager"):
                del document["VirtualMedia"]
            if faults.get("usb_media"):
                document["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"].append("UsbCd")
            answer = b"<html>" if faults.get("no_json") else json.dumps(document).encode()
            status = faults.get("status", status)
        elif status.startswith("200") and answer.startswith(b"{"):
            answer = _other_media(json.loads(answer), faults)
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*kept, ("Content-Length", str(len(answer)))])
        return [answer]


def _other_media(document: dict[str, Any], faults: dict[str, Any]) -> bytes:
    """Return an answer about a manager or a drive as the faults will have it."""
    if faults.get("no_media"):
        document.pop("VirtualMedia", None)
    if document.get("Inserted") and "media_name" in faults:
        document["Image"] = faults["media_name"]
    return json.dumps(document).encode()


def _drip() -> Iterator[bytes]:
    while True:
        time.sleep(0.1)
        yield b" "


def main() -> None:
    """Serve until killed."""
    port, folder, certificate, users = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    Machine.folder = folder
    emulator.fakedriver.FakeDriver = Machine
    app = emulator.app
    app.configure(
        extra_config={
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_STATE_DIR": str(folder / "state"),
            "SUSHY_EMULATOR_AUTH_FILE": users,
        }
    )
    app.wsgi_app = Accounts(Faults(app.wsgi_app, folder), folder, Path(users))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = make_server("127.0.0.1", port, app, threaded=True, ssl_context=context)
    (folder / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
