# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every driver of a management controller can do, and how it says that something went wrong."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Action, Power

DEVICES = ("none", "pxe", "disk", "cdrom", "bios_setup")
# A device that the controller is set to and that this interface has no name for.
OTHER_DEVICE = "other"


class PowerError(Exception):
    """Something about a controller went wrong: what, and what to do about it. TOUCHED: something was sent before."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.touched = False


class UnreachableError(PowerError):
    """No answer, or none that can be used. It says nothing about the machine; asking again may help."""


class AccessDeniedError(PowerError):
    """The controller refuses the user or the password. Asking again would lock the account."""


class UntrustedError(PowerError):
    """The controller is not proven to be the one that was asked for."""


class RefusedError(PowerError):
    """The controller does not do it in its present state, for one because the machine is where it should be."""


class UnsupportedError(PowerError):
    """The controller cannot do it at all."""


@dataclasses.dataclass(frozen=True, slots=True)
class Connection:
    """Everything that a driver needs to talk to one controller."""

    driver: str
    address: str
    port: int | None = None
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    verify: bool = True
    ca: str | None = None
    # Seconds for one answer.
    answer_timeout: float = 10
    # What only one driver knows, such as the system of Redfish or the outlets of SNMP.
    extra: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Boot:
    """From what a machine starts: the device, whether always or once, and by which firmware (None: as it is)."""

    device: str
    persistent: bool = False
    firmware: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a result of a module."""
        return {"device": self.device, "persistent": self.persistent, "firmware": self.firmware}


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """What a controller says about itself, how the connection to it is protected, and what is wrong with that."""

    protocol: str
    protection: str
    product: str = ""
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


class Driver(Protocol):
    """A connection to one controller. Every method can raise PowerError; none waits for the machine to follow."""

    def power_state(self) -> Power:
        """Return what the controller says now."""

    def send(self, action: Action) -> None:
        """Hand the command to the controller; return when it is accepted. Raises RefusedError, UnsupportedError."""

    def boot(self) -> Boot | None:
        """Return from what the machine starts next, None if that cannot be read. Raises UnsupportedError."""

    def set_boot(self, wanted: Boot) -> None:
        """Set from what the machine starts next. Raises UnsupportedError."""

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected."""

    def close(self) -> None:
        """End the session. Does not raise."""
