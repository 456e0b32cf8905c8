# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of a site folder; when they cannot be read, what is wrong with them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: site_hosts
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Hosts of a site, and the mistakes that keep them from being read
description:
  - Reads C(hosts.yml) beside a folder C(group_vars) as P(ansible.builtin.yaml#inventory) does. Other files are left to
    other plug-ins.
  - A C(hosts.yml) that cannot be read ends the run before its first play, so no task can tell what is wrong. This
    plug-in looks first. Where hosts or groups would be missing, because the YAML is broken, a group is not made as it
    should be, or a range of hosts is wrong or huge, it checks the site as M(accentos.cloud.site_check) does, shows each
    mistake with file, line and column, and ends Ansible with 2.
  - Without it Ansible tries its other plug-ins on the file, and shows what each of them says.
requirements:
  - Listed first in C(enable_plugins) of the section C(inventory) of the configuration.
  - jsonschema (Python library), when there is a mistake to show
options:
  yaml_extensions:
    description: Suffixes of files that can be read.
    type: list
    elements: str
    default: [.yml]
"""

EXAMPLES = r"""
ansible.cfg: |
  [inventory]
  enable_plugins = accentos.cloud.site_hosts, host_list, script, auto, yaml, ini, toml
"""

import importlib
from pathlib import Path
from typing import Any

from ansible.plugins.inventory.yaml import InventoryModule as YamlInventory
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Suggester
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_inventory import HOSTS_FILE, read_inventory
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import MAX_BYTES, load_document

MISTAKES = 2  # the exit code of a run that ends here, as of tools/check-site


class InventoryModule(YamlInventory):
    """Ansible's own reader of YAML, and words for what it cannot read."""

    NAME = "accentos.cloud.site_hosts"

    def verify_file(self, path: str) -> bool:
        """Tell whether this is the hosts.yml of a site."""
        file = Path(path)
        return file.name == HOSTS_FILE and (file.parent / "group_vars").is_dir() and bool(super().verify_file(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Read the hosts.

        :raises SystemExit: hosts or groups would be missing; the mistakes are shown.
        """
        message = "" if is_complete(Path(path)) else mistakes(Path(path).parent)
        if message:
            # Any exception that Ansible knows would only make it go on with its next plug-in.
            self.display.error(message, wrap_text=False)
            raise SystemExit(MISTAKES)
        super().parse(inventory, loader, path, cache)


def is_complete(file: Path) -> bool:
    """Tell whether all hosts and groups of a hosts.yml can be read."""
    with file.open("rb") as stream:
        document = load_document(stream.read(MAX_BYTES + 1))
    if document.root is None or document.mistakes:
        return False
    return read_inventory(document.root, Suggester()).complete


def mistakes(folder: Path) -> str:
    """Return what is wrong with the site in a folder; nothing when the check finds nothing, or cannot run."""
    # A good site is read without the check, which takes longer to be loaded than the hosts to be read.
    site_check = importlib.import_module("ansible_collections.accentos.cloud.plugins.plugin_utils.site_check")
    try:
        outcome = site_check.check_site(folder)
    except site_check.CheckError:
        return ""
    return str(site_check.failure_message(str(folder), outcome)) if outcome.findings else ""
