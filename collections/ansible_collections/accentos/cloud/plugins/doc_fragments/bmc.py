# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that the power modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """How a management controller is reached."""

    DOCUMENTATION = r"""
options:
  bmc:
    description:
      - How the controller of one machine is reached. Lookup P(accentos.cloud.bmc#lookup) returns it whole.
    type: dict
    suboptions: &bmc
      driver:
        description: Protocol of the controller.
        type: str
        choices: [ipmi, redfish]
        required: true
      address:
        description: Host name or IP address.
        type: str
        required: true
      port:
        description: Port, if it is not the usual one of the protocol.
        type: int
      user:
        description: User name.
        type: str
        default: ""
      password:
        description: Password.
        type: str
        default: ""
      verify:
        description:
          - Whether the certificate must be valid. With C(false) anybody in between gets the password; the result warns.
        type: bool
        default: true
      ca:
        description: Certificates that are trusted, as a file in PEM. By default those that the host trusts.
        type: path
      system:
        description: Identity of the Redfish system. Needed if the controller has several.
        type: str
      cipher_suite:
        description:
          - The lowest IPMI cipher suite that is accepted. C(17) uses SHA-256. C(3) uses SHA-1; it is taken if the
            controller refuses 17, and the result warns.
        type: int
        choices: [3, 17]
        default: 3
  machines:
    description: Several machines, handled at once. Instead of O(bmc).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the machine in the result.
        type: str
        required: true
      bmc:
        description: As O(bmc).
        type: dict
        required: true
        suboptions: *bmc
  answer_timeout:
    description: Seconds that a controller has for one answer.
    type: float
    default: 10
  at_once:
    description: How many machines are handled together.
    type: int
    default: 20
"""
