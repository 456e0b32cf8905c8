# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the stages callback prints, as pure functions from plain data to lines of text.

Nothing here knows Ansible, a terminal or a clock: times are seconds, widths are terminal cells.
Every function that takes text from a host sanitises it, so its lines are safe to print.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

TAIL_LINES = 15
MAX_LINE = 1000
MAX_CAUSE = 40
# The names of a control node that no inventory lists.
CONTROL_NODE = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_WARNINGS = 20
SLOWEST = 5
SLOW_RUN = 20.0
WIDE = 60
VERY_WIDE = 120

# Control, format (bidirectional overrides, zero-width marks), surrogate, and line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_CENSORED = "The output is hidden because no_log is set for this task."


def _known(pattern: str, remedy: str) -> tuple[re.Pattern[str], str]:
    return re.compile(pattern, re.IGNORECASE), remedy


# The first that fits a failure is shown, so the more precise ones come first.
REMEDIES = (
    _known(
        r"remote host identification has changed|host key verification failed",
        "The host shows an unknown SSH host key, or another one than before. If it was installed anew, remove the old "
        "key with 'ssh-keygen -R HOST'; if not, find out who answers at that address before you go on.",
    ),
    _known(
        r"permission denied \([a-z,-]*(publickey|password|keyboard)|authentication fail",
        "The host refuses the login. Check ansible_user, and that its authorized_keys holds your public key.",
    ),
    _known(
        r"missing (sudo|become) password|sudo: a password is required|incorrect (sudo|become) password",
        "The user needs a password for sudo. Run again with --ask-become-pass, or allow the user sudo without one.",
    ),
    _known(
        r"could not get lock|unable to (acquire|lock).{0,40}(dpkg|apt|administration)|dpkg frontend lock",
        "Another package manager holds the lock on the host, often unattended-upgrades. Wait until it ends "
        "('fuser -v /var/lib/dpkg/lock-frontend' names it), then run again.",
    ),
    _known(
        r"dpkg was interrupted",
        "An earlier package installation was cut off. Run 'dpkg --configure -a' on the host, then run again.",
    ),
    _known(
        r"no space left on device|disk quota exceeded",
        "A file system of the host is full. Find it with 'df -h' and 'df -i', make room, then run again.",
    ),
    _known(
        r"name resolution|temporary failure resolving|could not resolve (host|')|name or service not known",
        "A name cannot be resolved. Check the name, and the DNS servers in /etc/resolv.conf where it is looked up.",
    ),
    _known(
        r"hash sum mismatch|checksum.{0,40}(did|does) not match|checksum mismatch",
        "A download differs from what its index promises; often a mirror or proxy is in the middle of an update. "
        "Wait some minutes, then run again; if it stays, check the mirror and the proxy.",
    ),
    _known(
        r"unable to locate package|no package matching|has no installation candidate",
        "The package sources of the host do not offer this package. Check them and the way to the mirror.",
    ),
    _known(
        r"python[\d.]*['\"]?: (command )?not found|python[\d.]*: no such file"
        r"|no python interpreters? (was )?found|python interpreter.{0,40}not found",
        "The host has no usable Python. Install python3 on it, or set ansible_python_interpreter to its path.",
    ),
    _known(
        r"couldn't resolve module/action|could not resolve (module|collection)"
        r"|unable to (find|locate) (the )?collection|was not found in configured module paths",
        "A module or collection is missing on this machine. Install the pinned ones with "
        "'ansible-galaxy collection install -r requirements.yml', then run again.",
    ),
    _known(
        r"failed to import the required python library|no module named|modulenotfounderror",
        "A Python library is missing where the task ran. Install the package that holds it, then run again.",
    ),
    _known(
        r"is undefined|object has no attribute",
        "A variable has no value or its name is misspelt. Set it in the inventory of the site; "
        "'ansible-inventory --host HOST' shows what the host has.",
    ),
    _known(
        r"certificate verify failed|certificate has expired",
        "A TLS certificate is not trusted. Check the clocks of both sides, the dates of the certificate and its CA.",
    ),
    _known(
        r"connection refused|no route to host|network is unreachable|connect to host .{0,200}timed out"
        r"|connection closed by|connection reset by peer",
        "Nothing answers as expected at that address. Check that the machine or service is up, its address and "
        "port, and the firewalls on the way.",
    ),
    # Paths and settings have names such as open_timeout: those say nothing of what happened.
    _known(
        r"(?<![\w/-])(timed[ -]out|time-out|[a-z]*timeout(s|error|expired|exception)?)(?![\w/=-])",
        "The step took longer than it may. Check the load of the host and what it waits for, then run again.",
    ),
    _known(
        r"permission denied|operation not permitted|must be root|are you root",
        "The user may not do this. Check become, and the owner and mode of the file that the message names.",
    ),
)


