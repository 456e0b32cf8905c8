# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.site_folder; its documentation is in plugins/modules/site_folder.py."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.module_utils.files import climbing, climbs
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import CheckError, check_site
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, printable
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_folder import find_others, make_folder, write_files

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "path": {"type": "path", "required": True},
    "files": {"type": "dict", "required": True},
    "answers": {"type": "dict", "default": {}},
}


def why_unusable(path: str) -> str:
    """Say why a site cannot be in a folder of this name, and what to do; an empty text when it can."""
    if not path:
        return "No folder is named. Name one that is not there yet, such as -e site_folder=inventories/production."
    if not path.isprintable() or "," in path:
        return (
            f"The name {printable(path, 200)} has a comma or a control character in it, and Ansible takes an inventory "
            "with a comma for a list of hosts. Nothing was written. Give the folder another name."
        )
    return ""


def tell(finding: Finding, answers: Mapping[str, str]) -> str:
    """Return a mistake of the draft in the words of whoever gave the answers, who has not seen its files."""
    text = str(finding).removeprefix(f"{finding.file}:{finding.line}:{finding.column}: ")
    if finding.key.partition(".")[0] not in answers:
        text = f"{finding.file}: {text}"
    if not answers:
        return text
    return re.sub(rf"\b({'|'.join(map(re.escape, answers))})\b", lambda found: answers[found[0]], text)


class ActionModule(ActionBase):
    """Makes the folder of a site on the controller."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Check the files as a site, compare them with what is there, and make the folder unless it is there."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(_OPTIONS)
        files = {str(name): str(content) for name, content in arguments["files"].items()}
        if reason := why_unusable(arguments["path"]):
            raise AnsibleActionFail(reason)
        for name in files:
            if climbs(name) or Path(name).is_absolute():
                raise AnsibleActionFail(" ".join(climbing(name)))
        folder = Path(arguments["path"])
        self._refuse_mistakes(files, arguments["answers"])
        try:
            # Of a link it is the folder that it leads to.
            folder = folder.resolve()
            others = find_others(folder, files)
            if others:
                raise AnsibleActionFail(
                    f"{printable(str(folder))} is there already, and not what these answers make: "
                    f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} missing or different. Nothing was "
                    "changed. A site that is there is edited, not made again; for a new one name another folder."
                )
            if others is None and not self._task.check_mode:
                make_folder(folder, files)
        except (OSError, RuntimeError) as error:
            raise AnsibleActionFail(
                f"The site folder {printable(str(folder))} cannot be made: {error}. Mend that, or name another folder; "
                "then run the same command again."
            ) from error
        result: dict[str, Any] = {"changed": others is None, "path": str(folder), "files": list(files)}
        if others is None:
            result["diff"] = [
                {"before": "", "after": content, "before_header": "nothing", "after_header": f"{folder}/{name}"}
                for name, content in files.items()
            ]
        return result

    def _refuse_mistakes(self, files: Mapping[str, str], answers: Mapping[str, str]) -> None:
        """Fail, naming every mistake, if the files are no site. They are checked where nobody else looks for one."""
        with tempfile.TemporaryDirectory(prefix="accentos-site-") as name:
            write_files(Path(name), files)
            try:
                findings = check_site(Path(name)).findings
            except CheckError as error:
                raise AnsibleActionFail(str(error)) from error
        if findings:
            many = f"{len(findings)} mistakes" if len(findings) > 1 else "1 mistake"
            lines = [f"The site would have {many}:", *(tell(finding, answers) for finding in findings)]
            raise AnsibleActionFail(
                "\n".join([*lines, "Nothing was written. Correct the answers, then run the same command again."])
            )
