# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides from the inventory and the descriptions of services what is looked at on a host. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_services import Context, plan_host
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import derive_addresses

BASE = "management"
# A gateway's device in the external network is one of a bridge, and that of a management controller is its own.
NETWORKS = (BASE, "tunnel", "storage")
EXTERNAL = "external"
_OTHER_LAYER = "host"


def examined_services(
    known: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Any],
    layers: Mapping[str, str],
    context: Context,
) -> dict[str, Any]:
    """Return what services have on a host: units with their inputs, and addresses that answer, each with its layer.

    Databases, users and endpoints are those of the whole cloud.

    ``layers`` are those of services by name. Raises ServiceError.
    """
    units: dict[str, dict[str, Any]] = {}
    apis: list[dict[str, Any]] = []
    databases: list[str] = []
    owners: list[str] = []
    messaging: list[str] = []
    catalogue: dict[str, dict[str, str]] = {}
    accounts: list[str] = []
    for name in known:
        plan = plan_host(known, [name], overrides, context)
        layer = layers.get(name, _OTHER_LAYER)
        for unit in plan["units"]:
            units.setdefault(unit["name"], {"name": unit["name"], "layer": layer, "inputs": unit["inputs"]})
        apis += [{**check, "layer": layer} for check in plan["checks"]]
        databases += [database["name"] for database in plan["databases"]["databases"]]
        owners += [user["name"] for user in plan["databases"]["users"]]
        messaging += [user["name"] for user in plan["messaging"]]
        catalogue |= {service["name"]: service["endpoints"] for service in plan["catalogue"]["services"]}
        accounts += [user["name"] for user in plan["catalogue"]["users"]]
    return {
        "units": list(units.values()),
        "apis": apis,
        "databases": databases,
        "database_users": owners,
        "messaging_users": messaging,
        "services": list(catalogue),
        "endpoints": catalogue,
        "identity_users": accounts,
    }


def linked_networks(devices: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the networks that devices of a host (ports or bonds) lead to."""
    return {name for device in devices for name in (device.get("network"), *(device.get("tagged") or ())) if name}


def networks_of(host: str, groups: Mapping[str, Sequence[str]], listed: Iterable[str]) -> list[str]:
    """Return the networks that the host has an address in: those LISTED for its devices, or what its groups need."""
    named = set(listed)
    if named:
        return [name for name in NETWORKS if name in named]

    def within(*names: str) -> bool:
        return any(host in groups.get(name, ()) for name in names)

    found = [BASE]
    if within("controller", "compute"):
        found.append("tunnel")
    if groups.get("storage") and within("controller", "compute", "storage"):
        found.append("storage")
    return found


def addresses_of(
    host: str,
    groups: Mapping[str, Sequence[str]],
    networks: Mapping[str, Mapping[str, Any]],
    variables: Mapping[str, Any],
) -> dict[str, str]:
    """Return the addresses of a host by network. Raises AddressError."""
    listed = linked_networks([*(variables.get("host_interfaces") or ()), *(variables.get("host_bonds") or ())])
    if not variables.get("host_addresses"):
        return {}
    derived = derive_addresses(networks, variables["host_addresses"])
    return {name: derived[name] for name in networks_of(host, groups, listed) if name in derived}


def host_wanted(
    host: str,
    site: Mapping[str, Any],
    variables: Mapping[str, Mapping[str, Any]],
    units: Mapping[str, Sequence[Mapping[str, Any]]],
    services: Mapping[str, Sequence[Any]],
) -> dict[str, Any]:
    """Return option ``wanted`` of the module host_health.

    :param site: groups, networks, network_driver, domain, api_name, api_address, and keeps_time.
    :param variables: of the hosts that are asked for, by name.
    :param units: what hosts run besides services, by group.
    :param services: what ``examined_services`` returns.
    """
    groups = site["groups"]
    own = addresses_of(host, groups, site["networks"], variables[host])
    peers: list[dict[str, str]] = []
    names: dict[str, str] = {}
    for other in variables:
        addresses = addresses_of(other, groups, site["networks"], variables[other])
        if BASE in addresses:
            names |= {other: addresses[BASE], f"{other}.{site['domain']}": addresses[BASE]}
        if other != host:
            peers += [
                {"host": other, "network": name, "address": address}
                for name, address in addresses.items()
                if name in own
            ]
    if site.get("api_address") and groups.get("controller"):
        names[site["api_name"]] = site["api_address"]
    mine = [unit for group, rows in units.items() if group == "all" or host in groups.get(group, ()) for unit in rows]
    return {
        "units": [*{unit["name"]: dict(unit) for unit in mine}.values(), *services.get("units", ())],
        "apis": list(services.get("apis", ())),
        "addresses": own,
        "peers": peers,
        "names": names,
        "network_driver": site.get("network_driver", "ovn"),
        "keeps_time": bool(site.get("keeps_time")),
        "controllers": len(groups.get("controller", ())),
        "chassis": sorted({*groups.get("controller", ()), *groups.get("compute", ())}),
        "ceph_pools": list(site.get("ceph_pools", ())),
        **{name: list(services.get(name, ())) for name in ("databases", "database_users", "messaging_users")},
    }
