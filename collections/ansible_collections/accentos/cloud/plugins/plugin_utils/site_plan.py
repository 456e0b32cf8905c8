# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a whole site as one document: made, read, compared and shown by pure functions from plain data.

The document is described in site_plan_schema.yml. It is made of what the tasks of a run say (run_changes), of the
machines, and of its basis: what of the site, the code, the secrets and the variables it was made from. A run that
changes something has the same document of what it did, so that the two can be compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.accentos.cloud.plugins.module_utils.ceph_osds import CUT_OFF
from ansible_collections.accentos.cloud.plugins.module_utils.planned import (
    MADE_BY_RUN,
    NO_IDENTITY,
    STILL_TO_BE_MADE,
    fits_name,
    lacks_number,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils import run_changes
from ansible_collections.accentos.cloud.plugins.plugin_utils import stage_report as report
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import HIDDEN

try:
    from jsonschema import Draft202012Validator

    HAS_JSONSCHEMA = True
except ImportError:  # pragma: no cover - the library belongs to a control node
    HAS_JSONSCHEMA = False

FORMAT, VERSION = "accentos.cloud.plan", 1
SCHEMA = Path(__file__).with_name("site_plan_schema.yml")
# Kinds that belong to the cloud and not to the host that talks to it.
CLOUD = ("database", "messaging", "catalogue")
# Names under which tasks hand on, by the statistics of the run, what the plan begins with, the rows of machines, the
# state of a host, and the saved plan that is applied.
STATS, MACHINES, STATE, APPLIED = "site_plan", "site_plan_machines", "site_plan_state", "site_plan_applied"
_MOST = 40
_PARTS = {
    "site": ("file of the site", "it is not what it was"),
    "code": ("code", "it is another version"),
    "secrets": ("secret", "it has another value"),
    "variables": ("extra variable", "it has another value"),
}


class PlanError(Exception):
    """The plan cannot be used; the text says why, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Run:
    """What is known of a run besides its changes.

    ``failed`` has the cause by host, ``states`` a state and its reason by host where it is not "asked", ``basis`` and
    ``run`` are those of the document, ``machines`` rows as in it.
    """

    check: bool
    outcome: str
    made: str
    hosts: Sequence[str]
    failed: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    basis: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    machines: Sequence[Mapping[str, str]] = ()


def erased(rule: Mapping[str, Any], layout: str) -> str:
    """Say which disks a rule means: all it says must hold of them."""
    said = " and ".join(f"{key} {value}" for key, value in rule.items())
    return f"{'the two disks' if layout.startswith('raid1') else 'the one disk'} with {said}"


def machines_of_site(hosts: Mapping[str, Mapping[str, Any]], why: str) -> list[dict[str, str]]:
    """Return rows of machines by what the site alone says, for want of somebody who knows what they are.

    ``hosts`` are the machines with their variables provision_image, provision_architecture, provision_root_disk and
    provision_disk_layout.
    """
    return [
        {
            "host": name,
            "action": "unknown",
            "power": "",
            "why": why,
            "image": f"{known['provision_image']}-{known['provision_architecture']}",
            "erases": erased(known["provision_root_disk"], known["provision_disk_layout"]),
        }
        for name, known in sorted(hosts.items())
    ]


def _entry(change: run_changes.Change) -> dict[str, Any]:
    names = ("service", "kind", "verb", "thing", "why")
    return {**{name: getattr(change, name) for name in names}, "diff": list(change.diff), "task": change.task}


def _state(host: str, run: Run) -> dict[str, Any]:
    if host in run.failed:
        return {"state": "failed", "why": run.failed[host]}
    return dict(run.states.get(host, {"state": "asked", "why": ""}))


def make_plan(changes: Iterable[run_changes.Change], run: Run) -> dict[str, Any]:
    """Return the document. ``changes`` are united."""
    known = list(changes)
    names = sorted({*run.hosts, *run.failed, *run.states, *(one.host for one in known if one.kind not in CLOUD)})
    hosts = {
        name: {
            **_state(name, run),
            "changes": [_entry(one) for one in known if one.host == name and one.kind not in CLOUD],
        }
        for name in names
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "made": run.made,
        "check": run.check,
        "outcome": run.outcome,
        "complete": bool(run.basis) and run.outcome in {"ok", "unchanged"} and not run.failed,
        "run": {"tags": [], "skip_tags": [], "limit": "", **run.run},
        "basis": dict(run.basis),
        "machines": [dict(row) for row in run.machines],
        "hosts": hosts,
        "cloud": [{"host": one.host, "change": _entry(one)} for one in known if one.kind in CLOUD],
    }


def digest_of(text: str) -> str:
    """Return what tells the text of one plan from that of another."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def claims_plan(text: str) -> bool:
    """Tell whether a text is a plan, of whatever version."""
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("format") == FORMAT


def read_plan(text: str, name: str) -> dict[str, Any]:
    """Return the document in a text from the file ``name``. Raises PlanError."""
    remedy = "Make a plan anew: ansible-playbook playbooks/plan.yml --check --diff -e site_plan_file=FILE"
    if not HAS_JSONSCHEMA:
        raise PlanError(
            "The Python library jsonschema is missing.",
            "Install it for the Python that runs Ansible: pip install jsonschema",
        )
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PlanError(f"{name} is no plan: it is no JSON ({error}).", remedy) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise PlanError(f"{name} is no plan: it does not have the format {FORMAT}.", remedy)
    if document.get("version") != VERSION:
        raise PlanError(
            f"{name} is a plan of version {document.get('version')}; this code knows version {VERSION}.", remedy
        )
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    mistakes = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda one: list(map(str, one.path)))
    if mistakes:
        place = ".".join(map(str, mistakes[0].path)) or "its top"
        raise PlanError(f"{name} is no plan: at {place}, {report.clip(mistakes[0].message, 200)}.", remedy)
    return document


