# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter accentos.cloud.fill_secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fill_secrets
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Puts secrets in the place of references to them
description:
  - Returns a value, at any depth, in which C({secret:name}) and C({secret-in-url:name}) are replaced by secrets.
  - Only for what a module takes as an option that it hides.
positional: secrets
options:
  _input:
    description: A text, list or mapping.
    type: raw
    required: true
  secrets:
    description: Secrets by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
# -> {"name": "glance", "password": "example"}
user: >-
  {{ {'name': 'glance', 'password': '{secret:glance_password}'}
  | accentos.cloud.fill_secrets({'glance_password': 'example'}) }}
"""

RETURN = r"""
_value:
  description: The value with secrets.
  type: raw
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import ConfigurationError, fill


def fill_secrets(value: Any, secrets: Any) -> Any:
    """Return a value with secrets, given by name, in the place of the references to them."""
    if isinstance(value, str):
        try:
            return fill(value, secrets, dollar="$")
        except ConfigurationError as error:
            raise AnsibleFilterError(f"accentos.cloud.fill_secrets: {' '.join(error.args)}") from error
    if isinstance(value, dict):
        return {key: fill_secrets(inner, secrets) for key, inner in value.items()}
    return [fill_secrets(inner, secrets) for inner in value] if isinstance(value, list) else value


class FilterModule:
    """Tells Ansible the filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by their short names."""
        return {"fill_secrets": fill_secrets}
