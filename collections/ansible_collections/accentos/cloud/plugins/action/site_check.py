# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.site_check; its documentation is in plugins/modules/site_check.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
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


class ActionModule(ActionBase):
    """Checks the site folder on the controller; no connection to a host is made."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the check and return findings, hosts and values; failed when there are findings."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"path": {"type": "path"}})
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
        return result
