# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides, without any call, what has to change so that the objects of Cobbler are as they are wanted.

Objects are dictionaries by name, in the shape that cobblerd gives them ("raw"). A wanted object names only the fields
that matter to its author; all others are left as they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .client import InvalidError
from .v3_3 import FIELDS, INTERFACE, SECRET, UNIQUE
from .values import Field, canonical, check, is_name, present

Raw = Mapping[str, Any]
# A value before and after.
Values = tuple[Any, Any]
# The fields that name another object of the same type, or one that must be there before.
_PARENT = "parent"
_INTERFACES = "interfaces"
_STATE = "state"
_LONGEST_INTERFACE = 15
_NAME_REMEDY = "Use letters, digits, - _ . and begin with a letter or digit."
_MASTERS = {
    # A bond that is itself in a bridge has a type of its own.
    "bond_slave": ("bond", "bonded_bridge_slave"),
    "bridge_slave": ("bridge",),
    "bonded_bridge_slave": ("bridge",),
}


@dataclass(frozen=True)
class Change:
    """What has to be done to one object: the fields with their values before and after, by interface where needed."""

    kind: Literal["create", "edit", "remove"]
    name: str
    fields: Mapping[str, Values] = field(default_factory=dict)
    interfaces: Mapping[str, Mapping[str, Values]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    # An interface that is there afterwards.
    any_interface: str | None = None

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return self.kind != "edit" or bool(self.fields or self.interfaces or self.dropped)


@dataclass(frozen=True)
class Wanted:
    """One object as its author wants it, checked and in canonical form."""

    name: str
    fields: Mapping[str, Any]
    interfaces: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """The changes in the order in which they are made.

    ``releases`` are values that move from one interface to another: they are taken away first.
    """

    changes: tuple[Change, ...] = ()
    releases: tuple[Change, ...] = ()

    def names(self, kind: str) -> list[str]:
        """Return the names of the objects that are changed in a KIND of way."""
        return sorted(change.name for change in self.changes if change.kind == kind)

    def diff(self) -> dict[str, Any]:
        """Return what changes, for Ansible's --diff."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for change in self.changes:
            if change.kind != "create":
                before[change.name] = _side(change, 0)
            if change.kind != "remove":
                after[change.name] = _side(change, 1)
        return {"before": before, "after": after}


def _side(change: Change, side: int) -> dict[str, Any]:
    shown = {name: values[side] for name, values in change.fields.items()}
    interfaces = {
        name: {key: values[side] for key, values in fields.items() if values[side] is not None}
        for name, fields in change.interfaces.items()
    }
    if side == 0:
        interfaces.update({name: {} for name in change.dropped if name not in interfaces})
    if interfaces:
        shown[_INTERFACES] = interfaces
    return shown


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a question for the KNOWN word that is nearest to WORD, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def refuse(what: str, where: str, reason: str, remedy: str = "Mend the value and run again.") -> InvalidError:
    """Return the error for a mistake in the option that WHAT names, at WHERE in it."""
    return InvalidError(f"{what}: {where}: {reason}", remedy)


def read_fields(what: str, where: str, fields: Mapping[str, Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the GIVEN values and return them in canonical form, in the order of FIELDS. Raises InvalidError."""
    for key in given:
        if str(key).startswith(SECRET):
            raise refuse(
                what,
                where,
                f"{key} is refused: everybody who reaches cobblerd can read it.",
                "Give the connection of a BMC to the module accentos.cloud.power, and secrets to the host itself.",
            )
        if key not in fields:
            raise refuse(what, where, f"there is no field {key}.{suggest(str(key), fields)}", "Mend its name.")
    values = {}
    for key, spec in fields.items():
        if key not in given:
            continue
        if given[key] is None:
            raise refuse(what, where, f"{key} has no value.", "Give one, or leave the field out.")
        try:
            values[key] = canonical(spec, given[key])
            check(spec, values[key])
        except ValueError as error:
            raise refuse(what, where, f"{key}: {error}.") from error
    return values


def read_wanted(what: str, objects: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """Check the objects of a type (``distro``, ``profile``, ``system``) that are asked for. Raises InvalidError."""
    found: dict[str, Wanted] = {}
    option = f"{what}s"
    for number, given in enumerate(objects, 1):
        name = str(given.get("name", ""))
        if not is_name(name):
            raise refuse(option, f"entry {number}", f"name: {name!r} cannot name a {what}.", _NAME_REMEDY)
        if name in found:
            raise refuse(option, name, "is given twice.", "Remove one of the two.")
        rest = {key: value for key, value in given.items() if key not in ("name", _INTERFACES)}
        interfaces, dropped = _read_interfaces(option, name, given) if what == "system" else ({}, frozenset())
        if what != "system" and _INTERFACES in given:
            raise refuse(option, name, f"a {what} has no interfaces.", "Give them to the systems.")
        known = dict(FIELDS[what])
        found[name] = Wanted(name, read_fields(option, name, known, rest), interfaces, dropped)
    return list(found.values())


def _read_interfaces(
    option: str, system: str, given: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], frozenset[str]]:
    interfaces = given.get(_INTERFACES, {})
    if not isinstance(interfaces, Mapping):
        raise refuse(option, system, "interfaces: is no dictionary of interfaces by name.")
    found = {}
    dropped = set()
    for name, values in interfaces.items():
        where = f"{system}: interfaces: {name}"
        if not is_name(name) or len(name) > _LONGEST_INTERFACE:
            raise refuse(option, where, "cannot name an interface.", "Use at most 15 letters, digits, - _ .")
        if not isinstance(values, Mapping):
            raise refuse(option, where, "is no dictionary of fields.")
        state = values.get(_STATE, "present")
        if state not in ("present", "absent"):
            raise refuse(option, where, f"state: {state!r} is neither present nor absent.")
        fields = {key: value for key, value in values.items() if key != _STATE}
        if state == "present":
            found[name] = read_fields(option, where, INTERFACE, fields)
        elif fields:
            raise refuse(option, where, "is absent and has fields all the same.", "Leave the fields out.")
        else:
            dropped.add(name)
    return found, frozenset(dropped)


def _differences(fields: Mapping[str, Field], wanted: Mapping[str, Any], raw: Raw) -> dict[str, Values]:
    found = {}
    for key, value in wanted.items():
        now = present(fields[key], raw[key]) if key in raw else None
        if now != value:
            found[key] = (now, value)
    return found


def _create(wanted: Wanted) -> Change:
    return Change(
        "create",
        wanted.name,
        {key: (None, value) for key, value in wanted.fields.items()},
        {name: {key: (None, value) for key, value in values.items()} for name, values in wanted.interfaces.items()},
        any_interface=next(iter(wanted.interfaces), None),
    )


def compare(what: str, wanted: Wanted, raw: Raw | None, *, purge_interfaces: bool = False) -> Change:
    """Return what has to be done to one object; the result is false if that is nothing."""
    if raw is None:
        return _create(wanted)
    there: Mapping[str, Raw] = raw.get(_INTERFACES, {}) if what == "system" else {}
    interfaces = {}
    for name, values in wanted.interfaces.items():
        found = _differences(INTERFACE, values, there.get(name, {}))
        if found or name not in there:
            interfaces[name] = found
    gone = [name for name in there if name in wanted.dropped or (purge_interfaces and name not in wanted.interfaces)]
    kept = [name for name in (*there, *wanted.interfaces) if name not in gone]
    return Change(
        "edit",
        wanted.name,
        _differences(FIELDS[what], wanted.fields, raw),
        interfaces,
        tuple(gone),
        kept[0] if kept else None,
    )


def restore(what: str, before: Raw, now: Raw) -> Change:
    """Return the change that puts an object back to what it was BEFORE a change that Cobbler refused half-way."""
    wanted = Wanted(
        before["name"],
        {key: present(spec, before[key]) for key, spec in FIELDS[what].items() if key in before},
        {
            name: {key: present(spec, values[key]) for key, spec in INTERFACE.items() if key in values}
            for name, values in before.get(_INTERFACES, {}).items()
        },
    )
    return compare(what, wanted, now, purge_interfaces=True)


def plan_objects(
    what: str,
    wanted: Sequence[Wanted],
    there: Mapping[str, Raw],
    *,
    purge: bool = False,
    purge_interfaces: bool = False,
    shared: frozenset[str] = frozenset(),
) -> Plan:
    """Plan what brings the objects of a type to what is WANTED.

    PURGE removes every object that is not wanted, PURGE_INTERFACES every interface of a wanted system that is not.
    SHARED names the fields of interfaces that several systems may share. Raises InvalidError.
    """
    changes = [
        compare(what, one, there.get(one.name), purge_interfaces=purge_interfaces) for one in _parents_first(wanted)
    ]
    named = {one.name for one in wanted}
    if purge:
        changes = [*_removals([name for name in there if name not in named], there), *changes]
    releases: tuple[Change, ...] = ()
    if what == "system":
        for change in changes:
            _check_system(change, there.get(change.name, {}))
        releases = _releases(changes, there, shared)
    return Plan(tuple(change for change in changes if change), releases)


def plan_removal(names: Sequence[str], there: Mapping[str, Raw]) -> Plan:
    """Plan that the objects of these NAMES are gone."""
    return Plan(tuple(_removals([name for name in dict.fromkeys(names) if name in there], there)))


def _removals(names: Sequence[str], there: Mapping[str, Raw]) -> list[Change]:
    # A profile goes before the one that it is made from.
    return [Change("remove", name) for name in sorted(names, key=lambda name: (-there[name].get("depth", 0), name))]


def _parents_first(wanted: Sequence[Wanted]) -> list[Wanted]:
    by_name = {one.name: one for one in wanted}
    ordered: dict[str, Wanted] = {}

    def put(one: Wanted, path: tuple[str, ...]) -> None:
        if one.name in path:
            raise refuse("profiles", one.name, f"is its own parent, by way of {' > '.join((*path, one.name))}.")
        parent = by_name.get(one.fields.get(_PARENT, ""))
        if parent is not None:
            put(parent, (*path, one.name))
        ordered.setdefault(one.name, one)

    for one in wanted:
        put(one, ())
    return list(ordered.values())


def result_of(change: Change, raw: Raw) -> dict[str, dict[str, Any]]:
    """Return the interfaces of a system after a change, in canonical form."""
    after = {
        name: {key: present(INTERFACE[key], value) for key, value in values.items() if key in INTERFACE}
        for name, values in raw.get(_INTERFACES, {}).items()
        if name not in change.dropped and change.kind != "remove"
    }
    for name, fields in change.interfaces.items():
        after.setdefault(name, {}).update({key: values[1] for key, values in fields.items()})
    return after


def _check_system(change: Change, raw: Raw) -> None:
    if change.kind == "remove" or not change:
        return
    after = result_of(change, raw)
    where = change.name
    if not after:
        raise refuse(
            "systems",
            where,
            "would have no interface, and Cobbler would make one named default.",
            "Give it an interface, or remove the system.",
        )
    if change.kind == "create" and not any(change.fields.get(key, ("", ""))[1] for key in ("profile", "image")):
        raise refuse("systems", where, "is new and has neither a profile nor an image.", "Give it a profile.")
    for name in change.interfaces:
        types = _MASTERS.get(after[name].get("interface_type", "na"))
        master = after[name].get("interface_master", "")
        if types is not None and after.get(master, {}).get("interface_type") not in types:
            raise refuse(
                "systems",
                f"{where}: interfaces: {name}",
                f"interface_master: {master or 'nothing'} is no {types[0]} of this system.",
                f"Name an interface whose interface_type is {types[0]}.",
            )


def _releases(changes: Sequence[Change], there: Mapping[str, Raw], shared: frozenset[str]) -> tuple[Change, ...]:
    """Refuse values that two systems would share; find those that one interface must lose before another gets them."""
    by_name = {change.name: change for change in changes}
    after = {
        name: result_of(by_name.get(name, Change("edit", name)), there.get(name, {}))
        for name in dict.fromkeys((*there, *by_name))
    }
    _refuse_shared(after, by_name, shared)
    holders = {
        (key, present(INTERFACE[key], values[key])): (system, interface)
        for system, raw in there.items()
        for interface, values in raw.get(_INTERFACES, {}).items()
        for key in UNIQUE
        if values.get(key)
    }
    taken: dict[str, dict[str, dict[str, Values]]] = {}
    for change in changes:
        for interface, fields in change.interfaces.items():
            for key in set(fields) & set(UNIQUE):
                value = fields[key][1]
                system, holder = holders.get((key, value), (change.name, interface))
                loses = after[system].get(holder, {}).get(key) != value
                if loses and by_name[system].kind == "edit":
                    taken.setdefault(system, {}).setdefault(holder, {})[key] = (value, "")
    return tuple(
        Change("edit", system, interfaces=interfaces, any_interface=next(iter(interfaces)))
        for system, interfaces in taken.items()
    )


def _refuse_shared(
    after: Mapping[str, Mapping[str, Raw]], changed: Mapping[str, Change], shared: frozenset[str]
) -> None:
    owners: dict[tuple[str, Any], tuple[str, str]] = {}
    for system, interfaces in after.items():
        for interface, values in interfaces.items():
            for key in UNIQUE:
                value = values.get(key)
                if not value or key in shared:
                    continue
                owner = owners.setdefault((key, value), (system, interface))
                # Within one system Cobbler allows it: members of a bond may have one address.
                if owner[0] != system and (owner[0] in changed or system in changed):
                    raise refuse(
                        "systems",
                        f"{system}: interfaces: {interface}",
                        f"{key}: {value} is that of {owner[0]} ({owner[1]}), too.",
                        "Mend the one that is wrong.",
                    )
