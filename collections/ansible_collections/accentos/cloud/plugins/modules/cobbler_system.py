#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: systems of Cobbler."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_system
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Systems of Cobbler, any number in one call
description:
  - Makes, changes and removes systems with their interfaces, bonds and bridges.
  - All systems are compared with what Cobbler has in one go, and only those that differ are saved. Run
    M(accentos.cloud.cobbler_sync) once afterwards.
  - A mistake is told before anything is changed. So is an address that two systems would have.
options:
  systems:
    description:
      - The systems. Each is a dictionary of C(name) and the fields that matter; others are left as they are.
      - "Fields are C(profile), C(image), C(comment), C(owners), C(hostname), C(gateway), C(name_servers),
        C(name_servers_search), C(netboot_enabled), C(kernel_options), C(kernel_options_post), C(autoinstall),
        C(autoinstall_meta), C(boot_loaders), C(enable_ipxe), C(filename), C(next_server_v4), C(next_server_v6),
        C(proxy), C(server), C(status), C(serial_device), C(serial_baud_rate), C(ipv6_autoconfiguration),
        C(ipv6_default_device), C(repos_enabled), C(mgmt_classes), C(mgmt_parameters), C(boot_files),
        C(fetchable_files), C(template_files) and those that begin with C(virt_)."
      - "C(interfaces) is a dictionary by name. Fields of an interface are C(interface_type) (C(na), C(bond),
        C(bond_slave), C(bridge), C(bridge_slave), C(bonded_bridge_slave), C(bmc), C(infiniband)),
        C(interface_master), C(bonding_opts), C(bridge_opts), C(mac_address), C(ip_address), C(netmask),
        C(if_gateway), C(ipv6_address), C(ipv6_prefix), C(ipv6_secondaries), C(ipv6_default_gateway),
        C(ipv6_static_routes), C(ipv6_mtu), C(static), C(static_routes), C(management), C(connected_mode), C(mtu),
        C(dns_name), C(cnames), C(dhcp_tag) and C(virt_bridge). C(state=absent) deletes the interface."
      - "The value C(<<inherit>>) takes a field over from the profile."
      - Lists may be given as a text with blanks, C(kernel_options) as a dictionary or as a command line.
      - Values of C(autoinstall_meta) are texts. Give a structure as JSON text; templates show it as it is. In all other
        fields C($), C(#), C({{), C({%) and C(@@) are refused, since Cobbler would run them.
      - Fields that begin with C(power_) are refused, since Cobbler shows them to everybody.
    type: list
    elements: dict
    required: true
  state:
    description: Whether the systems are there. To be gone they need no more than a name.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description: Whether B(every other system of Cobbler is removed). With an empty list that is all of them.
    type: bool
    default: false
  purge_interfaces:
    description: Whether all interfaces of these systems that are not named here are deleted.
    type: bool
    default: false
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cobbler]
seealso:
  - module: accentos.cloud.cobbler_sync
attributes:
  diff_mode:
    description: Shows the fields that change.
    support: full
  idempotence:
    description: A second run changes nothing.
    support: full
  action_group:
    description: Is in the group C(accentos.cloud.cobbler).
    support: full
    membership: [accentos.cloud.cobbler]
"""

EXAMPLES = r"""
- name: Define the systems
  accentos.cloud.cobbler_system:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    systems:
      - name: compute-1
        profile: accentos-deploy
        hostname: compute-1.example.test
        netboot_enabled: true
        kernel_options: console=ttyS0,115200n8
        autoinstall_meta:
          accentos_specification: "{{ specification | to_json }}"
        interfaces:
          eth0: {mac_address: "52:54:00:00:00:01", interface_type: bond_slave, interface_master: bond0}
          eth1: {mac_address: "52:54:00:00:00:02", interface_type: bond_slave, interface_master: bond0}
          bond0:
            interface_type: bond
            bonding_opts: mode=802.3ad miimon=100
            ip_address: 10.0.0.11
            netmask: 255.255.255.0
            static: true

- name: Delete an interface
  accentos.cloud.cobbler_system:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    systems:
      - name: compute-1
        interfaces:
          eth1: {state: absent}

- name: Remove a system
  accentos.cloud.cobbler_system:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    systems:
      - name: compute-1
    state: absent
"""

RETURN = r"""
created:
  description: Names of the systems that were made.
  returned: always
  type: list
  elements: str
edited:
  description: Names of the systems that were changed.
  returned: always
  type: list
  elements: str
removed:
  description: Names of the systems that were removed.
  returned: always
  type: list
  elements: str
"""

from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run_objects


def main() -> None:
    """Run the module."""
    run_objects("system")


if __name__ == "__main__":
    main()