def refusal_of(document: Mapping[str, Any]) -> list[str]:
    """Say why a plan cannot be applied whatever the site is like now; nothing if it can."""
    if not document["check"]:
        return ["It is not a plan but tells what a run did."]
    if not document["basis"]:
        return ["It was made by another playbook than plan.yml and says nothing of what it was made from."]
    lines = [
        f"{name} could not be asked: {one['why']}"
        for name, one in document["hosts"].items()
        if one["state"] == "failed"
    ]
    return lines or (
        [] if document["complete"] else [f"It is not complete: the run that made it ended as {document['outcome']}."]
    )


def _digests(part: str, old: Mapping[str, str], new: Mapping[str, str], *, rest: bool) -> Iterator[str]:
    noun, other = _PARTS[part]
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"{noun} {name}: it is gone"
        elif name not in old:
            # A run makes the secrets that it needs, so one that was killed may have made some.
            if not (rest and part == "secrets"):
                yield f"{noun} {name}: it is new"
        elif old[name] != new[name]:
            yield f"{noun} {name}: {other}"


def compare_basis(saved: Mapping[str, Any], now: Mapping[str, Any], *, rest: bool = False) -> list[str]:
    """Name what differs between what a plan was made from and what there is now: run and basis of both.

    ``rest`` is for a run that was killed: secrets that it made are no difference.
    """
    lines = []
    for name, option in (("tags", "--tags"), ("skip_tags", "--skip-tags"), ("limit", "--limit")):
        old, new = (one["run"][name] for one in (saved, now))
        if old != new:
            said = [
                f"{option} {','.join(value) if isinstance(value, list) else value}" if value else f"no {option}"
                for value in (old, new)
            ]
            lines.append(f"options of the run: the plan was made with {said[0]}, this run has {said[1]}")
    for part in _PARTS:
        lines += _digests(part, saved["basis"].get(part, {}), now["basis"].get(part, {}), rest=rest)
    return lines


_Key = tuple[str, str, str, str]


def _changes(document: Mapping[str, Any]) -> dict[_Key, Mapping[str, Any]]:
    """Return the changes by host, kind, thing and verb.

    Whether a file is new is told by its difference, which a run without --diff does not have.
    """
    found = [(host, one) for host, known in document["hosts"].items() for one in known["changes"]]
    found += [(row["host"], row["change"]) for row in document["cloud"]]
    written = {"create": "write", "change": "write"}
    verbs = [written.get(one["verb"], one["verb"]) if one["kind"] == "file" else one["verb"] for _host, one in found]
    return {(host, one["kind"], one["thing"], verb): one for (host, one), verb in zip(found, verbs, strict=True)}


def _lines(change: Mapping[str, Any]) -> list[str]:
    """Return the lines of the difference; a task that is done for several hosts tells of them in any order."""
    return sorted(change["diff"]) if change["kind"] == "other" else list(change["diff"])


