# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a machine is brought to a power state: decisions from what was read and sent so far, without any I/O.

A controller may lose an answer, accept a command and do nothing, say Off for a moment while the machine runs, or refuse
a command because the machine is there already. So nothing that it accepts counts, only what it says afterwards; "off"
counts after several readings in a row; and time that runs out is a failure.
"""

from __future__ import annotations

import dataclasses
import enum


class Power(enum.Enum):
    """What a controller says about a machine; UNKNOWN is no answer, and says nothing about the machine.

    PARTLY: one of its feeds is on and one is off, so it is neither.
    """

    ON = "on"
    OFF = "off"
    PARTLY = "partly"
    CHANGING = "changing"
    UNKNOWN = "unknown"


class Action(enum.Enum):
    """A command that a controller takes."""

    ON = "on"
    OFF = "off"
    SOFT_OFF = "soft_off"
    RESET = "reset"


class Goal(enum.Enum):
    """What can be asked of a machine."""

    ON = "on"
    OFF = "off"
    SOFT_OFF = "soft_off"
    RESET = "reset"
    CYCLE = "cycle"


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts of one change."""

    timeout: float = 120
    interval: float = 2
    # So many readings in a row say that a machine is off.
    off_readings: int = 3
    # A command that shows no effect is sent so many times, spread over the time-out.
    attempts: int = 3
    # Send "off" once even to a machine that is off by what its controller says.
    insist: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Send this command now. ONCE: it is not to be repeated, so it must be known whether it arrived."""

    action: Action
    once: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """Read the state after so many seconds."""

    after: float


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The machine is where it should be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """The time is over; the text says what was tried and what was read last."""

    problem: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Phase:
    """One target on the way to a goal."""

    target: Power
    action: Action
    # Sent whatever the readings say.
    always: bool = False
    once: bool = False


class Progress:
    """The way to one goal. Tell it what was read and sent, ask it what is next; times are seconds since the start."""

    def __init__(self, goal: Goal, limits: Limits) -> None:
        self.goal = goal
        self.limits = limits
        # What is believed about the machine before anything was sent.
        self.start: Power | None = None
        self.sent: list[Action] = []
        self._phases: list[_Phase] = []
        self._last: Power | None = None
        self._in_a_row = 0
        self._sent_in_phase = 0
        self._sent_at = 0.0
        self._refused = False
        self._readings: list[Power] = []

    @property
    def changes(self) -> bool:
        """Tell whether the goal differs from the start, once the start is known."""
        if self.start is None:
            return False
        target = Power.ON if self.goal in (Goal.ON, Goal.RESET, Goal.CYCLE) else Power.OFF
        return self.goal in (Goal.RESET, Goal.CYCLE) or self.start is not target

    @property
    def ahead(self) -> list[Action]:
        """Return the commands that lead to the goal if all goes well."""
        return [phase.action for phase in self._phases]

    def note_reading(self, power: Power) -> None:
        """Note what the controller says, or UNKNOWN when it does not answer."""
        self._readings.append(power)
        self._in_a_row = self._in_a_row + 1 if power is self._last else 1
        self._last = power
        if self.start is None:
            # Turning on does no harm to a machine that is on, so it need not wait.
            believed = power in (Power.ON, Power.PARTLY) or (
                power is Power.OFF and (self.goal is Goal.ON or self._in_a_row >= self.limits.off_readings)
            )
            if not believed:
                return
            self.start = power
            self._phases = _phases(self.goal, power, self.limits)
        while self._phases and self._is_reached(self._phases[0]):
            del self._phases[0]
            self._sent_in_phase = 0

    def note_sent(self, action: Action, at: float, *, refused: bool = False) -> None:
        """Note that a command was handed over; REFUSED: the controller will not do it in its present state."""
        self.sent.append(action)
        self._sent_in_phase += 1
        self._sent_at = at
        self._refused = refused
        # Only what is read from now on tells about the command.
        self._last, self._in_a_row = None, 0

    def next_step(self, now: float) -> Send | Read | Done | Failed:
        """Return what to do at NOW."""
        if self.start is not None and not self._phases:
            return Done()
        if now >= self.limits.timeout:
            return Failed(self._story())
        if self._last is None:
            return Read(self.limits.interval if self.sent else 0)
        if self.start is None or self._last in (Power.UNKNOWN, Power.CHANGING):
            return Read(self.limits.interval)
        phase = self._phases[0]
        if self._sent_in_phase == 0:
            wanted = phase.always or self._last is not phase.target
        else:
            patience = self.limits.timeout / self.limits.attempts
            wanted = (
                not phase.once
                and self._last is not phase.target
                and self._sent_in_phase < self.limits.attempts
                and now - self._sent_at >= patience
            )
        return Send(phase.action, phase.once) if wanted else Read(self.limits.interval)

    def _is_reached(self, phase: _Phase) -> bool:
        if phase.always and self._sent_in_phase == 0:
            return False
        needed = self.limits.off_readings if phase.target is Power.OFF else 1
        return self._last is phase.target and self._in_a_row >= needed

    def _story(self) -> str:
        """Say what was tried and seen."""
        within = f"within {self.limits.timeout:g} s"
        if all(power is Power.UNKNOWN for power in self._readings):
            return f"no answer {within}, which says nothing about the machine"
        told = f"sent {', '.join(action.value for action in self.sent)}" if self.sent else "nothing was sent"
        if self._refused:
            told += ", the last one refused"
        lately = ", ".join(power.value for power in self._readings[-self.limits.off_readings :])
        return f"the machine is not {self.goal.value} {within}: {told}; last readings {lately}"


def _phases(goal: Goal, start: Power, limits: Limits) -> list[_Phase]:
    turn_on = _Phase(Power.ON, Action.ON)
    match goal:
        case Goal.ON:
            return [turn_on]
        case Goal.OFF:
            return [_Phase(Power.OFF, Action.OFF, always=limits.insist)]
        case Goal.SOFT_OFF:
            return [_Phase(Power.OFF, Action.SOFT_OFF)]
        # A machine that is off starts anew by being turned on.
        case Goal.RESET:
            return [turn_on] if start is Power.OFF else [_Phase(Power.ON, Action.RESET, always=True, once=True)]
        case Goal.CYCLE:
            return [turn_on] if start is Power.OFF else [_Phase(Power.OFF, Action.OFF), turn_on]
