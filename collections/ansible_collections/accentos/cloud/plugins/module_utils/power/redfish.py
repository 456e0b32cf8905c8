# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redfish controllers, through sushy. Always over TLS."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power import tls
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    OTHER_DEVICE,
    VIRTUAL_MEDIA,
    AccessDeniedError,
    Boot,
    Connection,
    Drive,
    Identity,
    PowerError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Action, Power

try:
    import sushy
    from requests import exceptions as http_errors
    from sushy import connector
    from sushy import exceptions as sushy_errors
except ImportError:
    # The module names the missing library before it makes a driver.
    sushy = None

_PORT = 443
_FORBIDDEN = 403
_CONFLICT = 409
# Words of the Redfish schema.
_POWER = {"On": Power.ON, "Off": Power.OFF, "PoweringOn": Power.CHANGING, "PoweringOff": Power.CHANGING}
# The first one that the controller offers is used.
_RESETS = {
    Action.ON: ("On", "ForceOn"),
    Action.OFF: ("ForceOff",),
    Action.SOFT_OFF: ("GracefulShutdown", "PushPowerButton"),
    Action.RESET: ("ForceRestart", "PowerCycle"),
}
_TARGETS = {"none": "None", "pxe": "Pxe", "disk": "Hdd", "cdrom": "Cd", "bios_setup": "BiosSetup"}
# Some controllers show the virtual drive at a USB port, and call that by another name than a drive of the machine.
_USB_CD = "UsbCd"
_DEVICES = {target: device for device, target in _TARGETS.items()} | {_USB_CD: "cdrom"}
_OPTICAL = {"CD", "DVD"}
_GENERAL_REMEDY = "Ask for something that the controller can do, or mend `system`."
_MEDIA_REMEDY = (
    "See that the licence of the controller and the privileges of its user cover virtual media, and that it reaches "
    "the address of the image; or let the machine start from the network."
)
_MODES = {"bios": "Legacy", "uefi": "UEFI"}
_FIRMWARES = {mode: firmware for firmware, mode in _MODES.items()}
_OFTEN = {True: "Continuous", False: "Once"}


