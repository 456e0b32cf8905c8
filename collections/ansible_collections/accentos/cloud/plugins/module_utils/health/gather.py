# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads many things at once, each within a time of its own. What cannot be read is told and never raised."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import Collected

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST = 500


class ProbeError(Exception):
    """Something cannot be read. The argument says what and why."""


def run(argv: Sequence[str], *, timeout: float, codes: Collection[int] = (0,)) -> str:
    """Return what a command prints. Raises ProbeError if it is not there, ends with another code, or takes too long."""
    shown = " ".join(argv[:4])
    try:
        process = subprocess.Popen(  # noqa: S603 (callers name programs of theirs, as lists)
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.environ.get("PATH", _PATH), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/root"},
            start_new_session=True,
        )
    except OSError as error:
        raise ProbeError(f"{shown} cannot run: {error.strerror}") from error
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ProbeError(f"{shown} did not answer within {timeout:.0f} seconds") from error
    if process.returncode not in codes:
        told = " ".join((err or out).decode(errors="replace").split())[-_LONGEST:]
        raise ProbeError(f"{shown} ended with {process.returncode}: {told}")
    return out.decode(errors="replace")


def gather(collectors: Mapping[str, Callable[[], Any]], timeout: float) -> dict[str, Collected]:
    """Let all collectors read at the same time; one that has not ended after TIMEOUT seconds is left behind."""
    found: dict[str, Collected] = {}

    def read(name: str, collector: Callable[[], Any]) -> None:
        try:
            found[name] = Collected(data=collector())
        except ProbeError as error:
            found[name] = Collected(error=str(error))
        # A collector reads what others wrote. Whatever surprises it there is something to tell, and ends no other.
        except Exception as error:
            found[name] = Collected(error=f"{type(error).__name__}: {error}")

    # Daemons: one that hangs in the kernel must not keep the process.
    threads = {
        name: threading.Thread(target=read, args=(name, collector), daemon=True)
        for name, collector in collectors.items()
    }
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + timeout
    for thread in threads.values():
        thread.join(max(0.0, end - time.monotonic()))
    late = Collected(error=f"it did not answer within {timeout:.0f} seconds")
    return {name: found.get(name, late) for name in collectors}
