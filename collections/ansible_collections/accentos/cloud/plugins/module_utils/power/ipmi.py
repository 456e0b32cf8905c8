# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPMI 2.0 controllers, through pyghmi in this process: no tool that would show a password in its arguments.

pyghmi proposes cipher suite 17 (SHA-256), takes any refusal as a wish for suite 3 (SHA-1), takes for granted that the
controller agreed to what was proposed, and falls back to IPMI 1.5 where a controller claims no more. The session here
checks all three.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    OTHER_DEVICE,
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
    from pyghmi import exceptions as ipmi_errors
    from pyghmi.ipmi.private import session as ipmi_session

    Session: Any = ipmi_session.Session
except ImportError:
    # The module names the missing library before it makes a driver.
    Session = object

_PORT = 623
_SHA256, _SHA1 = 17, 3
# Numbers of authentication, integrity and confidentiality (IPMI 2.0, tables 13-17 to 13-19).
_ALGORITHMS = {_SHA256: (3, 4, 1), _SHA1: (1, 1, 1)}
# What pyghmi calls the hash of a suite.
_HASHES = {_SHA256: 256, _SHA1: 1}
# Bytes of an answer to "open session" (table 13-10), and of boot flags and device id that are read.
_OPEN_RESPONSE, _BOOT_FIELDS, _DEVICE_ID = 36, 4, 11
# A completion code above one byte is pyghmi's own: no answer.
_LAST_CODE = 0xFF
_CHASSIS = 0
_APPLICATION = 6
_GET_DEVICE_ID = 1
_GET_STATUS = 1
_CONTROL = 2
_SET_BOOT = 8
_GET_BOOT = 9
_BOOT_FLAGS = 5
_ACTIONS = {Action.OFF: 0, Action.ON: 1, Action.RESET: 3, Action.SOFT_OFF: 5}
_DEVICES = {"none": 0, "pxe": 1, "disk": 2, "cdrom": 5, "bios_setup": 6}
_NAMES = {number: name for name, number in _DEVICES.items()}
_VALID, _PERSISTENT, _UEFI = 0x80, 0x40, 0x20
# Completion codes (IPMI 2.0, table 5-2).
_NODE_BUSY, _NO_PRIVILEGE, _NOT_IN_THIS_STATE = 0xC0, 0xD4, 0xD5
_INVALID = {0x80, 0xC1, 0xC2, 0xC7, 0xC9, 0xCC, 0xD6}
_DENIED = ("Incorrect password", "Unauthorized name", "Invalid role", "Unauthorized role", "Invalid integrity check")
_MANUFACTURERS = {11: "HP", 343: "Intel", 674: "Dell", 10876: "Supermicro", 19046: "Lenovo", 47196: "HPE"}


class CheckedSession(Session):
    """A session that tells its cipher suite and takes none below the lowest one allowed."""

    lowest = _SHA1

    @property
    def suite(self) -> int:
        """Return the cipher suite in use."""
        return _SHA256 if self.attemptedhash == _HASHES[_SHA256] else _SHA1

    def _got_rmcp_response(self, data: Sequence[int]) -> Any:
        if self.sessioncontext != "OPENSESSION" or data[0] != self.rmcptag:
            return super()._got_rmcp_response(data)
        accepted = not data[1]
        chosen = (data[16], data[24], data[32]) if accepted and len(data) >= _OPEN_RESPONSE else None
        if accepted and chosen == _ALGORITHMS[self.suite]:
            return super()._got_rmcp_response(data)
        if self.suite == _SHA256 and (not accepted or chosen == _ALGORITHMS[_SHA1]):
            if self.lowest <= _SHA1:
                self.attemptedhash = _HASHES[_SHA1]
                self._open_rmcpplus_request()
                return None
            return self.onlogon({"error": "cipher suite 17 refused"})
        if accepted:
            return self.onlogon({"error": "algorithms other than those proposed"})
        return super()._got_rmcp_response(data)

    def _get_session_challenge(self) -> None:
        self.onlogon({"error": "IPMI 1.5 only"})


class StrictSession(CheckedSession):
    """A session with cipher suite 17 or none."""

    lowest = _SHA256


