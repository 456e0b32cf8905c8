# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every driver of a management controller can do, and how it says that something went wrong."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Action, Power

# The drive into which the controller inserts an image; only drivers with virtual media have it.
VIRTUAL_MEDIA = "virtual_media"
DEVICES = ("none", "pxe", "disk", "cdrom", VIRTUAL_MEDIA, "bios_setup")
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

    def as_dict(self) -> dict[str, Any]:
        """Return how the controller was reached, as a result of a module."""
        return {"protocol": self.protocol, "protection": self.protection, "product": self.product}


@dataclasses.dataclass(frozen=True, slots=True)
class Drive:
    """An optical drive that the controller shows to the machine, and the URL of the image in it (None: it is empty)."""

    path: str
    name: str
    image: str | None = None


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

    def drives(self) -> tuple[Drive, ...]:
        """Return the virtual optical drives, at least one. Raises UnsupportedError."""

    def insert_image(self, drive: Drive, image: str) -> None:
        """Let the controller show the image at a URL in an empty drive; return when it is accepted."""

    def eject_image(self, drive: Drive) -> None:
        """Let the controller take the image out of a drive; return when it is accepted."""

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected."""

    def close(self) -> None:
        """End the session. Does not raise."""


class WithoutVirtualMedia:
    """Part of a driver whose protocol has no virtual media: whatever is asked of them is refused alike."""

    def drives(self) -> tuple[Drive, ...]:
        """Refuse."""
        raise _no_virtual_media()

    def insert_image(self, _drive: Drive, _image: str) -> None:
        """Refuse."""
        raise _no_virtual_media()

    def eject_image(self, _drive: Drive) -> None:
        """Refuse."""
        raise _no_virtual_media()


def _no_virtual_media() -> UnsupportedError:
    return UnsupportedError(
        "its driver has no virtual media",
        "Let the machine start from the network, or reach its controller with the driver redfish.",
    )
