#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: wait until machines are installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: provision_wait
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Wait until machines are installed
description:
  - Waits for many machines in one process, until each is deployed, has failed, or has spent too long in one stage.
  - A machine that is lost does not let the module fail, so that others are not given up and it can be tried again -
    look at RV(lost).
  - In check mode it looks once and does not wait.
  - Runs on the deploy host, as root.
options:
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
  timeouts:
    description:
      - Seconds that a stage may take, by stage - C(boot) (from power-on to the first question), C(specification),
        C(disks), C(image), C(configuration), C(boot_loader), C(finish).
      - Stages that are not named have 900, 60, 300, 1800, 300, 600 and 300 seconds.
    type: dict
    default: {}
  interval:
    description: Seconds between two looks.
    type: float
    default: 2.0
  socket:
    description: The Unix socket of the service, on the host where the module runs.
    type: path
    default: /run/accentos-provisioner/admin.sock
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Changes nothing, so that there is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Wait for the machines
  accentos.cloud.provision_wait:
    hosts: [compute-1, compute-2]
    timeouts:
      image: 600
  register: installed
"""

RETURN = r"""
results:
  description: One row for each machine, with the seconds of each stage and altogether.
  returned: success
  type: list
  elements: dict
  sample:
    - {host: compute-1, state: deployed, stage: finish, stages: {image: 21.5}, total: 21.5, reason: ""}
lost:
  description: Names of the machines that failed or took too long.
  returned: success
  type: list
  elements: str
  sample: [compute-2]
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import (
    SOCKET,
    Progress,
    ProvisionerError,
    answer,
    judge,
    list_machines,
    plan_timeouts,
    row_of,
)

# Seconds for which a service that is away, because it restarts, is no reason to give up.
PATIENCE = 60.0


def wait(
    hosts: list[str],
    timeouts: Mapping[str, float],
    look: Callable[[], Mapping[str, Mapping[str, Any]]],
    pause: Callable[[], None] | None,
    clock: Callable[[], float] = time.time,
) -> list[Progress]:
    """Look, with PAUSE in between, until all HOSTS are done; without PAUSE look once. Raises ProvisionerError."""
    started = seen = clock()
    ended: dict[str, Progress] = {}
    while True:
        try:
            machines = look()
            seen = clock()
            present = {
                host: ended.get(host) or judge(host, machines.get(host), timeouts, started, seen) for host in hosts
            }
        except ProvisionerError:
            if pause is None or clock() - seen > PATIENCE:
                raise
        else:
            ended = {host: progress for host, progress in present.items() if progress.ended}
            if pause is None or len(ended) == len(present):
                return [present[host] for host in hosts]
        pause()


def run(module: AnsibleModule) -> dict[str, Any]:
    """Wait and return the result. Raises ProvisionerError."""
    hosts = list(dict.fromkeys(module.params["hosts"]))
    timeouts = plan_timeouts(module.params["timeouts"])
    rows = wait(
        hosts,
        timeouts,
        lambda: list_machines(module.params["socket"]),
        None if module.check_mode else lambda: time.sleep(module.params["interval"]),
    )
    lost = [row.host for row in rows if row.state in ("failed", "late")]
    return {"changed": False, "results": [row_of(row) for row in rows], "lost": lost}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "timeouts": {"type": "dict", "default": {}},
            "interval": {"type": "float", "default": 2.0},
            "socket": {"type": "path", "default": SOCKET},
        },
        supports_check_mode=True,
    )
    answer(module, run)


if __name__ == "__main__":
    main()
