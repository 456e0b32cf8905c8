# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Tempest needs of a cloud: a domain with an administrator of its own, an image, flavors, an external network.

Everything is made anew for a run and removed after it, so that no lasting user and no password is left behind.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError, NoSuchThingError, wait
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_check_steps import empty_project, remove_keys
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_trial import provide_external_network

# The domain of all users and projects of a run. What is made outside of it has a name that begins like this.
NAME = "accentos-tempest"
# A domain of that name with another description is somebody else's.
MARK = "Made by AccentOS for a run of Tempest. The next run removes it with all that is in it."
# What tests make outside of the domain: path and query, in an order in which services let them go.
_OUTSIDE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("identity", "/users", {}),
    ("identity", "/groups", {}),
    ("identity", "/projects", {}),
    ("identity", "/roles", {}),
    ("identity", "/policies", {}),
    ("identity", "/OS-OAUTH1/consumers", {}),
    ("identity", "/OS-EP-FILTER/endpoint_groups", {}),
    ("identity", "/services", {}),
    ("identity", "/regions", {}),
    ("compute", "/flavors", {"is_public": "None"}),
    ("volume", "/types", {"is_public": "None"}),
)
# Where a service calls a collection in an answer by another name than in its path.
_KEYS = {"types": "volume_types"}
# Not everything has a name.
_NAMES = ("name", "description", "type")
_DISK_GIB = 1


