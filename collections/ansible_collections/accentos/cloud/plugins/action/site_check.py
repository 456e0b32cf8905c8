# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.site_check; its documentation is in plugins/modules/site_check.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_scope import refuse_limit, refuse_site
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import (
    CheckError,
    check_site,
    failure_message,
    inventory_folders,
    site_folders,
    sources_beside,
)


def inventory_folder(task_vars: dict[str, Any]) -> str:
    """Return the site folder among the inventories in use, or an empty string when there is none.

    The site's is the one with a hosts.yml. So what counts is not the folder that the host of the task came from.
    :raises AnsibleActionFail: more than one can be it.
    """
    folders = inventory_folders(task_vars.get("ansible_inventory_sources") or [])
    sites = site_folders(folders) or folders
    if len(sites) > 1:
        raise AnsibleActionFail(
            f"More than one of the inventories in use can be the site: {', '.join(map(str, sites))}. A run is about "
            "one site. Give one of them with --inventory, or name the site with the option path, in playbooks with "
            "the variable site_folder."
        )
    return str(sites[0] if sites else task_vars.get("inventory_dir") or "")


def refused_hosts(in_site: list[str], in_run: list[str], task_vars: dict[str, Any]) -> str:
    """Say which hosts a playbook needs that the site or this run does not have; empty for none."""
    groups = task_vars.get("groups", {})
    run = task_vars.get("ansible_play_hosts_all", ())
    return refuse_site([*in_site, *in_run], groups) or refuse_limit(in_run, groups, run)


class ActionModule(ActionBase):
    """Checks the site folder on the controller; no connection to a host is made."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the check and return findings, hosts and values; failed when there are findings."""
        super().run(tmp, task_vars)
        names = {"type": "list", "elements": "str", "default": []}
        spec = {"path": {"type": "path"}, "site_hosts": names, "run_hosts": names}
        _validation, arguments = self.validate_argument_spec(spec)
        folder, beside = arguments["path"], []
        if not folder:
            # A path is given where the inventory in use is a copy of the site's, so nothing else is beside it then.
            folder = inventory_folder(task_vars or {})
            beside = sources_beside((task_vars or {}).get("ansible_inventory_sources") or [], Path(folder))
        if not folder:
            raise AnsibleActionFail("There is no inventory folder to check. Name it with the option path.")
        try:
            outcome = check_site(Path(folder), beside=beside)
        except CheckError as error:
            raise AnsibleActionFail(str(error)) from error
        result: dict[str, Any] = {
            "changed": False,
            "path": folder,
            "findings": [dataclasses.asdict(finding) for finding in outcome.findings],
            "hosts": outcome.hosts,
            "values": outcome.values,
        }
        if outcome.findings:
            result.update(failed=True, msg=failure_message(folder, outcome))
        elif refused := refused_hosts(arguments["site_hosts"], arguments["run_hosts"], task_vars or {}):
            result.update(failed=True, msg=refused)
        return result
