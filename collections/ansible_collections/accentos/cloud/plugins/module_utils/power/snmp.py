# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Outlets of power distribution units, through pysnmp. A machine with several feeds is off when all its outlets are."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    AccessDeniedError,
    Boot,
    Connection,
    Identity,
    PowerError,
    UnreachableError,
    UnsupportedError,
    WithoutVirtualMedia,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.pdu_tables import OutletTable
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Action, Power

try:
    from pyasn1.error import PyAsn1Error
    from pysnmp.error import PySnmpError
    from pysnmp.hlapi.v3arch import asyncio as snmp
except ImportError:
    # The module names the missing library before it makes a driver.
    snmp = None

_PORT = 161
_DESCRIPTION = "1.3.6.1.2.1.1.1.0"
_RETRIES = 1
# Error states of RFC 3416 that speak of rights.
_NO_RIGHT = {6, 16}
_DENIED = ("digest", "user name", "username", "usm user", "security level", "decrypt", "cipher", "authentication")


@dataclasses.dataclass(frozen=True, slots=True)
class Outlet:
    """One outlet of one unit."""

    address: str
    index: str
    table: OutletTable


class SnmpDriver(WithoutVirtualMedia):
    """The outlets that feed one machine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._outlets: Sequence[Outlet] = connection.extra["outlets"]
        # Both are kept: an engine remembers the keys, which take long to make, and the clocks of the units.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Any = None
        self._targets: dict[str, Any] = {}

    def power_state(self) -> Power:
        """Return OFF when all outlets are off, ON when all are on."""
        found = set()
        for outlet in self._outlets:
            value = self._ask(outlet.address, f"{outlet.table.state}.{outlet.index}")
            found.add(outlet.table.readings.get(value, Power.UNKNOWN) if isinstance(value, int) else Power.UNKNOWN)
        if len(found) == 1:
            return found.pop()
        # An outlet that does not tell or is on its way hides what the machine gets.
        return next((power for power in (Power.UNKNOWN, Power.CHANGING) if power in found), Power.PARTLY)

    def send(self, action: Action) -> None:
        """Switch all outlets."""
        if action not in (Action.ON, Action.OFF):
            raise UnsupportedError(
                f"an outlet knows no {action.value}", "Ask for off or cycle, or use the controller of the machine."
            )
        for outlet in self._outlets:
            column, value = outlet.table.on if action is Action.ON else outlet.table.off
            self._ask(outlet.address, f"{column}.{outlet.index}", value)

    def boot(self) -> Boot:
        """Outlets know nothing of it."""
        raise UnsupportedError("an outlet knows no boot device", "Leave out boot_device, or use another driver.")

    def set_boot(self, wanted: Boot) -> None:
        """Outlets know nothing of it."""
        self.boot()

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected."""
        addresses = list(dict.fromkeys(outlet.address for outlet in self._outlets))
        product = "; ".join(str(self._ask(address, _DESCRIPTION)) for address in addresses)
        extra = self._connection.extra
        if extra["snmp_version"] == "v2c":
            warning = "SNMP v2c is in use: the community goes over the network for everybody to read; use v3"
            return Identity("snmp", "v2c, none", product, (warning,))
        return Identity("snmp", f"v3 authPriv, {extra['snmp_auth']}, {extra['snmp_privacy']}", product)

    def close(self) -> None:
        """Forget the units."""
        loop, self._loop = self._loop, None
        if loop is not None:
            self._engine.close_dispatcher()
            loop.close()
            self._targets = {}

    def _ask(self, address: str, oid: str, value: int | None = None) -> int | str:
        """Return the value of an object, after setting it to VALUE if there is one."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._engine = snmp.SnmpEngine()
        try:
            return self._loop.run_until_complete(self._exchange(address, oid, value))
        except (PySnmpError, PyAsn1Error, OSError) as error:
            raise self._error(address, str(error)) from None

    async def _exchange(self, address: str, oid: str, value: int | None) -> int | str:
        wanted = self._connection
        if address not in self._targets:
            kind = snmp.Udp6TransportTarget if ":" in address else snmp.UdpTransportTarget
            self._targets[address] = await kind.create(
                (address, wanted.port or _PORT), timeout=wanted.answer_timeout / (_RETRIES + 1), retries=_RETRIES
            )
        setting = () if value is None else (snmp.Integer32(value),)
        row = snmp.ObjectType(snmp.ObjectIdentity(oid), *setting)
        ask = snmp.get_cmd if value is None else snmp.set_cmd
        trouble, status, _index, rows = await ask(
            self._engine, self._credentials(), self._targets[address], snmp.ContextData(), row, lookupMib=False
        )
        if trouble:
            raise self._error(address, str(trouble))
        if status:
            raise self._refusal(address, int(status), status.prettyPrint())
        return _plain(rows[0][1], address, oid)

    def _credentials(self) -> Any:
        wanted, extra = self._connection, self._connection.extra
        if extra["snmp_version"] == "v2c":
            return snmp.CommunityData(wanted.password, mpModel=1)
        return snmp.UsmUserData(
            wanted.user,
            authKey=wanted.password,
            privKey=extra.get("privacy_password") or wanted.password,
            authProtocol={
                "sha": snmp.USM_AUTH_HMAC96_SHA,
                "sha256": snmp.USM_AUTH_HMAC192_SHA256,
                "sha384": snmp.USM_AUTH_HMAC256_SHA384,
                "sha512": snmp.USM_AUTH_HMAC384_SHA512,
            }[extra["snmp_auth"]],
            privProtocol={"aes": snmp.USM_PRIV_CFB128_AES, "aes256": snmp.USM_PRIV_CFB256_AES}[extra["snmp_privacy"]],
        )

    def _error(self, address: str, text: str) -> PowerError:
        if any(word in text.lower() for word in _DENIED):
            return AccessDeniedError(
                f"the unit {address} refuses the user or a password: {text}",
                "Mend user, password and privacy_password of the unit in the sealed store of the site, and see that "
                "snmp_auth and snmp_privacy are those of the unit's user.",
            )
        return UnreachableError(
            f"the unit {address} does not answer: {text}",
            "Look at the address, the network out_of_band and the community or user; a unit keeps silent when it knows "
            "neither.",
        )

    def _refusal(self, address: str, status: int, text: str) -> PowerError:
        told = f"the unit {address} refuses: {text}"
        if status in _NO_RIGHT:
            return AccessDeniedError(told, "Give the user of the unit the right to write, or to this outlet.")
        return UnsupportedError(told, "Look at the number of the outlet and the make of the unit (table).")


def _plain(value: Any, address: str, oid: str) -> int | str:
    """Return a value of the library as Python's own. Raises UnsupportedError when the object is not there."""
    if type(value).__name__ in ("NoSuchObject", "NoSuchInstance", "EndOfMibView"):
        raise UnsupportedError(
            f"the unit {address} has no object {oid}", "Look at the number of the outlet and the make of the unit."
        )
    try:
        return int(value)
    except (TypeError, ValueError):
        return str(value.prettyPrint())
