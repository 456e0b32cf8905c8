# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring many machines to a state at once, each in a process of its own with a deadline that nothing outlives.

The libraries below share state between threads and let a controller that sends a byte now and then go on for ever; a
process has neither problem. The child is a copy of this process, so no password is handed over on any command line or
in any environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.power.amt import AmtDriver
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    VIRTUAL_MEDIA,
    Boot,
    Connection,
    Drive,
    Driver,
    Identity,
    PowerError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.ipmi import IpmiDriver
from ansible_collections.accentos.cloud.plugins.module_utils.power.media import Media, images, set_media
from ansible_collections.accentos.cloud.plugins.module_utils.power.redfish import RedfishDriver
from ansible_collections.accentos.cloud.plugins.module_utils.power.snmp import SnmpDriver
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import (
    Action,
    Done,
    Failed,
    Goal,
    Limits,
    Power,
    Progress,
    Read,
    Send,
)

# Libraries of other people that the drivers need.
LIBRARIES = {"ipmi": "pyghmi", "redfish": "sushy", "amt": "requests", "snmp": "pysnmp"}
_DRIVERS: Mapping[str, Callable[[Connection], Driver]] = {
    "amt": AmtDriver,
    "ipmi": IpmiDriver,
    "redfish": RedfishDriver,
    "snmp": SnmpDriver,
}
# So many answers a job may need besides those that count in its time-out.
_MORE_ANSWERS = 8
# So many answers one call may need: to open a session takes several.
ANSWERS = 3
# Seconds that a child has to end once its result is there.
_GOODBYE = 5
# Seconds between two looks at the children.
_TICK = 0.2

Result = dict[str, Any]
Job = Callable[[], Result]


