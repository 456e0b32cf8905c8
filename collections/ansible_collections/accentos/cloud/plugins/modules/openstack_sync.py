#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: databases of OpenStack services are up to date."""

from __future__ import annotations

DOCUMENTATION = r"""
module: openstack_sync
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Bring the databases of OpenStack services up to date
description:
  - Runs the commands that make and update the tables of services, those that do not need each other at the same time.
  - A command runs if it, the sections of configuration that it reads, or the versions of its packages differ from those
    that it last succeeded with. That is remembered on the host, below C(/var/lib/accentos/syncs).
  - A run that is killed leaves its commands to end by themselves; the next run waits for them.
options:
  syncs:
    description: The commands.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, lower-case letters, digits and dashes. It is remembered under this name.
        type: str
        required: true
      argv:
        description:
          - The command and its arguments. It must bring about the same whenever it runs again, unless
            O(syncs[].unless_argv) tells that it did.
        type: list
        elements: str
        required: true
      user:
        description: User that it runs as.
        type: str
        required: true
      after:
        description: Names of commands that must have succeeded before.
        type: list
        elements: str
        default: []
      unless_argv:
        description: A command that is asked first, for one that would bring about the same twice.
        type: list
        elements: str
        default: []
      unless_matches:
        description: Regular expression. If the output of O(syncs[].unless_argv) matches it, the command need not run.
        type: str
        default: ""
      codes:
        description: Exit codes that mean success.
        type: list
        elements: int
        default: [0]
      reads:
        description: Paths of configuration files to lists of the sections that the command depends on.
        type: dict
        default: {}
      packages:
        description: Packages whose versions it depends on.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds after which a command is stopped; also how long to wait for commands of an earlier run.
    type: int
    default: 900
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.inputs_changed]
attributes:
  check_mode:
    description: Can run in check mode and tells which commands it would run, without running them.
    support: full
  diff_mode:
    description: Shows the commands that it runs.
    support: full
"""

EXAMPLES = r"""
- name: Bring the tables of the image service up to date
  accentos.cloud.openstack_sync:
    syncs:
      - name: glance
        argv: [glance-manage, db, sync]
        user: glance
        reads: {/etc/glance/glance-api.conf: [database]}
        packages: [glance-api]
"""

RETURN = r"""
names:
  description: Names of the commands that ran, in check mode of those that would.
  returned: always
  type: list
  elements: str
  sample: [glance]
seconds:
  description: Seconds that each command took.
  returned: always
  type: dict
  sample: {glance: 2.1}
reasons:
  description: Why each command ran, or would, by its name; what it depends on and differs, with commas between.
  returned: always
  type: dict
  sample: {glance: "/etc/glance/glance-api.conf [database]"}
"""

import contextlib
import fcntl
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.file_faults import describe_fault
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_commands import SyncError, call
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_syncs import (
    digest_reads,
    order,
    run_in_order,
)
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import recall, remember, why_again

MARKER_FOLDER = Path("/var/lib/accentos/syncs")
LOCK = Path("/run/lock/accentos-openstack-sync")
_LINES = 15


