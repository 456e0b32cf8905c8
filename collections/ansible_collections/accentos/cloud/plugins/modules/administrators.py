#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: who may log in to a host and become root."""

from __future__ import annotations

DOCUMENTATION = r"""
module: administrators
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Let exactly the listed administrators in
description:
  - Makes the accounts of the administrators, lets exactly their SSH keys in, and writes who may become root. Passwords
    are locked.
  - The names are remembered on the host, in C(/var/lib/accentos/administrators). A person who is no longer listed loses
    every way in, which is password, keys and sudo, and the account expires; the home folder stays. Sessions that are
    open go on until they end.
  - Accounts of the system, C(root) among them, are refused.
options:
  administrators:
    description: The administrators.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      ssh_keys:
        description: Public keys, one line each. Any other key is removed from the account.
        type: list
        elements: str
        required: true
      sudo:
        description: Whether the administrator may become root, without a password since they have none.
        type: bool
        default: false
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows accounts, public keys and the rules of sudo before and after.
    support: full
  idempotence:
    description: A second run with the same list changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Let exactly the administrators in
  accentos.cloud.administrators:
    administrators:
      - name: operator
        ssh_keys: ["{{ lookup('ansible.builtin.file', 'operator.pub') }}"]
        sudo: true
"""

RETURN = r"""
remembered:
  description: Names of those who are let in, or once were and no longer are.
  returned: always
  type: list
  elements: str
  sample: [operator]
"""

import contextlib
import errno
import grp
import os
import pwd
import stat
import time
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.administrators import (
    Account,
    Administrator,
    AdministratorError,
    Plan,
    after,
    describe,
    parse_shadow,
    plan_administrators,
    refuse_impossible,
    sudo_rules,
)
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.files import (
    opened_folder,
    remove_in,
    replace_file,
    replace_in,
)

MARKER = Path("/var/lib/accentos/administrators")
SUDOERS = Path("/etc/sudoers.d/accentos-administrators")
SHADOW = Path("/etc/shadow")
MANAGED = "# Written by AccentOS: changes here are lost."
# sshd looks into both.
_KEY_FILES = ("authorized_keys", "authorized_keys2")
_KEYS_MODE = 0o600
_SUDOERS_MODE = 0o440
_DAY = 86400


def read_keys(home: Path) -> tuple[str, ...]:
    """Return the lines of the files of keys; what another way than a plain file leads to counts as a key."""
    lines: list[str] = []
    for name in _KEY_FILES:
        file = home / ".ssh" / name
        if file.is_symlink() or file.parent.is_symlink():
            lines.append(f"(by a symbolic link: {file})")
        elif file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            # Another mode or owner than sshd wants is mended as another content is.
            state = file.stat()
            good = stat.S_IMODE(state.st_mode) == _KEYS_MODE and state.st_uid == home.stat().st_uid
            lines += text.splitlines() if good else [f"(not private: {file})", *text.splitlines()]
    return tuple(lines)


def read_accounts(names: set[str]) -> dict[str, Account]:
    """Return what the host has of these names."""
    shadow = parse_shadow(SHADOW.read_text(encoding="utf-8", errors="replace"), int(time.time()) // _DAY)
    found = {}
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        locked, expired = shadow.get(name, (False, False))
        home = Path(entry.pw_dir)
        found[name] = Account(entry.pw_uid, entry.pw_shell, locked, expired, home.is_dir(), read_keys(home))
    return found


def write_keys(name: str, keys: tuple[str, ...]) -> None:
    """Let exactly these keys in. The home belongs to the person, so no symbolic link in it is followed."""
    entry = pwd.getpwnam(name)
    owner = (entry.pw_uid, entry.pw_gid)
    with opened_folder(entry.pw_dir) as home:
        if keys:
            with contextlib.suppress(FileExistsError):
                os.mkdir(".ssh", 0o700, dir_fd=home)
        try:
            with opened_folder(".ssh", within=home) as folder:
                if keys:
                    os.fchown(folder, *owner)
                    os.fchmod(folder, 0o700)
                    replace_in(
                        folder,
                        _KEY_FILES[0],
                        "".join(f"{key}\n" for key in keys).encode(),
                        mode=_KEYS_MODE,
                        owner=owner,
                    )
                for file in _KEY_FILES[1:] if keys else _KEY_FILES:
                    remove_in(folder, file)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            if keys:
                raise AdministratorError(
                    f"{entry.pw_dir}/.ssh is no folder, so no key is written there.",
                    f"Find out why, and remove it: it belongs to {name}.",
                ) from error
            # A link instead of the folder would still lead to keys.
            remove_in(home, ".ssh")


def read_text(path: Path) -> str:
    """Return the text of a file, empty if there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def apply(module: AnsibleModule, plan: Plan, rules: str | None) -> None:
    """Do what is planned. ``rules`` are those of sudo, None if they are right. Raises AdministratorError, OSError."""
    # First of all: an account that a killed run made must not be forgotten.
    marker = "".join(f"{name}\n" for name in plan.remembered)
    if read_text(MARKER) != marker:
        MARKER.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_file(MARKER, marker.encode(), mode=0o644)
    if rules is not None:
        code, _out, err = module.run_command(["visudo", "--check", "--quiet", "--file=-"], data=rules)
        if code != 0:
            raise AdministratorError(f"sudo refuses its rules: {err.strip()}", "Compare base_admins with sudoers(5).")
        replace_file(SUDOERS, rules.encode(), mode=_SUDOERS_MODE)
    for command in plan.commands:
        code, out, err = module.run_command(list(command))
        if code != 0:
            raise AdministratorError(
                f"{' '.join(command)} ended with code {code}: {(err or out).strip()}",
                "Mend what it complains about, then run again.",
            )
    for name, keys in plan.keys.items():
        write_keys(name, keys)


def run(module: AnsibleModule) -> tuple[bool, list[str], dict[str, str]]:
    """Return whether anything changes, the names to remember, and the difference."""
    wanted = [
        Administrator(person["name"], tuple(key.strip() for key in person["ssh_keys"]), person["sudo"])
        for person in module.params["administrators"]
    ]
    remembered = read_text(MARKER).split()
    names = {person.name for person in wanted}
    accounts = read_accounts(names.union(remembered))
    refuse_impossible(wanted, accounts)
    plan = plan_administrators(wanted, accounts, remembered, (entry.gr_name for entry in grp.getgrall()))
    present, rules = read_text(SUDOERS), sudo_rules(wanted, MANAGED)
    rules_differ = present != rules or stat.S_IMODE(SUDOERS.stat().st_mode) != _SUDOERS_MODE
    changed = bool(plan.commands or plan.keys or rules_differ or set(remembered) != set(plan.remembered))
    if changed and not module.check_mode:
        apply(module, plan, rules if rules_differ else None)
    shown = names.union(plan.remembered)
    diff = {
        "before": f"{describe(accounts, shown)}{present}",
        "after": f"{describe(after(plan, wanted, accounts), shown)}{rules}",
    }
    return changed, list(plan.remembered), diff


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "administrators": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "ssh_keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
                    "sudo": {"type": "bool", "default": False},
                },
            },
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    try:
        changed, remembered, diff = run(module)
    except AdministratorError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    module.exit_json(changed=changed, remembered=remembered, diff=diff)


if __name__ == "__main__":
    main()
