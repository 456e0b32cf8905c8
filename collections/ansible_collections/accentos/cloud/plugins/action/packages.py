# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.packages; its documentation is in plugins/modules/packages.py."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.plugins.action import ActionBase

# A name that dpkg does not know makes it fail, but it tells of the others all the same.
_QUESTION = "LC_ALL=C dpkg-query --show --showformat '${db:Status-Status} ${Package}\\n' -- "
# Units that the image of the host holds back, see the module baked_units: on most hosts there are none.
_HELD = "; ls -d /etc/systemd/system/*.d/accentos-baked.* 2>/dev/null"
# A transaction of a killed run goes on by itself on the host, for minutes, as may one of unattended upgrades.
_HOW = {"state": "present", "install_recommends": False, "cache_valid_time": 86400, "lock_timeout": 900}


def missing(names: Sequence[str], told: str) -> list[str]:
    """Return those of NAMES that are not installed by what dpkg TOLD: a line each, with status and name."""
    installed = {line.removeprefix("installed ") for line in told.splitlines() if line.startswith("installed ")}
    return [name for name in names if name not in installed]


def holds_units(told: str) -> bool:
    """Tell by what the host TOLD whether units of its image are still held back."""
    return "/accentos-baked." in told


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
        told = self._low_level_execute_command(_QUESTION + shlex.join(names) + _HELD)["stdout"] if names else ""
        lacking = missing(names, told)
        result: dict[str, Any] = {"changed": False}
        if lacking:
            result = self._execute_module(
                module_name="ansible.builtin.apt", module_args={**_HOW, "name": lacking}, task_vars=task_vars
            )
        if holds_units(told) and not result.get("failed"):
            freed = self._execute_module(
                module_name="accentos.cloud.baked_units", module_args={"name": names}, task_vars=task_vars
            )
            result = joined(result, freed)
        return {**result, "missing": lacking}


def joined(installed: Mapping[str, Any], freed: Mapping[str, Any]) -> dict[str, Any]:
    """Return one result of two: what was INSTALLED, and which units were FREED."""
    differences = [one["diff"] for one in (installed, freed) if one.get("diff")]
    both = {**installed, **freed, "changed": bool(installed.get("changed") or freed.get("changed"))}
    return both | ({"diff": differences} if differences else {})
