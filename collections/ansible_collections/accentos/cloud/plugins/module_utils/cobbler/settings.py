# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides which settings of cobblerd have to be changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plan import Values, refuse, suggest
from .v3_3 import SECRET_SETTINGS

_SWITCH = "allow_dynamic_settings"
_REMEDY = "Write it to the settings file of cobblerd and restart cobblerd; the role accentos.cloud.cobbler does that."


def _same_form(name: str, wanted: Any, now: Any) -> Any:
    """Return the WANTED value in the type of the present one. Raises InvalidError."""
    # A boolean that was once changed over XML-RPC comes back as a number.
    if isinstance(wanted, bool) and now in (0, 1):
        return type(now)(wanted)
    if isinstance(now, bool) and str(wanted).lower() in ("true", "false"):
        return str(wanted).lower() == "true"
    if isinstance(now, str) and isinstance(wanted, str | int | float) and not isinstance(wanted, bool):
        return str(wanted)
    if isinstance(now, int | float) and not isinstance(now, bool) and not isinstance(wanted, bool):
        try:
            return type(now)(wanted)
        except (TypeError, ValueError):
            pass
    if isinstance(now, list) and isinstance(wanted, list):
        return [str(one) if isinstance(one, int | float) else one for one in wanted]
    if isinstance(now, dict) and isinstance(wanted, dict):
        return wanted
    raise refuse("settings", name, f"{wanted!r} is no {type(now).__name__}.")


def plan_settings(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Values]:
    """Return the settings that differ, with their values before and after. Raises InvalidError."""
    found = {}
    for name, value in wanted.items():
        if name in SECRET_SETTINGS:
            raise refuse("settings", name, "is refused: everybody who reaches cobblerd can read it.", _REMEDY)
        if name not in there:
            raise refuse("settings", name, f"there is no such setting.{suggest(name, there)}", "Mend its name.")
        now = there[name]
        after = _same_form(name, value, now)
        if isinstance(now, list) and list(dict.fromkeys(map(str, now))) == list(map(str, after)):
            # cobblerd 3.3.10 appends default_ownership to itself at each rendering.
            continue
        if after == now:
            continue
        if isinstance(now, bool):
            raise refuse(
                "settings",
                name,
                "Cobbler 3.3 cannot store true and false over XML-RPC, though it says it did.",
                _REMEDY,
            )
        found[name] = (now, after)
    if found and not there.get(_SWITCH):
        raise refuse("settings", ", ".join(found), f"cobblerd changes no settings, since {_SWITCH} is off.", _REMEDY)
    return found
