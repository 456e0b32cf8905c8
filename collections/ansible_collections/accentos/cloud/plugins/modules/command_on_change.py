#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a command has run with the present content of some files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: command_on_change
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Run a command when files differ from those that it last succeeded with
description:
  - Runs a command if its input files differ from those that were there when it last succeeded.
  - Unlike a condition on an earlier task's result this survives a run that is killed between writing a file and the
    command, since what the command last succeeded with is remembered on the host, below C(/var/lib/accentos/commands).
options:
  name:
    description: What the command does, lower-case letters, digits and dashes. It is remembered under this name.
    type: str
    required: true
  argv:
    description: The command and its arguments. It must bring about the same whenever it runs again.
    type: list
    elements: str
    required: true
  inputs:
    description: Files, or folders of files, that the command reads.
    type: list
    elements: path
    required: true
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.inputs_changed]
attributes:
  check_mode:
    description: Can run in check mode and tells whether it would run the command, without running it.
    support: full
  diff_mode:
    description: Shows the command that it runs.
    support: full
"""

EXAMPLES = r"""
- name: Read the package lists of the present sources
  accentos.cloud.command_on_change:
    name: package-lists
    argv: [apt-get, update]
    inputs: [/etc/apt/sources.list.d]
"""

RETURN = r"""
stdout:
  description: What the command printed; empty if it did not run.
  returned: always
  type: str
  sample: Reading package lists... Done
reason:
  description: Why it runs, the inputs that differ with commas between; an empty text if it does not.
  returned: always
  type: str
  sample: /etc/apt/sources.list.d/debian.sources
"""

import re
import shlex
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import told
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import (
    digest_files,
    recall,
    remember,
    why_again,
)

MARKER_FOLDER = Path("/var/lib/accentos/commands")


def bring_about(module: AnsibleModule) -> dict[str, Any]:
    """Run the command if it is due and return what the module returns. Raises OSError."""
    name, argv = module.params["name"], module.params["argv"]
    marker = MARKER_FOLDER / name
    # Taken before the command runs: a file that changes under it is then seen as changed by the next run.
    inputs = module.params["inputs"]
    expected = module.params["inputs_changed"] if module.check_mode else {}
    digests = digest_files((Path(path) for path in inputs), expected)
    why, out = why_again(recall(marker), digests), ""
    if why and not module.check_mode:
        code, out, err = module.run_command(argv, handle_exceptions=False)
        if code != 0:
            module.fail_json(
                msg=f"{shlex.join(argv)} ended with code {code}: {(err or out).strip()}",
                remedy="Mend what it complains about, then run again.",
            )
        remember(marker, digests)
    shown = f"{shlex.join(argv)}\n" if why else ""
    return {"changed": bool(why), "stdout": out, "reason": why, "diff": {"before": "", "after": shown}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str", "required": True},
            "inputs": {"type": "list", "elements": "path", "required": True},
            "inputs_changed": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    name, argv = module.params["name"], module.params["argv"]
    if not re.fullmatch(r"[a-z0-9-]+", name):
        module.fail_json(
            msg=f"name {name!r} is not made of lower-case letters, digits and dashes.",
            remedy="Give the command a short name such as package-lists.",
        )
    if not argv or not module.params["inputs"]:
        module.fail_json(
            msg=f"{name} has no {'inputs' if argv else 'argv'}.",
            remedy="Name the command in argv, and in inputs the files that it reads.",
        )
    with told(module):
        module.exit_json(**bring_about(module))


if __name__ == "__main__":
    main()