class IpmiDriver(WithoutVirtualMedia):
    """One IPMI 2.0 controller."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session: Any = None

    def power_state(self) -> Power:
        """Return what the controller says now."""
        return Power.ON if self._ask(_CHASSIS, _GET_STATUS, least=1)[0] & 1 else Power.OFF

    def send(self, action: Action) -> None:
        """Hand the command to the controller."""
        self._ask(_CHASSIS, _CONTROL, (_ACTIONS[action],))

    def boot(self) -> Boot:
        """Return from what the machine starts next."""
        data = self._ask(_CHASSIS, _GET_BOOT, (_BOOT_FLAGS, 0, 0))
        if len(data) < _BOOT_FIELDS:
            raise UnsupportedError(f"{self._name} does not tell a boot device", "Leave out boot_device.")
        flags, device = data[2], data[3] >> 2 & 0x0F
        if data[1] & 0x80 or not flags & _VALID or device == 0:
            return Boot("none", persistent=False)
        return Boot(_NAMES.get(device, OTHER_DEVICE), bool(flags & _PERSISTENT), "uefi" if flags & _UEFI else "bios")

    def set_boot(self, wanted: Boot) -> None:
        """Set from what the machine starts next."""
        # Without this the controller forgets the flags after 60 s (table 28-14, parameter 3).
        with contextlib.suppress(UnsupportedError):
            self._ask(_CHASSIS, _SET_BOOT, (3, 8))
        flags = 0
        if wanted.device != "none":
            flags = _VALID | (_PERSISTENT if wanted.persistent else 0) | (_UEFI if wanted.firmware == "uefi" else 0)
        self._ask(_CHASSIS, _SET_BOOT, (_BOOT_FLAGS, flags, _DEVICES[wanted.device] << 2, 0, 0, 0))

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected."""
        data = self._ask(_APPLICATION, _GET_DEVICE_ID, least=_DEVICE_ID)
        manufacturer, product = struct.unpack("<IH", bytes([*data[6:9], 0, *data[9:11]]))
        suite = self._session.suite
        warnings: tuple[str, ...] = ()
        if suite != _SHA256:
            warnings = (
                f"cipher suite {suite} (SHA-1) is in use: the controller refuses suite 17; newer firmware may offer it",
            )
        name = _MANUFACTURERS.get(manufacturer, f"manufacturer {manufacturer}")
        firmware = f"{data[2] & 0x7F}.{data[3] >> 4}{data[3] & 0x0F}"
        return Identity(
            "ipmi", f"cipher suite {suite}", f"{name} product {product} firmware {firmware}", warnings, {"suite": suite}
        )

    def close(self) -> None:
        """End the session, if there is one."""
        opened, self._session = self._session, None
        if opened is not None:
            # The machine is not touched any more; a session that cannot be ended expires.
            with contextlib.suppress(ipmi_errors.PyghmiException, OSError):
                opened.logout()

    @property
    def _name(self) -> str:
        return f"the controller {self._connection.address}"

    def _ask(self, function: int, command: int, data: Sequence[int] = (), *, least: int = 0) -> bytes:
        """Return the data of the controller's answer to one command, at LEAST so many bytes."""
        with self._errors():
            if self._session is None:
                self._session = self._open()
            response = self._session.raw_command(netfn=function, command=command, data=data)
            if response is None or response.get("code", 0) > _LAST_CODE:
                raise ipmi_errors.IpmiException("timeout")
        # The session goes on: it is no worse for a command that is not carried out, and controllers have few.
        code = response.get("code", 0)
        if code:
            raise self._completion_error(code, str(response.get("error", "")))
        if len(response["data"]) < least:
            raise self._session_error("an answer that is too short")
        return bytes(response["data"])

    def _open(self) -> Any:
        strict = self._connection.extra.get("cipher_suite") == _SHA256
        made = (StrictSession if strict else CheckedSession)(**self._session_options())
        if not made.logged:
            raise ipmi_errors.IpmiException(made.errormsg or "timeout")
        return made

    def _session_options(self) -> dict[str, Any]:
        wanted = self._connection
        # As bytes: with text the library does not find a session again that has ended, and hands it out as a new one.
        return {
            "bmc": wanted.address,
            "userid": wanted.user.encode(),
            "password": wanted.password.encode(),
            "port": wanted.port or _PORT,
        }

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of the library into ours; a session with an error is not used again."""
        try:
            yield
        except PowerError:
            self._session = None
            raise
        # The library indexes and unpacks what a controller sends without looking at its length.
        except (ipmi_errors.PyghmiException, OSError, struct.error, IndexError, TypeError) as error:
            self._session = None
            raise self._session_error(str(error)) from None

    def _session_error(self, text: str) -> PowerError:
        if any(words in text for words in _DENIED):
            return AccessDeniedError(
                f"{self._name} refuses the user or the password: {text}",
                "Mend the user and password of the controller in the sealed store of the site, and see that the user "
                "has the privilege ADMINISTRATOR on the LAN channel.",
            )
        if text in ("cipher suite 17 refused", "algorithms other than those proposed", "IPMI 1.5 only"):
            return UnsupportedError(
                f"{self._name} does not protect the session well enough: {text}",
                "Update the firmware of the controller, use its Redfish, or allow `cipher_suite: 3` where it is 17.",
            )
        if not text or text in ("None", "timeout") or "no longer connected" in text or "failed to init" in text:
            text = "no answer"
        return UnreachableError(
            f"{self._name} cannot be talked to: {text}",
            "Look at the address, the network out_of_band and whether IPMI over LAN is on. Some controllers leave an "
            "unknown user without an answer, too.",
        )

    def _completion_error(self, code: int, text: str) -> PowerError:
        told = f"{self._name} answers {code:#04x}{f' ({text})' if text else ''}"
        if code == _NO_PRIVILEGE:
            return AccessDeniedError(told, "Give the user the privilege ADMINISTRATOR on the LAN channel.")
        if code == _NOT_IN_THIS_STATE:
            return RefusedError(told, "Ask for the state again.")
        if code in _INVALID:
            return UnsupportedError(told, "Ask for something that the controller can do.")
        return UnreachableError(told, "Try again later, or restart the controller.")
