# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides whether the boot files that Cobbler wrote are those of its present objects, and has them written.

What they were last written from is remembered on the host, as a digest of all objects, settings and input files.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from .client import CobblerError
from .v3_3 import Cobbler

MARKER_FOLDER = Path("/var/lib/accentos/cobbler")
TYPES = ("distro", "profile", "system", "image", "menu", "repo", "file", "package", "mgmtclass")
# These change with every save, even one that changes nothing else. The last two are old names of autoinstall_meta and
# autoinstall, which an object has beside them at some times and at others not.
_VOLATILE = frozenset({"ctime", "mtime", "depth", "tree_build_time", "ks_meta", "kickstart"})
# cobblerd 3.3.10 appends the owners of objects to this at each rendering, and has the first ones again after a
# restart. It is in no boot file.
_GROWING = frozenset({"default_ownership"})
_FILES = ("kernel", "initrd", "file")
_PAUSE = 0.1
# A task that a restart of cobblerd ended is started again; more often means that cobblerd dies of it.
_ATTEMPTS = 3
_LOG_LINES = 15


def marker_path(url: str) -> Path:
    """Return the file that remembers what the cobblerd at URL last wrote from."""
    return MARKER_FOLDER / f"sync-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def describe_file(path: Path) -> str:
    """Return what tells whether a large file is another one: its size and time."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def digest_state(
    objects: Mapping[str, Mapping[str, Mapping[str, Any]]],
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    ignored: Collection[str] = (),
) -> str:
    """Digest all that boot files are written from: OBJECTS by type and name, SETTINGS, digests of INPUTS by path.

    IGNORED fields of systems do not count.
    """
    left_out = {what: _VOLATILE | frozenset(ignored if what == "system" else ()) for what in objects}
    state = {
        "objects": {
            what: {
                name: {key: value for key, value in raw.items() if key not in left_out[what]}
                for name, raw in items.items()
            }
            for what, items in objects.items()
        },
        "settings": {key: value for key, value in settings.items() if key not in _GROWING},
        "files": {
            raw[key]: describe_file(Path(raw[key]))
            for items in objects.values()
            for raw in items.values()
            for key in _FILES
            if isinstance(raw.get(key), str) and raw[key].startswith("/")
        },
        "inputs": dict(inputs),
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()


def run_sync(
    cobbler: Cobbler,
    systems: list[str] | None,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Have the boot files written, of all or of SYSTEMS only, wait for the end and return the id of the task.

    TIMEOUT is in seconds, for all attempts together. Raises CobblerError.
    """
    deadline = clock() + timeout
    for _attempt in range(_ATTEMPTS):
        # Two that clean the same folders would each remove what the other wrote.
        while cobbler.running_syncs():
            _pause(clock, sleep, deadline, timeout, "An earlier sync of Cobbler")
        task = cobbler.start_sync(systems)
        try:
            ended = cobbler.task_result(task)
            while ended is None:
                _pause(clock, sleep, deadline, timeout, f"The sync {task}")
                ended = cobbler.task_result(task)
        except KeyError:
            continue
        if ended:
            return task
        log = "\n".join(cobbler.task_log(task).splitlines()[-_LOG_LINES:])
        raise CobblerError(
            f"Cobbler's sync failed. The end of its log:\n{log}", "Mend what the log complains about, then run again."
        )
    raise CobblerError(
        f"cobblerd was restarted during {_ATTEMPTS} syncs one after the other.",
        "Look at the journal of cobblerd: journalctl --unit cobblerd",
    )


def _pause(
    clock: Callable[[], float], sleep: Callable[[float], None], deadline: float, timeout: float, what: str
) -> None:
    if clock() >= deadline:
        raise CobblerError(
            f"{what} does not end within {timeout:g} s.",
            "Look at /var/log/cobbler/tasks on the host of Cobbler, or raise the option sync_timeout.",
        )
    sleep(_PAUSE)
