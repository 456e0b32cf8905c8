# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fake of Intel AMT, since there is no simulator: amt_server.py PORT FOLDER USER PASSWORD-FILE [CERTIFICATE].

It speaks what AMT speaks: HTTP digest with nonces that are used up, TLS, SOAP 1.2 with WS-Addressing and WS-Management,
faults for unknown resources, actions and selectors. Without a certificate it speaks plain HTTP.
Faults in FOLDER/faults.json: ignore - so many commands do nothing; says - the power state shown (a number);
returns - the return value of each method; slow - seconds for each answer; drop - so many requests are cut;
garbage - what is answered is no XML; huge - it is endless; odd_challenge - the challenge of the digest has no fields.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import secrets
import ssl
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, ClassVar

CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
AMT = "http://intel.com/wbem/wscim/1/amt-schema/1/"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
ADDRESSING = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
WSMAN = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
REALM = "Digest:A4070000000000000000000000000000"
SOURCES = {
    "Intel(r) AMT: Force PXE Boot": "pxe",
    "Intel(r) AMT: Force Hard-drive Boot": "disk",
    "Intel(r) AMT: Force CD/DVD Boot": "cdrom",
}
SETTINGS = {"BIOSPause": "false", "BIOSSetup": "false", "BootMediaIndex": "0", "UseSOL": "true", "ElementName": "A&B"}


class FaultError(Exception):
    """A SOAP fault."""


