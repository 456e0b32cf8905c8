# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Open vSwitch has, read from ``ovs-vsctl``, and the commands that bring it to what is wanted. Runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# In this order ``ovs-vsctl`` prints the tables, each as one line of JSON.
_TABLES: Mapping[str, tuple[str, ...]] = {
    "Open_vSwitch": ("external_ids", "other_config"),
    "Manager": ("target",),
    "Bridge": ("name", "datapath_type", "fail_mode", "external_ids", "other_config", "ports"),
    "Port": ("_uuid", "name"),
    "Interface": ("name", "error"),
}
_MAPS = ("external_ids", "other_config")
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
# Names of network devices, of which the first letter is none that ovs-vsctl would take for an option.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")


class SwitchError(Exception):
    """The switch cannot be as wanted. The first argument says why, the second what helps."""


@dataclass(frozen=True)
class Bridge:
    """A bridge with its own settings and the names of its ports, the one named like the bridge left out."""

    datapath_type: str = ""
    fail_mode: str = ""
    external_ids: Mapping[str, str] = field(default_factory=dict)
    other_config: Mapping[str, str] = field(default_factory=dict)
    ports: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Switch:
    """The database of one Open vSwitch, as far as it matters here. ``errors`` has those of interfaces by name."""

    external_ids: Mapping[str, str] = field(default_factory=dict)
    other_config: Mapping[str, str] = field(default_factory=dict)
    managers: frozenset[str] = frozenset()
    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


def reading_arguments() -> list[str]:
    """Return the arguments with which ``ovs-vsctl`` prints what ``parse_switch`` reads."""
    arguments = ["--format=json"]
    for table, columns in _TABLES.items():
        arguments += ["--", f"--columns={','.join(columns)}", "list", table]
    return arguments


def _plain(value: Any) -> Any:
    """Turn a value in OVSDB's notation for JSON into a dictionary, a list, or itself."""
    if isinstance(value, list):
        kind, inner = value
        if kind == "map":
            return {str(key): str(item) for key, item in inner}
        if kind == "set":
            return [_plain(item) for item in inner]
        if kind == "uuid":
            return inner
    return value


def _texts(value: Any) -> list[str]:
    """Return a column that holds any number of texts as a list: OVSDB prints a set of one like its only member."""
    plain = _plain(value)
    return [str(item) for item in plain] if isinstance(plain, list) else [str(plain)]


def _rows(line: str) -> list[dict[str, Any]]:
    table = json.loads(line)
    return [dict(zip(table["headings"], row, strict=True)) for row in table["data"]]


def parse_switch(text: str) -> Switch:
    """Read what ``ovs-vsctl`` printed for ``reading_arguments``. Raises SwitchError for anything else."""
    try:
        tables = dict(zip(_TABLES, (_rows(line) for line in text.splitlines() if line), strict=True))
        root = tables["Open_vSwitch"][0] if tables["Open_vSwitch"] else {column: ["map", []] for column in _MAPS}
        ports = {_plain(row["_uuid"]): str(row["name"]) for row in tables["Port"]}
        bridges = {
            str(row["name"]): Bridge(
                datapath_type=str(row["datapath_type"]),
                fail_mode="".join(_texts(row["fail_mode"])),
                external_ids=_plain(row["external_ids"]),
                other_config=_plain(row["other_config"]),
                ports=frozenset(ports[uuid] for uuid in _texts(row["ports"])) - {str(row["name"])},
            )
            for row in tables["Bridge"]
        }
        return Switch(
            external_ids=_plain(root["external_ids"]),
            other_config=_plain(root["other_config"]),
            managers=frozenset(str(row["target"]) for row in tables["Manager"]),
            bridges=bridges,
            errors={str(row["name"]): error for row in tables["Interface"] if (error := "".join(_texts(row["error"])))},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SwitchError(
            f"ovs-vsctl prints what is not understood ({error!r}): {text[:200]!r}",
            "Look at what this command prints: ovs-vsctl " + " ".join(reading_arguments()),
        ) from error


def _checked(pattern: re.Pattern[str], what: str, value: str) -> str:
    if not pattern.fullmatch(value):
        raise SwitchError(f"{value!r} is no {what} of Open vSwitch.", "Use letters, digits, dots, dashes, underscores.")
    return value


def _map_commands(
    table: str, record: str, column: str, now: Mapping[str, str], wanted: Mapping[str, Any]
) -> Iterator[list[str]]:
    """Give the commands that set the wanted keys of a map and remove those that are wanted as None."""
    for key, value in sorted(wanted.items()):
        _checked(_KEY, f"key in {column}", key)
        if value is None:
            if key in now:
                yield ["remove", table, record, column, key]
        elif now.get(key) != str(value):
            yield ["set", table, record, f"{column}:{key}={json.dumps(str(value))}"]


def _bridge_commands(switch: Switch, wanted: Mapping[str, Any]) -> Iterator[list[str]]:
    name = _checked(_NAME, "bridge name", wanted["name"])
    known = switch.bridges.get(name)
    now = known or Bridge()
    if known is None:
        yield ["add-br", name]
    for column in ("datapath_type", "fail_mode"):
        value = wanted.get(column)
        if value is not None and getattr(now, column) != value:
            yield ["set", "Bridge", name, f"{column}={value}"]
    for column in _MAPS:
        yield from _map_commands("Bridge", name, column, getattr(now, column), wanted.get(column) or {})
    for port in wanted.get("interfaces") or []:
        _checked(_NAME, "interface name", port)
        other = next(
            (other for other, bridge in switch.bridges.items() if port in bridge.ports and other != name), None
        )
        if other is not None:
            raise SwitchError(
                f"The interface {port} is wanted in the bridge {name}, but it is in {other}.",
                f"If it may leave: ovs-vsctl del-port {other} {port}",
            )
        if port not in now.ports:
            yield ["add-port", name, port]


def plan_switch(switch: Switch, wanted: Mapping[str, Any]) -> Sequence[Sequence[str]]:
    """Return the commands for ``ovs-vsctl``, to be given in one transaction; none if all is as wanted.

    ``wanted`` has the options of the module ``openvswitch_settings``. What it does not name stays as it is.
    Raises SwitchError.
    """
    commands: list[Sequence[str]] = []
    for column in _MAPS:
        commands += _map_commands("Open_vSwitch", ".", column, getattr(switch, column), wanted.get(column) or {})
    for bridge in wanted.get("bridges") or []:
        commands += _bridge_commands(switch, bridge)
    managers = wanted.get("managers")
    if managers is not None and frozenset(managers) != switch.managers:
        commands.append(["set-manager", *managers] if managers else ["del-manager"])
    return commands


def wanted_errors(switch: Switch, wanted: Mapping[str, Any]) -> list[str]:
    """Return what Open vSwitch has against the wanted bridges and their interfaces, a sentence each."""
    names = [name for bridge in wanted.get("bridges") or [] for name in (bridge["name"], *(bridge["interfaces"] or []))]
    return [f"{name}: {switch.errors[name]}" for name in names if name in switch.errors]


def joined(commands: Sequence[Sequence[str]]) -> list[str]:
    """Return the arguments that make one transaction of commands."""
    return [argument for command in commands for argument in ("--", *command)]
