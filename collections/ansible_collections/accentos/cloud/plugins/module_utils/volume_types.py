# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what makes the volume types of a cloud as wanted, as requests to its volume service. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """A request: ``verb`` and ``name`` tell people of it, ``before`` and ``after`` are what differs, a line each."""

    verb: str
    name: str
    method: str
    path: str
    body: Mapping[str, Any]
    before: str
    after: str


def plan_types(wanted: Iterable[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """Give the requests that are left. ``found`` are the types of the service, private ones among them.

    Types that are not wanted stay, since volumes may have them, and so do specifications of a type that are not
    mentioned.
    """
    known = {one["name"]: one for one in found}
    for one in wanted:
        there = known.get(one["name"])
        yield from _create(one) if there is None else _change(one, there)


def _create(wanted: Mapping[str, Any]) -> Iterator[Step]:
    body = {
        "name": wanted["name"],
        "description": wanted["description"],
        "extra_specs": dict(wanted["extra_specs"]),
        "os-volume-type-access:is_public": True,
    }
    after = _lines(wanted["name"], {"description": wanted["description"], **wanted["extra_specs"]})
    yield Step("create", wanted["name"], "POST", "/types", {"volume_type": body}, "", after)


def _change(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Step]:
    name, path = wanted["name"], f"/types/{there['id']}"
    specs = there.get("extra_specs") or {}
    other = {key: value for key, value in wanted["extra_specs"].items() if specs.get(key) != value}
    if other:
        before = _lines(name, {key: specs[key] for key in other if key in specs})
        body = {"extra_specs": other}
        yield Step("change", name, "POST", f"{path}/extra_specs", body, before, _lines(name, other))
    description = there.get("description") or ""
    if wanted["description"] and description != wanted["description"]:
        text = {"description": wanted["description"]}
        before = _lines(name, {"description": description})
        yield Step("describe", name, "PUT", path, {"volume_type": text}, before, _lines(name, text))


def _lines(name: str, values: Mapping[str, str]) -> str:
    return "".join(f"volume type {name}: {key} = {value}\n" for key, value in sorted(values.items()) if value)
