# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of several secrets of a site."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secrets
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Several secrets of the site, by name
description:
  - Returns a mapping of names to secrets, for modules that take many. Those that the site does not have yet are
    generated, as P(accentos.cloud.secret#lookup) does.
options:
  _terms:
    description: Lists of secrets, each a mapping of C(name) and C(kind), see P(accentos.cloud.secret#lookup).
    type: list
    elements: list
    required: true
extends_documentation_fragment: [accentos.cloud.secret_store]
"""

EXAMPLES = r"""
- name: Write the configuration of the services
  accentos.cloud.openstack_config:
    files: "{{ files }}"
    secrets: "{{ lookup('accentos.cloud.secrets', [{'name': 'glance_database_password', 'kind': 'password'}]) }}"
"""

RETURN = r"""
_raw:
  description: For each list a mapping of names to secrets.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store


class LookupModule(LookupBase):
    """Returns secrets of the site by name, and makes those that are missing."""

    def run(
        self, terms: list[list[dict[str, str]]], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[dict[str, str]]:
        """Look the secrets up."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        # Variables that stand for an option come as they were written.
        folder = self._templar.template(self.get_option("folder")) or known.get("inventory_dir")
        may_write = not known.get("ansible_check_mode", False)
        try:
            store = open_store(folder, self.get_option("key_file"))
            return [
                {one["name"]: store.get(one["name"], one["kind"], may_write=may_write) for one in term}
                for term in terms
            ]
        except SecretStoreError as error:
            raise AnsibleLookupError(str(error)) from None
