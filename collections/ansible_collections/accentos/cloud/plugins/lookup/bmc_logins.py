# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the login that management controllers share."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bmc_logins
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: The login that management controllers share before they have their own
description:
  - Returns what option O(accentos.cloud.bmc_hardening#module:logins) of module M(accentos.cloud.bmc_hardening) takes.
    The login is that of the secrets C(bmc_user) and C(bmc_password); without them there is none.
extends_documentation_fragment: [accentos.cloud.secret_store]
"""

EXAMPLES = r"""
- name: Give controllers that share a password their own
  accentos.cloud.bmc_hardening:
    machines: "{{ query('accentos.cloud.bmc', *groups['compute'], own_password=true) }}"
    logins: "{{ query('accentos.cloud.bmc_logins') }}"
  delegate_to: deploy-1
  run_once: true
"""

RETURN = r"""
_raw:
  description: One login, with C(user) and C(password), or none.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.bmc import shared_logins
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store


class LookupModule(LookupBase):
    """Returns the login that controllers share."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Look the login up."""
        self.set_options(var_options=variables, direct=kwargs)
        # Variables that stand for an option come as they were written.
        folder = self._templar.template(self.get_option("folder")) or (variables or {}).get("inventory_dir")
        try:
            return shared_logins(open_store(folder, self.get_option("key_file")).read())
        except SecretStoreError as error:
            raise AnsibleLookupError(str(error)) from None
