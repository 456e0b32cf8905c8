# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what a systemd unit needs so that it runs with its present configuration.

A handler is forgotten when its run is killed, and the unit would keep its old configuration for ever. So what a unit
was last started with is remembered on the host; see ``remembered``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

MARKER_FOLDER = Path("/var/lib/accentos/units")
UNIT_FOLDER = Path("/etc/systemd/system")
_RUNNING = frozenset({"active", "reloading", "activating"})
# In no name of a unit, so that markers of two units never meet.
_BETWEEN = "~"


def marker_name(unit: str, purpose: str) -> str:
    """Return the name of the marker of a unit, for one of the purposes that it is started for."""
    return f"{unit}{_BETWEEN}{purpose}" if purpose else unit


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit: the properties of ``systemctl show`` that matter here."""

    load: str
    active: str
    file: str
    needs_reload: bool

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> UnitState:
        """Read the state from properties by name."""
        return cls(
            load=properties.get("LoadState", ""),
            active=properties.get("ActiveState", ""),
            file=properties.get("UnitFileState", ""),
            needs_reload=properties.get("NeedDaemonReload", "no") == "yes",
        )


# Of one that an earlier task of the run makes.
STILL_TO_COME = UnitState(load="loaded", active="inactive", file="disabled", needs_reload=False)


def foresee_reload(unit: str, state: UnitState, written: Iterable[str]) -> UnitState:
    """Return the state of a unit when files, given by their paths, will have been written or removed.

    systemd wants to read a running unit again whose own files are newer, even if they are what they were.
    """
    template = re.sub(r"@.*(?=\.)", "@", unit)
    own = {UNIT_FOLDER / f"{name}{suffix}" for name in (unit, template) for suffix in ("", ".d")}
    newer = any(not own.isdisjoint((Path(path), Path(path).parent)) for path in written)
    return replace(state, needs_reload=state.needs_reload or (newer and state.active in _RUNNING))


def parse_properties(text: str) -> dict[str, str]:
    """Turn ``Key=value`` lines, as ``systemctl show`` prints them, into a dictionary."""
    return {key: value for key, equals, value in (line.partition("=") for line in text.splitlines()) if equals}


def plan_unit(
    state: UnitState, *, enabled: bool, started: bool, inputs_differ: bool, on_change: str
) -> Sequence[Sequence[str]]:
    """Return the systemctl commands, as argument lists, that bring a unit to what is wanted.

    ``inputs_differ`` says that the unit does not run with its present input files; ``on_change`` (``restart``,
    ``reload``) is what it then needs. A unit that systemd does not know gets no command: the caller must refuse it.
    """
    commands: list[Sequence[str]] = []
    if state.needs_reload or inputs_differ:
        commands.append(["daemon-reload"])
    if enabled and state.file == "disabled":
        commands.append(["enable"])
    if not enabled and state.file == "enabled":
        commands.append(["disable"])
    running = state.active in _RUNNING
    if started and not running:
        # A unit that failed too often in a row refuses to start until it is told that this is over.
        commands += [["reset-failed"], ["start"]] if state.active == "failed" else [["start"]]
    elif started and inputs_differ:
        commands.append([on_change])
    elif not started and running:
        commands.append(["stop"])
    return commands


def runs_anew(plan: Sequence[Sequence[str]]) -> bool:
    """Tell whether a unit that runs takes other inputs: what starts needs no reason."""
    return any(list(command) in (["restart"], ["reload"]) for command in plan)


def join_commands(plans: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> list[list[str]]:
    """Return the commands of several units, given by name with the plan of each, one command for each verb.

    ``daemon-reload`` comes first and without names, then what prepares a unit, then what starts it.
    """
    verbs = ("enable", "disable", "reset-failed", "stop", "start", "restart", "reload")
    found = {verb: [name for name, plan in plans if [verb] in [list(command) for command in plan]] for verb in verbs}
    reload = any(list(command) == ["daemon-reload"] for _name, plan in plans for command in plan)
    return [["daemon-reload"]] * reload + [[verb, *names] for verb, names in found.items() if names]
