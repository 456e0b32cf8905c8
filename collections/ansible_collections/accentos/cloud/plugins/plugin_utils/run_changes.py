# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run changes, read from the results of its tasks, as pure functions from plain data.

The same reading serves a plan (check mode) and a run that writes, so the two can be compared. What a module returns in
check mode is what it would do. Texts come from hosts as they are; whoever shows them sanitises them.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.accentos.cloud.plugins.plugin_utils import stage_report as report

# In the order in which they are shown.
KINDS = ("package", "file", "database", "messaging", "catalogue", "command", "unit", "other")
_PLURALS = {
    "package": "packages",
    "file": "files",
    "database": "database",
    "messaging": "messaging",
    "catalogue": "catalogue",
    "command": "commands",
    "unit": "units",
    "other": "other",
}
# Roles that work for others, and the one that works for many services at once.
_HELPERS = frozenset({"pki"})
_MANY = "openstack_service"
_SHOWN_PACKAGES = 12
# They make texts in memory; the files that these become are changes of their own.
_IN_MEMORY = frozenset(
    {
        "accentos.cloud.certificate_signatures",
        "community.crypto.openssl_csr_pipe",
        "community.crypto.x509_certificate_pipe",
    }
)

# Their results do not always say which file they are about.
UNNAMED = frozenset({"ansible.builtin.copy", "ansible.builtin.template"})

# Verbs that a running unit needs for a reason.
_ANEW = frozenset({"restart", "reload"})

_APT_BLOCKS = {
    "The following NEW packages will be installed:": "install",
    "The following packages will be upgraded:": "upgrade",
    "The following packages will be DOWNGRADED:": "downgrade",
    "The following packages will be REMOVED:": "remove",
}
_SERVICE_OF = {
    "file": (
        re.compile(r"/etc/systemd/system/([a-z0-9]+)[a-z0-9@-]*\.[a-z]+\.d/"),
        re.compile(r"/etc/accentos/pki/([a-z0-9]+)[a-z0-9_-]*\."),
        re.compile(r"/etc/(?!accentos/)([a-z0-9]+)/"),
    ),
    "unit": (re.compile(r"([a-z0-9]+)"),),
    "command": (re.compile(r"([a-z0-9]+)"),),
    "database": (re.compile(r"DATABASE `([a-z0-9]+)"), re.compile(r" '([a-z0-9]+)[a-z0-9_-]*'@")),
    "messaging": (re.compile(r"(?:user|rights of) ([a-z0-9]+)"),),
    "catalogue": (re.compile(r"(?:service|endpoint|user|grant|assignment).* ([a-z0-9]+)$"),),
}


