# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users, cipher suites and authentication types of an IPMI 2.0 controller. Numbers are those of its specification."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    Connection,
    PowerError,
    UnreachableError,
    UnsupportedError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening import (
    ADMINISTRATOR,
    MOST_NAME,
    MOST_PASSWORD,
    Account,
    Suites,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.ipmi import IpmiDriver

_APPLICATION, _TRANSPORT = 6, 0x0C
_SET_LAN, _GET_LAN = 1, 2
_CHANNEL_INFO, _SET_ACCESS, _GET_ACCESS, _SET_NAME, _GET_NAME, _SET_PASSWORD = 0x42, 0x43, 0x44, 0x45, 0x46, 0x47
# The channel that a command comes over (6.3).
_THIS_CHANNEL = 0x0E
# LAN parameters (table 23-4).
_KINDS, _COUNT, _ENTRIES, _LEVELS = 2, 22, 23, 24
_LEVEL_BYTES = 9
# Operations of Set User Password, and the bit that says that a password has 20 bytes (22.30).
_DISABLE, _ENABLE, _STORE, _LONG = 0, 1, 2, 0x80
_SHORT = 16
# Bits of Set User Access (22.26) and Get User Access (22.27).
_CHANGE, _LINK, _MESSAGING, _NO_ACCESS = 0x80, 0x20, 0x10, 0x0F
_STATUS, _DISABLED, _NUMBERS = 6, 0b10, 0x3F
_ACCESS_BYTES = 4
# What a controller says to a parameter that cannot be written (23.1).
_READ_ONLY = 0x82


class IpmiAccounts(IpmiDriver):
    """One IPMI 2.0 controller and what lets people into it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._lan_channel: int | None = None

    def enter(self) -> None:
        """Open a session. Raises AccessDeniedError."""
        self.power_state()

    def accounts(self) -> tuple[Account, ...]:
        """Return the users."""
        first = self._access(1)
        found = []
        for number in range(1, (first[0] & _NUMBERS) + 1):
            data = first if number == 1 else self._access(number)
            level = data[3] & 0x0F
            # Status 0 is that of a controller that does not tell (22.27); there the other two count.
            active = data[1] >> _STATUS != _DISABLED and bool(data[3] & _MESSAGING) and level not in (0, _NO_ACCESS)
            found.append(Account(str(number), self._name_of(number), active, level >= ADMINISTRATOR))
        return tuple(found)

    def free(self, accounts: Sequence[Account]) -> str | None:
        """Return where a user may be added."""
        # The name of user 1 is fixed (6.9).
        return next((one.key for one in accounts if not one.name and not one.active and one.key != "1"), None)

    def kinds(self) -> tuple[int, ...] | None:
        """Return what IPMI 1.5 asks for, a byte for each privilege level, or None if that is not told."""
        with contextlib.suppress(UnsupportedError):
            return tuple(self._parameter(_KINDS, 1))
        return None

    def suites(self) -> Suites | None:
        """Return the cipher suites with their highest privileges, or None if the controller does not tell them."""
        try:
            count = self._parameter(_COUNT, 1)[0] & 0x1F
            # The first byte of both is reserved (table 23-4).
            entries = self._parameter(_ENTRIES, 1 + count)[1 : 1 + count]
            packed = self._parameter(_LEVELS, _LEVEL_BYTES)
        except UnsupportedError:
            return None
        levels = [level for byte in packed[1:_LEVEL_BYTES] for level in (byte & 0x0F, byte >> 4)]
        # A list may hold more entries than it has levels for.
        return Suites(dict(zip(entries, levels, strict=False)), self._session.suite)

    def add(self, key: str, name: str, _password: str) -> bool:
        """Give the user KEY its NAME and tell that it has nothing else yet."""
        self._ask(_APPLICATION, _SET_NAME, (int(key), *name.encode().ljust(MOST_NAME, b"\0")))
        return False

    def set_password(self, key: str, password: str) -> None:
        """Set the password of a user; one of up to 16 bytes is stored as such, as older controllers need."""
        data = password.encode()
        is_long = len(data) > _SHORT
        padded = data.ljust(MOST_PASSWORD if is_long else _SHORT, b"\0")
        self._ask(_APPLICATION, _SET_PASSWORD, (int(key) | (_LONG if is_long else 0), _STORE, *padded))

    def admit(self, key: str) -> None:
        """Let a user in as an administrator."""
        self._set_access(key, _LINK | _MESSAGING, ADMINISTRATOR)
        self._ask(_APPLICATION, _SET_PASSWORD, (int(key), _ENABLE))

    def disable(self, key: str) -> None:
        """Let a user in no more."""
        # Not every controller does both for every user; what came of it is read afterwards.
        try:
            self._set_access(key, 0, _NO_ACCESS)
        except UnsupportedError:
            self._store_disabled(key)
            return
        with contextlib.suppress(UnsupportedError):
            self._store_disabled(key)

    def set_kinds(self, kinds: Sequence[int]) -> None:
        """Set what IPMI 1.5 asks for."""
        self._set_parameter(_KINDS, kinds)

    def set_suites(self, levels: Mapping[int, int]) -> None:
        """Set the highest privileges of the cipher suites, given in the order of the controller."""
        # After a reserved byte, the first suite is in the lower half of a byte and the second in the upper
        # (table 23-4, parameter 24; ipmitool's `lan set cipher_privs` writes the same).
        halves = [*levels.values(), *(0,) * (2 * (_LEVEL_BYTES - 1) - len(levels))]
        packed = [low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True)]
        self._set_parameter(_LEVELS, (0, *packed))

    def hides(self) -> bool:
        """Tell that all is shown to who is let in."""
        return False

    def ipmi(self) -> None:
        """Return nothing: what is spoken here is not to be turned off."""

    def close_ipmi(self) -> None:
        """Do nothing, see ipmi()."""

    def again(self) -> IpmiAccounts:
        """Return the same login in a session of its own, while this one stays."""
        return _Again(self._connection)

    @property
    def _channel(self) -> int:
        # Get Channel Info (22.24) tells which one this is: not every command takes "this one" for an answer.
        if self._lan_channel is None:
            self._lan_channel = self._ask(_APPLICATION, _CHANNEL_INFO, (_THIS_CHANNEL,), least=1)[0] & 0x0F
        return self._lan_channel

    def _access(self, number: int) -> bytes:
        return self._ask(_APPLICATION, _GET_ACCESS, (self._channel, number), least=_ACCESS_BYTES)

    def _set_access(self, key: str, bits: int, level: int) -> None:
        self._ask(_APPLICATION, _SET_ACCESS, (_CHANGE | bits | self._channel, int(key), level, 0))

    def _store_disabled(self, key: str) -> None:
        self._ask(_APPLICATION, _SET_PASSWORD, (int(key), _DISABLE))

    def _name_of(self, number: int) -> str:
        try:
            data = self._ask(_APPLICATION, _GET_NAME, (number,))
        except UnsupportedError:
            # The name of user 1 is fixed and empty, so some refuse to tell it.
            return ""
        return data.split(b"\0")[0].decode(errors="replace").strip()

    def _parameter(self, number: int, least: int) -> bytes:
        """Return the data of a LAN parameter, without the revision before it (23.2)."""
        data = self._ask(_TRANSPORT, _GET_LAN, (self._channel, number, 0, 0))[1:]
        if len(data) < least:
            raise UnsupportedError(f"{self._name} does not tell LAN parameter {number}", "Update its firmware.")
        return data

    def _set_parameter(self, number: int, data: Sequence[int]) -> None:
        self._ask(_TRANSPORT, _SET_LAN, (self._channel, number, *data))

    def _completion_error(self, code: int, text: str) -> PowerError:
        found = super()._completion_error(code, text)
        if code == _READ_ONLY:
            return UnsupportedError(found.problem, "Update the firmware of the controller.")
        if isinstance(found, UnreachableError):
            # A refusal that needs no other attempt is not told as silence.
            return PowerError(found.problem, found.remedy)
        return found


class _Again(IpmiAccounts):
    """A session beside one with the same login: pyghmi would hand out that one."""

    def _session_options(self) -> dict[str, Any]:
        # Without a BMC key of its own a controller takes the user's password for it (13.33), so nothing else changes.
        return {**super()._session_options(), "kg": self._connection.password.encode()}
