# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that the lookups of secrets share."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the secrets of a site are, and what opens them."""

    DOCUMENTATION = r"""
options:
  folder:
    description: Absolute path of the store's folder. By default the folder of the inventory.
    type: str
    vars:
      - name: site_secrets_folder
  key_file:
    description: Key file of the store. By default C(.vault_key) beside the store.
    type: path
    env:
      - name: ACCENTOS_VAULT_KEY_FILE
"""
