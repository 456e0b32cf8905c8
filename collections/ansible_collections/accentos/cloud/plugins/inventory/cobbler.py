# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inventory of the systems that Cobbler knows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cobbler
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Hosts from the systems of Cobbler
description:
  - Each system becomes a host. Its address is that of its first interface that has one and belongs to no BMC.
  - "A host is in the group C(cobbler_profile_<profile>), in C(cobbler_owner_<owner>) for each owner, and in the groups
    that C(autoinstall_meta.accentos_groups) of its system, profile or distribution names, separated by blanks or
    commas."
  - "What Cobbler holds are the variables that begin with C(cobbler_): C(cobbler_profile), C(cobbler_hostname),
    C(cobbler_interfaces), C(cobbler_autoinstall_meta) and others, with inherited values resolved."
  - A host that was enrolled brings its C(host_addresses), C(host_interfaces), C(host_bonds), C(host_bmc) and
    C(host_serial).
  - "A machine that was installed, or that enrolled, brings C(host_hardware), what its deploy ramdisk found: C(system)
    (C(vendor), C(product), C(serial)), C(cpu) (C(model), C(sockets), C(cores), C(threads), and C(flags), their number),
    C(memory_mib), C(numa) (C(id), C(cpus), C(memory_mib)), C(disks) (C(path), C(model), C(serial), C(size) in bytes,
    C(rotational)), C(cards) (C(name), C(mac), C(driver)), C(bmc) (C(type), C(address), C(mac)) and C(firmware)
    (C(bios) or C(uefi)). What the machine does not tell is absent. It is as it was at its last installation or
    enrolment."
  - Names and texts from Cobbler are never run as templates.
options:
  plugin:
    description: Marks the file as one of this plug-in.
    required: true
    choices: [accentos.cloud.cobbler]
  url:
    description: Address of cobblerd's XML-RPC. Plain HTTP is accepted to this host itself only.
    type: str
    default: http://127.0.0.1:25151
    env:
      - name: ACCENTOS_COBBLER_URL
  user:
    description: User of Cobbler. Reading needs none; if one is given, its password is checked.
    type: str
    env:
      - name: ACCENTOS_COBBLER_USER
  password:
    description: Password of the user. It may be a template, such as a lookup of P(accentos.cloud.secret#lookup).
    type: str
    env:
      - name: ACCENTOS_COBBLER_PASSWORD
  timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 60
  verify:
    description: Whether the certificate of an HTTPS address is verified.
    type: bool
    default: true
  ca:
    description:
      - File with the authority that signed the certificate. A relative path begins at the folder of the inventory file,
        and a tilde is the home folder of the user.
    type: str
extends_documentation_fragment:
  - constructed
  - inventory_cache
"""

EXAMPLES = r"""
# The name of the file ends with cobbler.yml.
plugin: accentos.cloud.cobbler
url: https://deploy-1.example.test/cobbler_api
ca: /etc/accentos/pki/ca.crt
cache: true
keyed_groups:
  - key: cobbler_status
    prefix: status
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.adapter import open_cobbler
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.client import Client, CobblerError, Connection
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import without_secrets
from ansible_collections.accentos.cloud.plugins.plugin_utils.cobbler_inventory import read_hosts

_TYPES = ("distro", "profile", "system")
_SETTINGS = ("default_ownership", "default_name_servers")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads the systems, and groups them."""

    NAME = "accentos.cloud.cobbler"

    def verify_file(self, path: str) -> bool:
        """Tell whether PATH can be a configuration of this plug-in."""
        return bool(super().verify_file(path)) and path.endswith(("cobbler.yml", "cobbler.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        use_cache = self.get_option("cache")
        data = self._cache.get(key) if use_cache and cache else None
        if data is None:
            data = self._fetch(Path(path).parent)
            if use_cache:
                self._cache[key] = data
        self._fill(data)

    def _fetch(self, folder: Path) -> dict[str, Any]:
        ca = self._text("ca")
        connection = Connection(
            url=self._text("url"),
            user=self._text("user"),
            password=self._text("password"),
            timeout=self.get_option("timeout"),
            verify=self.get_option("verify"),
            ca=str(folder / Path(ca).expanduser()) if ca else None,
        )
        try:
            client = Client(connection)
            try:
                if connection.user:
                    client.login()
                cobbler = open_cobbler(client)
                objects = {
                    what: {name: without_secrets(raw) for name, raw in cobbler.objects(what).items()} for what in _TYPES
                }
                settings = {name: value for name, value in cobbler.settings().items() if name in _SETTINGS}
            finally:
                client.close()
        except CobblerError as error:
            raise AnsibleParserError(f"{str(error).rstrip('.')}. {error.remedy}") from error
        return {"objects": objects, "settings": settings}

    def _text(self, name: str) -> str:
        # The configuration file is the operator's own, so its templates are run; nothing of Cobbler's is.
        value = self.templar.template(self.get_option(name))
        # Ansible's own kind of text cannot be sent.
        return "" if value is None else str(value)

    def _fill(self, data: dict[str, Any]) -> None:
        objects = data["objects"]
        strict = self.get_option("strict")
        for host in read_hosts(objects["system"], objects["profile"], objects["distro"], data["settings"]):
            self.inventory.add_host(host.name)
            for group in host.groups:
                self.inventory.add_group(group)
                self.inventory.add_host(host.name, group=group)
            for name, value in host.variables.items():
                self.inventory.set_variable(host.name, name, value)
            self._set_composite_vars(self.get_option("compose"), host.variables, host.name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), host.variables, host.name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), host.variables, host.name, strict=strict)
