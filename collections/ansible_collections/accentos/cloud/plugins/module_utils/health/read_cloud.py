# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads what the services of a cloud say through their APIs. Only asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError

# As many things as one answer holds; of more the first are looked at.
_PAGE = 1000


def _asked(read: Callable[[Cloud], Any], cloud: Cloud) -> Any:
    try:
        return read(cloud)
    except CloudError as error:
        raise ProbeError(str(error)) from error


def identity(cloud: Cloud) -> dict[str, Any]:
    """Return services with their endpoints, and names of users."""
    services = cloud.get("identity", "/services")["services"]
    endpoints = cloud.get("identity", "/endpoints")["endpoints"]
    users = cloud.get("identity", "/users")["users"]
    return {
        "services": [
            {
                "name": service.get("name", ""),
                "enabled": bool(service.get("enabled", True)),
                "urls": {
                    one["interface"]: one["url"]
                    for one in endpoints
                    if one["service_id"] == service["id"] and one.get("enabled", True)
                },
            }
            for service in services
        ],
        "users": {user["name"]: bool(user.get("enabled", True)) for user in users},
    }


def image(cloud: Cloud) -> list[dict[str, Any]]:
    """Return the images that users see, and those of others."""
    found: list[dict[str, Any]] = cloud.get("image", "/images", limit=_PAGE)["images"]
    return [{name: one.get(name) for name in ("name", "id", "status", "updated_at", "size")} for one in found]


def compute(cloud: Cloud) -> dict[str, Any]:
    """Return services, guests with errors or tasks, and what placement has of each compute."""
    providers = cloud.get("placement", "/resource_providers")["resource_providers"]
    usages = {}
    for one in providers[:_PAGE]:
        place = f"/resource_providers/{one['uuid']}"
        usages[one["name"]] = {
            "inventories": cloud.get("placement", f"{place}/inventories")["inventories"],
            "usages": cloud.get("placement", f"{place}/usages")["usages"],
        }
    return {
        "services": cloud.get("compute", "/os-services")["services"],
        "broken": cloud.get("compute", "/servers/detail", all_tenants=1, status="ERROR", limit=_PAGE)["servers"],
        "guests": cloud.get("compute", "/servers/detail", all_tenants=1, limit=_PAGE)["servers"],
        "providers": usages,
    }


def network(cloud: Cloud) -> dict[str, Any]:
    """Return agents, ports, floating addresses and routers."""
    return {
        "agents": cloud.get("network", "/agents")["agents"],
        "ports": cloud.get("network", "/ports", limit=_PAGE)["ports"],
        "floating": cloud.get("network", "/floatingips", limit=_PAGE)["floatingips"],
        "routers": cloud.get("network", "/routers", limit=_PAGE)["routers"],
    }


def volume(cloud: Cloud) -> dict[str, Any]:
    """Return services and volumes of all projects."""
    return {
        "services": cloud.get("volume", "/os-services")["services"],
        "volumes": cloud.get("volume", "/volumes/detail", all_tenants=1, limit=_PAGE)["volumes"],
        "snapshots": cloud.get("volume", "/snapshots/detail", all_tenants=1, limit=_PAGE)["snapshots"],
    }


def readers(cloud: Cloud) -> dict[str, Callable[[], Any]]:
    """Return what reads each service that the catalogue has."""
    known: dict[str, Callable[[Cloud], Any]] = {
        "identity": identity,
        "image": image,
        "compute": compute,
        "network": network,
        "volume": volume,
    }
    return {f"{name}_api": partial(_asked, read, cloud) for name, read in known.items() if cloud.has(name)}
