# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that writes a setting of the site as a line of a configuration file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: setting_line
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: A setting as one line of a configuration file
description:
  - Returns name and value with an equals sign in between. What would be more than this one line is refused.
  - True and false are written in small letters.
options:
  _input:
    description: Name of the setting.
    type: str
    required: true
  value:
    description: Its value, a text, a number, or true or false.
    type: raw
    required: true
positional: value
"""

EXAMPLES = r"""
- name: Write a setting
  accentos.cloud.files:
    files:
      - path: /etc/example.conf
        content: "{{ 'workers' | accentos.cloud.setting_line(4) }}\n"
"""

RETURN = r"""
_value:
  description: The line, without its end.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.plugin_utils.setting_lines import SettingError
from ansible_collections.accentos.cloud.plugins.plugin_utils.setting_lines import setting_line as make_line


def setting_line(name: object, value: object) -> str:
    """Return the line. Raises AnsibleFilterError."""
    try:
        return make_line(name, value)
    except SettingError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Names the filter for Ansible."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters of this file by name."""
        return {"setting_line": setting_line}
