# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done to virtual drives, from what they hold; and what drivers without any say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    Boot,
    Connection,
    Drive,
    PowerError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.media import Media, plan_media, set_media
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import Wish, change, open_driver
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Limits

NEW, OLD = "http://192.0.2.10/netboot/boot.iso", "http://192.0.2.99/old.iso"
LIMITS = Limits(timeout=0.3, interval=0.01)


def drives(*images: str | None) -> tuple[Drive, ...]:
    return tuple(Drive(f"/{number}", f"Cd{number}", image) for number, image in enumerate(images))


@pytest.mark.parametrize(
    ("held", "wanted", "steps"),
    [
        ([None], Media(NEW, True), [("Cd0", NEW)]),
        ([NEW], Media(NEW, True), []),
        ([OLD], Media(NEW, True), [("Cd0", None), ("Cd0", NEW)]),
        # What is inserted without an address is not ours either.
        ([""], Media(NEW, True), [("Cd0", None), ("Cd0", NEW)]),
        ([None, None], Media(NEW, True), [("Cd0", NEW)]),
        # The machine shall have one image to start from.
        ([OLD, NEW], Media(NEW, True), [("Cd0", None)]),
        ([NEW, OLD], Media(NEW, True), [("Cd1", None)]),
        ([None, OLD], Media(NEW, True), [("Cd1", None), ("Cd0", NEW)]),
        ([NEW, NEW], Media(NEW, True), [("Cd1", None)]),
        ([NEW, OLD], Media(NEW, False), [("Cd0", None)]),
        ([OLD], Media(NEW, False), []),
        ([NEW, OLD, None], Media(None, False), [("Cd0", None), ("Cd1", None)]),
        ([None], Media(None, False), []),
    ],
)
def test_steps(held: list[str | None], wanted: Media, steps: list[tuple[str, str | None]]) -> None:
    assert [(step.drive.name, step.image) for step in plan_media(drives(*held), wanted)] == steps


class Controller:
    """A driver with drives in memory. ANSWERS: what becomes of commands by their names; none: they are carried out."""

    def __init__(self, *held: str | None, **answers: Callable[[], None]) -> None:
        self.held = list(held)
        self.answers = answers
        self.sent: list[str] = []

    def drives(self) -> tuple[Drive, ...]:
        return drives(*self.held)

    def _do(self, verb: str, drive: Drive, image: str | None) -> None:
        self.sent.append(f"{verb} {drive.name}")
        if verb in self.answers:
            self.answers[verb]()
        self.held[int(drive.path[1:])] = image

    def insert_image(self, drive: Drive, image: str) -> None:
        self._do("insert", drive, image)

    def eject_image(self, drive: Drive) -> None:
        self._do("eject", drive, None)


def run(controller: Any, wanted: Media, *, dry: bool = False) -> tuple[dict[str, str | None], dict[str, str | None]]:
    outcome = set_media(controller, wanted, LIMITS, dry=dry)
    return outcome.before, outcome.after


def test_check_mode_tells_the_same_and_sends_nothing() -> None:
    controller = Controller(OLD)
    planned = run(controller, Media(NEW, True), dry=True)
    assert (controller.sent, controller.held) == ([], [OLD])
    assert run(controller, Media(NEW, True)) == planned == ({"Cd0": OLD}, {"Cd0": NEW})
    assert controller.sent == ["eject Cd0", "insert Cd0"]
    assert run(controller, Media(NEW, True)) == ({"Cd0": NEW}, {"Cd0": NEW})
    assert controller.sent == ["eject Cd0", "insert Cd0"]


def refuse(error: type[PowerError]) -> Callable[[], None]:
    def answer() -> None:
        raise error("not now", "wait")

    return answer


@pytest.mark.parametrize("error", [UnreachableError, RefusedError])
def test_what_is_stuck_is_told_with_the_reason_and_nothing_is_inserted(error: type[PowerError]) -> None:
    controller = Controller(OLD, eject=refuse(error))
    with pytest.raises(PowerError, match=rf"^the drive Cd0 still holds {OLD}, which was to be ejected: not now$"):
        run(controller, Media(NEW, True))
    assert controller.sent == ["eject Cd0"]


def test_a_controller_that_cannot_is_told_at_once() -> None:
    controller = Controller(None, insert=refuse(UnsupportedError))
    with pytest.raises(UnsupportedError, match=r"^not now$"):
        run(controller, Media(NEW, True))


def test_an_answer_that_is_lost_counts_by_what_the_drive_holds() -> None:
    controller = Controller(None)

    def insert() -> None:
        controller.held[0] = NEW
        raise UnreachableError("cut off", "wait")

    controller.answers["insert"] = insert
    assert run(controller, Media(NEW, True)) == ({"Cd0": None}, {"Cd0": NEW})


@pytest.mark.parametrize("name", ["amt", "ipmi", "snmp"])
def test_drivers_without_virtual_media_refuse_before_they_send_anything(name: str) -> None:
    # Nobody listens at this address, and nobody is asked.
    driver = open_driver(Connection(name, "192.0.2.1", extra={"outlets": ()}))
    for wish in (Wish(media=Media(NEW, True)), Wish(media=Media(None, False)), Wish(boot=Boot("virtual_media"))):
        with pytest.raises(UnsupportedError, match="its driver has no virtual media") as told:
            change(driver, wish)
        assert "from the network" in told.value.remedy
