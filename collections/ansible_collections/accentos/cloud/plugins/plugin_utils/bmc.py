# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How hosts are turned off from outside, from their variables and the secrets of the site."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import AddressError, derive_addresses

# Of host_bmc, the MAC address is for DHCP and no part of a connection.
_CONNECTION = ("driver", "address", "port", "system", "cipher_suite", "outlets", "verify", "ca")
_UNITS = ("outlets", "port", "snmp_version", "snmp_auth", "snmp_privacy")
_WATCHDOG = ("armed", "timeout", "margin")
# Networks in which a host can be a client of Ceph. An address in external may be that of a guest.
_CLIENTS = ("management", "tunnel", "storage")
# Variables of a host that tell how it is fenced.
FENCING = ("host_bmc", "host_power_outlets", "host_watchdog", "host_addresses", "site_networks")

_HARDENED = ("ipmi", "redfish")


class BmcError(Exception):
    """A connection is not complete; the text says what is missing and what to do."""


def secret_names(host: str, what: str, kind: str = "bmc") -> tuple[str, str]:
    """Return the names that the secret WHAT (user, password) of HOST can have in the store, the first one first.

    KIND is bmc for management controllers and pdu for power distribution units.
    """
    return f"{kind}_{re.sub('[^a-z0-9]', '_', host.lower())}_{what}", f"{kind}_{what}"


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
    return found | _secrets(host, "bmc", secrets, ("privacy_password",))


def _secrets(host: str, kind: str, secrets: Mapping[str, str], optional: Sequence[str]) -> dict[str, str]:
    found = {}
    for what in ("user", "password", "privacy_password"):
        names = secret_names(host, what, kind)
        value = next((secrets[name] for name in names if name in secrets), None)
        if value is not None:
            found[what] = value
        elif what not in optional:
            of = "controller" if kind == "bmc" else "power distribution units"
            raise BmcError(
                f"The {what} of the {of} of {host} is not in the store of the site: it has neither {names[0]} "
                f"nor {names[1]}. Store it with: tools/set-secret <site folder> {names[1]}"
            )
    return found


def fencing(host: str, variables: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return a row of option ``machines`` of module fence, from the FENCING variables of a host. Raises BmcError."""
    found: dict[str, Any] = {"name": host}
    if variables.get("host_bmc"):
        found["bmc"] = connection(host, variables["host_bmc"], secrets)
    if units := variables.get("host_power_outlets"):
        # A community has no user.
        optional = ("privacy_password", *(["user"] if units.get("snmp_version") == "v2c" else []))
        found["pdu"] = {
            "driver": "snmp",
            "address": units["outlets"][0]["address"],
            **{key: units[key] for key in _UNITS if units.get(key) is not None},
            **_secrets(host, "pdu", secrets, optional),
        }
    if watchdog := variables.get("host_watchdog"):
        found["watchdog"] = {key: watchdog[key] for key in _WATCHDOG if watchdog.get(key) is not None}
    if variables.get("host_addresses") and variables.get("site_networks"):
        try:
            addresses = derive_addresses(variables["site_networks"], variables["host_addresses"])
        except AddressError as error:
            raise BmcError(f"The addresses of {host} cannot be told: {error}. Mend them; tools/check-site.") from None
        found["address"] = addresses.get("management")
        found["ceph_addresses"] = [addresses[name] for name in _CLIENTS if name in addresses]
    return found
