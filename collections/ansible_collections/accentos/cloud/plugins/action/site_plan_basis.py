# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.site_plan_basis; its documentation is in plugins/modules/site_plan_basis.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as engine
from ansible.utils.vars import load_extra_vars
from ansible_collections.accentos.cloud.plugins.plugin_utils import plan_basis, site_plan
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import inventory_folders, site_folders

CALLBACK = "accentos.cloud.stages"
COLLECTION = Path(site_plan.__file__).parents[2]
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "secrets_folder": {"type": "path", "required": True},
    "key_file": {"type": "path"},
    "playbooks": {"type": "path", "required": True},
    "machines": {"type": "list", "elements": "str", "default": []},
    "machine_defaults": {"type": "dict", "default": {}},
    "path": {"type": "path"},
}


def inventories(task_vars: Mapping[str, Any]) -> list[Path]:
    """Return the sources of the inventory: the folder of the site, and what stands beside it."""
    sources = [
        Path(str(source)) for source in task_vars.get("ansible_inventory_sources") or () if Path(str(source)).exists()
    ]
    folders = site_folders(inventory_folders(sources))
    homes = [folder.resolve() for folder in folders]
    return [*folders, *(one for one in sources if not any(one.resolve().is_relative_to(home) for home in homes))]


def _would_lose(path: Path) -> bool:
    """Tell whether saving a plan in a file would take away what is no plan."""
    if not os.path.lexists(path):
        return False
    try:
        if not path.is_file():
            return True
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    return bool(text) and not site_plan.claims_plan(text)


def _sources_around(path: Path, sources: Iterable[Path]) -> list[Path]:
    """Return the folders of inventories in which a file would be taken for a part of the inventory."""
    place = path.parent.resolve() / path.name
    homes = [(source, source.resolve()) for source in sources if source.is_dir()]
    return [
        source
        for source, home in homes
        if place.is_relative_to(home) and not any(part.startswith(".") for part in place.relative_to(home).parts)
    ]


def check_path(path: Path, sources: Iterable[Path], *, diff: bool) -> None:
    """Refuse a file that the plan cannot be saved in, before the hosts are asked. Raises AnsibleActionFail.

    ``sources`` are those of the inventory; ``diff`` says whether the run shows what changes in files.
    """
    if CALLBACK not in (constants.DEFAULT_STDOUT_CALLBACK, os.environ.get("ORIGINAL_STDOUT_CALLBACK")):
        raise AnsibleActionFail(
            f"A plan is saved by the callback {CALLBACK}, which this run does not use. "
            f"Set ANSIBLE_STDOUT_CALLBACK={CALLBACK}."
        )
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise AnsibleActionFail(
            f"The plan cannot be saved in {path}: that is a folder, or the folder it is in is not there or may not be "
            "written. Name another file by site_plan_file."
        )
    for source in _sources_around(path, sources):
        raise AnsibleActionFail(
            f"The plan cannot be saved in {path}: that is in {source}, where Ansible would take it for a part of the "
            "inventory and could read no host any more. Name a file elsewhere by site_plan_file, or one whose name "
            f"begins with a dot, such as {path.parent / f'.{path.name}'}."
        )
    if _would_lose(path):
        raise AnsibleActionFail(
            f"The plan is not saved in {path}: what stands there is no plan, and would be lost. "
            "Name another file by site_plan_file, or move that one away."
        )
    if not diff:
        raise AnsibleActionFail(
            "The plan is not saved: without --diff it would not have the lines that change in files, and could never "
            "be applied. Run it again with --check --diff; in AWX switch on Show changes."
        )


def run_options() -> dict[str, Any]:
    """Return the options of this run that say what of a playbook is run, and on which hosts."""
    tags = [str(tag) for tag in context.CLIARGS.get("tags") or ()]
    return {
        "tags": sorted(set(tags) - {"all"}),
        "skip_tags": sorted({str(tag) for tag in context.CLIARGS.get("skip_tags") or ()}),
        "limit": str(context.CLIARGS.get("subset") or ""),
    }


def basis_now(options: Mapping[str, Any], task_vars: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """Return the basis of a plan as things are now. ``like`` is another basis, see variable_versions().

    Raises AnsibleActionFail.
    """
    try:
        store = open_store(options["secrets_folder"], options["key_file"] or os.environ.get("ACCENTOS_VAULT_KEY_FILE"))
        secrets = store.read()
        key = store.key_file.read_bytes() if secrets else b""
        return {
            "site": plan_basis.file_digests(inventories(task_vars)),
            "code": plan_basis.code_digests(COLLECTION, Path(options["playbooks"]), engine),
            "secrets": plan_basis.secret_versions(secrets, key),
            "variables": plan_basis.variable_versions(load_extra_vars(DataLoader()), like.get("variables")),
        }
    except SecretStoreError as error:
        raise AnsibleActionFail(str(error)) from None
    except OSError as error:
        raise AnsibleActionFail(f"{error.filename} cannot be read: {error.strerror}.") from None


class ActionModule(ActionBase):
    """Reads what a plan is made from, on the control node, and hands it on to the callback that writes the plan."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the basis; nothing is changed."""
        super().run(tmp, task_vars)
        known = task_vars or {}
        _validation, options = self.validate_argument_spec({name: dict(spec) for name, spec in OPTIONS.items()})
        hostvars = known.get("hostvars") or {}
        if options["path"]:
            check_path(Path(options["path"]), inventories(known), diff=bool(context.CLIARGS.get("diff")))
        defaults = options["machine_defaults"]
        machines = {
            host: {name: hostvars[host].get(name, value) for name, value in defaults.items()}
            for host in options["machines"]
        }
        begun = {
            "basis": basis_now(options, known, {}),
            "run": run_options(),
            "machines": site_plan.machines_of_site(machines, "nobody could be asked what it is"),
            "path": options["path"] or "",
            "secrets_folder": options["secrets_folder"],
            "key_file": options["key_file"] or "",
        }
        return {
            "changed": False,
            "basis": begun["basis"],
            "ansible_stats": {"data": {site_plan.STATS: begun}, "per_host": False, "aggregate": False},
        }