@dataclass(frozen=True)
class Line:
    """A line to print and its style: plain, head, ok, changed, failed, unreachable, skipped or warn."""

    text: str
    style: str = "plain"


@dataclass(frozen=True)
class Progress:
    """What the live line shows. started is the time the stage began, in the caller's clock; attempt is 0 for none."""

    number: int
    of: int
    stage: str
    done: int
    known: int
    task: str
    hosts_done: int
    hosts: int
    started: float
    attempt: int = 0


@dataclass
class StageRecord:
    """Counts of a stage: a host's result of a task counts once; tasks are distinct tasks. seconds is running time."""

    number: int
    name: str
    status: str = "not run"
    seconds: float = 0.0
    hosts: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    changed: int = 0
    failed: int = 0
    unreachable: int = 0


@dataclass
class HostRecord:
    """Results of a host. tasks counts those that ran, skipped ones are counted apart."""

    tasks: int = 0
    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class TaskTime:
    """How long a task took on all its hosts together, in seconds of wall time."""

    name: str
    stage: str
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A failed host of a task. kind is failed, unreachable, ignored or rescued; why holds lines; role may be empty."""

    kind: str
    host: str
    task: str
    role: str
    where: str
    why: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class RunReport:
    """The whole run. outcome is one of ok, unchanged, failed, interrupted, broken off, running, no hosts, no plays."""

    outcome: str
    seconds: float
    check: bool
    stages: Sequence[StageRecord]
    hosts: Mapping[str, HostRecord]
    slowest: Sequence[TaskTime] = ()
    warnings: Mapping[str, int] = field(default_factory=dict)
    next_step: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table. drop orders which go first when the terminal is narrow; 0 stays."""

    title: str
    right: bool = True
    drop: int = 0


def _escape(text: str) -> str:
    # unicode_escape writes exactly what the reader needs to see: \x1b, \u202e, \U000e0041.
    shown = (c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _UNSAFE else c for c in text)
    return "".join(shown)


def sanitise(text: str) -> str:
    """One line: line ends and tabs become a space, other control and invisible characters show as escapes."""
    flat = re.sub(r"[ \t\r\n]*[\t\r\n][ \t\r\n]*", " ", text).strip(" ")
    return _escape(flat)


def sanitise_lines(text: str) -> list[str]:
    """Lines of a text, each safe to print, with tabs expanded, clipped to 1000 cells; line ends only at LF."""
    return [clip(_escape(line.expandtabs(4)), MAX_LINE) for line in text.replace("\r\n", "\n").split("\n")]


