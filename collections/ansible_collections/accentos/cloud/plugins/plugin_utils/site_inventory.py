# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the groups and hosts of hosts.yml, as Ansible's own YAML inventory does, but refuses what Ansible skips."""

from __future__ import annotations

import dataclasses
import re
import string
from collections.abc import Iterable, Mapping

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, Suggester, report
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_schema import is_host_label
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import Node

HOSTS_FILE = "hosts.yml"
SITE_GROUPS = ("deploy", "controller", "compute", "storage", "monitoring")
LAB_GROUPS = ("lab_rack",)  # Equipment of the embedded lab; no production site has it, so no message offers it.
BUILT_IN_GROUPS = ("all", "ungrouped")
# What Ansible calls the control node; inventories have no other name for it.
CONTROL_NODE = "localhost"
MAX_HOSTS = 10_000
# A host may be in several groups, but a file must not make us expand the same ranges for minutes.
MAX_MEMBERSHIPS = 100_000
LONGEST_PATTERN = 253
_SECTIONS = ("hosts", "vars", "children")
_GROUP_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_RANGE = re.compile(r"\[([^\[\]]*)\]")


class RangeError(ValueError):
    """A host range such as compute-[1:3] cannot be expanded."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variables:
    """Variables written in hosts.yml: owner is a host pattern or the name of a group."""

    owner: str
    names: tuple[str, ...]
    node: Node


@dataclasses.dataclass(slots=True)
class Inventory:
    """What hosts.yml says. hosts maps each name to its first place; groups maps each group to its hosts."""

    hosts: dict[str, Place] = dataclasses.field(default_factory=dict)
    groups: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    children: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    group_places: dict[str, Place] = dataclasses.field(default_factory=dict)
    host_variables: list[Variables] = dataclasses.field(default_factory=list)
    group_variables: list[Variables] = dataclasses.field(default_factory=list)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    misnamed: set[str] = dataclasses.field(default_factory=set)
    complete: bool = True  # False when hosts or groups may be missing because of a finding


def expand_range(pattern: str, limit: int = MAX_HOSTS) -> list[str]:
    """Return the names that a host pattern stands for, as Ansible expands them: web[01:10:2], db-[a:c], r[1:2]n[1:4].

    :raises RangeError: malformed, empty, or more than limit names; in the last case nothing has been expanded.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise RangeError("is too long for a host name")
    parts: list[list[str]] = []
    sizes = 1
    rest = pattern
    while match := _RANGE.search(rest):
        sequence, width = _sequence(match.group(1))
        sizes *= len(sequence)
        if sizes > limit:
            raise RangeError(f"stands for more than {limit} hosts")
        parts += [[rest[: match.start()]], [str(item).zfill(width) for item in sequence]]
        rest = rest[match.end() :]
    if "[" in rest or "]" in rest:
        raise RangeError("is a range without both brackets")
    names = [""]
    for choices in [*parts, [rest]]:
        names = [name + choice for name in names for choice in choices]
    return names


def _sequence(text: str) -> tuple[range | str, int]:
    """Return the range or the letters of begin:end[:step], and the width to fill numbers to."""
    begin, end, step = [*text.split(":"), "1"][:3] if text.count(":") in (1, 2) else ("", "", "")
    if not end:
        raise RangeError("is not a range of the form [begin:end]")
    if not re.fullmatch("[0-9]{1,9}", step) or int(step) == 0:
        raise RangeError("has a step that is not a whole number above zero")
    letters = string.ascii_letters
    if len(begin) == len(end) == 1 and begin in letters and end in letters:
        found: range | str = letters[letters.index(begin) : letters.index(end) + 1 : int(step)]
        width = 0
    else:
        begin = begin or "0"
        if not re.fullmatch("[0-9]{1,9}", begin) or not re.fullmatch("[0-9]{1,9}", end):
            raise RangeError("is not a range of numbers or of single letters")
        width = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
        if width and width != len(end):
            raise RangeError("begins with a zero, but begin and end have different lengths")
        found = range(int(begin), int(end) + 1, int(step))
    if not found:
        raise RangeError("ends before it begins")
    return found, width


def hosts_below(inventory: Inventory, group: str) -> set[str]:
    """Return the hosts of a group and of all groups below it."""
    return set().union(*(inventory.groups.get(name, ()) for name in with_descendants(inventory.children, [group])))


def with_descendants(children: Mapping[str, Iterable[str]], names: Iterable[str]) -> set[str]:
    """Return the groups and all groups below them.

    :param children: group -> its child groups.
    """
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += children.get(name, ())
    return found


