#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: virtual hosts and users of a messaging server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: messaging_access
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Virtual hosts and users of a RabbitMQ server, all in one call
description:
  - Makes any number of virtual hosts and users with their rights, and changes passwords, by one import of definitions.
  - The server gets digests of the passwords, in a file that only its own user may read and that is in memory. No
    password is ever in the arguments of a program.
  - Virtual hosts and users that are not named stay. A named user loses rights on other virtual hosts. The user C(guest)
    is always removed.
options:
  vhosts:
    description: Virtual hosts that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the virtual host.
        type: str
        required: true
      queue_type:
        description: Kind of a durable queue whose client asks for none.
        type: str
        choices: [quorum, classic, stream]
        default: quorum
  users:
    description: Users that must be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      password:
        description: Password of the user.
        type: str
        required: true
      tags:
        description: What the user may manage, such as V(monitoring).
        type: list
        elements: str
        default: []
      permissions:
        description: Rights of the user.
        type: list
        elements: dict
        default: []
        suboptions:
          vhost:
            description: Virtual host.
            type: str
            default: /
          configure:
            description: Regular expression of what the user may make and remove.
            type: str
            default: .*
          write:
            description: Regular expression of where the user may send to.
            type: str
            default: .*
          read:
            description: Regular expression of what the user may read.
            type: str
            default: .*
  absent_users:
    description: Names of users that must not be there.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. There the server may be missing, since an
      earlier task would install it.
    support: full
  diff_mode:
    description: Shows what changes, without passwords and their digests.
    support: full
"""

EXAMPLES = r"""
- name: Let the services talk
  accentos.cloud.messaging_access:
    vhosts:
      - name: /
    users:
      - name: nova
        password: "{{ lookup('accentos.cloud.secret', 'nova_messaging_password') }}"
        permissions:
          - vhost: /
"""

RETURN = r"""
changes:
  description: What was changed, in check mode what would be.
  returned: always
  type: list
  elements: str
  sample: ["virtual host /nova: quorum queues"]
"""

import json
import os
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import told
from ansible_collections.accentos.cloud.plugins.module_utils.files import replace_file
from ansible_collections.accentos.cloud.plugins.module_utils.messaging_access import (
    SALT_BYTES,
    AccessError,
    Plan,
    plan,
)

# In memory, and the same at every run, so that the next one removes what a killed one left.
DEFINITIONS = Path("/run/accentos-messaging-definitions.json")
_OWNER = "rabbitmq"
_SECONDS = "60"


def call(module: AnsibleModule, program: str, *arguments: str) -> str:
    """Give a command to the server and return what it prints; what fails ends the module."""
    code, out, err = module.run_command([program, "--quiet", "--timeout", _SECONDS, *arguments])
    if code != 0:
        module.fail_json(
            msg=f"rabbitmqctl {arguments[0]} ended with code {code}: {(err or out).strip()}",
            remedy="See that the server runs and is not cut off from its cluster: journalctl --unit rabbitmq-server",
        )
    return str(out)


def read_definitions(module: AnsibleModule, program: str | None) -> dict[str, Any]:
    """Ask the server for its definitions. In check mode a server that is not there has those of a new one."""
    if module.check_mode and program:
        code, _out, _err = module.run_command([program, "--quiet", "--timeout", _SECONDS, "ping"])
        program = program if code == 0 else None
    if not program:
        return {"vhosts": [{"name": "/"}]}
    definitions: dict[str, Any] = json.loads(call(module, program, "export_definitions", "-"))
    return definitions


def apply(module: AnsibleModule, program: str, wanted: Plan) -> None:
    """Import definitions and give the commands."""
    if wanted.definitions:
        owner = pwd.getpwnam(_OWNER)
        content = json.dumps(wanted.definitions).encode()
        try:
            replace_file(DEFINITIONS, content, mode=0o400, owner=(owner.pw_uid, owner.pw_gid))
            call(module, program, "import_definitions", str(DEFINITIONS))
        finally:
            DEFINITIONS.unlink(missing_ok=True)
    for command in wanted.commands:
        call(module, program, *command)


def main() -> None:
    """Run the module."""
    vhost = {
        "name": {"type": "str", "required": True},
        "queue_type": {"type": "str", "choices": ["quorum", "classic", "stream"], "default": "quorum"},
    }
    permission = {
        "vhost": {"type": "str", "default": "/"},
        **{name: {"type": "str", "default": ".*"} for name in ("configure", "write", "read")},
    }
    user = {
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "tags": {"type": "list", "elements": "str", "default": []},
        "permissions": {"type": "list", "elements": "dict", "default": [], "options": permission},
    }
    module = AnsibleModule(
        argument_spec={
            "vhosts": {"type": "list", "elements": "dict", "default": [], "options": vhost},
            "users": {"type": "list", "elements": "dict", "default": [], "options": user},
            "absent_users": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    program = module.get_bin_path("rabbitmqctl", required=not module.check_mode)
    given = module.params
    try:
        wanted = plan(
            read_definitions(module, program),
            given["vhosts"],
            given["users"],
            given["absent_users"],
            os.urandom(SALT_BYTES),
        )
    except AccessError as error:
        module.fail_json(msg=error.args[0], remedy=error.args[1])
    if not module.check_mode:
        with told(module):
            DEFINITIONS.unlink(missing_ok=True)
            apply(module, program, wanted)
    lines = list(wanted.lines)
    module.exit_json(
        changed=bool(lines), changes=lines, diff={"before": "", "after": "".join(f"{line}\n" for line in lines)}
    )


if __name__ == "__main__":
    main()
