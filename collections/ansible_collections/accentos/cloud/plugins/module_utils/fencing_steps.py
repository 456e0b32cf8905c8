# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done to prove a host dead. Each of these raises PowerError when it proves nothing."""

from __future__ import annotations

import dataclasses
import datetime
import errno
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

from ansible_collections.accentos.cloud.plugins.module_utils.fencing import (
    Machine,
    entry_of,
    normal,
    not_listed,
    parse_blocklist,
    seconds_to_wait,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import Connection, PowerError
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import (
    Job,
    Result,
    Wish,
    change,
    guarded,
    with_driver,
)

# What the kernel says when nobody is at an address; any other trouble is one of this host.
_NOBODY = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN})
# Seconds between two looks for a sign of life while a watchdog is waited for.
_LOOK = 2
# What the program timeout ends with when it had to stop another, and the seconds that it gives it to stop.
_LATE, _KILL = 124, 5

Silence = Callable[[], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Door:
    """Where a host would answer if it were alive."""

    address: str
    port: int
    timeout: float

    def sign_of_life(self) -> str:
        """Return what the host answers, nothing when it is silent. Raises PowerError when that cannot be told."""
        place = f"{self.address} port {self.port}"
        try:
            with socket.create_connection((self.address, self.port), self.timeout):
                return f"it accepts connections at {place}"
        except TimeoutError:
            return ""
        except (ConnectionRefusedError, ConnectionResetError):
            return f"it refuses connections at {place}, and who refuses is alive"
        except OSError as error:
            if error.errno in _NOBODY:
                return ""
            raise PowerError(
                f"whether it is silent cannot be told: {place}: {error}",
                "Look at the network of the host that this runs on, and at the name or address.",
            ) from None

    def must_be_silent(self) -> None:
        """Raise PowerError if the host answers, whatever else says that it is dead."""
        sign = self.sign_of_life()
        if sign:
            raise PowerError(f"{sign}, so it is not believed to be dead", "Look at the machine.")


@dataclasses.dataclass(frozen=True, slots=True)
class Ceph:
    """How the program ``ceph`` is called, how long an entry of the blocklist lasts, and the seconds for one call."""

    run_command: Callable[[list[str]], tuple[int, str, str]]
    command: Sequence[str]
    expire: float
    timeout: float

    def run(self, *words: str) -> str:
        """Return what ``ceph osd blocklist WORDS`` prints. Raises PowerError."""
        argv = [*self.command, "osd", "blocklist", *words]
        code, out, err = self.run_command(["timeout", f"--kill-after={_KILL}", f"{self.timeout:g}", *argv])
        if code:
            said = (err.strip() or out.strip() or "it says nothing").splitlines()[-1]
            late = f", which is no end within {self.timeout:g} s" if code == _LATE else ""
            raise PowerError(
                f"{' '.join(argv)} ends with {code}{late}: {said}",
                "Run it by hand on the host that this runs on, and see to the cluster and the key that it uses.",
            )
        return out


def timed(job: Job) -> Result:
    """Run JOB and return its result, also that of a failure, with the seconds that it took."""
    begun = time.monotonic()
    return {**guarded(job), "seconds": time.monotonic() - begun}


def look_for_life(door: Door) -> Result:
    """Return what the host answers."""
    return {"changed": False, "sign": door.sign_of_life()}


def turn_off(connection: Connection, wish: Wish, silence: Silence | None) -> Result:
    """Turn a host off and see that it is. SILENCE: what is asked too, since a controller may lie."""
    result = with_driver(connection, partial(change, wish=wish))()
    if silence is None or wish.dry:
        return result
    # What was sent was sent, even if it proves nothing.
    return {**result, **guarded(partial(confirm, silence)), "changed": result["changed"]}


def confirm(silence: Silence | None) -> Result:
    """Do nothing but ask for a sign of life once more."""
    if silence:
        silence()
    return {"changed": False}


def wait_for_watchdog(machine: Machine, begun: float, silence: Silence | None, *, dry: bool) -> Result:
    """Wait until the watchdog must have fired. BEGUN: the monotonic time at which the host was silent for its time.

    A sign of life meanwhile says that whoever feeds the watchdog may have gone on.
    """
    if machine.watchdog is None:
        raise PowerError("no watchdog is described", "Describe it.")
    due = begun + seconds_to_wait(machine.watchdog, machine.silent_for)
    while not dry and (left := due - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK))
        confirm(silence)
    return confirm(None if dry else silence)


def blocklist(machine: Machine, ceph: Ceph, *, dry: bool) -> Result:
    """Let Ceph take nothing from the host any more, and see that its list says so.

    A client that begins after this gets a map of the cluster that is at least as new, and so do the OSDs that it writes
    to: what the lost host still sends to them is refused.
    """
    missing = _missing(machine, ceph)
    listed = [address for address in normal(machine.clients) if address not in missing]
    if not dry:
        for address in missing:
            ceph.run("add", entry_of(address), f"{ceph.expire:g}")
        if missing and (left := _missing(machine, ceph)):
            raise PowerError(
                f"Ceph accepts {', '.join(left)} for its blocklist and does not list it", "See to the monitors."
            )
    after = [*listed, *missing]
    return {
        "changed": bool(missing),
        "diff": {"before": {"blocklisted": sorted(listed)}, "after": {"blocklisted": sorted(after)}},
    }


def _missing(machine: Machine, ceph: Ceph) -> list[str]:
    now = datetime.datetime.now(datetime.UTC)
    return not_listed(machine.clients, parse_blocklist(ceph.run("ls")), now, ceph.expire)
