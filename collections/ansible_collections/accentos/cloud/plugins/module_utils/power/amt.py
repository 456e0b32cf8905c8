# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Intel AMT, by WS-Management over HTTP digest and TLS.

Port 16993 is TLS; on port 16992 digest authentication keeps the password to itself, but anybody in between can read and
forge what is said. AMT boots once from another device and does not tell from which.
"""

from __future__ import annotations

import contextlib
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from ansible_collections.accentos.cloud.plugins.module_utils.power import tls
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    AccessDeniedError,
    Boot,
    Connection,
    Identity,
    PowerError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
    WithoutVirtualMedia,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Action, Power

try:
    import requests
    from requests.auth import HTTPDigestAuth
    from urllib3.exceptions import HTTPError
except ImportError:
    # The module names the missing library before it makes a driver.
    requests = None  # type: ignore[assignment]

_TLS_PORT, _PLAIN_PORT = 16993, 16992
_ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
_IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
_AMT = "http://intel.com/wbem/wscim/1/amt-schema/1/"
_ANONYMOUS = f"{_ADDRESSING}/role/anonymous"
_LARGEST_ANSWER = 256 * 1024
_UNAUTHORIZED = 401
_OK = 200
# CIM_AssociatedPowerManagementService.PowerState; sleeping machines have power. The other values are on their way.
_POWER = {
    **dict.fromkeys((2, 3, 4), Power.ON),
    **dict.fromkeys((6, 7, 8, 12, 13), Power.OFF),
    **dict.fromkeys((5, 9, 10, 11, 14, 15, 16), Power.CHANGING),
}
_REQUESTS = {Action.ON: 2, Action.OFF: 8, Action.RESET: 10, Action.SOFT_OFF: 12}
_NOT_SUPPORTED = 1
_SOURCES = {
    "pxe": "Intel(r) AMT: Force PXE Boot",
    "disk": "Intel(r) AMT: Force Hard-drive Boot",
    "cdrom": "Intel(r) AMT: Force CD/DVD Boot",
}
_BOOT_CONFIG = {"InstanceID": "Intel(r) AMT: Boot Configuration 0"}
_NEXT_SINGLE_USE, _NOT_NEXT = 1, 32768
# Settings of a redirected or otherwise odd start, which an earlier one may have left behind.
_UNWANTED = ("BIOSPause", "ReflashBIOS", "UseIDER", "UseSOL", "UseSafeMode", "UserPasswordBypass", "SecureErase")


class AmtDriver(WithoutVirtualMedia):
    """One machine with Intel AMT."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session: Any = None

    def power_state(self) -> Power:
        """Return what the controller says now."""
        answer = self._get(f"{_CIM}CIM_AssociatedPowerManagementService")
        text = _field(answer, "PowerState")
        return _POWER.get(int(text), Power.UNKNOWN) if text.isdigit() else Power.UNKNOWN

    def send(self, action: Action) -> None:
        """Hand the command to the controller."""
        machine = _reference(f"{_CIM}CIM_ComputerSystem", {"Name": "ManagedSystem"})
        self._invoke(
            "CIM_PowerManagementService",
            "RequestPowerStateChange",
            {"Name": "Intel(r) AMT Power Management Service"},
            f"<p:PowerState>{_REQUESTS[action]}</p:PowerState><p:ManagedElement>{machine}</p:ManagedElement>",
        )

    def boot(self) -> None:
        """AMT does not tell from what the machine starts next."""

    def set_boot(self, wanted: Boot) -> None:
        """Set from what the machine starts next, once."""
        if wanted.persistent:
            raise UnsupportedError(
                "AMT starts a machine from another device once only", "Leave out boot_persistent, or set the firmware."
            )
        if wanted.firmware:
            raise UnsupportedError("AMT does not choose the firmware", "Leave out boot_firmware.")
        self._put_settings(setup=wanted.device == "bios_setup")
        source = _SOURCES.get(wanted.device)
        order = ""
        if source:
            order = f"<p:Source>{_reference(f'{_CIM}CIM_BootSourceSetting', {'InstanceID': source})}</p:Source>"
        self._invoke("CIM_BootConfigSetting", "ChangeBootOrder", _BOOT_CONFIG, order)
        role = _NOT_NEXT if wanted.device == "none" else _NEXT_SINGLE_USE
        self._invoke(
            "CIM_BootService",
            "SetBootConfigRole",
            {"Name": "Intel(r) AMT Boot Service"},
            f"<p:BootConfigSetting>{_reference(f'{_CIM}CIM_BootConfigSetting', _BOOT_CONFIG)}</p:BootConfigSetting>"
            f"<p:Role>{role}</p:Role>",
        )

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected."""
        answer = self._post(
            f'<s:Envelope xmlns:s="{_ENVELOPE}"><s:Header/><s:Body>'
            f'<i:Identify xmlns:i="{_IDENTITY}"/></s:Body></s:Envelope>'
        )
        product = f"{_field(answer, 'ProductVendor')} {_field(answer, 'ProductVersion')}".strip()
        if self._is_plain:
            warning = "port 16992 has no TLS: anybody in between can read and forge what is said; turn TLS on in AMT"
            return Identity("amt", "HTTP digest, no TLS", product, (warning,))
        verified = self._connection.verify
        warnings = () if verified else (tls.UNVERIFIED,)
        return Identity("amt", "TLS, verified" if verified else "TLS, not verified", product, warnings)

    def close(self) -> None:
        """Close the connection."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    @property
    def _name(self) -> str:
        return f"the controller {self._connection.address}"

    @property
    def _is_plain(self) -> bool:
        return self._connection.port == _PLAIN_PORT

    def _put_settings(self, *, setup: bool) -> None:
        """Write the settings of the next start back, with the switch for the firmware setup as wanted."""
        resource = f"{_AMT}AMT_BootSettingData"
        answer = self._get(resource)
        found = answer.find(f".//{{{resource}}}AMT_BootSettingData")
        if found is None:
            raise UnsupportedError(f"{self._name} has no settings of a start", "Leave out boot_device.")
        rows = []
        for row in found:
            name = row.tag.rpartition("}")[2]
            text = "true" if setup and name == "BIOSSetup" else row.text or ""
            if name in _UNWANTED or (name == "BIOSSetup" and not setup):
                text = "false"
            rows.append(f"<p:{name}>{escape(text)}</p:{name}>")
        body = f'<p:AMT_BootSettingData xmlns:p="{resource}">{"".join(rows)}</p:AMT_BootSettingData>'
        self._post(_envelope(f"{_TRANSFER}/Put", resource, {}, body))

    def _get(self, resource: str) -> ET.Element:
        return self._post(_envelope(f"{_TRANSFER}/Get", resource, {}, ""))

    def _invoke(self, kind: str, method: str, selectors: Mapping[str, str], arguments: str) -> None:
        """Call a method. Raises RefusedError or UnsupportedError by its return value."""
        resource = f"{_CIM}{kind}"
        body = f'<p:{method}_INPUT xmlns:p="{resource}">{arguments}</p:{method}_INPUT>'
        answer = self._post(_envelope(f"{resource}/{method}", resource, selectors, body))
        value = _field(answer, "ReturnValue")
        if value == "0":
            return
        told = f"{self._name} answers {method} with {value or 'nothing'}"
        if value == str(_NOT_SUPPORTED):
            raise UnsupportedError(told, "Ask for something that the controller can do.")
        raise RefusedError(told, "Ask for the state again; soft_off needs Intel's LMS in the operating system.")

    def _post(self, envelope: str) -> ET.Element:
        """Return the answer to a message."""
        wanted = self._connection
        host = f"[{wanted.address}]" if ":" in wanted.address else wanted.address
        scheme = "http" if self._is_plain else "https"
        with self._errors():
            if self._session is None:
                self._session = requests.Session()
                # Neither a proxy nor ~/.netrc may get hold of the password.
                self._session.trust_env = False
                self._session.auth = HTTPDigestAuth(wanted.user, wanted.password)
                self._session.verify = tls.trusted(wanted)
            response = self._session.post(
                f"{scheme}://{host}:{wanted.port or _TLS_PORT}/wsman",
                data=envelope.encode(),
                headers={"Content-Type": "application/soap+xml;charset=UTF-8"},
                timeout=wanted.answer_timeout,
                allow_redirects=False,
                stream=True,
            )
            content = response.raw.read(_LARGEST_ANSWER, decode_content=True)
            response.close()
            if response.status_code == _UNAUTHORIZED:
                raise AccessDeniedError(
                    f"{self._name} refuses the user or the password",
                    "Mend the user and password of the controller in the sealed store of the site.",
                )
            answer = ET.fromstring(content)  # noqa: S314 - of bounded size; entities are neither fetched nor nested
            if response.status_code != _OK:
                reason = _field(answer, "Text") or f"HTTP {response.status_code}"
                raise UnsupportedError(f"{self._name}: {reason}", "Ask for something that the controller can do.")
            return answer

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PowerError:
            self.close()
            raise
        except (requests.RequestException, HTTPError) as error:
            self.close()
            raise tls.connection_error(self._connection.address, str(error)) from None
        # The library looks for fields of a challenge without asking whether they are there.
        except (ET.ParseError, OSError, KeyError) as error:
            self.close()
            raise UnreachableError(
                f"{self._name} answers what is no WS-Management: {error}", "Mend the address or port."
            ) from None


