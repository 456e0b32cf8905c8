# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plug-in accentos.cloud.certificate_signatures."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_signatures
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let the site's authority sign what a host asks for
description:
  - Signs all that M(accentos.cloud.certificate_requests) asks for, at once and on the control node, so that the key of
    the authority reaches no host.
  - A certificate has the subject, names and uses of its request.
options:
  requests:
    description: >-
      What to sign, each with C(name), C(path) and C(csr), as M(accentos.cloud.certificate_requests) returns it.
    type: list
    elements: dict
    required: true
  authority:
    description: Certificate of the authority, in PEM.
    type: str
    required: true
  key:
    description: Private key of the authority, in PEM.
    type: str
    required: true
  valid_days:
    description: Days for which the certificates are valid, from now on.
    type: int
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Signs nothing then.
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details: The files that the certificates become show it.
  action:
    description: Runs as an action plug-in on the control node, without a connection to the host.
    support: full
  async:
    description: Can be used with C(async).
    support: none
"""

EXAMPLES = r"""
- name: Let the authority sign
  accentos.cloud.certificate_signatures:
    requests: "{{ asked.requests }}"
    authority: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
    key: "{{ lookup('accentos.cloud.secret', 'pki_ca_key', kind='private_key') }}"
    valid_days: 90
  register: signed
"""

RETURN = r"""
files:
  description: The files that belong on the host, for M(accentos.cloud.files), in the order of the requests.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: Where it belongs, type: str, sample: /etc/accentos/pki/api.crt}
    content:
      description: The certificate and that of the authority, in PEM; in check mode the latter alone.
      type: str
"""
