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
  - From a request only the key is taken. Names and uses are what O(certificates) says, and a host that asks for other
    names is refused, since whoever has taken a host could otherwise become any other.
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
  certificates:
    description: All certificates of the host, as M(accentos.cloud.certificate_requests) was given them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the certificate.
        type: str
        required: true
      common_name:
        description: Common name of the subject. By default O(common_name).
        type: str
      subject_alternative_names:
        description: Names and addresses, each with its kind (V(DNS), V(IP), V(URI)) before a colon.
        type: list
        elements: str
        required: true
      owner:
        description: Not used here, so that one list serves all that deal with certificates.
        type: str
      group:
        description: Not used here.
        type: str
      units:
        description: Not used here.
        type: list
        elements: str
  common_name:
    description: Common name of certificates that have none of their own.
    type: str
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
    common_name: api.example.test
    certificates:
      - name: api
        subject_alternative_names: [DNS:api.example.test, IP:192.0.2.5]
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
