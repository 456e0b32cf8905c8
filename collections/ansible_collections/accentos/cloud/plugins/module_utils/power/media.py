# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is inserted into the virtual drives of a machine: what has to change, and how it is brought about.

A controller may keep an old image, accept an image that it then cannot fetch, or lose its answer. So here too nothing
that it accepts counts, only what its drives hold afterwards.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    Drive,
    Driver,
    PowerError,
    RefusedError,
    UnreachableError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Limits


@dataclasses.dataclass(frozen=True, slots=True)
class Media:
    """What is wanted: the image at this URL is the only one inserted, or it is not inserted (None: no image is)."""

    image: str | None
    inserted: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """Insert an image into a drive, or eject what is in it (None)."""

    drive: Drive
    image: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """Images by the names of their drives, before and after (in check mode: as they would be), and warnings."""

    before: dict[str, str | None]
    after: dict[str, str | None]
    warnings: tuple[str, ...] = ()


def plan_media(drives: Sequence[Drive], wanted: Media) -> list[Step]:
    """Return the steps from what the DRIVES hold to what is wanted, none if that is so already.

    All other images go: a machine with two of them may start from the wrong one.
    """
    if not wanted.inserted:
        return [
            Step(drive, None) for drive in drives if drive.image is not None and wanted.image in (None, drive.image)
        ]
    there = next((drive for drive in drives if drive.image == wanted.image), None)
    steps = [Step(drive, None) for drive in drives if drive.image is not None and drive is not there]
    if there is None:
        steps.append(Step(drives[0], wanted.image))
    return steps


def set_media(driver: Driver, wanted: Media, limits: Limits, *, dry: bool) -> Outcome:
    """Bring the drives to what is wanted; when DRY only tell what would be. Raises PowerError."""
    drives = driver.drives()
    before = images(drives)
    steps = plan_media(drives, wanted)
    if dry or not steps:
        return Outcome(before, before | {step.drive.name: step.image for step in steps})
    ends_at = time.monotonic() + limits.timeout
    for step in steps:
        patience = min(time.monotonic() + limits.timeout / limits.attempts, ends_at)
        drives = _carry_out(driver, step, limits.interval, patience)
    found = images(drives)
    warnings = [
        f"the controller shows the image {step.image} as {found[step.drive.name]}, so every run inserts it anew"
        for step in steps
        if step.image is not None and found[step.drive.name] != step.image
    ]
    return Outcome(before, found, tuple(warnings))


def images(drives: Iterable[Drive]) -> dict[str, str | None]:
    """Return the images by the names of the drives."""
    return {drive.name: drive.image for drive in drives}


def _carry_out(driver: Driver, step: Step, interval: float, ends_at: float) -> tuple[Drive, ...]:
    """Do one step and wait until the drives show it; return what they hold. Raises PowerError."""
    trouble: PowerError | None = None
    try:
        if step.image is None:
            driver.eject_image(step.drive)
        else:
            driver.insert_image(step.drive, step.image)
    except (UnreachableError, RefusedError) as error:
        # Whether it is so all the same is seen in the drive.
        trouble = error
    while True:
        try:
            drives = driver.drives()
        except UnreachableError as error:
            trouble = error
        else:
            if _is_done(step, drives):
                return drives
        if time.monotonic() >= ends_at:
            raise _failure(step, trouble)
        time.sleep(interval)


def _is_done(step: Step, drives: Iterable[Drive]) -> bool:
    """Tell whether a drive is as it should be. It was empty before an image came, so any image is the new one."""
    now = next((drive for drive in drives if drive.path == step.drive.path), None)
    return now is not None and (now.image is None) == (step.image is None)


def _failure(step: Step, trouble: PowerError | None) -> PowerError:
    if step.image is None:
        problem = f"the drive {step.drive.name} still holds {step.drive.image or 'an image'}, which was to be ejected"
        remedy = (
            "Eject it on the web page of the controller, end remote consoles that hold it, or restart the controller."
        )
    else:
        problem = f"the drive {step.drive.name} does not hold {step.image}, which was inserted"
        remedy = "See that the controller reaches this address, and that its licence covers virtual media."
    if trouble is not None:
        problem += f": {trouble.problem}"
    return PowerError(problem, remedy)
