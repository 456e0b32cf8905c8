# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of the Debian mirror of the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: apt_mirror
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: The Debian mirror that the control node's apt sources name
description:
  - Reads C(/etc/apt/sources.list) and C(/etc/apt/sources.list.d) of the control node and returns the archives of its
    mirror.
  - Archives that Debian's own keyring signs are preferred to those of others whose address ends in C(/debian) too.
  - A site that names a mirror of its own gets that one, with the security archive that it names or the one beside it.
options:
  _terms:
    description: >-
      The main archive that the site names, then its security archive, as URIs. Empty or absent means the control node's
      own, or for the security archive the one beside a main archive that is named.
    type: list
    elements: str
  etc_apt:
    description: Folder that holds the apt sources.
    type: path
    default: /etc/apt
"""

EXAMPLES = r"""
- name: Show the mirror
  ansible.builtin.debug:
    msg: "{{ lookup('accentos.cloud.apt_mirror').archive }}"

- name: Show a mirror whose security archive is elsewhere
  ansible.builtin.debug:
    msg: "{{ lookup('accentos.cloud.apt_mirror', 'http://a.example.com/debian', 'http://b.example.com/security') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary with the keys C(archive) and C(security), URIs without a slash at the end.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.apt_mirror import is_web, machine_mirror, name_mirror


class LookupModule(LookupBase):
    """Returns the site's mirror if it names one, and the control node's otherwise."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, str]]:
        """Look the mirror up."""
        self.set_options(var_options=variables, direct=kwargs)
        archive, security = [term or "" for term in (*terms, "", "")[:2]]
        etc_apt = Path(self.get_option("etc_apt"))
        mirror = name_mirror(archive, security, machine_mirror(etc_apt))
        if mirror is None:
            wrong = next((term for term in (archive, security) if term and not is_web(term)), archive)
            where = f"the value {wrong!r}" if wrong else f"the apt sources in {etc_apt}"
            raise AnsibleLookupError(
                f"No Debian mirror is named by {where}. Set site_apt_mirror in the site's group_vars/all/site.yml "
                "to the URI of a main archive that ends in /debian."
            )
        return [{"archive": mirror.archive, "security": mirror.security}]
