# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cobbler 3.3: which fields its objects have, and how they are read and written. All that differs in another version
of Cobbler is here.

Facts about 3.3.10 that the code relies on:
- ``xapi_object_edit`` changes and saves an object in one call, so no client that dies leaves half of a change in the
  memory of cobblerd. When it refuses a value, the fields before it are changed in memory already: the caller repairs.
- Each save writes the boot files of that object and the DHCP configuration (a "lite sync"); no call avoids that.
- A task starts in the state ``notification``, before ``running``.
- ``modify_setting`` turns every boolean into a number, says that all went well, and then cannot write its file.
- ``modify_setting`` sets the value in memory, and then writes its file; if that fails, the value stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .client import Client, RefusedError, UnwritableError
from .values import Field

OLDEST = (3, 3, 10)
NEWEST = (3, 4)

_KERNEL: dict[str, Field] = {
    "kernel_options": Field("options", inherit=True),
    "kernel_options_post": Field("options", inherit=True),
    "autoinstall_meta": Field("meta", inherit=True),
}
_COMMON: dict[str, Field] = {
    **_KERNEL,
    "comment": Field("text"),
    "owners": Field("names", inherit=True),
    "mgmt_classes": Field("names", inherit=True),
    "mgmt_parameters": Field("structure", inherit=True),
    "boot_files": Field("map", inherit=True),
    "fetchable_files": Field("map", inherit=True),
    "template_files": Field("map"),
    "boot_loaders": Field("names", inherit=True),
}
_VIRTUAL: dict[str, Field] = {
    "virt_auto_boot": Field("bool", inherit=True),
    "virt_cpus": Field("number", inherit=True),
    "virt_disk_driver": Field("choice", inherit=True, choices=("raw", "qcow2", "qed", "vdi", "vdmk")),
    "virt_file_size": Field("number", inherit=True),
    "virt_path": Field("path", inherit=True),
    "virt_ram": Field("number", inherit=True),
    "virt_type": Field(
        "choice",
        inherit=True,
        choices=("qemu", "kvm", "xenpv", "xenfv", "vmware", "vmwarew", "openvz", "auto"),
    ),
}
_NETWORK: dict[str, Field] = {
    "autoinstall": Field("path", inherit=True),
    "enable_ipxe": Field("bool", inherit=True),
    "filename": Field("path", inherit=True),
    "name_servers": Field("addresses", inherit=True),
    "name_servers_search": Field("host_names", inherit=True),
    "next_server_v4": Field("ipv4", inherit=True),
    "next_server_v6": Field("ipv6", inherit=True),
    "proxy": Field("path", inherit=True),
    "server": Field("word", inherit=True),
}
INTERFACE: Mapping[str, Field] = MappingProxyType(
    {
        "interface_type": Field(
            "choice",
            choices=(
                "na",
                "bond",
                "bond_slave",
                "bridge",
                "bridge_slave",
                "bonded_bridge_slave",
                "bmc",
                "infiniband",
            ),
        ),
        "interface_master": Field("name"),
        "bonding_opts": Field("text"),
        "bridge_opts": Field("text"),
        "mac_address": Field("mac"),
        "ip_address": Field("ipv4"),
        "netmask": Field("netmask"),
        "if_gateway": Field("ipv4"),
        "ipv6_address": Field("ipv6"),
        "ipv6_prefix": Field("word"),
        "ipv6_secondaries": Field("addresses"),
        "ipv6_default_gateway": Field("ipv6"),
        "ipv6_static_routes": Field("texts"),
        "ipv6_mtu": Field("word"),
        "static": Field("bool"),
        "static_routes": Field("texts"),
        "management": Field("bool"),
        "connected_mode": Field("bool"),
        "mtu": Field("word"),
        "dns_name": Field("host_name"),
        "cnames": Field("host_names"),
        "dhcp_tag": Field("word"),
        "virt_bridge": Field("word", inherit=True, blank_inherits=True),
    }
)
# The order is the one in which fields are set: Cobbler checks os_version against breed.
FIELDS: Mapping[str, Mapping[str, Field]] = MappingProxyType(
    {
        "distro": MappingProxyType(
            {
                "arch": Field(
                    "choice",
                    choices=(
                        "i386",
                        "x86_64",
                        "ia64",
                        "ppc",
                        "ppc64",
                        "ppc64le",
                        "ppc64el",
                        "s390",
                        "s390x",
                        "arm",
                        "aarch64",
                    ),
                ),
                "breed": Field("word"),
                "os_version": Field("word"),
                "kernel": Field("path"),
                "initrd": Field("path"),
                "remote_boot_kernel": Field("path"),
                "remote_boot_initrd": Field("path"),
                **_COMMON,
            }
        ),
        "profile": MappingProxyType(
            {
                "parent": Field("name"),
                "distro": Field("name"),
                **_COMMON,
                **_NETWORK,
                **_VIRTUAL,
                "dhcp_tag": Field("word"),
                "enable_menu": Field("bool", inherit=True),
                "menu": Field("name"),
                "repos": Field("names", inherit=True),
                "virt_bridge": Field("word", inherit=True),
            }
        ),
        "system": MappingProxyType(
            {
                "profile": Field("name"),
                "image": Field("name"),
                **_COMMON,
                **_NETWORK,
                **_VIRTUAL,
                "hostname": Field("host_name"),
                "gateway": Field("ipv4"),
                "netboot_enabled": Field("bool"),
                "ipv6_autoconfiguration": Field("bool"),
                "ipv6_default_device": Field("word"),
                "repos_enabled": Field("bool"),
                "serial_baud_rate": Field("number"),
                "serial_device": Field("number"),
                "status": Field("word"),
                "virt_pxe_boot": Field("bool"),
            }
        ),
    }
)
# A field with one of these beginnings describes a BMC or holds a password.
SECRET = ("power_", "redhat_management_key")
# Values of an interface that no two systems may share, and the setting that lifts that.
UNIQUE: Mapping[str, str] = MappingProxyType(
    {
        "mac_address": "allow_duplicate_macs",
        "ip_address": "allow_duplicate_ips",
        "ipv6_address": "allow_duplicate_ips",
        "dns_name": "allow_duplicate_hostnames",
    }
)
SECRET_SETTINGS = ("default_password_crypted", "ldap_search_passwd", "redhat_management_key")
TASK_ENDED = MappingProxyType({"complete": True, "failed": False})
_EXISTS = "It seems unwise to overwrite"
_NO_TASK = "no event with that id"
_FULL_SYNC = "Sync"
# How the text of an error of the system begins.
_FILE_ERROR = "[Errno "


