# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which units of an image are held back until a deployment comes to their packages, and which it lets go.

A package that is installed in an image has its units enabled, as on any host. They would run at the first start,
without a configuration. So each has a drop-in with a condition that is false while the drop-in is there. It goes when a
deployment asks for the package; then the units are started as the package itself would have done, or not, since
``policy-rc.d`` is asked. Nothing here touches a disk.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

FOLDER = "/etc/systemd/system"
HELD = "accentos-baked.conf"
# What systemd does not read: the unit may start, and has perhaps not been started yet.
RELEASED = "accentos-baked.released"
_UNIT = re.compile(r"(?:/usr)?/lib/systemd/system/([^/]+\.(?:automount|mount|path|service|socket|target|timer))")
_SCRIPT = re.compile(r"/etc/init\.d/([^/]+)")
_PACKAGE = re.compile(r"^# Package: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """An installed package: for each dependency its alternatives, and the names that it also answers to."""

    depends: tuple[tuple[str, ...], ...] = ()
    provides: tuple[str, ...] = ()
    essential: bool = False


def parse_status(text: str) -> dict[str, Package]:
    """Return the installed packages of dpkg's file ``status``."""
    found = {}
    for paragraph in text.split("\n\n"):
        fields = _fields(paragraph)
        if fields.get("Status", "").endswith(" installed"):
            depends = (*_relations(fields, "Depends"), *_relations(fields, "Pre-Depends"))
            provides = tuple(name for names in _relations(fields, "Provides") for name in names)
            essential = fields.get("Essential") == "yes" or fields.get("Priority") == "required"
            found[fields["Package"]] = Package(depends, provides, essential)
    return found


def _fields(paragraph: str) -> dict[str, str]:
    """Return the fields of a paragraph that are of interest, all of one line."""
    lines = (line.partition(":") for line in paragraph.splitlines() if line[:1].isalpha())
    return {name: value.strip() for name, _colon, value in lines}


def _relations(fields: Mapping[str, str], name: str) -> Iterator[tuple[str, ...]]:
    for relation in fields.get(name, "").split(","):
        names = tuple(re.split(r"[\s:(\[]", part.strip(), maxsplit=1)[0] for part in relation.split("|"))
        if any(names):
            yield names


def closure(packages: Mapping[str, Package], names: Iterable[str], *, widely: bool) -> set[str]:
    """Return NAMES and all that they depend on, as far as it is installed.

    Of alternatives the first that is installed counts, or WIDELY all of them.
    """
    providers: dict[str, list[str]] = {}
    for name, package in packages.items():
        for provided in package.provides:
            providers.setdefault(provided, []).append(name)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in packages:
            waiting += [other for other in providers.get(name, ()) if other not in found]
            continue
        found.add(name)
        for alternatives in packages[name].depends:
            there = [other for other in alternatives if other in packages or other in providers]
            waiting += there if widely else there[:1]
    return found


def held_packages(packages: Mapping[str, Package], wanted: Collection[str], held: Collection[str]) -> set[str]:
    """Return the packages whose units are held back: those that only the HELD ones of all WANTED packages brought."""
    own = {name for name in wanted if name not in held} | {name for name, one in packages.items() if one.essential}
    return closure(packages, held, widely=True) - closure(packages, own, widely=False)


def units_of(paths: Iterable[str]) -> list[str]:
    """Return the units among the PATHS of a package; a start script alone is a service, too."""
    found = [(_UNIT.fullmatch(path), _SCRIPT.fullmatch(path)) for path in paths]
    return sorted(
        {unit[1] for unit, _script in found if unit} | {f"{script[1]}.service" for _unit, script in found if script}
    )


def hold_text(unit: str, package: str) -> str:
    """Return the drop-in that holds UNIT of PACKAGE back."""
    return (
        "# Written by AccentOS. The unit is part of the image and not configured yet: a deployment takes this away.\n"
        f"# Package: {package}\n"
        "[Unit]\n"
        f"ConditionPathExists=!{FOLDER}/{unit}.d/{HELD}\n"
    )


def package_of(text: str) -> str:
    """Return the package that a drop-in names, or nothing."""
    found = _PACKAGE.search(text)
    return found[1] if found else ""


def released(drop_ins: Mapping[str, str], packages: Mapping[str, Package], names: Collection[str]) -> list[str]:
    """Return those units of DROP_INS, unit to package, that a deployment of the packages NAMES lets go."""
    reached = closure(packages, names, widely=True)
    return sorted(unit for unit, package in drop_ins.items() if package in reached)


def to_start(units: Iterable[str]) -> list[str]:
    """Return those of UNITS that can be started, sockets first: none starts once the service that it is for runs.

    A template has no instance here that could be.
    """
    return sorted((unit for unit in units if "@." not in unit), key=lambda unit: (not unit.endswith(".socket"), unit))
