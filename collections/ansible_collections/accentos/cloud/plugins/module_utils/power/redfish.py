# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redfish controllers, through sushy. Always over TLS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power import tls
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
_DEVICES = {target: device for device, target in _TARGETS.items()} | {"UsbCd": "cdrom"}
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
            target = _TARGETS[wanted.device]
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
        service, self._service, self._system = self._service, None, None
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

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of the libraries into ours."""
        try:
            yield
        except UnreachableError:
            self._forget()
            raise
        except PowerError:
            raise
        except sushy_errors.AccessError as error:
            self._forget()
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
            raise UnsupportedError(text, "Ask for something that the controller can do, or mend `system`.") from None
        except sushy_errors.UnknownDefaultError:
            raise UnsupportedError(
                f"{self._name} has not exactly one system", "Name one of them: set `system` to its identity."
            ) from None
        except sushy_errors.MissingActionError as error:
            raise UnsupportedError(f"{self._name}: {error}", "Ask for something that the controller can do.") from None
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
        self._service = self._system = None


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