def sanitise_data(data: object) -> object:
    """The same nested lists and mappings with every string made safe, line ends kept: what a diff needs."""
    if isinstance(data, str):
        return "\n".join(sanitise_lines(data))
    if isinstance(data, Mapping):
        return {sanitise(str(key)): sanitise_data(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [sanitise_data(value) for value in data]
    return data


def text_width(text: str) -> int:
    """Terminal cells of sanitised text: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def clip(text: str, width: int) -> str:
    """Text of at most width cells; what was cut shows as two dots."""
    if text_width(text) <= width:
        return text
    mark = ".." if width > len("..") else ""
    kept, used = [], len(mark)
    for char in text:
        used += text_width(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + mark


def pad(text: str, width: int, right: bool = False) -> str:
    """Text clipped and filled with spaces to exactly width cells where its characters allow it."""
    text = clip(text, width)
    fill = " " * (width - text_width(text))
    return fill + text if right else text + fill


def duration(seconds: float) -> str:
    """m:ss, or h:mm:ss from one hour."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def count(number: int, noun: str) -> str:
    """'1 host', '2 hosts'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """A heading and one line per row, at most width cells. The first column gives way, then columns are dropped."""
    columns, body = list(columns), [list(row) for row in rows]
    flexible = 24
    while True:
        sizes = [max(map(text_width, [c.title, *(row[i] for row in body)])) for i, c in enumerate(columns)]
        excess = sum(sizes) + 2 * (len(sizes) - 1) - width
        droppable = max(range(len(columns)), key=lambda i: columns[i].drop)
        if excess <= sizes[0] - min(sizes[0], flexible) or not columns[droppable].drop:
            break
        del columns[droppable]
        for row in body:
            del row[droppable]
    sizes[0] = max(1, sizes[0] - max(0, excess))
    lines = []
    for cells in [[c.title for c in columns], *body]:
        padded = (pad(cell, size, c.right) for cell, size, c in zip(cells, sizes, columns, strict=True))
        lines.append(clip("  ".join(padded).rstrip(), width))
    return lines


def progress_bar(done: int, known: int, cells: int) -> str:
    """A bar like [###---] of cells + 2 characters; empty when nothing is known."""
    filled = min(cells, cells * done // known) if known else 0
    return f"[{'#' * filled}{'-' * (cells - filled)}]"


def live_line(progress: Progress, elapsed: float, width: int) -> str:
    """The live line, at most width cells: on a narrow terminal first the bar goes, then names are clipped."""
    numbers = f"{progress.number}/{progress.of}"
    tasks = f"{progress.done}/{progress.known}"
    # On a narrow terminal the words go before the figures do.
    wide = width >= WIDE
    tail = f"{'hosts ' if wide else ''}{progress.hosts_done}/{progress.hosts}  {duration(elapsed)}"
    cells = 20 if width >= VERY_WIDE else 10
    middle = f"{progress_bar(progress.done, progress.known, cells)} {tasks}" if wide else tasks
    attempt = f" (attempt {progress.attempt})" if progress.attempt else ""
    stage, task = sanitise(progress.stage), sanitise(progress.task)
    free = width - len(numbers) - len(middle) - len(tail) - len(attempt) - len("   ") - len("  ")
    stage = clip(stage, max(6, free - min(text_width(task), max(8, free // 2))))
    task = clip(task, max(0, free - text_width(stage)))
    head = clip(f"{numbers} {stage} {middle} {task}{attempt}", max(0, width - len(tail) - 2))
    return clip(f"{head}  {tail}", width)


def title_lines(playbook: str, plays: int, stages: int, check: bool) -> list[Line]:
    """The heading of a run."""
    name = sanitise(playbook)
    lines = [Line(f"{name}: {count(stages, 'stage')}" if plays else f"{name}: the playbook has no plays", "head")]
    if check:
        lines.append(Line("plan (check mode): nothing is written", "head"))
    return lines


def _stage_label(stage: StageRecord, of: int) -> str:
    return f"{stage.number}/{of} {sanitise(stage.name)}"


def stage_start_line(stage: StageRecord, of: int) -> Line:
    """The line of a stage that starts."""
    return Line(f"start   {_stage_label(stage, of)}")


def stage_end_line(stage: StageRecord, of: int, name_width: int) -> Line:
    """The permanent line of a stage. name_width, in cells, lines up the figures of all stages."""
    parts = [
        f"{pad(stage.status, 6)}  {pad(_stage_label(stage, of), max(name_width, text_width(_stage_label(stage, of))))}",
        count(len(stage.hosts), "host"),
        count(len(stage.tasks), "task"),
        f"{stage.changed} changed",
    ]
    parts += [f"{stage.failed} failed"] if stage.failed else []
    parts += [f"{stage.unreachable} unreachable"] if stage.unreachable else []
    style = "failed" if stage.status == "failed" else "changed" if stage.changed else "ok"
    return Line("  ".join([*parts, duration(stage.seconds)]), "skipped" if stage.status == "none" else style)


def no_hosts_lines(stage: StageRecord, of: int, pattern: str, limit: str) -> list[Line]:
    """Says that no host matched, with the pattern of the play and the --limit that narrows it."""
    narrowed = f", narrowed by --limit {sanitise(limit)}" if limit else ""
    text = f'no host matches "{sanitise(pattern)}"{narrowed}; nothing was done'
    return [Line(f"none    {_stage_label(stage, of)}  {text}", "warn")]


def task_line(name: str, counts: Mapping[str, int], seconds: float, note: str = "") -> Line:
    """One line per task: how many hosts ended in which state. counts maps ok, changed, failed ... to hosts."""
    shown = ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "no host"
    style = next((s for s in ("failed", "unreachable", "changed", "ok") if counts.get(s)), "skipped")
    return Line(f"  - {sanitise(name)}: {shown}  {duration(seconds)}{note}", style)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _tail(name: str, text: str) -> list[str]:
    lines = text.rstrip().split("\n")
    shown = sanitise_lines("\n".join(lines[-TAIL_LINES:]))
    label = f"{name}, last {TAIL_LINES} of {len(lines)} lines:" if len(lines) > TAIL_LINES else f"{name}:"
    return [label, *(f"| {line}" for line in shown)]


def _failed_items(result: Mapping[str, object]) -> list[Mapping[str, object]]:
    items = result.get("results")
    if not isinstance(items, list):
        return []
    return [i for i in items if isinstance(i, Mapping) and any(i.get(k) for k in ("failed", "unreachable"))]


def is_censored(result: Mapping[str, object]) -> bool:
    """Whether nothing of this result may be shown or logged."""
    return bool(result.get("_ansible_no_log")) or "censored" in result


def _own_cause(result: Mapping[str, object]) -> list[str]:
    message = result.get("msg") or result.get("reason") or ""
    lines = sanitise_lines(_as_text(message).strip()) if message else []
    if len(lines) > MAX_CAUSE:
        left_out = len(lines) - 2 * TAIL_LINES
        lines = [*lines[:TAIL_LINES], f"({left_out} lines left out)", *lines[-TAIL_LINES:]]
    if "rc" in result:
        lines.append(f"rc {sanitise(_as_text(result['rc']))}")
    attempts = result.get("attempts")
    # Ansible counts either attempts or retries here, so the number would mislead.
    if isinstance(attempts, int) and attempts > 1:
        lines.append("after several attempts")
    for name in ("stderr", "stdout", "module_stderr", "module_stdout"):
        text = result.get(name)
        if isinstance(text, str) and text.strip() and text.strip() != message:
            lines += _tail(name, text)
    return lines


def cause(result: Mapping[str, object]) -> tuple[str, ...]:
    """Why a result failed, in safe lines: message, rc, last lines of the output; for a loop each failed item."""
    if is_censored(result):
        return (_CENSORED,)
    lines: list[str] = []
    for item in _failed_items(result):
        label = _as_text(item.get("_ansible_item_label", item.get("item", "")))
        if is_censored(item):
            lines.append("item (hidden)")
            continue
        lines.append(f"item {clip(sanitise(label), 100)}")
        lines += [f"  {line}" for line in _own_cause(item)]
    return tuple(lines or _own_cause(result) or ["The module gave no message."])


def find_remedy(text: str) -> str | None:
    """The remedy for the first well-known cause that the text shows, or None."""
    return next((remedy for pattern, remedy in REMEDIES if pattern.search(text)), None)


def remedy(result: Mapping[str, object], log_path: str, unreachable: bool = False) -> str:
    """What to do: the module's own remedy, else the one for a well-known cause, else where to read more."""
    log = f" The log of this run is {sanitise(log_path)}." if log_path else ""
    if is_censored(result):
        return f"Read the log of the service on the host, or run by hand what the task does.{log}"
    for source in (result, *_failed_items(result)):
        own = source.get("remedy")
        if isinstance(own, str) and own.strip():
            return sanitise(own)
    known = find_remedy("\n".join(cause(result)))
    if known:
        return known
    if unreachable:
        return f"Check that the host is up and that you can log in to it by hand with ssh; -vvv shows the attempt.{log}"
    return f"Mend what the message names. Run again with -vvv for every detail.{log}"


def failure_lines(failure: Failure, full: bool = True) -> list[Line]:
    """The block of a failure. An ignored or rescued one is a single quiet line unless full."""
    quiet = failure.kind in {"ignored", "rescued"}
    host, task, where = sanitise(failure.host), sanitise(failure.task), sanitise(failure.where)
    style = "skipped" if quiet else failure.kind
    if quiet and not full:
        reason = clip(failure.why[0] if failure.why else "", 200)
        at = f" ({where})" if where else ""
        return [Line(f"{pad(failure.kind, 7)} {host}: {task}{at}: {reason}; the run goes on", style)]
    word = failure.kind if quiet else failure.kind.upper()
    facts = [("role", sanitise(failure.role)), ("where", where)]
    lines = [Line(f"{word}  {host}: {task}{'; the run goes on' if quiet else ''}", style)]
    lines += [Line(f"  {name:<5}  {value}", style) for name, value in facts if value]
    lines += [Line(f"  {'why' if not i else '':<5}  {text}", style) for i, text in enumerate(failure.why)]
    return lines if quiet else [*lines, Line(f"  do     {failure.remedy}", style)]


def _stage_rows(report: RunReport) -> list[list[str]]:
    whole = sum(stage.seconds for stage in report.stages)
    rows = []
    for stage in report.stages:
        share = f"{round(100 * stage.seconds / whole)}%" if whole else "-"
        ran = stage.status != "not run"
        figures = (len(stage.hosts), len(stage.tasks), stage.changed, stage.failed, stage.unreachable)
        rows.append(
            [
                _stage_label(stage, len(report.stages)),
                "no hosts" if stage.status == "none" else stage.status,
                *(str(figure) if ran else "-" for figure in figures),
                duration(stage.seconds) if ran else "-",
                share if ran else "-",
            ]
        )
    return rows


_STAGE_COLUMNS = (
    Column("stage", right=False),
    Column("result", right=False),
    Column("hosts", drop=5),
    Column("tasks", drop=3),
    Column("changed", drop=2),
    Column("failed", drop=4),
    Column("unreachable", drop=6),
    Column("time"),
    Column("share", drop=1),
)


def _stage_style(stage: StageRecord) -> str:
    return {"failed": "failed", "none": "warn", "ok": "ok", "interrupted": "warn", "broken off": "failed"}.get(
        stage.status, "skipped"
    )


def _host_style(host: HostRecord) -> str:
    if host.failed or host.unreachable:
        return "failed" if host.failed else "unreachable"
    return "changed" if host.changed else "ok"


def _host_table(hosts: Mapping[str, HostRecord], width: int) -> list[Line]:
    columns = [
        Column("host", right=False),
        Column("ok", drop=1),
        Column("changed", drop=2),
        Column("failed"),
        Column("unreachable"),
        Column("skipped", drop=3),
    ]
    extra = [name for name in ("rescued", "ignored") if any(getattr(host, name) for host in hosts.values())]
    columns += [Column(name, drop=4) for name in extra]
    names = sorted(hosts)
    fields = [column.title for column in columns[1:]]
    rows = [[sanitise(name), *(str(getattr(hosts[name], field_name)) for field_name in fields)] for name in names]
    styles = ["head", *(_host_style(hosts[name]) for name in names)]
    return [Line(*pair) for pair in zip(table(columns, rows, width), styles, strict=True)]


def failed_hosts(hosts: Mapping[str, HostRecord]) -> list[str]:
    """Names of the hosts that failed or could not be reached, sorted."""
    return sorted(name for name, host in hosts.items() if host.failed or host.unreachable)


def limit_lines(bad: Sequence[str]) -> list[Line]:
    """The hosts to repeat a failed run for. There are none when the control node failed: a limit cannot name it."""
    if not CONTROL_NODE.isdisjoint(bad):
        return []
    return [Line(f"Failed hosts: --limit {shlex.quote(','.join(sanitise(name) for name in bad))}", "head")]


def decide_outcome(stages: Sequence[StageRecord], hosts: Mapping[str, HostRecord]) -> str:
    """failed, ok, unchanged, no hosts or no plays, for a run that came to its end."""
    if not stages:
        return "no plays"
    if failed_hosts(hosts):
        return "failed"
    if not hosts:
        return "no hosts" if any(stage.status == "none" for stage in stages) else "unchanged"
    return "ok" if any(host.changed for host in hosts.values()) else "unchanged"


def outcome_lines(report: RunReport) -> list[Line]:
    """The outcome in one line, then what to do next; a failed run also names its hosts for --limit."""
    on = f"on {count(len(report.hosts), 'host')}, {duration(report.seconds)}"
    changed = sum(host.changed for host in report.hosts.values())
    bad = failed_hosts(report.hosts)
    again = "Next: mend the cause above and run the same command again; what is done stays done."
    if report.outcome == "failed":
        whole = count(len(report.hosts), "host")
        dark = sum(1 for name in bad if not report.hosts[name].failed)
        figures = [f"{len(bad) - dark} failed"] if len(bad) > dark else []
        figures += [f"{dark} unreachable"] if dark else []
        return [
            Line(f"Failed: {', '.join(figures)}, of {whole}, {duration(report.seconds)}.", "failed"),
            Line(again, "head"),
            *limit_lines(bad),
        ]
    if report.outcome in {"interrupted", "broken off", "running"}:
        ends = {"interrupted", "broken off", "running"}
        current = next((stage for stage in report.stages if stage.status in ends), None)
        where = f" in stage {_stage_label(current, len(report.stages))}" if current else ""
        if report.outcome == "broken off":
            return [Line(f"Broke off{where}, after {duration(report.seconds)}.", "failed"), Line(again, "head")]
        return [
            Line(f"Interrupted{where}, after {duration(report.seconds)}.", "failed"),
            Line("Next: run the same command again; what is done stays done.", "head"),
        ]
    if report.outcome == "no plays":
        return [Line("Nothing was done: the playbook has no plays.", "warn")]
    if report.outcome == "no hosts":
        return [
            Line("Nothing was done: no host matched.", "warn"),
            Line("Next: check the inventory, the hosts pattern of the plays and --limit.", "head"),
        ]
    if report.outcome == "unchanged":
        done = Line(f"{'Plan' if report.check else 'Done'}: nothing to change {on}.", "ok")
    elif report.check:
        done = Line(f"Plan: {count(changed, 'change')} would be made {on}. Nothing was written.", "changed")
    else:
        done = Line(f"Done: {count(changed, 'change')} {on}.", "ok")
    return [done, Line(f"Next: {sanitise(report.next_step)}", "head")] if report.next_step else [done]


def warning_lines(warnings: Mapping[str, int]) -> list[Line]:
    """Each warning once, with how often it came; at most 20."""
    if not warnings:
        return []
    lines = [Line(f"Warnings ({len(warnings)}):", "warn")]
    for text, times in list(warnings.items())[:MAX_WARNINGS]:
        lines.append(Line(f"  - {clip(sanitise(text), MAX_LINE)}{f' ({times} times)' if times > 1 else ''}", "warn"))
    left = len(warnings) - MAX_WARNINGS
    return [*lines, Line(f"  and {left} more", "warn")] if left > 0 else lines


def summary_lines(report: RunReport, width: int, verbose: bool) -> list[Line]:
    """The end of a run: stages, hosts, time, slowest tasks (of long or verbose runs), warnings, outcome, next step."""
    lines: list[Line] = []
    if report.stages:
        texts = table(_STAGE_COLUMNS, _stage_rows(report), width)
        styles = ["head", *map(_stage_style, report.stages)]
        lines += [Line(""), *(Line(*pair) for pair in zip(texts, styles, strict=True))]
    if report.hosts:
        lines += [Line(""), *_host_table(report.hosts, width)]
    lines += [Line(""), Line(f"Total time {duration(report.seconds)}")]
    slowest = sorted(report.slowest, key=lambda task: task.seconds, reverse=True)[:SLOWEST]
    if slowest and (verbose or report.seconds > SLOW_RUN):
        lines += [Line(""), Line("Slowest tasks:", "head")]
        lines += [
            Line(clip(f"  {duration(t.seconds):>7}  {sanitise(t.name)}  ({sanitise(t.stage)})", width)) for t in slowest
        ]
    warnings = warning_lines(report.warnings)
    lines += [Line(""), *warnings] if warnings else []
    return [*lines, Line(""), *outcome_lines(report)]


def summary_data(report: RunReport) -> dict[str, object]:
    """The run for machines; seconds are rounded to milliseconds, names are as they are, not sanitised."""
    return {
        "outcome": report.outcome,
        "check": report.check,
        "seconds": round(report.seconds, 3),
        "stages": [
            {
                "name": stage.name,
                "status": "no hosts" if stage.status == "none" else stage.status,
                "seconds": round(stage.seconds, 3),
                "hosts": len(stage.hosts),
                "tasks": len(stage.tasks),
                "changed": stage.changed,
                "failed": stage.failed,
                "unreachable": stage.unreachable,
            }
            for stage in report.stages
        ],
        "hosts": {name: dict(vars(report.hosts[name])) for name in sorted(report.hosts)},
        "failed_hosts": failed_hosts(report.hosts),
    }