def _envelope(action: str, resource: str, selectors: Mapping[str, str], body: str) -> str:
    """Return a message of WS-Management; BODY is XML."""
    return (
        f'<s:Envelope xmlns:s="{_ENVELOPE}" xmlns:a="{_ADDRESSING}" xmlns:w="{_WSMAN}"><s:Header>'
        f'<a:Action s:mustUnderstand="true">{escape(action)}</a:Action>'
        f'<a:To s:mustUnderstand="true">/wsman</a:To>'
        f'<w:ResourceURI s:mustUnderstand="true">{escape(resource)}</w:ResourceURI>'
        f'<a:MessageID s:mustUnderstand="true">uuid:{uuid.uuid4()}</a:MessageID>'
        f"<a:ReplyTo><a:Address>{_ANONYMOUS}</a:Address></a:ReplyTo>{_selector_set(selectors)}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def _selector_set(selectors: Mapping[str, str]) -> str:
    if not selectors:
        return ""
    rows = "".join(f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in selectors.items())
    return f"<w:SelectorSet>{rows}</w:SelectorSet>"


def _reference(resource: str, selectors: Mapping[str, str]) -> str:
    """Return a reference to an instance, as an argument of a method."""
    return (
        f"<a:Address>{_ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{resource}</w:ResourceURI>{_selector_set(selectors)}</a:ReferenceParameters>"
    )


def _field(answer: ET.Element, name: str) -> str:
    """Return the text of the first element called NAME, whatever its namespace, or nothing."""
    return next((row.text or "" for row in answer.iter() if row.tag.rpartition("}")[2] == name), "").strip()
