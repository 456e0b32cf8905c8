# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.clock_check; its documentation is in plugins/modules/clock_check.py."""

from __future__ import annotations

import datetime
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.clocks import LIMIT, limit_beside_us

REMEDY = (
    "See on the host what its time comes from (chronyc -n sources) and whether a source answers; then let it step "
    "(chronyc makestep), or set it (date --set) where chrony is not installed yet."
)
ALL = "If all hosts are said to be off by as much, the control node's own clock is wrong."
_MINUTE = 60
_OPTIONS = {"limit": {"type": "float", "default": LIMIT}, "patience": {"type": "float", "default": 0}}
_PAUSE = 2


def offset(before: float, there: float, after: float) -> float:
    """Return how many seconds a clock is ahead for certain that showed THERE between BEFORE and AFTER of another one.

    It is 0 if that may be the same time: when in the round trip the host looked is not known. So a limit is exceeded by
    what differs from the middle by more than the limit and half the round trip.
    """
    return max(there - after, 0.0) + min(there - before, 0.0)


def span(seconds: float) -> str:
    """Write a difference of clocks for people."""
    if abs(seconds) < _MINUTE:
        return f"{abs(seconds):.2f} s"
    return f"{datetime.timedelta(seconds=round(abs(seconds)))} (h:mm:ss)"


def problem(host: str, seconds: float, followed: float | None, limit: float) -> str:
    """Return what is wrong with a clock that is SECONDS ahead of ours, behind if they are negative; "" if nothing is.

    FOLLOWED is by how much chrony sees it differ from its source, None where it follows none. No round trip makes that
    less sure, and it counts more than our clock.
    """
    if abs(seconds) > limit_beside_us(limit, followed):
        side = "ahead of" if seconds > 0 else "behind"
        return f"The clock of {host} is {span(seconds)} {side} that of the control node. {REMEDY} {ALL}"
    if followed is not None and abs(followed) > limit:
        return f"The clock of {host} differs by {span(followed)} from the source that chrony follows there. {REMEDY}"
    return ""


class ActionModule(ActionBase):
    """Asks a host for its time between two looks at the control node's clock."""

    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the offset of the host's clock; failed when it is greater than the limit and stays so."""
        super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(_OPTIONS)
        end = time.monotonic() + arguments["patience"]
        while True:
            result = self._ask(task_vars or {}, arguments["limit"])
            # More than a minute is not put right meanwhile. A host that gives no time has another trouble.
            if not result.get("failed") or abs(result.get("offset", _MINUTE + 1)) > _MINUTE or time.monotonic() > end:
                return result
            time.sleep(_PAUSE)

    def _ask(self, task_vars: dict[str, Any], limit: float) -> dict[str, Any]:
        """Ask the host once."""
        before = time.time()
        answer: dict[str, Any] = self._execute_module(
            module_name="accentos.cloud.clock_check", module_args={}, task_vars=task_vars
        )
        after = time.time()
        if "time" not in answer:
            return answer
        seconds, followed = offset(before, answer["time"], after), answer.get("followed")
        result: dict[str, Any] = {"changed": False, "offset": round(seconds, 3), "followed": followed}
        if message := problem(str(task_vars.get("inventory_hostname", "this host")), seconds, followed, limit):
            result.update(failed=True, msg=message)
        return result
