#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: how a host and what runs on it are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_health
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: How a host and what runs on it are
description:
  - Reads the state of a host and its services from their own commands, sockets and files, all at the same time, and
    judges it. Nothing is changed and nothing is created.
  - Users and passwords in the files that services are started with are tried where they are meant for, and nothing is
    done there.
  - What cannot be read, or does not answer in time, is a finding and no error.
options:
  host:
    description: Name of the host in the findings.
    type: str
    required: true
  parts:
    description: What the host has besides its system and its network.
    type: list
    elements: str
    default: []
    choices:
      - cache
      - ceph
      - certificates
      - database
      - hypervisor
      - load_balancer
      - messaging
      - osds
      - overlay
      - switch
  wanted:
    description:
      - What the site wants of the host. C(units), each with C(name), C(layer), and C(inputs), the files that it was
        started with; C(apis), each with C(url), C(status), C(unit) and C(layer); C(addresses) by network; C(peers),
        each with C(host), C(network) and C(address); C(names), addresses by name; C(keeps_time), whether the site takes
        the time from the host; C(controllers), how many there are; C(databases), C(database_users) and
        C(messaging_users) of services; C(network_driver); C(chassis), the hosts of the overlay network; C(ceph_pools).
    type: dict
    default: {}
  pki_folder:
    description: Folder of certificates and keys.
    type: path
    default: /etc/accentos/pki
  balancer_socket:
    description: Socket at which haproxy answers.
    type: path
    default: /run/haproxy/admin.sock
  timeout:
    description: Seconds for all of it.
    type: int
    default: 60
attributes:
  check_mode:
    description: Can run in check mode and tells the same.
    support: full
  diff_mode:
    description: There is nothing to show, since nothing is changed.
    support: none
  idempotence:
    description: Nothing is changed.
    support: full
"""

EXAMPLES = r"""
- name: Look at the host
  accentos.cloud.host_health:
    host: "{{ inventory_hostname }}"
    parts: [certificates]
    wanted:
      units: [{name: chrony.service, layer: host}]
      addresses: {management: 10.0.0.21}
"""

RETURN = r"""
findings:
  description: What came of each check.
  returned: always
  type: list
  elements: dict
  contains:
    layer: {description: Layer of the cloud., type: str, returned: always}
    check: {description: Name of the check., type: str, returned: always}
    host: {description: Name of the host., type: str, returned: always}
    state: {description: "C(ok), C(warn), C(fail) or C(unknown).", type: str, returned: always}
    found: {description: What was found., type: str, returned: always}
    expected: {description: What is well., type: str, returned: always}
    why: {description: Why it matters., type: str, returned: always}
    remedy: {description: What to do., type: str, returned: always}
facts:
  description: What only makes sense beside that of other hosts; C(addresses) are those that the host has now.
  returned: always
  type: dict
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.health import (
    read_host,
    read_logins,
    read_network,
    read_services,
)
from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import Collected, judge
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import gather
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_cloud_hosts import CLOUD_HOST_CHECKS
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_control import CONTROL_CHECKS
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_host import HOST_CHECKS
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_network import NETWORK_CHECKS

CHECKS = (*HOST_CHECKS, *NETWORK_CHECKS, *CONTROL_CHECKS, *CLOUD_HOST_CHECKS)
PARTS = (
    *("cache", "ceph", "certificates", "database", "hypervisor", "load_balancer", "messaging", "osds", "overlay"),
    "switch",
)


def collectors(parameters: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return what reads the state of a host: of every host, and of its parts."""
    wanted, parts = parameters["wanted"], parameters["parts"]
    certificate_folder = parameters["pki_folder"]
    everywhere: dict[str, Callable[[], Any]] = {
        "units": partial(read_host.units, wanted),
        "configuration": partial(read_host.configuration, wanted),
        "secrets": partial(read_host.secrets, wanted),
        "filesystems": read_host.filesystems,
        "load": read_host.load,
        "arrays": read_host.arrays,
        "system": read_host.system,
        "clock": read_host.clock,
        "addresses": read_network.addresses,
        "devices": read_network.devices,
        "peers": partial(read_network.peers, wanted.get("peers", ())),
        "names": partial(read_network.names, wanted.get("names", {})),
    }
    if wanted.get("apis"):
        everywhere["apis"] = partial(read_network.apis, wanted["apis"], f"{certificate_folder}/ca.crt")
    of_parts: dict[str, dict[str, Callable[[], Any]]] = {
        "cache": {"cache": read_services.cache},
        "ceph": {"ceph": read_services.ceph, "monitor": partial(read_services.monitor, parameters["host"])},
        "certificates": {"certificates": partial(read_host.certificates, certificate_folder)},
        "database": {"database": read_services.database},
        "hypervisor": {
            "hypervisor": read_services.hypervisor,
            "hypervisor_tls": partial(read_services.hypervisor_tls, parameters["host"]),
        },
        "load_balancer": {"balancer": partial(read_network.balancer, parameters["balancer_socket"])},
        "messaging": {"messaging": read_services.messaging, "queues": read_services.queues},
        "osds": {"osds": read_services.osds},
        "overlay": {"overlay_databases": read_services.overlay_databases, "overlay": read_services.overlay},
        "switch": {"switch": read_services.switch},
    }
    everywhere |= read_logins.collectors(read_logins.logins(wanted, f"{certificate_folder}/ca.crt"))
    return everywhere | {name: read for part in parts for name, read in of_parts[part].items()}


def facts(collected: Mapping[str, Collected]) -> dict[str, Any]:
    """Return what is compared with other hosts."""
    return {"addresses": sorted(collected["addresses"].data or ())}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "parts": {"type": "list", "elements": "str", "default": [], "choices": list(PARTS)},
            "wanted": {"type": "dict", "default": {}},
            "pki_folder": {"type": "path", "default": "/etc/accentos/pki"},
            "balancer_socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    collected = gather(collectors(module.params), module.params["timeout"])
    module.exit_json(
        changed=False,
        findings=judge(CHECKS, collected, module.params["wanted"], module.params["host"]),
        facts=facts(collected),
    )


if __name__ == "__main__":
    main()