def open_driver(connection: Connection) -> Driver:
    """Return the driver for CONNECTION; nothing is sent yet."""
    return _DRIVERS[connection.driver](connection)


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of one machine. None: leave it as it is."""

    goal: Goal | None = None
    boot: Boot | None = None
    media: Media | None = None
    limits: Limits = dataclasses.field(default_factory=Limits)
    dry: bool = False


def change(driver: Driver, wish: Wish) -> Result:
    """Bring one machine to what is wished and return what was found and done. Raises PowerError.

    With wish.dry nothing is sent.
    """
    result: Result = {"changed": False, "warnings": []}
    before: Result = {}
    after: Result = {}
    progress = Progress(wish.goal, wish.limits) if wish.goal else None
    begun = time.monotonic()
    if progress is not None:
        step = _advance(driver, progress, begun, dry=True)
        start = progress.start.value if progress.start else Power.UNKNOWN.value
        before["power"] = after["power"] = start
        result["commands"] = [action.value for action in progress.ahead if isinstance(step, Send)]
    since = time.monotonic()
    _set_media(driver, wish, result, before, after)
    # The time for the power state does not run while images are changed.
    begun += time.monotonic() - since
    if wish.boot is not None:
        _set_boot(driver, wish, result, before, after)
    if progress is not None:
        if not wish.dry:
            try:
                _advance(driver, progress, begun, dry=False)
            except PowerError as error:
                # Of several feeds one may have followed.
                error.touched = bool(progress.changes and progress.sent)
                raise
            result["commands"] = [action.value for action in progress.sent]
        if progress.changes:
            after["power"] = "on" if wish.goal in (Goal.ON, Goal.RESET, Goal.CYCLE) else "off"
            result["changed"] = True
        result["power"] = before["power"] if wish.dry else after["power"]
        if wish.goal in (Goal.RESET, Goal.CYCLE) and before["power"] == "on":
            after["started_anew"] = True
    told = driver.identity()
    result["warnings"] += list(told.warnings)
    result["connection"] = told.as_dict()
    result["diff"] = {"before": before, "after": after}
    return result


def _set_media(driver: Driver, wish: Wish, result: Result, before: Result, after: Result) -> None:
    """Bring the virtual drives to what is wished, and see that there is something to start from. Raises PowerError."""
    held: Iterable[str | None] = ()
    starts = wish.boot is not None and wish.boot.device == VIRTUAL_MEDIA
    if wish.media is not None:
        outcome = set_media(driver, wish.media, wish.limits, dry=wish.dry)
        before["virtual_media"], after["virtual_media"] = outcome.before, outcome.after
        result["virtual_media"] = outcome.before if wish.dry else outcome.after
        result["warnings"] += outcome.warnings
        result["changed"] = outcome.before != outcome.after or result["changed"]
        held = outcome.after.values()
    elif starts:
        held = images(driver.drives()).values()
    if starts and all(image is None for image in held):
        raise UnsupportedError(
            "no image is inserted that the machine could start from", "Name one: set `virtual_media.image`."
        )


def _set_boot(driver: Driver, wish: Wish, result: Result, before: Result, after: Result) -> None:
    wanted = wish.boot
    if wanted is None:
        return
    found = _as_wished(driver.boot(), wanted)
    before["boot"] = after["boot"] = result["boot"] = found.as_dict() if found else None
    if found and _fits(found, wanted):
        return
    result["changed"] = True
    after["boot"] = {**wanted.as_dict(), "firmware": wanted.firmware or (found.firmware if found else None)}
    if wish.dry:
        return
    driver.set_boot(wanted)
    now = _as_wished(driver.boot(), wanted)
    if now is None:
        result["boot"] = after["boot"]
        return
    if now.device != wanted.device:
        raise PowerError(
            f"the controller accepts the boot device {wanted.device} and still says {now.device}",
            "Set it by hand in the firmware setup, or update the firmware of the controller.",
        )
    result["boot"] = after["boot"] = now.as_dict()
    if not _fits(now, wanted):
        result["warnings"].append(
            f"the controller took the boot device {wanted.device} but not all of "
            f"persistent={wanted.persistent}, firmware={wanted.firmware or 'as it is'}"
        )


def _as_wished(found: Boot | None, wanted: Boot) -> Boot | None:
    """Return what was read in the words of what is wanted: a controller calls its virtual drive a CD-ROM."""
    if found is not None and found.device == "cdrom" and wanted.device == VIRTUAL_MEDIA:
        return dataclasses.replace(found, device=VIRTUAL_MEDIA)
    return found


def _fits(found: Boot, wanted: Boot) -> bool:
    if found.device != wanted.device:
        return False
    if wanted.device == "none":
        return True
    return found.persistent == wanted.persistent and wanted.firmware in (None, found.firmware)


def _advance(driver: Driver, progress: Progress, begun: float, *, dry: bool) -> Send | Done:
    """Follow the steps until the goal, when DRY until something would be sent. Raises PowerError."""
    trouble: UnreachableError | None = None
    while True:
        now = time.monotonic() - begun
        match progress.next_step(now):
            case Read(after):
                time.sleep(after)
                try:
                    progress.note_reading(driver.power_state())
                except UnreachableError as error:
                    trouble = error
                    progress.note_reading(Power.UNKNOWN)
            case Send() as step:
                if dry:
                    return step
                trouble = _send(driver, progress, step, now) or trouble
            case Done() as step:
                return step
            case Failed(problem):
                remedy = "Look at the machine and its controller; the state of the machine is not known for sure."
                if trouble is not None:
                    raise PowerError(f"{problem}; {trouble.problem}", trouble.remedy)
                raise PowerError(problem, remedy)


def _send(driver: Driver, progress: Progress, step: Send, now: float) -> UnreachableError | None:
    refused = False
    trouble = None
    try:
        driver.send(step.action)
    except RefusedError:
        if step.once:
            raise
        refused = True
    except UnreachableError as error:
        # Whether the command arrived is not known, so a reset is not repeated: that would be a second one.
        if step.once:
            raise PowerError(
                f"{step.action.value} was sent and not acknowledged: {error.problem}",
                "Look at the machine: it may have been carried out or not.",
            ) from None
        trouble = error
    progress.note_sent(step.action, now, refused=refused)
    return trouble


def look(driver: Driver) -> Result:
    """Return what the controller of one machine says. Raises PowerError."""
    result: Result = {"power": driver.power_state().value}
    told = driver.identity()
    result["warnings"] = list(told.warnings)
    result["connection"] = told.as_dict()
    try:
        found = driver.boot()
    except UnsupportedError:
        found = None
    result["boot"] = found.as_dict() if found else None
    return result


class Timed:
    """A driver of which no call lasts longer than some seconds, whatever the library below makes of its own limits."""

    def __init__(self, driver: Driver, seconds: float) -> None:
        self._driver = driver
        self._seconds = seconds

    def power_state(self) -> Power:
        """As the driver within."""
        with self._limit():
            return self._driver.power_state()

    def send(self, action: Action) -> None:
        """As the driver within."""
        with self._limit():
            self._driver.send(action)

    def boot(self) -> Boot | None:
        """As the driver within."""
        with self._limit():
            return self._driver.boot()

    def set_boot(self, wanted: Boot) -> None:
        """As the driver within."""
        with self._limit():
            self._driver.set_boot(wanted)

    def drives(self) -> tuple[Drive, ...]:
        """As the driver within."""
        with self._limit():
            return self._driver.drives()

    def insert_image(self, drive: Drive, image: str) -> None:
        """As the driver within."""
        with self._limit():
            self._driver.insert_image(drive, image)

    def eject_image(self, drive: Drive) -> None:
        """As the driver within."""
        with self._limit():
            self._driver.eject_image(drive)

    def identity(self) -> Identity:
        """As the driver within."""
        with self._limit():
            return self._driver.identity()

    def close(self) -> None:
        """As the driver within."""
        with contextlib.suppress(UnreachableError), self._limit():
            self._driver.close()

    def _limit(self) -> contextlib.AbstractContextManager[None]:
        return limited(self._seconds)


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let what happens within last no longer than some SECONDS. Raises UnreachableError."""

    def ring(_signal: int, _frame: object) -> None:
        raise UnreachableError(
            f"no answer within {seconds:g} s", "Look at the controller; `answer_timeout` gives it more time."
        )

    before = signal.signal(signal.SIGALRM, ring)
    # It rings again and again, since some library may swallow the first one.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def with_driver(connection: Connection, work: Callable[[Driver], Result]) -> Job:
    """Return a job that does WORK with a driver of its own."""

    def job() -> Result:
        driver = Timed(open_driver(connection), ANSWERS * connection.answer_timeout)
        try:
            return work(driver)
        finally:
            driver.close()

    return job


