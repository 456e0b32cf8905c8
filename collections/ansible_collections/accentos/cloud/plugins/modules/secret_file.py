#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a file that holds a secret."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_file
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Write a file that holds a secret
description:
  - Writes a file whose content is a secret. Unlike M(ansible.builtin.copy) and M(ansible.builtin.template) it makes no
    temporary file of the content on the control node, where a run that is killed would leave it.
  - The content travels over standard input only, given that pipelining is on for the connection.
  - The file is written beside its place and renamed, so a reader sees the old content or the new one. At no moment may
    more users read it than O(mode) says. What a killed run left is removed by the next one.
options:
  path:
    description: Path of the file. Its folder must be there. A symbolic link at its place is replaced.
    type: path
    required: true
  content:
    description: The whole content.
    type: str
    required: true
  owner:
    description: Name of the owner. By default the user that the module runs as.
    type: str
  group:
    description: Name of the group. By default the group that the module runs as.
    type: str
  mode:
    description: Mode as four octal digits in quotes. Others than owner and group get nothing.
    type: str
    default: "0600"
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells what it would do without doing it. There the folder, owner and group may be
      missing, since an earlier task would make them.
    support: full
  diff_mode:
    description: Shows owner, group and mode, and of the content only whether it is another one.
    support: full
"""

EXAMPLES = r"""
- name: Write the key of the time service
  accentos.cloud.secret_file:
    path: /etc/chrony/chrony.keys
    content: |
      1 SHA256 HEX:{{ lookup('accentos.cloud.secret', 'chrony_key', kind='hex') | upper }}
    group: _chrony
    mode: "0640"
"""

RETURN = r"""
path:
  description: Path of the file.
  returned: always
  type: str
  sample: /etc/chrony/chrony.keys
paths:
  description: The path again if the content is another one than before, in check mode if it would be; else nothing.
  returned: always
  type: list
  elements: str
  sample: [/etc/chrony/chrony.keys]
digests:
  description: >-
    The path with an empty text if the content is another one than before, in check mode if it would be; else nothing.
    It is for O(accentos.cloud.unit#module:inputs_changed). The digest itself is not told, since with it whoever reads
    the result could try out what the secret is. So a plan takes such a file for another input even if it goes back to
    what a unit was last started with.
  returned: always
  type: dict
  sample: {/etc/chrony/chrony.keys: ""}
"""

import grp
import os
import pwd
import re
import stat
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.files import (
    climbing,
    climbs,
    holds,
    leftover_name,
    replace_file,
)
from ansible_collections.accentos.cloud.plugins.module_utils.planned import STILL_TO_BE_MADE
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import UNKNOWN

_MODE = re.compile(r"0[0-7]{3}")
_OTHERS = 0o007


class SecretFileError(Exception):
    """The file cannot be written. The first argument says why, the second what helps."""


def owner_id(name: str | None) -> int | None:
    """Return the id of a user; None if there is none of that name."""
    if name is None:
        return os.geteuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def group_id(name: str | None) -> int | None:
    """Return the id of a group; None if there is none of that name."""
    if name is None:
        return os.getegid()
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def describe(uid: int, gid: int, mode: int, content: str) -> str:
    """Describe a file for people, without its content."""
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = str(uid)
    try:
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    return f"owner: {owner}\ngroup: {group}\nmode: {mode:04o}\ncontent: {content}\n"


def describe_present(path: Path, wanted: bytes) -> str:
    """Describe what is at the path; an empty text for nothing. Raises SecretFileError if it is no file."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(state.st_mode):
        return "a symbolic link\n"
    if not stat.S_ISREG(state.st_mode):
        raise SecretFileError(f"{path} is no file.", "Move away what is there, or give the file another path.")
    content = "the wanted one" if path.read_bytes() == wanted else "another one"
    return describe(state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode), content)


def parse_mode(text: str) -> int:
    """Return a mode. Raises SecretFileError."""
    remedy = 'Write it as four octal digits in quotes, such as "0640".'
    if not _MODE.fullmatch(text):
        raise SecretFileError(f"mode {text} is not understood.", remedy)
    mode = int(text, 8)
    if mode & _OTHERS:
        raise SecretFileError(f"mode {text} would show the secret to every user of the host.", remedy)
    return mode


def write(module: AnsibleModule) -> tuple[bool, dict[str, str]]:
    """Bring the file about; return whether that changes anything, and the difference. Raises SecretFileError."""
    wanted = module.params
    path = Path(wanted["path"])
    if climbs(path):
        raise SecretFileError(*climbing(path))
    content = wanted["content"].encode()
    mode = parse_mode(wanted["mode"])
    uid, gid = owner_id(wanted["owner"]), group_id(wanted["group"])
    before = describe_present(path, content)
    if uid is None or gid is None:
        missing = f"owner {wanted['owner']}" if uid is None else f"group {wanted['group']}"
        if not module.check_mode:
            raise SecretFileError(
                f"The {missing} of {path} does not exist.", "Install what brings it, or mend the name."
            )
        return True, {"before": before, "after": f"{missing}, {STILL_TO_BE_MADE}\nmode: {mode:04o}\n"}
    after = describe(uid, gid, mode, "the wanted one")
    leftover = path.with_name(leftover_name(path.name))
    changed = before != after or leftover.exists()
    if changed and not module.check_mode:
        if not path.parent.is_dir():
            raise SecretFileError(f"The folder of {path} does not exist.", "Make it in an earlier task.")
        replace_file(path, content, mode=mode, owner=(uid, gid))
    return changed, {"before": before, "after": after}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "content": {"type": "str", "required": True, "no_log": True},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str", "default": "0600"},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    path = module.params["path"]
    try:
        other = not holds(Path(path), module.params["content"].encode())
        changed, diff = write(module)
    except SecretFileError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    header = {"before_header": path, "after_header": path}
    paths = [path] if other else []
    module.exit_json(changed=changed, path=path, paths=paths, digests=dict.fromkeys(paths, UNKNOWN), diff=header | diff)


if __name__ == "__main__":
    main()
