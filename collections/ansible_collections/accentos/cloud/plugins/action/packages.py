# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.packages; its documentation is in plugins/modules/packages.py."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from ansible.plugins.action import ActionBase

# A name that dpkg does not know makes it fail, but it tells of the others all the same.
_QUESTION = "LC_ALL=C dpkg-query --show --showformat '${db:Status-Status} ${Package}\\n' -- "
_HOW = {"state": "present", "install_recommends": False, "cache_valid_time": 86400, "lock_timeout": 120}


def missing(names: Sequence[str], told: str) -> list[str]:
    """Return those of NAMES that are not installed by what dpkg TOLD: a line each, with status and name."""
    installed = {line.removeprefix("installed ") for line in told.splitlines() if line.startswith("installed ")}
    return [name for name in names if name not in installed]


class ActionModule(ActionBase):
    """Asks dpkg, and lets apt install what is missing."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what apt says, or that nothing was missing."""
        super().run(tmp, task_vars)
        spec = {"name": {"type": "list", "elements": "str", "required": True}}
        _validation, arguments = self.validate_argument_spec(spec)
        names: list[str] = arguments["name"]
        told = self._low_level_execute_command(_QUESTION + shlex.join(names))["stdout"] if names else ""
        lacking = missing(names, told)
        if not lacking:
            return {"changed": False, "missing": []}
        result: dict[str, Any] = self._execute_module(
            module_name="ansible.builtin.apt", module_args={**_HOW, "name": lacking}, task_vars=task_vars
        )
        return {**result, "missing": lacking}
