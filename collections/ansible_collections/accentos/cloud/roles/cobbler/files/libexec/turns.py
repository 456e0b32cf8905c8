# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets Cobbler sync one at a time, and marks its boot files while they are not whole; a module of its sync triggers.

At a full sync Cobbler empties its folders and fills them again: two at once would remove what the other wrote, and
neither would end in a whole tree. A save of a system is a sync of this system only. "synced" runs at the end of each.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

COBBLER = Path("/var/lib/cobbler")
# A full sync empties this folder first, so the mark in it is left only at the end of a sync of single systems.
MARK = "tftpboot/pxelinux.cfg/accentos-sync"
# Seconds until another sync is believed never to end.
PATIENCE = 600.0


class Turns:
    """Who syncs. Cobbler has a thread for each request and each task: a sync is over at the latest with its thread."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._queue = threading.Lock()
        self._holder: threading.Thread | None = None

    def take(self) -> bool:
        """Wait until no other thread syncs; tell whether that came to pass."""
        present = threading.current_thread()
        # Whoever holds the turn may sync again, and must not queue behind those who wait for its end.
        if self._holder is present:
            return True
        with self._queue:
            if self._holder is not None:
                self._holder.join(self._patience)
                if self._holder.is_alive():
                    return False
            self._holder = present
        return True


TURNS = Turns()


def register() -> str:
    """Return the category of this module."""
    return "/var/lib/cobbler/triggers/sync/pre/*"


def run(_api_handle: object, _arguments: object) -> int:
    """Return 0 when a sync may begin, else 1, with which Cobbler lets it fail before it removes anything."""
    if not TURNS.take():
        logging.getLogger().error("an earlier sync does not end; restart cobblerd")
        return 1
    whole, before, mark = COBBLER / "whole", COBBLER / "whole.before", COBBLER / MARK
    if whole.exists():
        whole.rename(before)
    elif not mark.exists():
        # The last one was a full sync that failed: only another makes whole what it left.
        before.unlink(missing_ok=True)
    mark.touch()
    return 0