def guarded(job: Job) -> Result:
    """Run JOB; a PowerError becomes a result with failed, msg and remedy."""
    try:
        return job()
    except PowerError as error:
        return {
            "failed": True,
            "changed": error.touched,
            "kind": type(error).__name__,
            "msg": error.problem,
            "remedy": error.remedy,
        }


@dataclasses.dataclass(slots=True)
class _Child:
    process: multiprocessing.process.BaseProcess
    pipe: multiprocessing.connection.Connection
    ends_at: float


def longest(timeout: float, answer_timeout: float) -> float:
    """Return the seconds that a change with TIMEOUT can take.

    To the state come twice the answers for boot device and identity, and what the libraries wait when a session breaks.
    """
    return timeout + _MORE_ANSWERS * answer_timeout


def run_all(jobs: Mapping[str, Job], *, deadline: float, at_once: int = 20, pause: float = 0) -> dict[str, Result]:
    """Run the JOBS by name, AT_ONCE of them together, PAUSE seconds between two starts, and return their results.

    A job that is not finished DEADLINE seconds after its start is killed; its result then says that nothing is known.
    """
    waiting = list(jobs)
    running: dict[str, _Child] = {}
    results: dict[str, Result] = {}
    next_start = 0.0
    while waiting or running:
        now = time.monotonic()
        if waiting and len(running) < at_once and now >= next_start:
            name = waiting.pop(0)
            running[name] = _start(jobs[name], now + deadline)
            next_start = now + pause
            if not pause:
                continue
        multiprocessing.connection.wait([child.pipe for child in running.values()], _TICK)
        for name, child in list(running.items()):
            if child.pipe.poll() or time.monotonic() >= child.ends_at:
                results[name] = _collect(child, deadline)
                del running[name]
    return {name: results[name] for name in jobs}


def _start(job: Job, ends_at: float) -> _Child:
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, sending), daemon=True)
    process.start()
    sending.close()
    return _Child(process, receiving, ends_at)


def _work(job: Job, pipe: multiprocessing.connection.Connection) -> None:
    """Run in the child: what libraries print or log must not get between the lines of the module."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable(logging.CRITICAL)
    pipe.send(guarded(job))


def _collect(child: _Child, deadline: float) -> Result:
    try:
        if child.pipe.poll():
            result: Result = child.pipe.recv()
            child.process.join(_GOODBYE)
            return result
        problem = f"no result within {deadline:g} s, which says nothing about the machine"
        remedy = "Look at the controller: it answers too slowly. `timeout` and `answer_timeout` give it more time."
    except EOFError:
        child.process.join()
        problem = f"the driver ended without a result (exit code {child.process.exitcode})"
        remedy = "This is a mistake in the driver; run it for this machine alone and look at the standard error."
    finally:
        child.process.kill()
        child.process.join()
        child.pipe.close()
    return {"failed": True, "changed": False, "kind": "PowerError", "msg": problem, "remedy": remedy}
