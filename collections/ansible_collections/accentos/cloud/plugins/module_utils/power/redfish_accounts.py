# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts of a Redfish controller: its AccountService (DMTF DSP0268, ManagerAccount), through sushy's connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    Connection,
    Identity,
    UnsupportedError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.hardening import Account, Suites
from ansible_collections.accentos.cloud.plugins.module_utils.power.redfish import RedfishDriver

try:
    from sushy import exceptions as sushy_errors
except ImportError:
    # The module names the missing library before it makes a driver.
    sushy_errors = None

_ADMINISTRATOR = "Administrator"
_FORBIDDEN = 403
# The own account is all that is shown until its password is changed (DSP0266, 13.2.6.1).
_MUST_CHANGE = "PasswordChangeRequired"
# What a controller says that has a fixed number of accounts, each of which is filled in.
_NO_POST = (404, 405, 501)


class RedfishAccounts(RedfishDriver):
    """One Redfish service and its accounts."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._must_change = False

    def identity(self) -> Identity:
        """Return who answers and how the connection is protected; no machine is asked for."""
        with self._errors():
            product = self._opened().product
        return self._identity(product or "")

    def enter(self) -> None:
        """Prove the login. Raises AccessDeniedError."""
        self.accounts()

    def accounts(self) -> tuple[Account, ...]:
        """Return the accounts."""
        with self._errors():
            try:
                rows = [self._read(row["@odata.id"]) for row in self._collection()["Members"]]
            except sushy_errors.AccessError as error:
                rows = [self._read(path) for path in _own_account(error)]
                if not rows:
                    raise
                self._must_change = True
            return tuple(
                Account(
                    row["@odata.id"],
                    row.get("UserName") or "",
                    bool(row.get("Enabled", True)),
                    row.get("RoleId", _ADMINISTRATOR) == _ADMINISTRATOR,
                )
                for row in rows
            )

    def free(self, accounts: Sequence[Account]) -> str | None:
        """Return where an account may be added: an empty one, or nowhere in particular."""
        if self._must_change:
            return None
        empty = [one.key for one in accounts if not one.name and not one.active]
        # The first of a fixed number is often reserved.
        return empty[-1] if empty else ""

    def kinds(self) -> None:
        """Return nothing: there is no IPMI 1.5 here."""

    def suites(self) -> Suites | None:
        """Return nothing: TLS is agreed upon by the libraries."""
        return None

    def hides(self) -> bool:
        """Tell whether nothing but the own account is shown until its password is changed."""
        return self._must_change

    def ipmi(self) -> bool | None:
        """Tell whether IPMI over LAN is on at any manager of the system; None if none tells of it."""
        states = [row["IPMI"].get("ProtocolEnabled") for _path, row in self._protocols()]
        return None if None in states or not states else any(states)

    def add(self, key: str, name: str, password: str) -> bool:
        """Add an account, by filling in KEY if it is given, and tell that it has all that it needs."""
        wanted = {"UserName": name, "Password": password, "RoleId": _ADMINISTRATOR, "Enabled": True}
        if key:
            self._change(key, wanted)
            return True
        with self._errors():
            try:
                self._link.post(self._collection()["@odata.id"], data=wanted)
            except sushy_errors.HTTPError as error:
                if error.status_code in _NO_POST:
                    raise UnsupportedError(
                        f"{self._name} takes no further account", "Name one of its accounts as the user."
                    ) from None
                raise
        return True

    def set_password(self, key: str, password: str) -> None:
        """Set the password of an account."""
        self._change(key, {"Password": password})

    def admit(self, key: str) -> None:
        """Let an account in as an administrator."""
        self._change(key, {"Enabled": True, "RoleId": _ADMINISTRATOR})

    def disable(self, key: str) -> None:
        """Let an account in no more."""
        self._change(key, {"Enabled": False})

    def set_kinds(self, kinds: Sequence[int]) -> None:
        """Do nothing: there is no IPMI 1.5 here."""

    def set_suites(self, levels: Mapping[int, int]) -> None:
        """Do nothing: there are no cipher suites of IPMI here."""

    def close_ipmi(self) -> None:
        """Turn IPMI over LAN off (DSP0268, ManagerNetworkProtocol)."""
        for path, row in self._protocols():
            if row["IPMI"].get("ProtocolEnabled"):
                self._change(path, {"IPMI": {"ProtocolEnabled": False}})

    def again(self) -> RedfishAccounts:
        """Return the same login in a session of its own, while this one stays."""
        return RedfishAccounts(self._connection)

    @property
    def _link(self) -> Any:
        """Return the connection of the service, opened when there is none."""
        return self._opened()._conn

    def _protocols(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the protocols of each manager of the system that tells of IPMI, with their path."""
        with self._errors():
            links = self._known().json.get("Links", {}).get("ManagedBy", ())
            managers = [self._read(link["@odata.id"]) for link in links]
            paths = [manager["NetworkProtocol"]["@odata.id"] for manager in managers if "NetworkProtocol" in manager]
            read = [(path, self._read(path)) for path in paths]
            return [(path, row) for path, row in read if row.get("IPMI")]

    def _collection(self) -> dict[str, Any]:
        service = self._opened().json.get("AccountService")
        if not service:
            raise UnsupportedError(f"{self._name} has no account service", "Update its firmware.")
        return self._read(self._read(service["@odata.id"])["Accounts"]["@odata.id"])

    def _read(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._link.get(path).json()
        return found

    def _change(self, path: str, wanted: Mapping[str, Any]) -> None:
        with self._errors():
            # Some controllers take a change only of what was read (DSP0266, 6.5).
            tag = self._link.get(path).headers.get("ETag")
            self._link.patch(path, data=dict(wanted), etag=tag)


def _own_account(error: Any) -> Iterable[str]:
    """Give the address of the account that must change its password first, if that is what ERROR says."""
    if error.status_code != _FORBIDDEN:
        return
    for message in error.extended_info or ():
        if str(message.get("MessageId", "")).endswith(_MUST_CHANGE):
            yield from message.get("MessageArgs", ())[:1]