@contextlib.contextmanager
def locked(timeout: float) -> Iterator[int]:
    """Yield a descriptor that holds the lock as long as any process has it, also a command of a killed run.

    Raises SyncError.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    end = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > end:
                    raise SyncError(
                        f"Commands of an earlier run have been going on for {timeout:.0f} seconds.",
                        f"See what holds {LOCK}: fuser --verbose {LOCK}",
                    ) from error
                time.sleep(0.2)
        yield file
    finally:
        os.close(file)


def versions_of(module: AnsibleModule, packages: set[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    if not packages:
        return {}
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}|${Package}|${Version}\\n", *sorted(packages)]
    _code, out, _err = module.run_command(argv)
    rows = [line.split("|") for line in out.splitlines()]
    return {row[1]: row[2] for row in rows if row[0].startswith("ii")}


def run(sync: Mapping[str, Any], *, lock: int, timeout: float) -> None:
    """Run a command as its user, unless another one says that there is no need. Raises SyncError."""
    if sync["unless_argv"]:
        _code, out = call(sync["unless_argv"], sync["user"], lock=lock, timeout=timeout)
        if re.search(sync["unless_matches"], out):
            return
    code, out = call(sync["argv"], sync["user"], lock=lock, timeout=timeout)
    if code not in sync["codes"]:
        end = "\n".join(out.strip().splitlines()[-_LINES:])
        raise SyncError(f"{shlex.join(sync['argv'])} ended with code {code}:\n{end}")


def bring_about(module: AnsibleModule) -> tuple[dict[str, float], dict[str, str]]:
    """Run what has to be run; return seconds and reasons by name. Raises SyncError and OSError."""
    syncs, timeout = module.params["syncs"], float(module.params["timeout"])
    for sync in syncs:
        if not re.fullmatch(r"[a-z0-9-]+", sync["name"]) or not sync["argv"]:
            raise SyncError(
                f"The command {sync['name']!r} has no argv, or a name with other characters.",
                "Give it a name of lower-case letters, digits and dashes, and an argv.",
            )
    order(syncs)
    versions = versions_of(module, {package for sync in syncs for package in sync["packages"]})
    texts = {
        path: Path(path).read_text(encoding="utf-8", errors="replace")
        for path in {path for sync in syncs for path in sync["reads"]}
        if Path(path).is_file()
    }
    expected = module.params["inputs_changed"] if module.check_mode else {}
    digests = {sync["name"]: digest_reads(sync, texts, versions, expected) for sync in syncs}
    found = {name: why_again(recall(MARKER_FOLDER / name), now) for name, now in digests.items()}
    reasons = {name: why for name, why in found.items() if why}
    due = [sync for sync in syncs if sync["name"] in reasons]
    seconds = dict.fromkeys(reasons, 0.0)
    if not due or module.check_mode:
        return seconds, reasons
    with locked(timeout) as lock:

        def run_one(sync: Mapping[str, Any]) -> None:
            start = time.monotonic()
            run(sync, lock=lock, timeout=timeout)
            remember(MARKER_FOLDER / sync["name"], digests[sync["name"]])
            seconds[sync["name"]] = round(time.monotonic() - start, 1)

        failures = run_in_order(
            [{**sync, "after": [name for name in sync["after"] if name in reasons]} for sync in due],
            run_one,
            workers=max(2, os.cpu_count() or 1),
        )
    if failures:
        raise SyncError("\n".join(failures), "Mend what it complains about, then run again.")
    return seconds, reasons


def main() -> None:
    """Run the module."""
    sync = {
        "name": {"type": "str", "required": True},
        "argv": {"type": "list", "elements": "str", "required": True},
        "user": {"type": "str", "required": True},
        "after": {"type": "list", "elements": "str", "default": []},
        "unless_argv": {"type": "list", "elements": "str", "default": []},
        "unless_matches": {"type": "str", "default": ""},
        "codes": {"type": "list", "elements": "int", "default": [0]},
        "reads": {"type": "dict", "default": {}},
        "packages": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "syncs": {"type": "list", "elements": "dict", "required": True, "options": sync},
            "inputs_changed": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )

    def refuse(message: str, remedy: str) -> NoReturn:
        module.fail_json(msg=message, remedy=remedy)
        raise SystemExit(1)

    seconds: dict[str, float] = {}
    reasons: dict[str, str] = {}
    try:
        seconds, reasons = bring_about(module)
    except SyncError as error:
        refuse(*error.args)
    except OSError as error:
        refuse(*describe_fault(error))
    shown = {sync["name"]: shlex.join(sync["argv"]) for sync in module.params["syncs"]}
    module.exit_json(
        changed=bool(seconds),
        names=sorted(seconds),
        seconds=seconds,
        reasons=reasons,
        diff={"before": "", "after": "".join(f"{shown[name]}\n" for name in sorted(seconds))},
    )


if __name__ == "__main__":
    main()
