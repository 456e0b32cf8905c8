# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turns systems of Cobbler into hosts of an inventory: data in, data out."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.values import INHERIT
from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import read_hardware

Raw = Mapping[str, Any]
GROUPS_KEY = "accentos_groups"
VARIABLES_KEY = "accentos_variables"
# What enrolment knows of a host. But for it and host_hardware, nothing that Cobbler holds becomes a variable under a
# name of its own.
_HOST_VARIABLES = frozenset({"host_addresses", "host_interfaces", "host_bonds", "host_bmc", "host_serial"})
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")
_RESERVED = frozenset({"all", "ungrouped"})
# An address of a BMC is none of the host, and a member of a bond or bridge has its address by mistake.
_NOT_OF_THE_HOST = frozenset({"bmc", "bond_slave", "bridge_slave"})
_SHOWN = (
    "comment",
    "gateway",
    "hostname",
    "interfaces",
    "kernel_options",
    "name_servers",
    "netboot_enabled",
    "owners",
    "profile",
    "status",
)
_MERGED = frozenset({"kernel_options", "autoinstall_meta"})


@dataclass(frozen=True)
class FoundHost:
    """A host: its name, groups and variables. The values are data of somebody else and are never templates."""

    name: str
    groups: tuple[str, ...]
    variables: Mapping[str, Any]


def group_name(text: str) -> str:
    """Return TEXT as the name of a group."""
    safe = _UNSAFE.sub("_", text)
    return safe if not safe[:1].isdigit() else f"_{safe}"


def _chain(system: Raw, profiles: Mapping[str, Raw], distros: Mapping[str, Raw]) -> Iterator[Raw]:
    """Return a system and what it takes values over from, nearest first."""
    yield system
    name, seen = system.get("profile", ""), set()
    while name in profiles and name not in seen:
        seen.add(name)
        profile = profiles[name]
        yield profile
        if not profile.get("parent") and profile.get("distro", "") in distros:
            yield distros[profile["distro"]]
        name = profile.get("parent", "")


def resolve(key: str, chain: Sequence[Raw], settings: Raw) -> Any:
    """Return the value that KEY has in the end. Dictionaries are merged along the CHAIN, as Cobbler does it."""
    if key in _MERGED:
        merged: dict[str, Any] = {}
        for raw in reversed(chain):
            if isinstance(raw.get(key), dict):
                merged.update(raw[key])
        removed = {name[1:] for name in merged if name.startswith("!")}
        return {name: value for name, value in merged.items() if not name.startswith("!") and name not in removed}
    for raw in chain:
        if raw.get(key, INHERIT) != INHERIT:
            return raw[key]
    return settings.get({"owners": "default_ownership", "name_servers": "default_name_servers"}.get(key, key))


def find_address(interfaces: Mapping[str, Raw]) -> str | None:
    """Return the address at which a host is reached: of the first interface that has one, IPv4 before IPv6."""
    for key in ("ip_address", "ipv6_address"):
        for raw in interfaces.values():
            if raw.get("interface_type") in _NOT_OF_THE_HOST or not raw.get(key):
                continue
            try:
                return str(ipaddress.ip_address(raw[key]))
            except ValueError:
                continue
    return None


def host_variables(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the host's own variables from the JSON texts that enrolment and its report left; odd text gives none."""
    hardware = read_hardware(meta)
    found = {"host_hardware": hardware} if hardware else {}
    try:
        known = json.loads(str(meta.get(VARIABLES_KEY, "{}")))
    except ValueError:
        return found
    return found | (
        {name: known[name] for name in sorted(_HOST_VARIABLES & known.keys())} if isinstance(known, dict) else {}
    )


def read_hosts(
    systems: Mapping[str, Raw], profiles: Mapping[str, Raw], distros: Mapping[str, Raw], settings: Raw
) -> list[FoundHost]:
    """Return the hosts that the systems describe, sorted by name."""
    found = []
    for name, system in sorted(systems.items()):
        chain = list(_chain(system, profiles, distros))
        variables = {f"cobbler_{key}": resolve(key, chain, settings) for key in _SHOWN}
        # cobblerd 3.3.10 appends default_ownership to itself.
        owners = list(dict.fromkeys(variables["cobbler_owners"] or []))
        meta = resolve("autoinstall_meta", chain, settings)
        variables.update(cobbler_owners=owners, cobbler_autoinstall_meta=meta)
        variables.update(host_variables(meta))
        address = find_address(system.get("interfaces", {}))
        if address:
            variables["ansible_host"] = address
        asked = re.split(r"[\s,]+", str(meta.get(GROUPS_KEY, "")))
        groups = [f"cobbler_profile_{system['profile']}"] if system.get("profile") else []
        groups += [f"cobbler_owner_{owner}" for owner in owners]
        groups += [group for group in asked if group and group not in _RESERVED]
        found.append(FoundHost(name, tuple(dict.fromkeys(map(group_name, groups))), variables))
    return found