def without_secrets(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without the fields that describe a BMC or hold a password."""
    return {key: value for key, value in raw.items() if not key.startswith(SECRET)}


class Cobbler:
    """The operations of Cobbler 3.3, one function each. Each may be repeated."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def objects(self, what: str) -> dict[str, dict[str, Any]]:
        """Return all objects of a type (``distro``, ``profile``, ``system``, ``menu``, ...) as stored, by name."""
        return {item["name"]: item for item in self.client.read("get_items", what)}

    def object(self, what: str, name: str) -> dict[str, Any] | None:
        """Return one object as stored, or None."""
        found = self.client.read("get_item", what, name)
        return found if isinstance(found, dict) else None

    def create(self, what: str, name: str, attributes: Mapping[str, Any]) -> bool:
        """Make an object. Return False if there is one already: somebody else's, or ours whose answer was lost."""
        try:
            self._edit(what, name, "add", {"name": name, **attributes})
        except RefusedError as error:
            if error.reason.startswith(_EXISTS):
                return False
            raise
        return True

    def edit(self, what: str, name: str, attributes: Mapping[str, Any]) -> None:
        """Change an object and save it."""
        self._edit(what, name, "edit", attributes)

    def _edit(self, what: str, name: str, kind: str, attributes: Mapping[str, Any]) -> None:
        self.client.write("xapi_object_edit", what, name, kind, dict(attributes))

    @staticmethod
    def interface_attributes(changes: Mapping[str, Mapping[str, Any]], any_interface: str | None) -> dict[str, Any]:
        """Return the attributes that set fields of interfaces. ANY_INTERFACE is one that is there afterwards.

        cobblerd wants one named at each edit of a system, even if none is changed, or makes one named ``default``.
        """
        attributes: dict[str, Any] = {}
        values = {f"{field}-{name}": value for name, fields in changes.items() for field, value in fields.items()}
        if values:
            attributes["modify_interface"] = values
        if any_interface is not None:
            attributes["interface"] = any_interface
        return attributes

    def drop_interface(self, system: str, interface: str) -> None:
        """Delete an interface of a system."""
        self.edit("system", system, {"delete_interface": True, "interface": interface})

    def remove(self, what: str, name: str) -> None:
        """Remove an object; one that others depend on is refused."""
        self.client.write("remove_item", what, name, after=(False,))

    def settings(self) -> dict[str, Any]:
        """Return the settings that cobblerd runs with, without those that hold secrets."""
        return {key: value for key, value in self.client.read("get_settings").items() if key not in SECRET_SETTINGS}

    def set_setting(self, name: str, value: Any, before: Any) -> bool:
        """Change a setting from the value BEFORE; tell whether cobblerd did it.

        Raises UnwritableError if cobblerd cannot write its settings file; in its memory the setting is then as before.
        """
        try:
            return bool(self.client.write("modify_setting", name, value) == 0)
        except RefusedError as error:
            if not error.reason.startswith(_FILE_ERROR):
                raise
            # In memory it is set before the file is written, and a second run would find it so.
            try:
                self.client.write("modify_setting", name, before)
            except RefusedError as second:
                if not second.reason.startswith(_FILE_ERROR):
                    raise
            raise UnwritableError(error.reason) from error

    def template_names(self, kind: str) -> list[str]:
        """Return the paths of all templates of a KIND (``template``, ``snippet``)."""
        return [str(name) for name in self.client.read(f"get_autoinstall_{kind}s")]

    def read_template(self, kind: str, name: str) -> str:
        """Return the text of a template."""
        return str(self.client.write(f"read_autoinstall_{kind}", name))

    def write_template(self, kind: str, name: str, text: str) -> None:
        """Write a template."""
        self.client.write(f"write_autoinstall_{kind}", name, text)

    def remove_template(self, kind: str, name: str) -> None:
        """Remove a template."""
        self.client.write(f"remove_autoinstall_{kind}", name)

    def start_sync(self, systems: list[str] | None) -> str:
        """Start writing the boot files of all, or of SYSTEMS only, and return the id of the task."""
        if systems is None:
            return str(self.client.write("background_sync", {}))
        return str(self.client.write("background_syncsystems", {"systems": systems}))

    def task_result(self, task: str) -> bool | None:
        """Return whether a task went well, or None while it runs. Raises KeyError if cobblerd does not know it."""
        try:
            state = str(self.client.read("get_task_status", task)[2])
        except RefusedError as error:
            if error.reason == _NO_TASK:
                raise KeyError(task) from error
            raise
        return TASK_ENDED.get(state)

    def running_syncs(self) -> list[str]:
        """Return the ids of the full syncs that run."""
        events = self.client.read("get_events", "")
        return sorted(
            task for task, event in events.items() if event[1] == _FULL_SYNC and str(event[2]) not in TASK_ENDED
        )

    def task_log(self, task: str) -> str:
        """Return what a task wrote."""
        return str(self.client.read("get_event_log", task))
