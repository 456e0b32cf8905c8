#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: computes take guests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compute_hosts
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let computes take guests
description:
  - Waits until the compute services of hosts report, and maps those to their cell that are in none yet.
  - Enables hosts that were disabled by M(accentos.cloud.compute_removal), and no others.
  - Then waits until their network agents report.
  - It runs on a controller, as root; other hosts are not touched.
options:
  hosts:
    description: Names of the hosts, as the compute service knows them.
    type: list
    elements: str
    required: true
  agents:
    description: Whether network agents are waited for.
    type: bool
    default: true
  network_driver:
    description: Driver of the cloud's networks. It decides which network agents a compute has.
    type: str
    choices: [openvswitch, ovn]
    default: ovn
  timeout:
    description: Seconds to wait for all of that.
    type: int
    default: 180
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login]
attributes:
  check_mode:
    description: Does not wait in check mode, and tells of hosts that are in no cell or disabled.
    support: full
  diff_mode:
    description: There are no files; RV(steps) tells what is done.
    support: none
"""

EXAMPLES = r"""
- name: Let new computes take guests
  accentos.cloud.compute_hosts:
    hosts: [compute-7]
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt
  delegate_to: controller-1
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be done.
  returned: success
  type: list
  elements: dict
  contains:
    host: {description: The host., type: str}
    verb: {description: What is done., type: str}
    thing: {description: To what., type: str}
    why: {description: Why so., type: str}
  sample:
    - {host: compute-7, verb: map, thing: compute-7 to its cell, why: ""}
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.compute_hosts import AGENTS, lacking, left
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_commands import SyncError, call

_ANSWER = 60
_PAUSE = 1.0
_DISCOVER = ("nova-manage", "cell_v2", "discover_hosts", "--by-service")


def read(
    cloud: Cloud, hosts: Sequence[str], *, agents: bool, driver: str
) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
    """Return the compute services of the cloud, and what each of HOSTS lacks. Raises CloudError."""
    services = cloud.get("compute", "/os-services", binary="nova-compute")["services"]
    hypervisors = cloud.get("compute", "/os-hypervisors")["hypervisors"]
    found = cloud.get("network", "/agents")["agents"] if agents else None
    return services, lacking(hosts, services, hypervisors, found, driver)


def mend(cloud: Cloud, services: Sequence[Mapping[str, Any]], lacks: Mapping[str, str]) -> list[dict[str, str]]:
    """Enable and map the hosts that need it and return what was done. Raises CloudError and SyncError."""
    done = steps_for(lacks)
    for one in services:
        if lacks.get(one["host"]) == "enabling" and left(one):
            body = {"status": "enabled", "forced_down": False}
            cloud.ask("compute", "PUT", f"/os-services/{one['id']}", body)
    if "cell" in lacks.values():
        code, out = call(_DISCOVER, "nova", timeout=_ANSWER)
        if code:
            raise SyncError(f"{' '.join(_DISCOVER)} ends with {code}: {out.strip()[-500:]}")
    return done


def steps_for(lacks: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what is done about what hosts lack; the rest is waited for."""
    verbs = {"enabling": ("enable", "nova-compute of {}"), "cell": ("map", "{} to its cell")}
    return [
        {"host": host, "verb": verbs[what][0], "thing": verbs[what][1].format(host), "why": ""}
        for host, what in lacks.items()
        if what in verbs
    ]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            "hosts": {"type": "list", "elements": "str", "required": True},
            "agents": {"type": "bool", "default": True},
            "network_driver": {"type": "str", "choices": sorted(AGENTS), "default": "ovn"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    options = module.params

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    steps: list[dict[str, str]] = []
    deadline = time.monotonic() + options["timeout"]
    try:
        cloud = Cloud(options["auth"], ca_file=options["ca_file"], timeout=_ANSWER)
        while True:
            services, lacks = read(cloud, options["hosts"], agents=options["agents"], driver=options["network_driver"])
            if module.check_mode:
                # A host that does not report yet will be in no cell either.
                steps = steps_for({host: "cell" if what == "nova-compute" else what for host, what in lacks.items()})
                break
            if not lacks:
                break
            if time.monotonic() > deadline:
                told = ", ".join(f"{host} ({what})" for host, what in lacks.items())
                refuse(
                    f"After {options['timeout']} seconds these computes take no guests, for want of: {told}.",
                    "See the logs on the host: /var/log/nova, /var/log/neutron, /var/log/ovn. Then run again.",
                )
            steps += [one for one in mend(cloud, services, lacks) if one not in steps]
            time.sleep(_PAUSE)
    except (CloudError, SyncError) as error:
        # Before the cloud is there, check mode cannot ask it.
        if not module.check_mode:
            refuse(
                f"The cloud does not take its computes in: {error}.", "See whether the service runs, then run again."
            )
        steps = steps_for(dict.fromkeys(options["hosts"], "cell"))
    module.exit_json(changed=bool(steps), steps=steps)


if __name__ == "__main__":
    main()
