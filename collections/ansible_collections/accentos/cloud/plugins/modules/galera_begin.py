#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a server begins a Galera cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_begin
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let a server begin a Galera cluster with the data that it has
description:
  - Starts a server as the first of a cluster; the others then join it and take its data. Which server that has
    to be is for the filter P(accentos.cloud.galera_start#filter) to tell.
  - A server that runs is stopped first. The filter names none that works in a cluster.
  - What makes the server begin is used up by its start, so no later start of it begins a second cluster.
options:
  inputs:
    description:
      - Files that make up the server's configuration, the same as those of M(accentos.cloud.unit) for
        C(mariadb.service). The server counts as started with them.
    type: list
    elements: path
    default: []
  folder:
    description: Folder of the server's data.
    type: path
    default: /var/lib/mysql
attributes:
  check_mode:
    description: Can run in check mode and tells that it would start the server.
    support: full
  diff_mode:
    description: Shows the commands that it gives to systemd.
    support: full
"""

EXAMPLES = r"""
- name: Begin the cluster
  accentos.cloud.galera_begin:
    inputs: [/etc/mysql/mariadb.conf.d/90-accentos.cnf]
"""

RETURN = r"""
commands:
  description: The commands given to systemd, in check mode those that would be given.
  returned: always
  type: list
  elements: str
  sample: [daemon-reload, reset-failed mariadb.service, start mariadb.service]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import told
from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file
from ansible_collections.accentos.cloud.plugins.module_utils.galera import allow_start
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_files, remember
from ansible_collections.accentos.cloud.plugins.module_utils.systemctl import describe, give, read_states
from ansible_collections.accentos.cloud.plugins.module_utils.units import MARKER_FOLDER, marker_name

UNIT = "mariadb.service"
# Read by the package's unit, and removed by it when it has started. In memory: a restart of the host removes it too.
ORDER = Path("/run/mariadb-wsrep-new-cluster")


def bring_about(module: AnsibleModule) -> dict[str, Any]:
    """Let the server begin a cluster and return what the module returns. Raises OSError."""
    stopped = read_states(module, [UNIT])[UNIT].active in ("inactive", "failed")
    stop = [] if stopped else [["stop", UNIT]]
    start = [["daemon-reload"], ["reset-failed", UNIT], ["start", UNIT]]
    if not module.check_mode:
        give(module, stop)
        state = Path(module.params["folder"]) / "grastate.dat"
        if state.is_file():
            owner = state.stat()
            content = allow_start(state.read_text(encoding="utf-8"))
            replace_file(state, content.encode(), mode=0o660, owner=(owner.st_uid, owner.st_gid))
        # Noted before the start: with a restart for the sake of the note, a cluster of one would end.
        digests = digest_files(Path(path) for path in module.params["inputs"])
        remember(MARKER_FOLDER / marker_name(UNIT, ""), digests)
        replace_file(ORDER, b"_WSREP_NEW_CLUSTER=--wsrep-new-cluster\n", mode=0o644)
        try:
            give(module, start)
        finally:
            ORDER.unlink(missing_ok=True)
    return describe(stop + start)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "inputs": {"type": "list", "elements": "path", "default": []},
            "folder": {"type": "path", "default": "/var/lib/mysql"},
        },
        supports_check_mode=True,
    )
    with told(module):
        module.exit_json(**bring_about(module))


if __name__ == "__main__":
    main()
