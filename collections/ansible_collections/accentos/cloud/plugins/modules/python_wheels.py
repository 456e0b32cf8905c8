#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the wheels of a lock are in a folder."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_wheels
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Download the wheels of a lock for another machine
description:
  - Downloads the wheels that a lock names, for the Python of a host, with pip of the machine that it runs on. That is
    usually the control node, so that hosts need no way to a package index.
  - Only files whose digest is in the lock are taken, and no program of a package is run, since sources are refused.
  - The folder appears in one step. Several runs at once wait for each other.
options:
  lock:
    description: Text of the lock, V(name==version --hash=sha256:...) entries without conditions.
    type: str
    required: true
  folder:
    description: Folder of the wheels. Whatever else is in it is removed.
    type: path
    required: true
  python:
    description: Python on this machine whose pip is used.
    type: path
    required: true
  python_version:
    description: Version of the host's Python, such as V(3.13).
    type: str
    required: true
  machine:
    description: The host's machine as C(uname -m) tells it.
    type: str
    required: true
  glibc:
    description: Version of the host's C library, such as V(2.41).
    type: str
    required: true
  timeout:
    description: Seconds that the download may take.
    type: int
    default: 600
attributes:
  check_mode:
    description: Can run in check mode and tells whether it would download, without doing it.
    support: full
  diff_mode:
    description: Shows the wheels that come and go.
    support: full
  idempotence:
    description: Downloads nothing when the folder holds what the lock names.
    support: full
"""

EXAMPLES = r"""
- name: Download the wheels for a host
  accentos.cloud.python_wheels:
    lock: "{{ lookup('ansible.builtin.file', 'example.txt') }}"
    folder: /var/cache/example/wheels
    python: "{{ ansible_playbook_python }}"
    python_version: "3.13"
    machine: x86_64
    glibc: "2.41"
  delegate_to: localhost
"""

RETURN = r"""
wheels:
  description: Names of the wheels, in check mode those that are there already.
  returned: always
  type: list
  elements: str
  sample: [cobbler-3.3.10-py3-none-any.whl]
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.python_lock import (
    LockError,
    parse_lock,
    wheel_platforms,
    wheel_problems,
)

_PARTIAL = ".partial."


def read_wheels(folder: Path) -> dict[str, str]:
    """Return the SHA-256 digests of the files in ``folder`` by name; empty if it is not there."""
    if not folder.is_dir():
        return {}
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir()) if file.is_file()
    }


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the parent of ``folder``, which is made if needed, against other runs of this module."""
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def download(module: AnsibleModule, folder: Path, target: Path) -> None:
    """Let pip download the lock's wheels into ``target``; its refusal ends the module."""
    wanted = module.params
    version = wanted["python_version"]
    abi = f"cp{version.replace('.', '')}"
    major, minor = (int(part) for part in wanted["glibc"].split("."))
    lock = target.with_suffix(".txt")
    lock.write_text(wanted["lock"], encoding="utf-8")
    argv = [wanted["python"], "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    argv += ["--disable-pip-version-check", "--no-input", f"--dest={target}", f"--requirement={lock}"]
    argv += [f"--python-version={version}", "--implementation=cp", f"--abi={abi}", "--abi=abi3", "--abi=none"]
    argv += [f"--platform={tag}" for tag in wheel_platforms(wanted["machine"], (major, minor))]
    # GNU timeout ends pip together with its children.
    code, out, err = module.run_command(["timeout", str(wanted["timeout"]), *argv])
    lock.unlink()
    if code != 0:
        said = "\n".join((out + err).strip().splitlines()[-10:])
        module.fail_json(
            msg=f"pip does not download the wheels for {folder} (code {code}):\n{said}",
            remedy="Let the control node reach its package index (pip's own configuration names it, PIP_INDEX_URL "
            "overrides that), or put the wheels there yourself; each must have a digest that the lock names.",
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lock": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "python": {"type": "path", "required": True},
            "python_version": {"type": "str", "required": True},
            "machine": {"type": "str", "required": True},
            "glibc": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["folder"])
    for name in ("python_version", "glibc"):
        if not re.fullmatch(r"\d+\.\d+", module.params[name]):
            module.fail_json(
                msg=f"{name} {module.params[name]!r} is not two numbers with a dot between them.",
                remedy=f"Give {name} as the host tells it, for example 3.13 or 2.41.",
            )
    try:
        pins = parse_lock(module.params["lock"])
        before = read_wheels(folder)
        changed = bool(wheel_problems(pins, before))
        if changed and not module.check_mode:
            with locked(folder):
                # Another run may have downloaded them meanwhile.
                if wheel_problems(pins, read_wheels(folder)):
                    replace_folder(module, folder)
    except LockError as error:
        module.fail_json(msg=str(error), remedy="Mend the lock.")
    after = read_wheels(folder)
    planned = [f"{pin.name} {pin.version}" for pin in pins] if module.check_mode and changed else sorted(after)
    module.exit_json(
        changed=changed,
        wheels=sorted(after),
        diff={
            "before": "".join(f"{name}\n" for name in sorted(before)),
            "after": "".join(f"{name}\n" for name in planned),
        },
    )


def replace_folder(module: AnsibleModule, folder: Path) -> None:
    """Download beside ``folder`` and put the result in its place, after what killed runs left is removed."""
    for left in folder.parent.glob(f"{folder.name}{_PARTIAL}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}{_PARTIAL}", dir=folder.parent))
    target = scratch / "wheels"
    target.mkdir(mode=0o755)
    download(module, folder, target)
    if problems := wheel_problems(parse_lock(module.params["lock"]), read_wheels(target)):
        module.fail_json(msg=f"pip left other wheels than asked for: {'; '.join(problems)}.", remedy="Mend the lock.")
    if folder.exists():
        folder.rename(scratch / "old")
    target.rename(folder)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
