# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries a plan out. Killed anywhere, it can be planned and carried out again, to the same end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import CobblerError, RefusedError
from .plan import Change, Plan, Raw, Wanted, compare, restore
from .v3_3 import Cobbler


def attributes_of(cobbler: Cobbler, change: Change) -> dict[str, Any]:
    """Return a change in the form in which cobblerd takes it."""
    interfaces = {
        name: {key: values[1] for key, values in fields.items()} for name, fields in change.interfaces.items()
    }
    fields = {key: values[1] for key, values in change.fields.items()}
    return {**fields, **cobbler.interface_attributes(interfaces, change.any_interface)}


def apply_objects(cobbler: Cobbler, what: str, plan: Plan, there: Mapping[str, Raw]) -> None:
    """Make all changes of a plan to objects of a type. THERE are the objects that the plan was made from.

    Raises CobblerError at the first change that Cobbler refuses; its object is put back to what it was.
    """
    for change in plan.releases:
        _edit(cobbler, what, change, there[change.name])
    for change in plan.changes:
        try:
            if change.kind == "remove":
                cobbler.remove(what, change.name)
            elif change.kind == "create":
                _create(cobbler, what, change)
            else:
                _edit(cobbler, what, change, there[change.name])
        except RefusedError as error:
            raise CobblerError(f"{what} {change.name}: {error}", error.remedy) from error


def _create(cobbler: Cobbler, what: str, change: Change) -> None:
    if cobbler.create(what, change.name, attributes_of(cobbler, change)):
        return
    # It is there now: made by somebody else, or by us, and the answer was lost when cobblerd was restarted.
    raw = cobbler.object(what, change.name)
    wanted = Wanted(
        change.name,
        {key: values[1] for key, values in change.fields.items()},
        {name: {key: values[1] for key, values in fields.items()} for name, fields in change.interfaces.items()},
    )
    again = compare(what, wanted, raw)
    if raw is not None and again:
        _edit(cobbler, what, again, raw)


def _edit(cobbler: Cobbler, what: str, change: Change, before: Raw) -> None:
    try:
        if change.fields or change.interfaces:
            cobbler.edit(what, change.name, attributes_of(cobbler, change))
        for interface in change.dropped:
            cobbler.drop_interface(change.name, interface)
    except RefusedError as error:
        # cobblerd has set, in memory, the fields before the one that it refuses.
        try:
            _put_back(cobbler, what, before)
        except RefusedError as second:
            raise RefusedError(
                error.kind, f"{error.reason}; and {change.name} cannot be put back: {second.reason}", error.remedy
            ) from second
        raise


def _put_back(cobbler: Cobbler, what: str, before: Raw) -> None:
    now = cobbler.object(what, before["name"])
    if now is None:
        return
    back = restore(what, before, now)
    if back.fields or back.interfaces:
        cobbler.edit(what, back.name, attributes_of(cobbler, back))
    for interface in back.dropped:
        cobbler.drop_interface(back.name, interface)