class RedfishDriver:
    """One system of one Redfish service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # None is a session not opened yet, or lost.
        self._service: Any = None
        self._system: Any = None
        self._drives: list[Any] | None = None

    def power_state(self) -> Power:
        """Return what the controller says now."""
        with self._errors():
            return _POWER.get(_word(self._fresh().power_state), Power.UNKNOWN)

    def send(self, action: Action) -> None:
        """Hand the command to the controller."""
        with self._errors():
            system = self._known()
            offered = [value.value for value in system.get_allowed_reset_system_values()]
            reset = next((reset for reset in _RESETS[action] if reset in offered), None)
            if reset is None:
                raise UnsupportedError(
                    f"{self._name} offers no {action.value}; it offers {', '.join(sorted(offered))}",
                    "Ask for another state.",
                )
            system.reset_system(sushy.ResetType(reset))

    def boot(self) -> Boot:
        """Return from what the machine starts next."""
        with self._errors():
            found = self._fresh().boot
            target, often = (_word(found.target), _word(found.enabled)) if found else ("", "")
            if not target and not often:
                raise UnsupportedError(f"{self._name} does not tell a boot device", "Leave out boot_device.")
            firmware = _FIRMWARES.get(_word(found.mode))
            if often == "Disabled" or target == "None":
                return Boot("none", firmware=firmware)
            return Boot(_DEVICES.get(target, OTHER_DEVICE), often == _OFTEN[True], firmware)

    def set_boot(self, wanted: Boot) -> None:
        """Set from what the machine starts next."""
        often = "Disabled" if wanted.device == "none" else _OFTEN[wanted.persistent]
        with self._errors():
            system = self._fresh()
            offered = [value.value for value in system.get_allowed_system_boot_source_values()]
            target = _target(wanted.device, offered)
            # Not every controller takes the target None; the word Disabled says the same.
            leave_out = wanted.device == "none" and target not in offered
            if target not in offered and not leave_out:
                raise UnsupportedError(
                    f"{self._name} offers no boot device {wanted.device}; it offers {', '.join(sorted(offered))}",
                    "Ask for another device.",
                )
            system.set_system_boot_options(
                target=None if leave_out else sushy.BootSource(target),
                enabled=sushy.BootSourceOverrideEnabled(often),
                mode=sushy.BootSourceOverrideMode(_MODES[wanted.firmware]) if wanted.firmware else None,
            )

    def drives(self) -> tuple[Drive, ...]:
        """Return the virtual optical drives of the system, or of its managers, where older controllers have them."""
        with self._errors(_MEDIA_REMEDY):
            if self._drives is None:
                self._drives = self._optical_drives()
            else:
                for drive in self._drives:
                    drive.refresh(force=True)
            if not self._drives:
                raise UnsupportedError(f"{self._name} has no virtual optical drive", _MEDIA_REMEDY)
            return tuple(Drive(drive.path, drive.identity, _image(drive)) for drive in self._drives)

    def insert_image(self, drive: Drive, image: str) -> None:
        """Let the controller show an image in a drive."""
        with self._errors(_MEDIA_REMEDY):
            self._drive(drive).insert_media(image)

    def eject_image(self, drive: Drive) -> None:
        """Let the controller take the image out of a drive."""
        with self._errors(_MEDIA_REMEDY):
            self._drive(drive).eject_media()

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected."""
        with self._errors():
            system = self._known()
            product = " ".join(
                part for part in (system.manufacturer, self._service.product, system.json.get("Model")) if part
            )
        return self._identity(product)

    def _identity(self, product: str) -> Identity:
        verified = self._connection.verify
        warnings = () if verified else (tls.UNVERIFIED,)
        return Identity("redfish", "TLS, verified" if verified else "TLS, not verified", product, warnings)

    def close(self) -> None:
        """End the session, if there is one."""
        service = self._service
        self._forget()
        if service is not None:
            # The machine is not touched any more; a session that cannot be ended expires.
            with contextlib.suppress(sushy_errors.SushyError, http_errors.RequestException):
                service._auth.close()

    @property
    def _name(self) -> str:
        return f"the controller {self._connection.address}"

    def _known(self) -> Any:
        """Return the system, from a session that is opened when there is none. Its state may be old."""
        if self._system is None:
            service = self._opened()
            identity = self._connection.extra.get("system")
            if identity and not identity.startswith("/"):
                identity = f"{service.get_system_collection().path.rstrip('/')}/{identity}"
            self._system = service.get_system(identity or None)
        return self._system

    def _opened(self) -> Any:
        """Return the service, in a session that is opened when there is none."""
        if self._service is None:
            wanted = self._connection
            host = f"[{wanted.address}]" if ":" in wanted.address else wanted.address
            self._service = sushy.Sushy(
                f"https://{host}:{wanted.port or _PORT}",
                auth=sushy.auth.SessionOrBasicAuth(wanted.user, wanted.password),
                connector=_connector(f"https://{host}:{wanted.port or _PORT}", wanted),
            )
        return self._service

    def _fresh(self) -> Any:
        known = self._system
        system = self._known()
        if known is not None:
            system.refresh(force=True)
        return system

    def _optical_drives(self) -> list[Any]:
        system = self._known()
        if found := _optical_members(system):
            return found
        with contextlib.suppress(sushy_errors.MissingAttributeError):
            return [drive for manager in system.managers for drive in _optical_members(manager)]
        return []

    def _drive(self, wanted: Drive) -> Any:
        """Return a drive that drives() returned, of the present session."""
        if self._drives is None:
            self._drives = self._optical_drives()
        for drive in self._drives:
            if drive.path == wanted.path:
                return drive
        raise UnreachableError(f"{self._name} does not show its drive {wanted.name} any more", "Try again later.")

    @contextlib.contextmanager
    def _errors(self, remedy: str = _GENERAL_REMEDY) -> Iterator[None]:
        """Turn the errors of the libraries into ours, with a REMEDY for what the controller will not do."""
        try:
            yield
        except UnreachableError:
            self._forget()
            raise
        except PowerError:
            raise
        except sushy_errors.AccessError as error:
            self._forget()
            if remedy is _MEDIA_REMEDY and error.status_code == _FORBIDDEN:
                raise UnsupportedError(f"{self._name}: {error.detail or 'HTTP 403'}", remedy) from None
            raise AccessDeniedError(
                f"{self._name} refuses the user or the password (HTTP {error.status_code})",
                "Mend the user and password of the controller in the sealed store of the site.",
            ) from None
        except sushy_errors.ConnectionError as error:
            self._forget()
            raise tls.connection_error(self._connection.address, str(error)) from None
        except sushy_errors.HTTPError as error:
            text = f"{self._name}: {error.detail or f'HTTP {error.status_code}'}"
            if error.status_code == _CONFLICT:
                raise RefusedError(text, "Ask for the state again.") from None
            if isinstance(error, sushy_errors.ServerSideError):
                raise UnreachableError(text, "Try again later, or restart the controller.") from None
            raise UnsupportedError(text, remedy) from None
        except sushy_errors.UnknownDefaultError:
            raise UnsupportedError(
                f"{self._name} has not exactly one system", "Name one of them: set `system` to its identity."
            ) from None
        except sushy_errors.MissingActionError as error:
            raise UnsupportedError(f"{self._name}: {error}", remedy) from None
        # The library does not look at the type of everything that it reads.
        except (
            sushy_errors.SushyError,
            http_errors.RequestException,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            self._forget()
            raise UnreachableError(
                f"{self._name} answers what is no Redfish: {error}", "Mend the address or port."
            ) from None

    def _forget(self) -> None:
        """Let the next call open a session of its own."""
        self._service = self._system = self._drives = None


def _connector(url: str, wanted: Connection) -> Any:
    """Return a connection that obeys no environment, repeats no command and gives up in time."""
    made = connector.Connector(
        url,
        verify=tls.trusted(wanted),
        server_side_retries=1,
        server_side_retries_delay=1,
        default_request_timeout=wanted.answer_timeout,
        connect_timeout=wanted.answer_timeout,
        # The adapter of that option would let go of the store named in `verify`; Python's own minimum is 1.2.
    )
    # Neither a proxy nor ~/.netrc may get hold of the password.
    made._session.trust_env = False
    return made


def _word(value: Any) -> str:
    """Return the schema's word for a value of the library, which gives None for what it does not know."""
    return "" if value is None else str(value.value)


def _target(device: str, offered: Collection[str]) -> str:
    """Return the schema's word for a boot device, of those that the controller offers if there are several."""
    if device == VIRTUAL_MEDIA:
        return _USB_CD if _USB_CD in offered else _TARGETS["cdrom"]
    return _TARGETS[device]


def _optical_members(owner: Any) -> list[Any]:
    """Return the virtual drives of a system or manager that take images of CDs or DVDs."""
    with contextlib.suppress(sushy_errors.MissingAttributeError, sushy_errors.ResourceNotFoundError):
        members = owner.virtual_media.get_members()
        return [drive for drive in members if _OPTICAL & {_word(kind) for kind in drive.media_types}]
    return []


def _image(drive: Any) -> str | None:
    """Return the URL of what is inserted, an empty text if it is not told, None if nothing is."""
    inserted = bool(drive.image) if drive.inserted is None else drive.inserted
    return (drive.image or "") if inserted else None
