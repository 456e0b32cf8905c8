# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the text files below a folder of the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: text_files
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: The text files below a folder of the control node
description:
  - Reads all files below a folder, without hidden ones and compiled Python, and returns their texts by path.
  - A task that takes texts, rather than files copied before, knows in check mode too what would change.
options:
  _terms:
    description: The folder.
    type: list
    elements: path
    required: true
  prefix:
    description: What is put before each relative path.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the names of the files
  ansible.builtin.debug:
    msg: "{{ lookup('accentos.cloud.text_files', role_path ~ '/files').keys() }}"
"""

RETURN = r"""
_raw:
  description: For each folder one dictionary of texts by path relative to the folder.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """Returns the texts below folders."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Look the texts up."""
        self.set_options(var_options=variables, direct=kwargs)
        prefix = self.get_option("prefix")
        return [{f"{prefix}{name}": text for name, text in read_texts(Path(term)).items()} for term in terms]


def read_texts(folder: Path) -> dict[str, str]:
    """Return the texts below FOLDER by relative path, in order. Raises AnsibleLookupError."""
    if not folder.is_dir():
        raise AnsibleLookupError(f"There is no folder {folder}. Mend the path, or install the collection anew.")
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or "__pycache__" in name.parts or any(part.startswith(".") for part in name.parts):
            continue
        try:
            found[str(name)] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AnsibleLookupError(f"{path} is not read as text: {error}") from error
    return found
