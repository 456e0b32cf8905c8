#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a virtual Python environment holds exactly what a lock names."""

from __future__ import annotations

DOCUMENTATION = r"""
module: python_environment
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Build a virtual Python environment from wheels and a lock
description:
  - Builds an environment from a folder of wheels that have digests in a lock. No package index is asked.
  - O(path) is a link to the environment, which is built aside and appears in one step. The one before is kept, since a
    service may still run from it; older ones are removed.
options:
  path:
    description: Where the environment is found. Its programs are in C(bin) below.
    type: path
    required: true
  lock:
    description: Text of the lock, V(name==version --hash=sha256:...) entries without conditions.
    type: str
    required: true
  wheels:
    description:
      - Folder on the host that holds the wheels. It is removed once they are installed.
      - Needed only if the environment has to be built.
    type: path
  python:
    description: Python that the environment is for.
    type: path
    default: /usr/bin/python3
  system_site_packages:
    description: Whether the environment also sees the Python packages of the system.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode and tells whether it would build, without doing it.
    support: full
  diff_mode:
    description: Shows the packages of the environment.
    support: full
  idempotence:
    description: Builds nothing when the environment holds what the lock names.
    support: full
"""

EXAMPLES = r"""
- name: Build the environment
  accentos.cloud.python_environment:
    path: /opt/example
    lock: "{{ lookup('ansible.builtin.file', 'example.txt') }}"
    wheels: /var/cache/example/wheels
"""

RETURN = r"""
environment:
  description: The folder that O(path) leads to.
  returned: always
  type: str
  sample: /opt/.environments/example-0123456789abcdef
digest:
  description: Names the contents of the environment.
  returned: always
  type: str
  sample: 0123456789abcdef
current:
  description: Whether the environment was there already.
  returned: always
  type: bool
"""

import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.python_lock import (
    LockError,
    environment_digest,
    outdated,
    parse_lock,
)

_FOLDER = ".environments"
# Written last, so its presence says that the environment is whole. It holds the lock.
_WHOLE = "accentos-lock.txt"


def run(module: AnsibleModule, argv: list[str], purpose: str) -> str:
    """Run a program and return its output; its failure ends the module."""
    code, out, err = module.run_command(argv, environ_update={"PIP_CONFIG_FILE": os.devnull})
    if code != 0:
        said = "\n".join((out + err).strip().splitlines()[-10:])
        module.fail_json(
            msg=f"{purpose} failed (code {code}):\n{said}",
            remedy="Install Debian's python3-venv on the host, and give a folder with all wheels that the lock names.",
        )
    return str(out).strip()


def build(module: AnsibleModule, environment: Path) -> None:
    """Make the environment in its own folder; it counts only when the file that tells it is whole is there."""
    wanted = module.params
    if environment.exists():
        shutil.rmtree(environment)
    environment.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    flags = ["--system-site-packages"] if wanted["system_site_packages"] else []
    run(module, [wanted["python"], "-m", "venv", *flags, str(environment)], f"Making the environment {environment}")
    lock = environment / "lock.partial"
    lock.write_text(wanted["lock"], encoding="utf-8")
    argv = [str(environment / "bin/python"), "-m", "pip", "install", "--no-index", "--require-hashes", "--no-deps"]
    argv += ["--ignore-installed", "--no-cache-dir", "--disable-pip-version-check", "--no-input"]
    argv += [f"--find-links={wanted['wheels'] or os.devnull}", f"--requirement={lock}"]
    run(module, argv, f"Installing the wheels into {environment}")
    os.sync()
    lock.rename(environment / _WHOLE)


def switch(path: Path, environment: Path) -> None:
    """Let ``path`` lead to the environment, in one step."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = environment.parent / f"{environment.name}.link"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(environment)
    fresh.replace(path)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "lock": {"type": "str", "required": True},
            "wheels": {"type": "path"},
            "python": {"type": "path", "default": "/usr/bin/python3"},
            "system_site_packages": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    if path.exists() and not path.is_symlink():
        module.fail_json(
            msg=f"{path} is no link to an environment.",
            remedy="Another program made it: remove it, or choose another path.",
        )
    version = run(
        module,
        [module.params["python"], "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        f"Asking {module.params['python']} for its version",
    )
    try:
        digest = environment_digest(
            module.params["lock"], version, system_site_packages=module.params["system_site_packages"]
        )
        pins = parse_lock(module.params["lock"])
    except LockError as error:
        module.fail_json(msg=str(error), remedy="Mend the lock.")
    folder = path.parent / _FOLDER
    environment = folder / f"{path.name}-{digest}"
    before = path.readlink() if path.is_symlink() else None
    packages = "".join(f"{pin.name} {pin.version}\n" for pin in pins)
    current = before == environment and (environment / _WHOLE).is_file()
    if not current and not module.check_mode:
        if not (environment / _WHOLE).is_file():
            build(module, environment)
        switch(path, environment)
        siblings = [str(entry) for entry in folder.glob(f"{path.name}-{'[0-9a-f]' * 16}")]
        for old in outdated(siblings, [str(environment), str(before)]):
            shutil.rmtree(old)
        if module.params["wheels"]:
            shutil.rmtree(module.params["wheels"], ignore_errors=True)
    module.exit_json(
        changed=not current,
        environment=str(environment),
        digest=digest,
        current=current,
        diff={"before": packages if current else "", "after": packages},
    )


if __name__ == "__main__":
    main()