def groups_in_loops(children: dict[str, set[str]]) -> set[str]:
    """Return the groups that are in a loop or between two loops.

    :param children: group -> its child groups; each child is a key as well.
    """
    parents: dict[str, set[str]] = {name: set() for name in children}
    for name, below in children.items():
        for child in below:
            parents[child].add(name)
    left = set(children)
    for upwards, downwards in ((parents, children), (children, parents)):
        # Take away what nothing leads to, again and again; then the same from the other end.
        degree = {name: len(upwards[name] & left) for name in left}
        ends = [name for name, count in degree.items() if count == 0]
        while ends:
            name = ends.pop()
            left.discard(name)
            for other in downwards[name] & left:
                degree[other] -= 1
                if degree[other] == 0:
                    ends.append(other)
    return left


def read_inventory(root: Node, suggest: Suggester, file: str = HOSTS_FILE, *, whole: bool = True) -> Inventory:
    """Read the mapping that hosts.yml, or another YAML inventory, consists of.

    :param whole: whether it is all of a site. One that is used beside a site needs no hosts, and its hosts no groups.
    :return: what it says; what is wrong is in the findings.
    """
    reader = _Reader(suggest, file)
    reader.read(root, whole=whole)
    return reader.inventory


class _Reader:
    def __init__(self, suggest: Suggester, file: str) -> None:
        self.inventory = Inventory()
        self.suggest = suggest
        self.file = file
        self.lowered: dict[str, str] = {}
        self.bad_names: set[tuple[int, int]] = set()
        self.memberships = 0
        self.full = False

    def read(self, root: Node, *, whole: bool) -> None:
        inventory = self.inventory
        if root.kind != "mapping":
            self._refuse(root, "", f"is a {root.kind if root.kind == 'list' else 'text'}", "a mapping of groups")
            return
        for name, node in root.fields.items():
            self._group(name, node, root.keys[name])
        self._find_confusing_names()
        self._find_loop()
        if whole and not inventory.hosts and inventory.complete:
            self._refuse(root, "", "there is no host in it", "at least one host in each group that the site needs")
        if whole and inventory.complete:
            self._find_homeless()

    def _refuse(self, node: Node, key: str, problem: str, expected: str, suggestion: str = "") -> None:
        self.inventory.complete = False
        self._note(node, key, problem, expected, suggestion)

    def _note(self, node: Node, key: str, problem: str, expected: str, suggestion: str = "") -> None:
        place = Place(self.file, node.line, node.column, key)
        self.inventory.findings.append(report(place, problem, expected=expected, suggestion=suggestion))

    def _group(self, name: str, node: Node, key: Node) -> None:
        inventory = self.inventory
        if not _GROUP_NAME.fullmatch(name) or name == CONTROL_NODE:
            expected = "letters, digits and underscores, no digit first"
            self._note(key, name, "is not a name for a group", f"{expected}; {CONTROL_NODE} is the control node")
        inventory.groups.setdefault(name, set())
        inventory.children.setdefault(name, set())
        inventory.group_places.setdefault(name, Place(self.file, key.line, key.column, name))
        if node.kind == "scalar" and node.value is None:
            return
        if node.kind != "mapping":
            self._refuse(node, name, f"is a {node.kind if node.kind == 'list' else 'text'}", "hosts, vars or children")
            return
        for section, content in node.fields.items():
            label = f"{name}.{section}"
            if section not in _SECTIONS:
                meant = self.suggest(section, _SECTIONS)
                self._refuse(node.keys[section], label, "unknown key", "one of hosts, vars, children", meant)
            elif content.kind == "scalar" and content.value is None:
                continue
            elif content.kind != "mapping":
                kind = "list" if content.kind == "list" else "text"
                self._refuse(content, label, f"is a {kind}", 'a mapping: each name on its own line with ":" at the end')
            elif section == "vars":
                inventory.group_variables.append(Variables(name, (name,), content))
            elif section == "children":
                for child, below in content.fields.items():
                    inventory.children[name].add(child)
                    self._group(child, below, content.keys[child])
            else:
                for pattern, variables in content.fields.items():
                    self._host(name, pattern, variables, content.keys[pattern])

    def _host(self, group: str, pattern: str, variables: Node, key: Node) -> None:
        inventory = self.inventory
        if self.full:
            return
        try:
            names = expand_range(pattern)
        except RangeError as error:
            self._refuse(key, pattern, str(error), f"a range such as compute-[1:3], at most {MAX_HOSTS} hosts in all")
            return
        self.memberships += len(names)
        new = sum(name not in inventory.hosts for name in names)
        if len(inventory.hosts) + new > MAX_HOSTS or self.memberships > MAX_MEMBERSHIPS:
            self.full = True
            self._refuse(key, pattern, f"makes more than {MAX_HOSTS} hosts", f"at most {MAX_HOSTS} hosts in all")
            return
        for name in names:
            first = self.lowered.setdefault(name.lower(), name)
            if name not in inventory.hosts:
                self._check_name(name, first, key)
                inventory.hosts[name] = Place(self.file, key.line, key.column, name)
            inventory.groups[group].add(name)
        if variables.kind == "mapping":
            inventory.host_variables.append(Variables(pattern, tuple(names), variables))
        elif variables.kind != "scalar" or variables.value is not None:
            kind = "list" if variables.kind == "list" else "text"
            inventory.misnamed.update(names)
            self._note(variables, pattern, f"is a {kind}", "a mapping of the host's variables, or nothing")

    def _check_name(self, name: str, first: str, key: Node) -> None:
        reported = (key.line, key.column) in self.bad_names
        if name == first and is_host_label(name):
            return
        self.inventory.misnamed.add(name)
        self.bad_names.add((key.line, key.column))
        if reported:
            return
        if name != first:
            place = self.inventory.hosts[first]
            self._note(
                key,
                name,
                f"is the same host name as {first} in {place.file}:{place.line}",
                "each host once, in lower case",
            )
        else:
            lower = name.lower()
            self._note(
                key,
                name,
                "is not a host name",
                "a DNS label: at most 63 lower-case letters, digits and dashes",
                lower if is_host_label(lower) else "",
            )

    def _find_confusing_names(self) -> None:
        """Report the hosts that Ansible, or whoever delegates a task, would take for something else."""
        inventory = self.inventory
        groups = {*BUILT_IN_GROUPS, *SITE_GROUPS, *LAB_GROUPS, *inventory.groups}
        for name, place in inventory.hosts.items():
            if name in inventory.misnamed:
                continue
            if name == CONTROL_NODE:
                problem = "is the name of the control node: what is delegated to it would be done on this host"
                expected, suggestion = "a name that says what the host is, such as deploy-1", ""
            elif name in groups:
                problem = "is the name of a group too, and Ansible confuses the two"
                expected, suggestion = (
                    "a host name that no group has",
                    "" if f"{name}-1" in inventory.hosts else f"{name}-1",
                )
            else:
                continue
            inventory.misnamed.add(name)
            inventory.findings.append(report(place, problem, expected=expected, suggestion=suggestion))

    def _find_loop(self) -> None:
        """Report the groups that contain themselves, as one mistake. Every group is in "all", so "all" is in none."""
        edges = {name: set(below) for name, below in self.inventory.children.items()}
        looped = {"all"} if any("all" in below for below in edges.values()) else groups_in_loops(edges)
        if looped:
            self.inventory.complete = False
            place = min(
                (self.inventory.group_places[name] for name in looped), key=lambda place: (place.line, place.column)
            )
            problem = f"the group contains itself, by way of {', '.join(sorted(looped)[:10])}"
            self.inventory.findings.append(report(place, problem, expected="groups without a loop"))

    def _find_homeless(self) -> None:
        inventory = self.inventory
        known = with_descendants(inventory.children, SITE_GROUPS + LAB_GROUPS)
        homes = set().union(*(inventory.groups.get(name, set()) for name in known))
        blamed: set[str] = set()
        places: set[tuple[int, int]] = set()  # The hosts of one range share their place, and so their mistake.
        for name, place in inventory.hosts.items():
            if name in homes or name in blamed or (place.line, place.column) in places:
                continue
            places.add((place.line, place.column))
            for group, hosts in inventory.groups.items():
                meant = self.suggest(group, SITE_GROUPS) if name in hosts and group not in BUILT_IN_GROUPS else ""
                if meant:
                    blamed |= hosts
                    inventory.findings.append(
                        report(
                            inventory.group_places[group],
                            "unknown group, and hosts are only in it",
                            expected="one of " + ", ".join(SITE_GROUPS) + ", or a child of one of them",
                            suggestion=meant,
                        )
                    )
                    break
            else:
                expected = "it in one of " + ", ".join(SITE_GROUPS)
                inventory.findings.append(report(place, "the host is in no group of the site", expected=expected))
