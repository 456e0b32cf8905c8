# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options that the power modules share."""

from __future__ import annotations

from textwrap import indent

# What every option that describes a connection has.
_CONNECTION = r"""
driver:
  description: Protocol of the controller.
  type: str
  choices: [ipmi, redfish, amt, snmp]
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
outlets:
  description: Outlets of power distribution units that feed the machine, all of them. For driver C(snmp).
  type: list
  elements: dict
  suboptions:
    address:
      description: Address of the unit, if it is another one than C(address).
      type: str
    outlet:
      description: Number of the outlet, or its index in the table, such as C(1.3).
      type: str
      required: true
    table:
      description: Make of the unit.
      type: str
      choices: [apc, eaton, raritan, baytech, custom]
      required: true
    custom:
      description: The table of a unit of another make.
      type: dict
      suboptions:
        state_oid:
          description: Column with the state of the outlets.
          type: str
          required: true
        on_oid:
          description: Column that is written to turn an outlet on.
          type: str
          required: true
        off_oid:
          description: Column that is written to turn an outlet off.
          type: str
          required: true
        on_value:
          description: What is written to turn on.
          type: int
          default: 1
        off_value:
          description: What is written to turn off.
          type: int
          default: 0
        on_reading:
          description: What is read of an outlet that is on.
          type: int
          default: 1
        off_reading:
          description: What is read of an outlet that is off.
          type: int
          default: 0
privacy_password:
  description: Password of SNMP v3's encryption. Without it, it is C(password).
  type: str
snmp_version:
  description: Version of SNMP. With C(v2c) the password is the community, in plain text; the result warns.
  type: str
  choices: [v3, v2c]
  default: v3
snmp_auth:
  description: Hash of SNMP v3's authentication.
  type: str
  choices: [sha, sha256, sha384, sha512]
  default: sha256
snmp_privacy:
  description: Cipher of SNMP v3's encryption.
  type: str
  choices: [aes, aes256]
  default: aes
"""


class ModuleDocFragment:
    """How a management controller is reached.

    The annotations keep ansible-test's yamllint, which reads literal texts only, from reading these; what they come to
    is read with each module.
    """

    DOCUMENTATION: str = rf"""
options:
  bmc:
    description:
      - How the controller of one machine is reached. Lookup P(accentos.cloud.bmc#lookup) returns it whole.
    type: dict
    suboptions: &bmc
{indent(_CONNECTION, " " * 6)}
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

    FENCE: str = rf"""
options:
  machines:
    description:
      - The lost hosts. Lookup P(accentos.cloud.bmc#lookup) with its option C(fencing) returns them whole.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host.
        type: str
        required: true
      address:
        description: Address at which the host would answer if it were alive, that in the network management.
        type: str
      port:
        description: TCP port there that the host answers at, that of SSH.
        type: int
        default: 22
      silent_for:
        description:
          - Seconds for which the host has been silent already, since its last proven sign of life, by a monotonic
            clock. Only a watchdog's time is counted from then.
          - With C(0) it is counted from the start of the module, which is always safe.
        type: float
        default: 0
      bmc:
        description: How the management controller of the host is reached.
        type: dict
        suboptions: &connection
{indent(_CONNECTION, " " * 10)}
      pdu:
        description:
          - How the outlets of power distribution units are reached that feed the host, with driver C(snmp). A host with
            several power supplies is dead when all its outlets are off, so all of them must be in C(outlets).
        type: dict
        suboptions: *connection
      watchdog:
        description: The watchdog of the host, sbd or a device.
        type: dict
        suboptions:
          armed:
            description:
              - Whether it resets the host whenever the host is cut off from the others, because whoever feeds it stops
                by then. A watchdog that only the host's own systemd feeds does not do that.
            type: bool
            required: true
          timeout:
            description:
              - Seconds within which it resets a host that is cut off. To the time of the watchdog itself comes what its
                feeder takes to stop; with sbd this is C(stonith-watchdog-timeout).
            type: float
            required: true
          margin:
            description: Seconds that are waited more.
            type: float
            default: 10
      ceph_addresses:
        description: All addresses that the host can have as a client of Ceph.
        type: list
        elements: str
        default: []
  answer_timeout:
    description: Seconds that a controller or unit has for one answer.
    type: float
    default: 10
  at_once:
    description: How many hosts are handled together.
    type: int
    default: 20
"""
