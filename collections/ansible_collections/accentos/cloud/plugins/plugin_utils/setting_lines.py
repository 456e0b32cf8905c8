# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the site that become lines of a configuration file: what a name and a value may be, and the line."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import OPTION_NAME

_LAST_CONTROL = "\x1f"
_DELETE = "\x7f"


class SettingError(ValueError):
    """The setting cannot be a line of its own. The text says why and what to do."""


def is_setting_name(text: str) -> bool:
    """Tell whether this can stand before the equals sign."""
    return bool(OPTION_NAME.fullmatch(text))


def is_setting_value(text: str) -> bool:
    """Tell whether this stays on its line: it holds no line break and no other control character but tabs."""
    lines = text.splitlines()
    return lines in ([], [text]) and not any(
        char <= _LAST_CONTROL or char == _DELETE for char in text.replace("\t", " ")
    )


def setting_line(name: object, value: object) -> str:
    """Return the line. VALUE is a text, a number, or true or false, which is written in small letters.

    Raises SettingError.
    """
    if not isinstance(name, str) or not is_setting_name(name):
        raise SettingError(
            f"{name!r} cannot be the name of a setting. Use letters, digits and . : / * - _ in the site's variables."
        )
    if isinstance(value, bool):
        return f"{name} = {str(value).lower()}"
    if not isinstance(value, str | int | float):
        raise SettingError(
            f"The value of the setting {name} is neither text nor a number. Mend it in the site's variables."
        )
    if not is_setting_value(str(value)):
        raise SettingError(
            f"The value of the setting {name} has a line break or another control character, so it would become other "
            "settings too. Mend it in the site's variables."
        )
    return f"{name} = {value}"
