# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection to the management controller of a host, from its variables and the secrets of the site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Of host_bmc, the MAC address is for DHCP and no part of a connection.
_CONNECTION = ("driver", "address", "port", "system", "cipher_suite", "outlets", "verify", "ca")

_HARDENED = ("ipmi", "redfish")


class BmcError(Exception):
    """A connection is not complete; the text says what is missing and what to do."""


def secret_names(host: str, what: str) -> tuple[str, str]:
    """Return the names that the secret WHAT (user, password) of HOST can have in the store, the first one first."""
    return f"bmc_{re.sub('[^a-z0-9]', '_', host.lower())}_{what}", f"bmc_{what}"


def password_is_set(host_bmc: Mapping[str, Any] | None) -> bool:
    """Tell whether module bmc_hardening can give the controller a password of its own."""
    return host_bmc is not None and host_bmc.get("driver") in _HARDENED


def shared_logins(secrets: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the login that controllers without one of their own have, if the store holds one."""
    found = {what: secrets.get(f"bmc_{what}") for what in ("user", "password")}
    return [{what: value for what, value in found.items() if value}] if all(found.values()) else []


def connection(host: str, host_bmc: Mapping[str, Any] | None, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what option ``bmc`` of module power takes. Raises BmcError."""
    if not host_bmc:
        raise BmcError(f"Host {host} has no host_bmc. Give it one, with driver and address, in hosts.yml or host_vars.")
    found = {key: host_bmc[key] for key in _CONNECTION if host_bmc.get(key) is not None}
    for what in ("user", "password", "privacy_password"):
        names = secret_names(host, what)
        value = next((secrets[name] for name in names if name in secrets), None)
        if value is not None:
            found[what] = value
        elif what != "privacy_password":
            raise BmcError(
                f"The {what} of the controller of {host} is not in the store of the site: it has neither {names[0]} "
                f"nor {names[1]}. Store it with: tools/set-secret <site folder> {names[1]}"
            )
    return found
