#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: files of clustered OVN databases."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_cluster
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Create or join clustered OVN databases
description:
  - Makes the file with which a server of an OVN database starts its cluster or joins one, and leaves the file of a
    member alone. The servers must not make it by themselves; one that lost its file would start a second cluster.
  - A file is written beside its place and renamed.
  - In check mode it tells which clusters the host is in, which is what decides whether one may be created at all.
options:
  databases:
    description: The databases.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the database in its schema.
        type: str
        required: true
      path:
        description: The file.
        type: path
        required: true
      schema:
        description: File of the schema that a new cluster begins with.
        type: path
        required: true
      local:
        description: Where this member answers the others, such as C(ssl:192.0.2.21:6643).
        type: str
        required: true
      members:
        description: Where all members answer each other.
        type: list
        elements: str
        required: true
      create:
        description:
          - Whether this host creates the cluster if it is in none. True on one host, and only if no host is in one.
        type: bool
        default: false
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows the commands that it gives to C(ovsdb-tool).
    support: full
"""

EXAMPLES = r"""
- name: Start or join the cluster
  accentos.cloud.ovn_cluster:
    databases:
      - name: OVN_Northbound
        path: /var/lib/ovn/ovnnb_db.db
        schema: /usr/share/ovn/ovn-nb.ovsschema
        local: ssl:192.0.2.21:6643
        members: [ssl:192.0.2.21:6643, ssl:192.0.2.22:6643, ssl:192.0.2.23:6643]
        create: true
"""

RETURN = r"""
clusters:
  description: Identity of the cluster by database, as it was before. Empty for a database that is in none.
  returned: always
  type: dict
  sample: {OVN_Northbound: 6b1c5f0e-3c1b-4b8e-9c39-0f0f6a1f2f51}
commands:
  description: The commands given to C(ovsdb-tool), in check mode those that would be given.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.files import leftover_name
from ansible_collections.accentos.cloud.plugins.module_utils.ovn import Kind, OvnError, plan_file

# ovsdb-tool answers a question with "no" by this code.
_NO = 2


def ask(module: AnsibleModule, program: str, *arguments: str) -> str | None:
    """Run ``ovsdb-tool`` and return what it prints, or None if its answer is no. Raises OvnError."""
    code, out, err = module.run_command([program, *arguments])
    if code not in (0, _NO):
        raise OvnError(
            f"ovsdb-tool {' '.join(arguments)} ended with code {code}: {err.strip()}",
            "See to the file; a damaged one is moved away, and the host then joins the other members anew.",
        )
    return str(out).strip() if code == 0 else None


def look(module: AnsibleModule, program: str, path: Path) -> tuple[Kind, str]:
    """Tell what a file is, and the identity of the cluster that it is in. Raises OvnError."""
    if not path.exists():
        return Kind.ABSENT, ""
    if ask(module, program, "db-is-clustered", str(path)) is None:
        return Kind.STANDALONE, ""
    identity = ask(module, program, "db-cid", str(path))
    return (Kind.MEMBER, identity) if identity else (Kind.JOINING, "")


def make(module: AnsibleModule, program: str, path: Path, arguments: list[str]) -> None:
    """Make a file in one step. Raises OvnError and OSError."""
    new = path.with_name(leftover_name(path.name))
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new.unlink(missing_ok=True)
    ask(module, program, *(argument.replace("{file}", str(new)) for argument in arguments))
    new.rename(path)
    new.with_name(f".{new.name}.~lock~").unlink(missing_ok=True)


def manage(module: AnsibleModule) -> dict[str, Any]:
    """Bring all files about and return what the module returns. Raises OvnError and OSError."""
    program = module.get_bin_path("ovsdb-tool")
    if program is None and not module.check_mode:
        raise OvnError("There is no ovsdb-tool on this host.", "Install the package ovn-central first.")
    # In check mode the package may not be there yet, and no database then.
    found = {
        wanted["name"]: look(module, program, Path(wanted["path"])) if program else (Kind.ABSENT, "")
        for wanted in module.params["databases"]
    }
    plans = [
        (Path(wanted["path"]), list(plan_file(found[wanted["name"]][0], wanted)))
        for wanted in module.params["databases"]
    ]
    plans = [(path, arguments) for path, arguments in plans if arguments]
    if program and not module.check_mode:
        for path, arguments in plans:
            make(module, program, path, arguments)
    commands = [" ".join(arguments).replace("{file}", str(path)) for path, arguments in plans]
    return {
        "changed": bool(plans),
        "clusters": {name: identity for name, (_kind, identity) in found.items()},
        "commands": commands,
        "diff": {"before": "", "after": "".join(f"ovsdb-tool {command}\n" for command in commands)},
    }


def main() -> None:
    """Run the module."""
    database = {
        "name": {"type": "str", "required": True},
        "path": {"type": "path", "required": True},
        "schema": {"type": "path", "required": True},
        "local": {"type": "str", "required": True},
        "members": {"type": "list", "elements": "str", "required": True},
        "create": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={"databases": {"type": "list", "elements": "dict", "required": True, "options": database}},
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    try:
        result = manage(module)
    except OvnError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