def md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode()).hexdigest()  # noqa: S324 - this is HTTP digest


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    folder = Path()
    user = password = ""
    nonces: ClassVar[set[str]] = set()
    used: ClassVar[dict[str, int]] = {}
    text = ""

    def log_message(self, *_words: Any) -> None:
        """Keep quiet."""

    def faults(self) -> dict[str, Any]:
        text = (self.folder / "faults.json").read_text()
        if text != Handler.text:
            Handler.text = text
            self.used.clear()
        found: dict[str, Any] = json.loads(text)
        return found

    def uses_up(self, name: str, times: int) -> bool:
        self.used[name] = self.used.get(name, 0) + 1
        return self.used[name] <= times

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/soap+xml; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self) -> bool:
        """Check the digest; each nonce counts once."""
        found = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        nonce = found.get("nonce", "")
        if nonce not in self.nonces or found.get("username") != self.user or found.get("qop") != "auth":
            return False
        self.nonces.discard(nonce)
        expected = md5(
            md5(self.user, REALM, self.password),
            nonce,
            found["nc"],
            found["cnonce"],
            "auth",
            md5("POST", found["uri"]),
        )
        return found["uri"] == "/wsman" and secrets.compare_digest(found["response"], expected)

    def do_POST(self) -> None:
        """Answer one message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        faults = self.faults()
        if faults.get("odd_challenge"):
            self.answer(401, b"", WWW_Authenticate="Digest x=1")
            return
        if not self.allowed():
            nonce = secrets.token_hex(16)
            self.nonces.add(nonce)
            self.answer(
                401, b"", WWW_Authenticate=f'Digest realm="{REALM}", nonce="{nonce}", stale="false", qop="auth"'
            )
            return
        time.sleep(float(faults.get("slow", 0)))
        if faults.get("drop") and self.uses_up("drop", faults["drop"]):
            self.close_connection = True
            return
        if faults.get("garbage"):
            self.answer(200, b"<html><p>not this one")
            return
        if faults.get("huge"):
            self.answer(200, b"<a>" * 10**6)
            return
        try:
            self.answer(200, envelope(self.reply(ET.fromstring(body), faults)))  # noqa: S314 - our own client's
        except FaultError as error:
            reason = f"<s:Fault><s:Reason><s:Text>{error}</s:Text></s:Reason></s:Fault>"
            self.answer(400, envelope(reason))

    def reply(self, message: ET.Element, faults: dict[str, Any]) -> str:
        """Return the body of the answer."""
        body = message.find(f"{SOAP}Body")
        assert body is not None
        if len(body) and body[0].tag.endswith("}Identify"):
            rows = "<i:ProductVendor>Intel(r)</i:ProductVendor><i:ProductVersion>AMT 12.0.45</i:ProductVersion>"
            return f"<i:IdentifyResponse xmlns:i='{IDENTITY}'>{rows}</i:IdentifyResponse>"
        resource = message.findtext(f".//{SOAP}Header/{WSMAN}ResourceURI", "")
        action = message.findtext(f".//{SOAP}Header/{ADDRESSING}Action", "")
        if not message.findtext(f".//{ADDRESSING}MessageID", "").startswith("uuid:"):
            raise FaultError("the message has no id")
        selectors = {
            row.get("Name"): row.text for row in message.findall(f"{SOAP}Header/{WSMAN}SelectorSet/{WSMAN}Selector")
        }
        if action == f"{TRANSFER}Get":
            return self.get(resource, faults)
        if action == f"{TRANSFER}Put" and resource == f"{AMT}AMT_BootSettingData":
            (self.folder / "settings").write_text(
                json.dumps({row.tag.rpartition("}")[2]: row.text or "" for row in body[0]})
            )
            return ET.tostring(body[0], encoding="unicode")
        method = action.rpartition("/")[2]
        if action != f"{resource}/{method}" or body[0].tag != f"{{{resource}}}{method}_INPUT":
            raise FaultError("The action is not supported by the service.")
        value = self.call(resource.removeprefix(CIM), method, selectors, body[0], faults)
        return f"<g:{method}_OUTPUT xmlns:g='{resource}'><g:ReturnValue>{value}</g:ReturnValue></g:{method}_OUTPUT>"

    def get(self, resource: str, faults: dict[str, Any]) -> str:
        kind = resource.rpartition("/")[2]
        if kind == "CIM_AssociatedPowerManagementService":
            state = faults.get("says", 2 if (self.folder / "power").read_text() == "on" else 8)
            other = "<g:AvailableRequestedPowerStates>8</g:AvailableRequestedPowerStates>"
            rows = f"{other}<g:PowerState>{state}</g:PowerState>"
        elif kind == "AMT_BootSettingData":
            rows = "".join(f"<g:{name}>{value.replace('&', '&amp;')}</g:{name}>" for name, value in SETTINGS.items())
        else:
            raise FaultError("The WS-Management service cannot process the request: no such resource.")
        return f"<g:{kind} xmlns:g='{resource}'>{rows}</g:{kind}>"

    def call(self, kind: str, method: str, selectors: dict[Any, Any], body: ET.Element, faults: dict[str, Any]) -> int:
        """Carry a method out and return its return value."""
        name = "{" + CIM + kind + "}"
        instance = next((row.text for row in body.findall(f".//{WSMAN}Selector")), None)
        if "returns" in faults:
            return int(faults["returns"])
        match kind, method:
            case "CIM_PowerManagementService", "RequestPowerStateChange":
                if selectors != {"Name": "Intel(r) AMT Power Management Service"} or instance != "ManagedSystem":
                    raise FaultError("The selectors are wrong.")
                return self.power(int(body.findtext(f"{name}PowerState", "0")), faults)
            case "CIM_BootConfigSetting", "ChangeBootOrder":
                if selectors != {"InstanceID": "Intel(r) AMT: Boot Configuration 0"}:
                    raise FaultError("The selectors are wrong.")
                (self.folder / "order").write_text(SOURCES[instance] if instance else "")
                return 0
            case "CIM_BootService", "SetBootConfigRole":
                if instance != "Intel(r) AMT: Boot Configuration 0":
                    raise FaultError("The selectors are wrong.")
                (self.folder / "role").write_text(body.findtext(f"{name}Role", ""))
                return 0
        raise FaultError("The action is not supported by the service.")

    def power(self, wanted: int, faults: dict[str, Any]) -> int:
        names = {2: ("on", "on"), 8: ("off", "off"), 10: ("reset", "on"), 12: ("soft_off", "off")}
        name, target = names[wanted]
        ignored = self.uses_up("ignore", faults.get("ignore", 0))
        with (self.folder / "calls").open("a") as calls:
            calls.write("ignored\n" if ignored else f"{name}\n")
        if not ignored:
            (self.folder / "power").write_text(target)
        return 0


def envelope(body: str) -> bytes:
    """Return a whole message."""
    return f"<s:Envelope xmlns:s='{SOAP[1:-1]}'><s:Header/><s:Body>{body}</s:Body></s:Envelope>".encode()


def main() -> None:
    """Serve until killed."""
    port, Handler.folder, Handler.user = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    Handler.password = Path(sys.argv[4]).read_text()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if len(sys.argv) > 5:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[5])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    (Handler.folder / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
