# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs commands of services as their own users; several at the same time, which Ansible's run_command cannot do."""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
from collections.abc import Sequence


class SyncError(Exception):
    """A command cannot be run or failed. The first argument says why, the second, if there is one, what helps."""


def call(argv: Sequence[str], user: str, *, lock: int | None = None, timeout: float) -> tuple[int, str]:
    """Run a command as a user; return its exit code and what it printed. Raises SyncError.

    ``lock`` is a descriptor that the command keeps open as long as it runs.
    """
    shown = shlex.join(argv)
    try:
        account = pwd.getpwnam(user)
        # Nobody but root may become another user, and nobody needs to become the one that it is.
        other = account.pw_uid != os.geteuid()
        process = subprocess.Popen(  # noqa: S603 (running what the caller names is what the module is for)
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=account.pw_uid if other else None,
            group=account.pw_gid if other else None,
            extra_groups=os.getgrouplist(account.pw_name, account.pw_gid) if other else None,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": account.pw_dir},
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,
        )
    except KeyError as error:
        raise SyncError(f"{shown} cannot run: there is no user {user}.") from error
    except OSError as error:
        raise SyncError(f"{shown} cannot run: {error.strerror}.") from error
    try:
        out, _err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise SyncError(f"{shown} did not end within {timeout:.0f} seconds and was stopped.") from error
    return process.returncode, out.decode(errors="replace")
