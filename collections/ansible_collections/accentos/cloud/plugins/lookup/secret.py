# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the secrets of a site."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: A secret of the site, generated at its first use
description:
  - Returns a secret by its name. If the site has none of that name yet, it is generated and stored.
  - The secrets of a site are one file, C(.secrets.yml), in C(ansible-vault) format. Its key file C(.vault_key) has
    mode 0600. Keep the store in version control and the key file out of it; back up both.
  - In check mode a missing secret is generated for the call and nothing is stored.
  - Set C(no_log) on a task that hands a secret to a module whose parameter does not hide it by itself.
options:
  _terms:
    description: Names of the secrets, lower-case letters, digits and underscores.
    type: list
    elements: str
    required: true
  kind:
    description:
      - What to generate. C(password) is 32 letters and digits, C(bmc_password) 20 of them, of every sort some, as IPMI
        takes, C(short_password) 16 for a device that takes no more, C(hex) 32 bytes in hexadecimal, C(fernet) a Fernet
        key, C(private_key) an ECDSA key on curve P-384 in PEM.
    type: str
    choices: [password, bmc_password, short_password, hex, fernet, private_key]
    default: password
  generate:
    description: Whether a missing secret is generated. Otherwise it is an empty text, and nothing is ever stored.
    type: bool
    default: true
extends_documentation_fragment: [accentos.cloud.secret_store]
"""

EXAMPLES = r"""
- name: Give the service its password
  ansible.builtin.copy:
    dest: /etc/example/password
    content: "{{ lookup('accentos.cloud.secret', 'example_password') }}"
    mode: "0600"
  no_log: true
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of their names.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store


class LookupModule(LookupBase):
    """Returns secrets of the site, and makes those that are missing."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Look the secrets up."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        # Variables that stand for an option come as they were written.
        folder = self._templar.template(self.get_option("folder")) or known.get("inventory_dir")
        try:
            store = open_store(folder, self.get_option("key_file"))
            if not self.get_option("generate"):
                known_secrets = store.read()
                return [known_secrets.get(name, "") for name in terms]
            return [
                store.get(name, self.get_option("kind"), may_write=not known.get("ansible_check_mode", False))
                for name in terms
            ]
        except SecretStoreError as error:
            raise AnsibleLookupError(str(error)) from None
