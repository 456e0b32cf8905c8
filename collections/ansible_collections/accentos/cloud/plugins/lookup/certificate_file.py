# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of a certificate in a file on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_file
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: A certificate in a file on the control node
description:
  - Returns the content of a file that holds one certificate in PEM, or an empty text if there is no such file.
  - A file that holds anything else is an error that names it.
options:
  _terms:
    description: Absolute paths of the files.
    type: list
    elements: path
    required: true
requirements:
  - cryptography (on the control node)
"""

EXAMPLES = r"""
- name: Show the certificate of the site's authority
  ansible.builtin.debug:
    msg: "{{ lookup('accentos.cloud.certificate_file', inventory_dir ~ '/.pki/ca.crt') }}"
"""

RETURN = r"""
_raw:
  description: The certificates, in the order of their paths.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.lookup import LookupBase
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import LIBRARY_ERROR, load_certificates


def read_certificate(path: Path) -> str:
    """Return the content of a file that holds one certificate; empty if there is none. Raises AnsibleLookupError."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise AnsibleLookupError(f"{path} cannot be read: {error.strerror}.") from None
    if len(load_certificates(pem)) != 1:
        raise AnsibleLookupError(
            f"{path} does not hold one certificate in PEM; it was cut off or changed. Put it back from a copy or from "
            "version control. Without one move it away: the next run makes it anew, with the same key if that is in "
            "the site's secrets."
        )
    return pem.decode("ascii", "replace").rstrip()


class LookupModule(LookupBase):
    """Returns certificates, and refuses what is none."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Read the files."""
        self.set_options(var_options=variables, direct=kwargs)
        if LIBRARY_ERROR:
            raise AnsibleLookupError(missing_required_lib("cryptography"))
        return [read_certificate(Path(term)) for term in terms]
