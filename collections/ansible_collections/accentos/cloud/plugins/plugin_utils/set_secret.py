# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put a secret that the operator knows into the store of a site: never from an argument, which others could see."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store

HOSTS = "hosts.yml"


def refuse_unreadable(path: Path) -> None:
    """Raise SecretStoreError, which names the file, if PATH is no YAML that Ansible reads."""
    try:
        DataLoader().load_from_file(str(path))
    except AnsibleError as error:
        raise SecretStoreError(f"{path}: {error.message}") from None


def store_folder(site: Path) -> str:
    """Return the folder that holds the secrets of SITE. Raises SecretStoreError or AnsibleError."""
    # Ansible would warn of such a file, and try what else it could be.
    refuse_unreadable(site / HOSTS)
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(site)])
    hosts = inventory.get_hosts()
    if not hosts:
        raise SecretStoreError(f"{site / HOSTS} names no host.")
    try:
        # A variable of the site holds for any of its hosts.
        variables = VariableManager(loader=loader, inventory=inventory).get_vars(host=hosts[0])
    except AnsibleParserError:
        # The error itself does not always name the file.
        for path in sorted(path for folder in ("group_vars", "host_vars") for path in site.glob(f"{folder}/**/*.yml")):
            refuse_unreadable(path)
        raise
    folder = Templar(loader=loader, variables=variables).template(variables.get("site_secrets_folder"))
    return str(folder or site.resolve())


def read_value(name: str) -> str:
    """Return what the operator types, unseen and twice, or the standard input without its line end."""
    if not sys.stdin.isatty():
        return sys.stdin.read().removesuffix("\n")
    value = getpass.getpass(f"{name}: ")
    if getpass.getpass("once more: ") != value:
        raise SecretStoreError("The two values differ. Nothing was stored.")
    return value


def main(arguments: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="set-secret",
        description="Store a secret of a site, such as bmc_password, from the prompt or the standard input.",
    )
    parser.add_argument("site", type=Path, help="the site folder")
    parser.add_argument("name", help="name of the secret: lower-case letters, digits and underscores")
    wanted = parser.parse_args(arguments)
    try:
        if not (wanted.site / HOSTS).is_file():
            raise SecretStoreError(f"{wanted.site} is no site folder: it has no {HOSTS}.")
        store = open_store(store_folder(wanted.site), os.environ.get("ACCENTOS_VAULT_KEY_FILE"))
        changed = store.set(wanted.name, read_value(wanted.name))
    except (SecretStoreError, AnsibleError) as error:
        print(f"set-secret: {error}", file=sys.stderr)  # noqa: T201 - a program for people
        return 1
    print(f"{wanted.name} is {'stored' if changed else 'as it was'} in {store.path}")  # noqa: T201 - a program for people
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
