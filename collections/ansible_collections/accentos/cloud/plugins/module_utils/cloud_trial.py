# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules share that try a cloud with guests: options of the fragment ``cloud_trial``, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_checks import external_network

_NAME = {"type": "str", "required": True}
TRIAL_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "image": {"type": "path", "required": True},
    "external_network": {"type": "str"},
    "external": {
        "type": "dict",
        "options": {
            "physical_network": {"type": "str", "default": "external"},
            "cidr": _NAME,
            "gateway": {"type": "str"},
            "first": _NAME,
            "last": _NAME,
        },
    },
    "memory_mib": {"type": "int", "default": 128},
    "timeout": {"type": "int", "default": 300},
}


def provide_external_network(
    admin: Cloud, name: str, mark: str, options: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return the external network to use, None if there is none; where the options describe one, it is made as NAME.

    MARK is the description of one that is made, by which it is known later. Raises CloudError and CheckFailedError.
    """
    found = admin.get("network", "/networks", **{"router:external": True})["networks"]
    return external_network(found, options["external_network"]) or _make(admin, name, mark, options["external"])


def _make(admin: Cloud, name: str, mark: str, wanted: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Make an external network if one is WANTED, and return it. Raises CloudError."""
    if not wanted:
        return None
    body = {
        "name": name,
        "description": mark,
        "router:external": True,
        "provider:network_type": "flat",
        "provider:physical_network": wanted["physical_network"],
    }
    network: dict[str, Any] = admin.ask("network", "POST", "/networks", {"network": body})["network"]
    body = {
        "name": name,
        "network_id": network["id"],
        "ip_version": 4,
        "cidr": wanted["cidr"],
        "enable_dhcp": False,
        "gateway_ip": wanted["gateway"],
        "allocation_pools": [{"start": wanted["first"], "end": wanted["last"]}],
    }
    admin.ask("network", "POST", "/subnets", {"subnet": body})
    return network
