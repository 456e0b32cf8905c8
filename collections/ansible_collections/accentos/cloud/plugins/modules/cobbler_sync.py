#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the boot files of Cobbler are those of its objects."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cobbler_sync
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let Cobbler write its boot files, if they are not up to date
description:
  - Starts a sync of Cobbler, once for any number of changes before it, and waits for its end.
  - Nothing is done if the objects, the settings and the O(inputs) are those of the last sync. What that was is
    remembered on the host that runs the module, below C(/var/lib/accentos/cobbler), so a run that was killed before
    or during its sync makes up for it the next time.
  - Run it on the host of Cobbler, since a changed kernel or ramdisk is recognised by its size and time there.
  - A full sync removes all boot files first and then writes them. Machines that boot in these moments try again.
options:
  systems:
    description:
      - Write the files of these systems only, and always. It is quicker and removes nothing, but does not copy kernels
        and ramdisks. Without it, all is written.
    type: list
    elements: str
  inputs:
    description: Files and folders that boot files are made from besides the objects, such as templates of boot menus.
    type: list
    elements: path
    default: []
  ignored_fields:
    description:
      - Fields of systems that do not count, because another program changes them. Cobbler itself writes the files of a
        system whenever it is saved.
    type: list
    elements: str
    default: []
  force:
    description: Whether to sync even if nothing changed.
    type: bool
    default: false
  sync_timeout:
    description: Seconds that the sync may take.
    type: float
    default: 600
extends_documentation_fragment:
  - accentos.cloud.cobbler
  - accentos.cloud.inputs_changed
attributes:
  check_mode:
    description: Can run in check mode and tells whether it would sync.
    support: full
  diff_mode:
    description: Shows the sync.
    support: full
  idempotence:
    description: Does nothing if nothing changed, unless it is forced or systems are named.
    support: partial
  action_group:
    description: Is in the group C(accentos.cloud.cobbler).
    support: full
    membership: [accentos.cloud.cobbler]
"""

EXAMPLES = r"""
- name: Write the boot files, if anything changed
  accentos.cloud.cobbler_sync:
    user: accentos
    password: "{{ lookup('accentos.cloud.secret', 'cobbler_admin_password') }}"
    inputs:
      - /etc/cobbler/boot_loader_conf
"""

RETURN = r"""
task:
  description: Name of Cobbler's task. Its log is below C(/var/log/cobbler/tasks).
  returned: when a sync was run
  type: str
  sample: 2026-11-24_220857_Sync_dea9a69d87084da382cbb48916e7f356
"""

import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.modules import run
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.sync import (
    TYPES,
    digest_state,
    marker_path,
    run_sync,
)
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import Cobbler
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_files


def remember(module: AnsibleModule, marker: Path, digest: str) -> None:
    """Note, in one step, what the boot files were written from."""
    marker.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=module.tmpdir, delete=False) as file:
        file.write(f"{digest}\n")
    module.atomic_move(file.name, str(marker))


def synchronise(module: AnsibleModule, cobbler: Cobbler) -> dict[str, Any]:
    """Sync if that is needed."""
    params = module.params
    if params["systems"] is not None:
        return _sync(module, cobbler, params["systems"]) if params["systems"] else _result(None)
    inputs = [Path(path) for path in params["inputs"]]
    # Read before the sync: what changes meanwhile is written by the next one.
    objects = {what: cobbler.objects(what) for what in TYPES}
    expected = params["inputs_changed"] if module.check_mode else {}
    digest = digest_state(objects, cobbler.settings(), digest_files(inputs, expected), params["ignored_fields"])
    marker = marker_path(params["url"])
    known = marker.read_text(encoding="ascii", errors="replace").strip() if marker.is_file() else ""
    if known == digest and not params["force"]:
        return _result(None)
    if not module.check_mode:
        # A sync that is killed has removed files already.
        marker.unlink(missing_ok=True)
    result = _sync(module, cobbler, None)
    if not module.check_mode:
        remember(module, marker, digest)
    return result


def _sync(module: AnsibleModule, cobbler: Cobbler, systems: list[str] | None) -> dict[str, Any]:
    what = "sync" if systems is None else f"sync {' '.join(systems)}"
    task = None if module.check_mode else run_sync(cobbler, systems, module.params["sync_timeout"])
    return {**_result(what), **({"task": task} if task else {})}


def _result(what: str | None) -> dict[str, Any]:
    return {"changed": what is not None, "diff": {"before": "", "after": f"cobbler {what}\n" if what else ""}}


def main() -> None:
    """Run the module."""
    run(
        {
            "systems": {"type": "list", "elements": "str"},
            "inputs": {"type": "list", "elements": "path", "default": []},
            "inputs_changed": {"type": "dict", "default": {}},
            "ignored_fields": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "sync_timeout": {"type": "float", "default": 600},
        },
        synchronise,
    )


if __name__ == "__main__":
    main()
