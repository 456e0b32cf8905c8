# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.clock_check; its documentation is in plugins/modules/clock_check.py."""

from __future__ import annotations

import datetime
import time
from typing import Any

from ansible.plugins.action import ActionBase

REMEDY = (
    "See on the host what its time comes from (chronyc -n sources) and whether a source answers; then let it step "
    "(chronyc makestep). If all hosts are said to be off by as much, the control node's own clock is wrong."
)


def offset(before: float, there: float, after: float) -> float:
    """Return how many seconds a clock is ahead that showed THERE between BEFORE and AFTER of another one, or 0."""
    return max(there - after, 0.0) + min(there - before, 0.0)


def failure_message(seconds: float) -> str:
    """Say how far a clock that is SECONDS ahead, or behind if they are negative, is off."""
    side = "ahead of" if seconds > 0 else "behind"
    span = datetime.timedelta(seconds=round(abs(seconds)))
    return f"The clock of this host is {span} (h:mm:ss) {side} that of the control node. {REMEDY}"


class ActionModule(ActionBase):
    """Asks a host for its time between two looks at the control node's clock."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the offset of the host's clock; failed when it is greater than the limit."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec({"limit": {"type": "float", "default": 30}})
        before = time.time()
        answer: dict[str, Any] = self._execute_module(
            module_name="accentos.cloud.clock_check", module_args={}, task_vars=task_vars
        )
        after = time.time()
        if "time" not in answer:
            return answer
        seconds = offset(before, answer["time"], after)
        result: dict[str, Any] = {"changed": False, "offset": round(seconds, 3)}
        if abs(seconds) > arguments["limit"]:
            result.update(failed=True, msg=failure_message(seconds))
        return result
