# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The decisions, from literals: what is read and sent, and what follows."""

from __future__ import annotations

import pytest
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

ON, OFF, CHANGING, UNKNOWN = Power.ON, Power.OFF, Power.CHANGING, Power.UNKNOWN
LIMITS = Limits(timeout=30, interval=2)


def follow(goal: Goal, readings: list[Power], limits: Limits = LIMITS) -> list[str]:
    """Return what is done while the controller says one of the READINGS after another, and at the end."""
    progress = Progress(goal, limits)
    told = []
    now = 0.0
    left = list(readings)
    while True:
        step = progress.next_step(now)
        match step:
            case Send(action):
                told.append(action.value)
                progress.note_sent(action, now)
            case Read(after):
                if not left:
                    return told
                now += after
                progress.note_reading(left.pop(0))
            case Done():
                assert not left, f"not read: {left}"
                return [*told, "done"]
            case Failed():
                return [*told, "failed"]


@pytest.mark.parametrize(
    ("goal", "readings", "told"),
    [
        (Goal.ON, [ON], ["done"]),
        (Goal.ON, [OFF, ON], ["on", "done"]),
        (Goal.ON, [OFF, CHANGING, CHANGING, ON], ["on", "done"]),
        (Goal.ON, [UNKNOWN, CHANGING, OFF, UNKNOWN, ON], ["on", "done"]),
        # Off takes three readings in a row, at the start and at the end.
        (Goal.OFF, [OFF, OFF, OFF], ["done"]),
        (Goal.OFF, [OFF, OFF], []),
        (Goal.OFF, [OFF, OFF, ON, OFF, OFF, OFF], ["off", "done"]),
        (Goal.OFF, [OFF, OFF, UNKNOWN, OFF, OFF, OFF], ["done"]),
        (Goal.OFF, [ON, OFF, OFF, OFF], ["off", "done"]),
        (Goal.OFF, [ON, OFF, OFF, ON, OFF, OFF, OFF], ["off", "done"]),
        (Goal.OFF, [ON, OFF, UNKNOWN, OFF, OFF], ["off"]),
        (Goal.SOFT_OFF, [ON, ON, ON, OFF, OFF, OFF], ["soft_off", "done"]),
        # A reset counts from what is read after it.
        (Goal.RESET, [ON, ON], ["reset", "done"]),
        (Goal.RESET, [ON, OFF, ON], ["reset", "done"]),
        (Goal.RESET, [OFF, ON, ON], ["reset", "done"]),
        (Goal.RESET, [OFF, OFF, OFF, ON], ["on", "done"]),
        (Goal.CYCLE, [ON, OFF, OFF, OFF, ON], ["off", "on", "done"]),
        (Goal.CYCLE, [ON, OFF, OFF], ["off"]),
        (Goal.CYCLE, [OFF, OFF, OFF, ON], ["on", "done"]),
    ],
)
def test_ways(goal: Goal, readings: list[Power], told: list[str]) -> None:
    assert follow(goal, readings) == told


def test_a_command_without_effect_is_sent_three_times_in_all() -> None:
    assert follow(Goal.OFF, [ON] * 99) == ["off", "off", "off", "failed"]
    # 2 s apart and 30 s long: the second command follows 10 s after the first.
    assert follow(Goal.OFF, [ON] * 5) == ["off"]
    assert follow(Goal.OFF, [ON] * 6) == ["off", "off"]


def test_a_reset_is_never_repeated() -> None:
    assert follow(Goal.RESET, [ON, *[OFF] * 99]) == ["reset", "failed"]


def test_insisting_sends_off_to_a_machine_that_is_off() -> None:
    limits = Limits(timeout=30, interval=2, insist=True)
    assert follow(Goal.OFF, [OFF, OFF, OFF, OFF, OFF, OFF], limits) == ["off", "done"]
    assert follow(Goal.OFF, [ON, OFF, OFF, OFF], limits) == ["off", "done"]


@pytest.mark.parametrize("goal", list(Goal))
def test_silence_and_time_that_runs_out_are_failures(goal: Goal) -> None:
    assert follow(goal, [UNKNOWN] * 99) == ["failed"]
    assert follow(goal, [CHANGING] * 99) == ["failed"]


@pytest.mark.parametrize(
    ("goal", "start", "changes", "ahead"),
    [
        (Goal.ON, ON, False, []),
        (Goal.ON, OFF, True, [Action.ON]),
        (Goal.OFF, ON, True, [Action.OFF]),
        (Goal.OFF, OFF, False, []),
        (Goal.SOFT_OFF, ON, True, [Action.SOFT_OFF]),
        (Goal.RESET, ON, True, [Action.RESET]),
        (Goal.CYCLE, ON, True, [Action.OFF, Action.ON]),
        (Goal.CYCLE, OFF, True, [Action.ON]),
    ],
)
def test_what_lies_ahead(goal: Goal, start: Power, changes: bool, ahead: list[Action]) -> None:
    progress = Progress(goal, LIMITS)
    assert progress.changes is False
    for _reading in range(3):
        progress.note_reading(start)
    assert (progress.start, progress.changes, progress.ahead) == (start, changes, ahead)


def story(readings: list[Power], sent: list[Action], *, refused: bool = False) -> str:
    progress = Progress(Goal.OFF, LIMITS)
    progress.note_reading(readings[0])
    for action in sent:
        progress.note_sent(action, 1, refused=refused)
    for reading in readings[1:]:
        progress.note_reading(reading)
    step = progress.next_step(30)
    assert isinstance(step, Failed)
    return step.problem


def test_a_failure_tells_what_was_tried_and_seen() -> None:
    assert story([UNKNOWN, UNKNOWN], []) == "no answer within 30 s, which says nothing about the machine"
    assert story([CHANGING], []) == ("the machine is not off within 30 s: nothing was sent; last readings changing")
    assert story([ON, OFF, ON, UNKNOWN], [Action.OFF], refused=True) == (
        "the machine is not off within 30 s: sent off, the last one refused; last readings off, on, unknown"
    )
