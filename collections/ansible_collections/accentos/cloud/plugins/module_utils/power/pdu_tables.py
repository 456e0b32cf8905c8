# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The outlet tables of power distribution units, as data. Numbers are those of the makers' MIBs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Power

_ENTERPRISES = "1.3.6.1.4.1"
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,9})){2,60}")
_INDEX = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){0,5}")
_LARGEST = 2**31 - 1


class TableError(Exception):
    """A table or an outlet does not have the right form; the text says which and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class OutletTable:
    """Columns of a table and what is written to and read from them. Raises TableError when it is not sound."""

    # Column with the state, and what its values mean; any other value is no answer.
    state: str
    readings: Mapping[int, Power]
    # Columns and values that turn on and off.
    on: tuple[str, int]
    off: tuple[str, int]
    # Index in front of a plain number, such as that of the unit in a chain.
    prefix: str = ""

    def __post_init__(self) -> None:
        for oid in (self.state, self.on[0], self.off[0]):
            if not _OID.fullmatch(oid):
                raise TableError(f"{oid!r} is no object identifier: expected numbers with dots such as 1.3.6.1.4.1.318")
        if not {Power.ON, Power.OFF} <= set(self.readings.values()):
            raise TableError("the readings name no value for on or none for off")
        if self.on == self.off:
            raise TableError("on and off write the same value to the same column")
        for number in (*self.readings, self.on[1], self.off[1]):
            if not -_LARGEST <= number <= _LARGEST:
                raise TableError(f"{number} is no value of an SNMP integer")

    def index(self, outlet: str) -> str:
        """Return the index of OUTLET, a number or a whole index. Raises TableError."""
        if not _INDEX.fullmatch(outlet):
            raise TableError(f"{outlet!r} is no outlet: expected a number or an index such as 1.3")
        return outlet if "." in outlet or not self.prefix else f"{self.prefix}.{outlet}"


TABLES: Mapping[str, OutletTable] = {
    # PowerNet-MIB, rPDUOutletStatusOutletState and rPDUOutletControlOutletCommand (immediate).
    "apc": OutletTable(
        state=f"{_ENTERPRISES}.318.1.1.12.3.5.1.1.4",
        readings={1: Power.ON, 2: Power.OFF},
        on=(f"{_ENTERPRISES}.318.1.1.12.3.3.1.1.4", 1),
        off=(f"{_ENTERPRISES}.318.1.1.12.3.3.1.1.4", 2),
    ),
    # EATON-EPDU-MIB, outletControlStatus, outletControlOnCmd and outletControlOffCmd (seconds of delay).
    "eaton": OutletTable(
        state=f"{_ENTERPRISES}.534.6.6.7.6.6.1.2",
        readings={0: Power.OFF, 1: Power.ON, 2: Power.CHANGING, 3: Power.CHANGING},
        on=(f"{_ENTERPRISES}.534.6.6.7.6.6.1.4", 0),
        off=(f"{_ENTERPRISES}.534.6.6.7.6.6.1.3", 0),
        prefix="0",
    ),
    # PDU2-MIB, outletSwitchingState and outletSwitchingOperation.
    "raritan": OutletTable(
        state=f"{_ENTERPRISES}.13742.6.4.1.2.1.3",
        readings={7: Power.ON, 8: Power.OFF},
        on=(f"{_ENTERPRISES}.13742.6.4.1.2.1.2", 1),
        off=(f"{_ENTERPRISES}.13742.6.4.1.2.1.2", 0),
        prefix="1",
    ),
    # Baytech-MIB-503, the outlets of the RPC and MRP series; 2 is a reboot under way.
    "baytech": OutletTable(
        state=f"{_ENTERPRISES}.4779.1.3.5.3.1.3",
        readings={0: Power.OFF, 1: Power.ON, 2: Power.CHANGING},
        on=(f"{_ENTERPRISES}.4779.1.3.5.3.1.3", 1),
        off=(f"{_ENTERPRISES}.4779.1.3.5.3.1.3", 0),
        prefix="1",
    ),
}


def custom_table(options: Mapping[str, object]) -> OutletTable:
    """Return the table that suboption C(custom) describes. Raises TableError."""
    numbers = {key: int(str(value)) for key, value in options.items() if not key.endswith("_oid")}
    return OutletTable(
        state=str(options["state_oid"]),
        readings={numbers["on_reading"]: Power.ON, numbers["off_reading"]: Power.OFF},
        on=(str(options["on_oid"]), numbers["on_value"]),
        off=(str(options["off_oid"]), numbers["off_value"]),
    )