class TempestCloud:
    """The things of a run in a cloud."""

    def __init__(self, admin: Cloud, options: Mapping[str, Any]) -> None:
        """Take an administrator of the cloud and the options of the module."""
        self._admin, self._options = admin, options

    def remove(self) -> int:
        """Remove everything that a run made or its tests left; return how many things there were. Raises CloudError."""
        get, ask, remove = self._admin.get, self._admin.ask, self._admin.remove
        count = 0
        domains = [one for one in get("identity", "/domains")["domains"] if one["name"].startswith(NAME)]
        for domain in domains:
            if domain["name"] == NAME and domain.get("description") != MARK:
                raise CloudError(f"a domain {NAME} is there that no run of Tempest made; rename it")
            projects = get("identity", "/projects", domain_id=domain["id"])["projects"]
            # The one with the external network, from which others have addresses, is the last.
            for project in sorted(projects, key=lambda one: one["name"] == NAME):
                count += empty_project(self._admin, project["id"], self._options["timeout"])
            for user in get("identity", "/users", domain_id=domain["id"])["users"]:
                count += remove_keys(self._admin, user["id"])
        for domain in domains:
            ask("identity", "PATCH", f"/domains/{domain['id']}", {"domain": {"enabled": False}})
            remove("identity", f"/domains/{domain['id']}")
        for service, path, query in _OUTSIDE:
            for one in self._ours(service, path, query):
                if path == "/projects":
                    count += empty_project(self._admin, one["id"], self._options["timeout"])
                remove(service, f"{path}/{one['id']}")
                count += 1
        return count + len(domains)

    def _ours(self, service: str, path: str, query: Mapping[str, str]) -> list[Any]:
        """Return those of a collection that have our name; none where a service has not such a thing."""
        kind = path.rpartition("/")[2]
        try:
            found = self._admin.get(service, path, **query)[_KEYS.get(kind, kind)] if self._admin.has(service) else []
        except NoSuchThingError:
            return []
        return [one for one in found if any(str(one.get(name, "")).startswith(NAME) for name in _NAMES)]

    def make(self) -> dict[str, dict[str, Any]]:
        """Make what a run needs, and return the options of Tempest that name it. Raises CloudError."""
        ask = self._admin.ask
        body: dict[str, Any] = {"name": NAME, "description": MARK}
        domain = ask("identity", "POST", "/domains", {"domain": body})["domain"]["id"]
        body = {"name": NAME, "description": MARK, "domain_id": domain}
        project = ask("identity", "POST", "/projects", {"project": body})["project"]["id"]
        password = secrets.token_urlsafe(32)
        user = ask("identity", "POST", "/users", {"user": {**body, "password": password}})["user"]["id"]
        (role,) = self._admin.get("identity", "/roles", name="admin")["roles"]
        ask("identity", "PUT", f"/projects/{project}/users/{user}/roles/{role['id']}")
        login = {"url": self._options["auth"]["url"], "username": NAME, "password": password}
        own = Cloud(
            {**login, "project": NAME, "domain": NAME},
            ca_file=self._options["ca_file"],
            timeout=self._options["timeout"],
        )
        made: dict[str, dict[str, Any]] = {
            "auth": {
                "admin_username": NAME,
                "admin_password": password,
                "admin_project_name": NAME,
                "admin_domain_name": NAME,
            },
            "service_available": {
                "cinder": self._admin.has("volume"),
                "glance": self._admin.has("image"),
                "horizon": False,
                "neutron": self._admin.has("network"),
                "nova": self._admin.has("compute"),
                "swift": False,
            },
            "compute": {},
            # Its users may look at no domain but their own.
            "identity": {"default_domain_id": domain},
            "volume": {"catalog_type": self._admin.type_of("volume")},
        }
        if own.has("image"):
            image = self._make_image(own)
            made["compute"] |= {"image_ref": image, "image_ref_alt": image}
        if own.has("compute"):
            flavors = [self._make_flavor(number, own) for number in (1, 2)]
            made["compute"] |= {"flavor_ref": flavors[0], "flavor_ref_alt": flavors[1]}
        if own.has("network"):
            extensions = own.get("network", "/extensions")["extensions"]
            made["network"] = self._networks(own)
            made["network-feature-enabled"] = {"api_extensions": sorted(one["alias"] for one in extensions)}
        return made

    def _make_image(self, own: Cloud) -> str:
        """Give the guest's disk to the image service and return its id."""
        file = Path(self._options["image"])
        body = {"name": NAME, "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        body |= {"hw_rng_model": "virtio"}
        number = str(own.ask("image", "POST", "/images", body)["id"])
        own.put_file(f"/images/{number}/file", file)
        if not wait(functools.partial(self._active, own, number), self._options["timeout"]):
            raise CloudError(f"the image service did not take in {file} within {self._options['timeout']} seconds")
        return number

    def _active(self, own: Cloud, image: str) -> bool:
        return bool(own.get("image", f"/images/{image}")["status"] == "active")

    def _make_flavor(self, number: int, own: Cloud) -> str:
        """Make a flavor, larger with its number, and return its id."""
        flavor = {"name": f"{NAME}-{number}", "ram": number * self._options["memory_mib"], "vcpus": 1}
        made = own.ask("compute", "POST", "/flavors", {"flavor": {**flavor, "disk": _DISK_GIB}})
        return str(made["flavor"]["id"])

    def _networks(self, own: Cloud) -> dict[str, Any]:
        """Return the external network to use; one is made where there is none and the options describe one."""
        outside = provide_external_network(own, NAME, MARK, self._options)
        return {"public_network_id": outside["id"], "floating_network_name": outside["name"]} if outside else {}


def validation(network: Mapping[str, Any], *, logins: bool) -> dict[str, Any]:
    """Return how Tempest looks into a guest of the role guest_image, if LOGINS are wanted.

    That is by a floating address, where NETWORK names one to take it from.
    """
    if not logins or "public_network_id" not in network:
        return {"run_validation": False}
    return {"run_validation": True, "connect_method": "floating", "image_ssh_user": "root"}


def settings(options: Mapping[str, Any], folder: Path, made: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return all options of Tempest: its own, those of what was MADE, and the operator's, which win.

    FOLDER is for its locks and is gone after the run. Intervals are in seconds: the services of a cloud answer quickly.
    """
    base: dict[str, dict[str, Any]] = {
        "DEFAULT": {"debug": False, "resource_name_prefix": NAME, "use_stderr": False},
        "auth": {"create_isolated_networks": True, "use_dynamic_credentials": True},
        "compute": {"build_interval": 1, "build_timeout": options["timeout"], "min_compute_nodes": 1},
        "identity": {
            "auth_version": "v3",
            "ca_certificates_file": options["ca_file"],
            "uri_v3": options["auth"]["url"],
        },
        "image": {"build_interval": 1},
        "network": {"build_interval": 1},
        "oslo_concurrency": {"lock_path": str(folder / "locks")},
        "validation": validation(made.get("network") or {}, logins=options["logins"]),
        "volume": {"build_interval": 1, "build_timeout": options["timeout"]},
        "volume-feature-enabled": {"backup": False},
    }
    parts = (base, made, options["settings"])
    merged = {
        section: {name: value for part in parts for name, value in (part.get(section) or {}).items()}
        for section in sorted({name for part in parts for name in part})
    }
    return {
        section: {name: value for name, value in values.items() if value is not None}
        for section, values in merged.items()
    }
