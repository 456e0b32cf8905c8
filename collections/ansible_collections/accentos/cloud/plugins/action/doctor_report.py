# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.doctor_report; its documentation is in plugins/modules/doctor_report.py."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_power import of_machines
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_page import page
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_report import (
    across,
    drawn_hosts,
    make_report,
    of_cloud,
    of_host,
    problem_lines,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import printable

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "folder": {"type": "path", "required": True},
    "secrets_folder": {"type": "path"},
    "key_file": {"type": "path"},
    "site": {"type": "dict", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "dict", "default": {}},
    "devices": {"type": "dict", "default": {}},
    "external_devices": {"type": "dict", "default": {}},
    "results": {"type": "dict", "default": {}},
    "clocks": {"type": "dict", "default": {}},
    "cloud": {"type": "dict", "default": {}},
    "power": {"type": "dict", "default": {}},
    "machines": {"type": "list", "elements": "str", "default": []},
}


def write(path: Path, text: str) -> None:
    """Replace a file of mode 0600 in one step. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def secrets_of(folder: str | None, key_file: str | None) -> list[str]:
    """Return the secrets of the site, none of a site that has no folder. Raises AnsibleActionFail."""
    if not folder:
        return []
    try:
        return list(open_store(folder, key_file).read().values())
    except SecretStoreError as error:
        # Without them a report could tell one.
        raise AnsibleActionFail(
            f"No report is made, since secrets could not be told from other texts: {error}"
        ) from None


class ActionModule(ActionBase):
    """Writes a report on the control node."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the report, not in check mode, and return what is shown of it."""
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(dict(_OPTIONS))
        key_file = options["key_file"] or os.environ.get("ACCENTOS_VAULT_KEY_FILE")
        site = options["site"]
        findings = [
            one
            for host in options["hosts"]
            for one in of_host(host, options["results"].get(host, {}), options["clocks"].get(host, {}))
        ]
        findings += across(options["results"], site)
        answering = {host: "findings" in result for host, result in options["results"].items()}
        findings += of_machines(options["power"], options["machines"], answering)
        findings += of_cloud(options["cloud"], site.get("controllers", ()))
        report = make_report(
            {"name": site["name"], "networks": {name: one["cidr"] for name, one in site["networks"].items()}},
            drawn_hosts(options["hosts"], site, options),
            findings,
            secrets_of(options["secrets_folder"], key_file),
            datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        )
        folder = Path(options["folder"])
        paths = {"json": folder / "report.json", "html": folder / "report.html"}
        try:
            if not self._task.check_mode:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write(paths["json"], json.dumps(report, indent=1) + "\n")
                write(paths["html"], page(report))
        except OSError as error:
            raise AnsibleActionFail(f"The report cannot be written to {folder}: {error.strerror}") from error
        return {
            "changed": False,
            "state": report["state"],
            "counts": report["counts"],
            "layers": report["layers"],
            "problems": [printable(line) for line in problem_lines(report["findings"])],
            "paths": {name: str(path) for name, path in paths.items()},
        }