# Of lines with these a later run says something else though all is as planned: a killed run made the secret that is
# hidden since, or began with the disk.
_PASSING = (HIDDEN, "(another value)", CUT_OFF)


# What a difference has of which only the run can say what it becomes.
_OPEN = (MADE_BY_RUN, NO_IDENTITY, STILL_TO_BE_MADE)


def _is_open(change: Mapping[str, Any]) -> bool:
    return any(mark in line for line in change["diff"] for mark in _OPEN)


def _goes_beyond(planned: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether what is left of a change takes away or brings what the plan never showed."""
    # What was to be made may stand there from a package of the run that was killed; it is replaced as a whole.
    signs = "+" if planned["verb"] == "create" else "+-"
    lines = {line for line in now["diff"] if line[:1] in signs and not any(mark in line for mark in _PASSING)}
    return not lines <= set(planned["diff"])


def _said(key: _Key) -> str:
    host, kind, thing, verb = key
    return f"{host}: {verb} {kind if kind != 'other' else 'task'} {thing}"


# How far a machine may have come since a plan, where an earlier run had begun with it.
_LATER = {
    "install": ("install", "go on", "keep"),
    "go on": ("go on", "keep"),
    "keep": ("keep",),
    "unknown": ("install", "go on", "keep", "unknown"),
}


def _machines(saved: Mapping[str, Any], now: Mapping[str, Any], *, rest: bool) -> Iterator[str]:
    old, new = ({row["host"]: row for row in one["machines"]} for one in (saved, now))
    for host in sorted(old.keys() | new.keys()):
        if host not in old or host not in new:
            yield f"machine {host}: it is {'new' if host in new else 'gone'}"
            continue
        actions = old[host]["action"], new[host]["action"]
        if actions[1] not in (_LATER[actions[0]] if rest else actions[:1]):
            yield f"machine {host}: planned was {actions[0]}, now it is {actions[1]}: {new[host]['why']}"
            continue
        for name in ("image", "erases"):
            if new[host][name] and old[host][name] != new[host][name]:
                yield f"machine {host}: {name}: planned was {old[host][name] or 'nothing'}, now it is {new[host][name]}"


def _states(saved: Mapping[str, Any], now: Mapping[str, Any], *, rest: bool) -> Iterator[str]:
    for host in sorted(saved["hosts"].keys() | now["hosts"].keys()):
        old, new = (one["hosts"].get(host, {"state": "asked", "why": ""}) for one in (saved, now))
        if new["state"] == "failed":
            yield f"{host}: it could not be asked: {new['why']}"
        elif new["state"] != old["state"] and not (rest and old["state"] in {"new", "partly"}):
            yield f"{host}: {old['state']} in the plan, {new['state']} now"


def _numbered(old: Iterable[_Key], new: Iterable[_Key]) -> dict[_Key, _Key]:
    """Return which changes of OLD, whose thing has a number only once it is made, became which of NEW.

    One becomes one, so of things that the plan does not have no more are covered than it has without a number.
    """
    planned, left = set(old), set(new) - set(old)
    found = {}
    for key in sorted(key for key in planned - set(new) if lacks_number(key[2])):
        host, kind, thing, verb = key
        fits = (one for one in sorted(left) if (host, kind, verb) == (one[0], one[1], one[3]))
        if match := next((one for one in fits if fits_name(thing, one[2])), None):
            found[key] = match
            left.remove(match)
    return found


def _started(old: Iterable[_Key], new: Iterable[_Key]) -> set[_Key]:
    """Return the changes by which units that are to start in OLD run in NEW, other than by being started.

    Of a unit that comes with the run nobody knows before whether it is enabled, and whether its package starts it.
    """
    planned, done = set(old), set(new)
    found = set()
    for key in (key for key in planned if (key[1], key[3]) == ("unit", "start")):
        anew = {(*key[:3], verb) for verb in ("restart", "reload")} & done - planned
        found |= {(*key[:3], "enable")} & done - planned
        found |= {key, *anew} if anew and key not in done else set()
    return found


def compare_changes(
    saved: Mapping[str, Any], now: Mapping[str, Any], *, rest: bool = False, done: bool = False
) -> list[str]:
    """Name what differs between a plan and what would be done now, or was done; nothing if that is exactly the plan.

    With ``rest`` only what goes beyond the plan differs, not what is missing, of changes and of their lines. With
    ``done``, ``now`` is what a run did: hosts are not as they were then. What a new host gets is all that its groups
    have, and goes beyond no plan; so does what a host gets of a new cloud, once there is one. With either, a thing may
    have the number that a planned one could not have yet, and a unit that was to start may be enabled, too.
    """
    lines = [] if done else [*_machines(saved, now, rest=rest), *_states(saved, now, rest=rest)]
    vague = {host for host, one in saved["hosts"].items() if one["state"] == "new"}
    open_ended = {host for host in _partly(saved) if done or host not in _partly(now)}
    old, new = (
        {key: one for key, one in _changes(document).items() if key[0] not in vague} for document in (saved, now)
    )
    numbered = _numbered(old, new) if rest or done else {}
    settled = {*numbered, *numbered.values()} | (_started(old, new) if rest or done else set())
    if done:
        # A number that was given before, to an OSD that is gone, may have left its unit enabled.
        settled |= {key for key in old if key[3] == "enable" and lacks_number(key[2])}
    for key in sorted((old.keys() | new.keys()) - settled):
        if key not in old:
            if key[0] in open_ended:
                continue
            lines.append(f"{_said(key)}: it is not in the plan")
        elif key not in new:
            lines += (
                []
                if rest
                else [f"{_said(key)}: it was planned, and {'was not done' if done else 'nothing is to be done now'}"]
            )
        elif _is_open(old[key]) or (done and not new[key]["diff"]):
            continue
        elif _goes_beyond(old[key], new[key]) if rest else _lines(old[key]) != _lines(new[key]):
            lines.append(f"{_said(key)}: other lines than planned")
    return lines


def _partly(document: Mapping[str, Any]) -> set[str]:
    return {host for host, one in document["hosts"].items() if one["state"] == "partly"}


def beyond_plan(saved: Mapping[str, Any], done: Mapping[str, Any]) -> list[str]:
    """Return the hosts that got more than a plan could say, since the cloud was new."""
    return sorted(_partly(saved) & {key[0] for key in _changes(done).keys() - _changes(saved).keys()})


def cut(lines: Sequence[str]) -> list[str]:
    """Return the first lines of many, with the number of those that are left out."""
    return [*lines[:_MOST], *([f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else [])]


def changes_of(document: Mapping[str, Any]) -> list[run_changes.Change]:
    """Return the changes of a document, united."""
    found = [(host, one) for host, known in document["hosts"].items() for one in known["changes"]]
    found += [(row["host"], row["change"]) for row in document["cloud"]]
    return run_changes.unite(
        run_changes.Change(**{**one, "diff": tuple(one["diff"]), "host": host}) for host, one in found
    )


_POWER = {"": "-", "cycle": "off, then on"}


def machine_lines(machines: Sequence[Mapping[str, str]], width: int) -> list[report.Line]:
    """Show the machines: which are powered on, what is installed, which disks are erased."""
    if not machines:
        return []
    names = ("host", "action", "power", "image", "erases", "why")
    columns = [report.Column(name, right=False, drop=int(name == "why")) for name in names]
    rows = [
        [report.sanitise({**row, "power": _POWER[row["power"]]}[name] or "-") for name in names] for row in machines
    ]
    texts = report.table(columns, rows, max(width, 100))
    styles = ["head", *("changed" if row["action"] in {"install", "unknown"} else "plain" for row in machines)]
    return [
        report.Line(""),
        report.Line("Machines:", "head"),
        *(report.Line(*pair) for pair in zip(texts, styles, strict=True)),
    ]


def state_lines(hosts: Mapping[str, Mapping[str, Any]]) -> list[report.Line]:
    """Show the hosts of which a plan does not know all, and why."""
    rows = [(name, one) for name, one in hosts.items() if one["state"] != "asked"]
    if not rows:
        return []
    lines = [report.Line(""), report.Line("Hosts of which not all is known:", "head")]
    for name, one in rows:
        style = "failed" if one["state"] == "failed" else "warn"
        text = ": ".join((name, one["state"], one["why"]))
        lines.append(report.Line(f"  {report.sanitise(text)}", style))
    return lines


def plan_lines(document: Mapping[str, Any], width: int, *, diff: bool, full: bool) -> list[report.Line]:
    """Show a plan: machines, then what changes by host and service, then the hosts that are not wholly known.

    With ``diff`` what changes in a file is shown; ``full`` shows the content of new files and all names of packages.
    """
    return [
        *machine_lines(document["machines"], width),
        *run_changes.plan_lines(changes_of(document), width, diff=diff, full=full),
        *state_lines(document["hosts"]),
    ]


def saved_lines(document: Mapping[str, Any], width: int, *, full: bool) -> list[report.Line]:
    """Show a saved plan, with how and when it was made and whether it can be applied."""
    run = document["run"]
    options = [f"--tags {','.join(run['tags'])}"] if run["tags"] else []
    options += [f"--skip-tags {','.join(run['skip_tags'])}"] if run["skip_tags"] else []
    options += [f"--limit {run['limit']}"] if run["limit"] else []
    lines = [
        report.Line(report.sanitise(f"Made {document['made']}{' with ' if options else ''}{' '.join(options)}"), "head")
    ]
    lines += plan_lines(document, width, diff=True, full=full)
    changes = changes_of(document)
    installs = sum(row["action"] == "install" for row in document["machines"])
    number = f"{report.count(len(changes), 'change')} on {report.count(len({one.host for one in changes}), 'host')}"
    number += f", {report.count(installs, 'machine')} to install" if installs else ""
    refused = refusal_of(document)
    lines += [
        report.Line(""),
        report.Line(
            f"{'Plan' if document['check'] else 'Done'}: {number}.", "changed" if changes or installs else "ok"
        ),
    ]
    lines += [report.Line(f"It cannot be applied: {report.sanitise(text)}", "failed") for text in refused]
    return lines


def compared_lines(
    differences: Sequence[str], *, outcome: str, failed: Sequence[str], rest: bool, beyond: Sequence[str] = ()
) -> list[report.Line]:
    """Say whether a run did what was planned. ``outcome`` and the hosts that ``failed`` are those of the run.

    ``beyond`` are hosts that got more than could be planned. With ``rest`` an earlier run did a part, so all that can
    be said is that there was nothing beyond the plan.
    """
    lines = [report.Line("")]
    if outcome not in {"ok", "unchanged"}:
        why = ", ".join(cut(failed)) or f"the run ended as {outcome}"
        lines.append(report.Line(report.sanitise(f"Not all of the plan was done: {why}."), "failed"))
    elif beyond:
        names = ", ".join(cut(beyond))
        said = f"What was planned was done, and on these hosts more, beyond what could be planned: {names}."
        lines.append(report.Line(report.sanitise(said), "warn"))
    elif not differences:
        said = "Nothing beyond the plan was done." if rest else "As planned: exactly the changes of the plan were made."
        lines.append(report.Line(said, "ok"))
    if differences:
        lines.append(report.Line("Other than planned:", "failed"))
        lines += [report.Line(f"  {report.sanitise(text)}", "failed") for text in cut(differences)]
    return lines


def without_diffs(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document that does not say what changes in files, for want of what tells secrets from other texts."""

    def bare(change: Mapping[str, Any]) -> dict[str, Any]:
        return {**change, "diff": []}

    return {
        **document,
        "hosts": {
            name: {**one, "changes": [bare(change) for change in one["changes"]]}
            for name, one in document["hosts"].items()
        },
        "cloud": [{**row, "change": bare(row["change"])} for row in document["cloud"]],
    }


_OWN_WORDS = frozenset({"format", "version", "made", "check", "outcome", "complete", "run", "basis"})


def hidden(document: Mapping[str, Any], redact: Any) -> dict[str, Any]:
    """Return a document in whose texts from hosts ``redact``, from a text to a text, was applied.

    Words of ours, names of hosts and digests stay: a weak secret that happens to be one must not take them away.
    """

    def clean(change: Mapping[str, Any]) -> dict[str, Any]:
        texts = {name: redact(change[name]) for name in ("thing", "why", "task")}
        return {**change, **texts, "diff": [redact(line) for line in change["diff"]]}

    return {
        **{name: value for name, value in document.items() if name in _OWN_WORDS},
        "machines": [{**row, "why": redact(row["why"])} for row in document["machines"]],
        "hosts": {
            name: {**one, "why": redact(one["why"]), "changes": [clean(change) for change in one["changes"]]}
            for name, one in document["hosts"].items()
        },
        "cloud": [{**row, "change": clean(row["change"])} for row in document["cloud"]],
    }