@dataclass(frozen=True)
class Change:
    """One change: ``verb`` says what is done to ``thing``, ``why`` is empty where it needs no reason.

    ``diff`` has the lines of a unified difference of a file, without its name, or of all that a task of kind "other"
    says of itself; it is empty for everything else, and has no secrets.
    """

    kind: str
    verb: str
    thing: str
    why: str = ""
    diff: tuple[str, ...] = ()
    host: str = ""
    service: str = ""
    task: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Return what a run changes at most once in the eyes of people: the host, the kind and the thing."""
        return (self.host, self.kind, self.thing)


Reader = Callable[[Mapping[str, object]], Iterator[Change]]


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list | tuple) else []


def _read_packages(result: Mapping[str, object]) -> Iterator[Change]:
    verb = ""
    for line in str(result.get("stdout", "")).splitlines():
        if not line.startswith(" "):
            verb = _APT_BLOCKS.get(line.strip(), "")
        elif verb:
            yield from (Change("package", verb, name.rstrip("*")) for name in line.split())
    # Units that the image of the host held back.
    yield from _read_units(result)


def _differences(result: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    diff = result.get("diff")
    yield from (part for part in (diff if isinstance(diff, list) else [diff]) if isinstance(part, Mapping))


def difference(before: str, after: str) -> tuple[str, ...]:
    """Return the lines of the unified difference of two texts, each with a line of what is around it."""
    old, new = (text.rstrip("\n").split("\n") if text else [] for text in (before, after))
    # The first two lines would only repeat the name of the file.
    return tuple(difflib.unified_diff(old, new, lineterm="", n=1))[2:]


# What a look at a file changes, and what the clock says.
_TIMES = frozenset({"atime", "mtime"})


def _text_of(value: object) -> str:
    # As it is, so that a secret in it is found.
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _state_lines(value: object) -> str:
    """Return a text, or a mapping of properties as lines."""
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        return _text_of(value)
    return "\n".join(f"{name}: {_text_of(value[name])}" for name in sorted(value, key=str) if name not in _TIMES)


def _told_difference(part: Mapping[str, object]) -> tuple[str, ...]:
    before, after = part.get("before"), part.get("after")
    if isinstance(before, Mapping) and isinstance(after, Mapping) and before.get("state") == "absent":
        # What is not there yet has no properties, so check mode does not tell those that it will get.
        before, after = ({name: side[name] for name in ("path", "state") if name in side} for side in (before, after))
    prepared = part.get("prepared")
    return (
        *difference(_state_lines(before), _state_lines(after)),
        *(prepared.splitlines() if isinstance(prepared, str) else ()),
    )


def _read_files(result: Mapping[str, object]) -> Iterator[Change]:
    for part in _differences(result):
        before, after = str(part.get("before") or ""), str(part.get("after") or "")
        path = str(part.get("after_header") or part.get("before_header") or "")
        if path and before != after:
            verb = "remove" if not after else "change" if before else "create"
            yield Change("file", verb, path, "", difference(before, after))


def _read_copy(result: Mapping[str, object]) -> Iterator[Change]:
    # Its difference names the file by where the content came from; in check mode a new one has a name only by "dest".
    parts = [part for part in _differences(result) if "before" in part]
    before, after, old = (
        str(parts[0].get(name) or "") if parts else "" for name in ("before", "after", "before_header")
    )
    if path := str(result.get("dest") or old):
        yield Change("file", "create" if parts and not before else "change", path, "", difference(before, after))


def _reason(result: Mapping[str, object], name: str) -> str:
    reasons = result.get("reasons")
    return str(reasons.get(name, "")) if isinstance(reasons, Mapping) else ""


def _read_units(result: Mapping[str, object]) -> Iterator[Change]:
    for command in _texts(result.get("commands")):
        verb, *names = command.split()
        for name in names:
            # A unit that is started was reset only for that.
            if verb != "reset-failed":
                yield Change("unit", verb, name, _reason(result, name) if verb in _ANEW else "")


def _read_certificates(result: Mapping[str, object]) -> Iterator[Change]:
    for part in _differences(result):
        for line in str(part.get("after") or "").splitlines():
            path, _colon, why = line.partition(": ")
            yield Change("file", "change", path, why)


def _read_statements(result: Mapping[str, object]) -> Iterator[Change]:
    yield from (Change("database", "run", text) for text in _texts(result.get("statements")))


def _read_messaging(result: Mapping[str, object]) -> Iterator[Change]:
    yield from (Change("messaging", "set", text) for text in _texts(result.get("changes")))


def _read_steps(result: Mapping[str, object]) -> Iterator[Change]:
    steps = result.get("steps")
    for step in steps if isinstance(steps, list) else []:
        yield Change("catalogue", str(step["verb"]), f"{step['kind']} {step['name']}")


def _read_removal(result: Mapping[str, object]) -> Iterator[Change]:
    steps = result.get("steps")
    for step in steps if isinstance(steps, list) else []:
        yield Change("other", str(step["verb"]), str(step["thing"]), str(step["why"]))


def _read_names(result: Mapping[str, object]) -> Iterator[Change]:
    yield from (Change("command", "run", name, _reason(result, name)) for name in _texts(result.get("names")))


def _read_commands(result: Mapping[str, object]) -> Iterator[Change]:
    lines = [line for part in _differences(result) for line in str(part.get("after") or "").splitlines()]
    yield from (Change("command", "run", line, str(result.get("reason") or "")) for line in lines)


_CLOUD = "accentos.cloud."
READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("ansible.builtin.apt", f"{_CLOUD}packages"), _read_packages),
    "ansible.builtin.copy": _read_copy,
    "ansible.builtin.template": _read_copy,
    **dict.fromkeys((f"{_CLOUD}{name}" for name in ("files", "openstack_config", "secret_file")), _read_files),
    f"{_CLOUD}certificate_requests": _read_certificates,
    **dict.fromkeys(
        (f"{_CLOUD}{name}" for name in ("galera_begin", "galera_state", "unit", "units", "volume_services")),
        _read_units,
    ),
    **dict.fromkeys(
        (f"{_CLOUD}{name}" for name in ("command_on_change", "openvswitch_settings", "ovn_cluster")), _read_commands
    ),
    **dict.fromkeys((f"{_CLOUD}{name}" for name in ("compute_hosts", "compute_removal")), _read_removal),
    f"{_CLOUD}database_access": _read_statements,
    f"{_CLOUD}messaging_access": _read_messaging,
    **dict.fromkeys((f"{_CLOUD}{name}" for name in ("openstack_catalogue", "volume_types")), _read_steps),
    f"{_CLOUD}openstack_sync": _read_names,
}


def read_changes(action: str, task: str, result: Mapping[str, object]) -> list[Change]:
    """Return what a task changes. ``action`` is the full name of its module, ``result`` also that of a loop.

    A result that tells nothing more, or that may not be shown, is one change named after its ``task``, with what the
    module says of it: two that are not the same must not look so.
    """
    items = result.get("results")
    if isinstance(items, list) and not report.is_censored(result):
        return [change for item in items if isinstance(item, Mapping) for change in read_changes(action, task, item)]
    if not result.get("changed") or action in _IN_MEMORY:
        return []
    reader = READERS.get(action)
    if report.is_censored(result):
        return [Change("other", "do", task)]
    diff = tuple(line for part in _differences(result) for line in _told_difference(part))
    return (list(reader(result)) if reader else []) or [Change("other", "do", task, "", diff)]


def name_service(roles: Sequence[str], change: Change) -> str:
    """Return the service that a change belongs to.

    ``roles`` are the short names of the roles that led to the task, the outermost first. A role that works for others
    belongs to the one that called it. What the role of many services does belongs to the one that the thing names.
    """
    own = [role for role in roles if role not in _HELPERS]
    role = own[-1] if own else roles[-1] if roles else "-"
    if role != _MANY:
        return role
    for pattern in _SERVICE_OF.get(change.kind, ()):
        if match := pattern.search(change.thing):
            return match.group(1)
    return role


def unite(changes: Iterable[Change]) -> list[Change]:
    """Return each thing once, as it was changed first, ordered by host, service and kind; other verbs stay apart.

    A plan cannot know what an earlier task of the run would have brought, such as a package that two roles need. A task
    of kind "other" is more than one thing where it is a loop or is done for several hosts, so it has all that is told.
    """
    first: dict[tuple[str, ...], Change] = {}
    told: dict[tuple[str, ...], dict[tuple[str, ...], None]] = {}
    for change in changes:
        key: tuple[str, ...] = (*change.place, change.verb if change.kind == "unit" else "")
        first.setdefault(key, change)
        if change.kind == "other":
            told.setdefault(key, {})[change.diff] = None
    for key, parts in told.items():
        first[key] = replace(first[key], diff=tuple(line for part in parts for line in part))
    return sorted(first.values(), key=lambda change: (change.host, change.service, KINDS.index(change.kind)))


def _heading(text: str) -> list[report.Line]:
    return [report.Line(""), report.Line(text, "head")]


def _table_lines(changes: Sequence[Change], width: int) -> list[report.Line]:
    kinds = [kind for kind in KINDS if any(change.kind == kind for change in changes)]
    rows = []
    for host, service in dict.fromkeys((change.host, change.service) for change in changes):
        own = [change for change in changes if (change.host, change.service) == (host, service)]
        counts = [len({change.thing for change in own if change.kind == kind}) for kind in kinds]
        rows.append([report.sanitise(host), report.sanitise(service), *(str(number or "-") for number in counts)])
    columns = [report.Column("host", right=False), report.Column("service", right=False)]
    columns += [report.Column(_PLURALS[kind]) for kind in kinds]
    return [report.Line(text, "plain" if i else "head") for i, text in enumerate(report.table(columns, rows, width))]


def _package_lines(changes: Sequence[Change], full: bool) -> list[report.Line]:
    lines: list[report.Line] = []
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        groups.setdefault((change.host, change.service, change.verb), []).append(change.thing)
    for (host, service, verb), names in groups.items():
        shown = names if full else names[:_SHOWN_PACKAGES]
        more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
        text = f"  {host}: {service}: {verb} {report.count(len(names), 'package')}: {', '.join(shown)}{more}"
        lines.append(report.Line(report.sanitise_lines(text)[0], "changed"))
    return lines


def _file_lines(change: Change, full: bool) -> list[report.Line]:
    title = report.sanitise(f"{change.host}: {change.service}: {change.verb} {change.thing}")
    lines = [report.Line(f"  {title}", "changed")]
    return [*lines, *_diff_lines(change)] if full or change.verb == "change" else lines


def _diff_lines(change: Change) -> list[report.Line]:
    return [report.Line(f"      {text}") for line in change.diff for text in report.sanitise_lines(line)]


def _thing_line(change: Change) -> report.Line:
    why = f": {change.why}" if change.why else ""
    return report.Line(
        f"  {report.sanitise(f'{change.host}: {change.service}: {change.verb} {change.thing}{why}')}", "changed"
    )


def plan_lines(changes: Sequence[Change], width: int, *, diff: bool, full: bool) -> list[report.Line]:
    """Show what a run would change: a table by host and service, then packages, files, accounts, commands and units.

    With ``diff`` what changes in a file, or is told by a task, is shown; ``full`` shows the content of new files and
    all names of packages.
    ``changes`` are united.
    """
    if not changes:
        return []
    by_kind = {kind: [change for change in changes if change.kind == kind] for kind in KINDS}
    lines = [*_heading("What would change:"), *_table_lines(changes, width)]
    if by_kind["package"]:
        lines += [*_heading("Packages:"), *_package_lines(by_kind["package"], full)]
    if by_kind["file"]:
        lines += _heading("Files:")
        for change in by_kind["file"]:
            lines += _file_lines(change, full) if diff else [_thing_line(change)]
    for title, kinds in (
        ("Databases, messaging and identity:", ("database", "messaging", "catalogue")),
        ("Commands:", ("command",)),
        ("Further tasks:", ("other",)),
        ("Units:", ("unit",)),
    ):
        rows = [change for kind in kinds for change in by_kind[kind]]
        lines += _heading(title) if rows else []
        for change in rows:
            lines += [_thing_line(change), *(_diff_lines(change) if diff else ())]
    return lines


def placed(change: Change, *, host: str, roles: Sequence[str], task: str) -> Change:
    """Return the change with host, service and task."""
    return replace(change, host=host, service=name_service(roles, change), task=task)
