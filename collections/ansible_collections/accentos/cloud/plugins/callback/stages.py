# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Screen output by stages, for people who watch long deployments."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stages
type: stdout
short_description: Screen output by stages, with causes and remedies
version_added: 1.0.0
author: AccentOS contributors (@accentos)
description:
  - Shows a run as stages. A stage is a play; plays of the same name are one stage.
  - On a terminal one live line shows the stage, its tasks, the current task, its hosts and the time.
    Elsewhere there is one line when a stage starts and one when it ends, without control characters.
  - A failure is shown at once with its place, its cause and what to do about it. A module can say what to do
    in the field C(remedy) of its result.
  - The end shows the time of each stage, the counts of each host, the outcome and the next step.
    The play variable C(stages_next_step) holds the text of the next step; it is shown as it is, after success. Of
    several plays the last one counts of which a task ran, so that a run that did nothing of it does not lead on.
  - A playbook with a play of which the variable C(stages_whole) is true is refused with C(--start-at-task), C(--step)
    and C(--skip-tags always), by which tasks are skipped that refuse what must not be done. With the variable
    C(stages_check_only) it is refused without check mode. The run ends before its first play, with code 5.
  - When Ansible gives up before any host has a result, as it does when it cannot read a file of variables, the site
    folder among the inventories is checked as M(accentos.cloud.site_check) does, and its mistakes are shown.
  - In check mode the end is a plan, by host and service. It shows packages, files, databases, the identity service,
    commands and units that would change, with C(--diff) also what changes in files. It shows the machines that would be
    installed, too, where the run tells of them. M(accentos.cloud.site_plan_basis) says what the plan is made from, and
    where it is saved. A run that applies a saved plan ends with what it did otherwise than planned.
  - One line for each task comes with C(-v), the path of the task with C(-vv), the results with C(-vvv).
  - Text from hosts cannot steer the terminal. Control and invisible characters show as escapes.
  - With several playbooks on the command line the number of stages grows as each playbook is loaded.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - Set as C(stdout_callback) in the configuration.
options:
  display:
    description:
      - Whether to draw the live line.
      - V(auto) draws it on a terminal, unless C(--step) is given or the terminal is dumb.
    type: str
    choices: [auto, live, quiet]
    default: auto
    ini:
      - section: callback_stages
        key: display
    env:
      - name: ACCENTOS_STAGES_DISPLAY
  log_path:
    description:
      - File to append every event to, as plain text with times. Its mode becomes 0600.
      - Results of tasks with C(no_log) are never written.
    type: path
    ini:
      - section: callback_stages
        key: log_path
    env:
      - name: ACCENTOS_STAGES_LOG_PATH
  json_path:
    description:
      - File for a summary for machines, replaced as a whole at the start and at the end. Its mode is 0600.
      - It holds C(outcome), C(check), C(seconds), C(stages), C(hosts) and C(failed_hosts).
      - C(outcome) is V(running) from the start on, and then V(ok), V(unchanged), V(failed), V(interrupted),
        V(broken off) when Ansible gave up without a signal, V(no hosts) or V(no plays).
    type: path
    ini:
      - section: callback_stages
        key: json_path
    env:
      - name: ACCENTOS_STAGES_JSON_PATH
  plan_path:
    description:
      - File for the plan as JSON, replaced as a whole at the end. Its mode is 0600.
      - It is the document that C(plugins/plugin_utils/site_plan_schema.yml) describes, in check mode of what would
        change, otherwise of what was changed.
    type: path
    ini:
      - section: callback_stages
        key: plan_path
    env:
      - name: ACCENTOS_STAGES_PLAN_PATH
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  stdout_callback = accentos.cloud.stages

  [callback_stages]
  log_path = ./accentos.log
"""

import atexit
import contextlib
import importlib
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.playbook.block import Block
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar
from ansible.utils.fqcn import add_internal_fqcns
from ansible_collections.accentos.cloud.plugins.plugin_utils import plan_basis, run_changes, site_plan
from ansible_collections.accentos.cloud.plugins.plugin_utils import stage_report as report
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_scope import REFUSED_CODE
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStoreError, open_store

CLEAR_LINE = "\r\x1b[K"
REDRAW_SECONDS = 0.1
TICK_SECONDS = 0.25
STDOUT_FD = 1
# Levels of -v from which on tasks, their paths, and results are shown.
TASKS = 1
PATHS = 2
RESULTS = 3
COLORS = {
    "head": "COLOR_HIGHLIGHT",
    "ok": "COLOR_OK",
    "changed": "COLOR_CHANGED",
    "failed": "COLOR_ERROR",
    "unreachable": "COLOR_UNREACHABLE",
    "skipped": "COLOR_SKIP",
    "warn": "COLOR_WARN",
}


class AroundLiveLine:
    """A text stream that takes the live line away before others write, so that nothing runs into it."""

    def __init__(self, stream: TextIO, live: LiveLine) -> None:
        self._stream = stream
        self._live = live

    def write(self, text: str) -> int:
        """Write text to the stream, as a line of its own."""
        return self._live.write_aside(self._stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each text."""
        for text in lines:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class LiveLine:
    """One line at the bottom of a terminal, redrawn on events and by a ticker, at most ten times a second.

    The lock is the one Ansible's display holds while it writes, asks the operator something or forks a worker:
    a lock of our own could be held by the ticker during a fork, or be taken in another order.
    The cursor is never hidden, so a killed run cannot leave a terminal without one.
    """

    def __init__(self, stream: TextIO, lock: Any, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._lock = lock
        self._clock = clock
        self._progress: report.Progress | None = None
        self._drawn = False
        self._half_line = False
        self._paused = False
        self._last = float("-inf")
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="stages-ticker", daemon=True)
        self._wrapped: dict[str, AroundLiveLine] = {}

    def start(self) -> None:
        """Take over the standard streams that are this terminal, and start the ticker."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is self._stream or stream.isatty():
                self._wrapped[name] = AroundLiveLine(stream, self)
                setattr(sys, name, self._wrapped[name])
        self._ticker.start()

    def stop(self) -> None:
        """Take the line away, give the streams back and end the ticker."""
        self._stopped.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self.clear()
        for name, wrapper in self._wrapped.items():
            if getattr(sys, name) is wrapper:
                setattr(sys, name, wrapper._stream)
        self._wrapped = {}

    def abandon(self) -> bytes:
        """For a signal handler: no more drawing, without a lock. Returns what takes the line away."""
        self._stopped.set()
        drawn, self._drawn = self._drawn, False
        return CLEAR_LINE.encode() if drawn else b""

    def show(self, progress: report.Progress | None) -> None:
        """Show this from now on; None shows nothing."""
        self._progress = progress
        self.draw()

    def pause(self, paused: bool) -> None:
        """Stay away while somebody is asked something."""
        self._paused = paused
        if paused:
            self.clear()

    def clear(self) -> None:
        """Take the line away until the next draw."""
        with self._lock:
            if self._drawn:
                self._drawn = False
                self._stream.write(CLEAR_LINE)
                self._stream.flush()

    def write_aside(self, stream: TextIO, text: str) -> int:
        """Write the text of somebody else; while their line has no end, nothing is drawn into it."""
        with self._lock:
            self.clear()
            if text:
                self._half_line = not text.endswith("\n")
            return stream.write(text)

    def draw(self) -> None:
        """Draw now, unless that was done a tenth of a second ago or another line is open."""
        with self._lock:
            progress, now = self._progress, self._clock()
            silent = self._stopped.is_set() or self._paused or self._half_line
            if progress is None or silent or now - self._last < REDRAW_SECONDS:
                return
            # The last column stays free: writing it makes some terminals wrap.
            width = shutil.get_terminal_size().columns - 1
            self._last, self._drawn = now, True
            self._stream.write(f"\r{report.live_line(progress, now - progress.started, width)}\x1b[K")
            self._stream.flush()

    def _tick(self) -> None:
        # A terminal that went away ends the ticker, not the run.
        with contextlib.suppress(OSError):
            while not self._stopped.wait(TICK_SECONDS):
                self.draw()


class EventLog:
    """A text file of mode 0600 that gets one line per event, with time, at once. Raises OSError when it cannot open."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")
        os.fchmod(descriptor, 0o600)

    def write(self, lines: Iterable[str]) -> None:
        """Append sanitised lines."""
        stamp = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self._file.writelines(f"{stamp} {line}\n" for line in lines)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def replace_json(path: str, data: Mapping[str, object]) -> None:
    """Replace a file by this as JSON, in one step and with mode 0600. Raises OSError."""
    target = Path(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=2)
            file.write("\n")
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def without_secrets(document: Mapping[str, Any], folder: str, key_file: str) -> dict[str, Any]:
    """Return a plan in which no secret of the site's store stands. Raises SecretStoreError.

    Modules keep secrets out of what they tell; this is for the one that does not.
    """
    report_parts = importlib.import_module("ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_report")
    store = open_store(folder, key_file or os.environ.get("ACCENTOS_VAULT_KEY_FILE"))
    forms = report_parts.secret_texts(store.read().values())
    return site_plan.hidden(document, lambda text: report_parts.redact(text, forms))


def folder_of_secrets(play: Any, hosts: Iterable[str]) -> str:
    """Return the folder of the site's secrets as its hosts have it; empty if none of them says so."""
    manager = play.get_variable_manager()
    for name in hosts:
        host = manager._inventory.get_host(name)
        if host is not None and host.vars.get("inventory_dir"):
            variables = manager.get_vars(host=host)
            engine = Templar(loader=manager._loader, variables=variables)
            return str(engine.template(variables.get("site_secrets_folder")) or variables["inventory_dir"])
    return ""


def host_pattern(hosts: object) -> str:
    """The hosts of a play as text."""
    return ",".join(map(str, hosts)) if isinstance(hosts, list | tuple) else str(hosts or "")


def play_name(play: Any) -> str:
    """The name of a play, or its hosts; unlike get_name() it leaves the play as it is."""
    return str(play.name or host_pattern(play.hosts)).strip() or "(no name)"


def is_rescued(task: Any) -> bool:
    """Whether a failure of the task leads into a rescue section."""
    path, parent = {task._uuid}, task._parent
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(child._uuid in path for child in parent.block):
            return True
        path.add(parent._uuid)
        parent = getattr(parent, "_parent", None)
    return False


def roles_of(task: Any) -> list[str]:
    """Short names of the roles that led to a task, the outermost first."""
    names: list[str] = []
    entry = task
    while entry is not None:
        role = getattr(entry, "_role", None)
        if role is not None and (name := str(role.get_name()).rpartition(".")[2]) not in names:
            names.insert(0, name)
        entry = getattr(entry, "_parent", None)
    return names


def delegated_host(result: Any) -> str:
    """Name of the host that a task was delegated to; empty if it was not, or the name is not known."""
    variables = result.result.get("_ansible_delegated_vars")
    known = variables.get("ansible_delegated_host") if isinstance(variables, Mapping) else None
    name = str(known or result.task.delegate_to or "")
    # A task that fails before it is sent anywhere has its name as it was written.
    return "" if "{{" in name or "{%" in name else name


def refused_start(plays: Iterable[Any], options: Mapping[str, Any]) -> str:
    """Say why a run must not begin with these options; empty if it may."""
    marks = {name for play in plays for name, value in play.get_vars().items() if value is True}
    if "stages_check_only" in marks and not options.get("check"):
        return (
            "Without check mode this would deploy. Run it again with --check --diff; in AWX set the type of the job to "
            "Check."
        )
    skipping = plan_basis.skipping_options(options) if "stages_whole" in marks else []
    if skipping:
        return (
            f"With {', '.join(skipping)} the tasks would be skipped that refuse what is not planned. "
            "Run it without, or run the playbook of the part that you mean, such as deploy.yml."
        )
    return ""


def planned_tasks(block: Any) -> list[str]:
    """Identifiers of the tasks that a block runs when nothing fails: no rescue sections, no meta tasks."""
    found: list[str] = []
    for entry in [*block.block, *block.always]:
        if isinstance(entry, Block):
            found += planned_tasks(entry)
        elif entry.action not in constants._ACTION_META:
            found.append(entry._uuid)
    return found


def mistakes_of_site() -> list[report.Line]:
    """What the check finds in the site folder among the inventories in use; nothing when none or several can be it."""
    # Only a run that failed needs the check, so the others need not wait for it to be loaded.
    site_check = importlib.import_module("ansible_collections.accentos.cloud.plugins.plugin_utils.site_check")
    sources = context.CLIARGS.get("inventory") or ()
    folders = site_check.site_folders(site_check.inventory_folders(sources))
    if len(folders) != 1:
        return []
    try:
        outcome = site_check.check_site(folders[0], beside=site_check.sources_beside(sources, folders[0]))
    except site_check.CheckError as error:
        return [report.Line(report.sanitise(str(error)), "failed")]
    if not outcome.findings:
        return []
    message = site_check.failure_message(str(folders[0]), outcome)
    return [report.Line(report.sanitise(text), "failed") for text in message.splitlines()]


@dataclass
class RunningTask:
    """A task in a stage, with the hosts it runs on and the state it ended in on each."""

    key: tuple[int, str]
    name: str
    stage: str
    path: str
    hosts: int
    started: float
    last: float
    check: bool
    running: set[str] = field(default_factory=set)
    states: dict[str, str] = field(default_factory=dict)
    attempt: int = 0


class CallbackModule(CallbackBase):
    """Counts what happens, and prints what stage_report makes of it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "accentos.cloud.stages"

    def __init__(self) -> None:
        super().__init__()
        self._clock = time.monotonic
        self._began = self._clock()
        self._pid = os.getpid()
        self._live: LiveLine | None = None
        self._log: EventLog | None = None
        self._previous: dict[int, Any] = {}
        self._open = False
        self._summed_up = False
        self._signalled = False
        self._playbooks = 0
        self._next_step = ""
        self._step_of_play = ""
        self._stages: list[report.StageRecord] = []
        self._stage_of_play: dict[str, report.StageRecord] = {}
        self._hosts: dict[str, report.HostRecord] = {}
        self._times: list[report.TaskTime] = []
        self._changes: list[run_changes.Change] = []
        self._causes: dict[str, str] = {}
        self._warnings: Counter[str] = Counter()
        self._stage: report.StageRecord | None = None
        self._stage_began = 0.0
        self._play: Any = None
        self._batch = 0
        self._batch_hosts: set[str] = set()
        self._dead: set[str] = set()
        self._known: set[tuple[int, str]] = set()
        self._done: set[tuple[int, str]] = set()
        self._tasks: dict[tuple[int, str], RunningTask] = {}
        self._current: RunningTask | None = None

    # Output

    @staticmethod
    def host_label(result: Any) -> str:
        """Name of the host, and of the one that its task was delegated to.

        Ansible's own has the address of the latter, too, as the inventory writes it, which may be a template.
        """
        name, elsewhere = str(result.host.get_name()), delegated_host(result)
        return name if elsewhere in {"", name} else f"{name} -> {elsewhere}"

    def _say(self, lines: Iterable[report.Line], stderr: bool = False) -> None:
        for line in lines:
            color = getattr(constants, COLORS[line.style]) if line.style in COLORS else None
            self._print(line.text, color, stderr)

    def _print(self, text: str, color: str | None = None, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        try:
            self._display.display(text, color=color, stderr=stderr)
            # Ansible flushes at the end only; whoever follows a pipe waits for the failure.
            stream.flush()
        except BrokenPipeError:
            # The reader left, as `| head` does. The run is worth more than its output.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno(), inheritable=False)
            os.close(nowhere)

    def _record(self, event: str) -> None:
        if self._log:
            self._log.write([report.sanitise(event)])

    def _record_lines(self, lines: Iterable[report.Line]) -> None:
        if self._log:
            self._log.write(line.text for line in lines)

    def _refresh(self) -> None:
        if not self._live:
            return
        stage, task = self._stage, self._current
        if stage is None:
            self._live.show(None)
            return
        self._live.show(
            report.Progress(
                number=stage.number,
                of=len(self._stages),
                stage=stage.name,
                done=len(self._done),
                known=len(self._known),
                task=task.name if task else "",
                hosts_done=len(task.states) if task else 0,
                hosts=max(task.hosts, len(task.states)) if task else len(self._batch_hosts),
                started=self._stage_began - stage.seconds,
                attempt=task.attempt if task else 0,
            )
        )

    def _wants_live(self) -> bool:
        display = self.get_option("display")
        if display != "auto":
            return bool(display == "live")
        # The task debugger and --step ask questions that the live line would overwrite.
        asks = context.CLIARGS.get("step") or constants.ENABLE_TASK_DEBUGGER
        return bool(sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not asks)

    # Begin and end of a run

    def _begin(self) -> None:
        self._open = True
        self._began = self._clock()
        if path := self.get_option("log_path"):
            try:
                self._log = EventLog(path)
            except OSError as error:
                self._display.warning(f"The log {path} cannot be written: {error.strerror}.")
        if self._wants_live():
            # The private lock is explained at LiveLine.
            self._live = LiveLine(sys.stdout, self._display._lock, self._clock)
            self._live.start()
        atexit.register(self._abandon)
        # Python allows signal handlers in the main thread only.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)

    def _close(self) -> None:
        self._open = False
        if self._live:
            self._live.stop()
            self._live = None
        if self._log:
            self._log.close()
            self._log = None
        atexit.unregister(self._abandon)
        for number, handler in self._previous.items():
            # Ansible's own handler resets the signal that it handles; leave that as it is.
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, handler)
        self._previous = {}

    def _report(self, outcome: str) -> report.RunReport:
        return report.RunReport(
            outcome=outcome,
            seconds=self._clock() - self._began,
            check=bool(context.CLIARGS.get("check")),
            stages=self._stages,
            hosts=self._hosts,
            slowest=self._times,
            warnings=self._warnings,
            next_step=self._next_step,
        )

    def _write_json(self, run: report.RunReport) -> None:
        if not (path := self.get_option("json_path")):
            return
        try:
            replace_json(path, report.summary_data(run))
        except OSError as error:
            self._display.warning(f"The summary {path} cannot be written: {error.strerror}.")

    def _plan(self, run: report.RunReport, custom: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan, or what was done, as a document without secrets. Raises SecretStoreError."""
        whole = custom.get("_run", {})
        begun = whole.get(site_plan.STATS, {})
        known = site_plan.Run(
            check=run.check,
            outcome=run.outcome,
            made=datetime.now().astimezone().isoformat(timespec="seconds"),
            hosts=sorted(run.hosts.keys() - report.CONTROL_NODE),
            failed={host: self._causes.get(host, "") for host in report.failed_hosts(run.hosts)},
            states={host: data[site_plan.STATE] for host, data in custom.items() if site_plan.STATE in data},
            basis=begun.get("basis", {}),
            run=begun.get("run", {}),
            machines=whole.get(site_plan.MACHINES, begun.get("machines", ())),
        )
        document = site_plan.make_plan(run_changes.unite(self._changes), known)
        if begun:
            return without_secrets(document, begun["secrets_folder"], begun["key_file"])
        # Another playbook does not say where the secrets are; what cannot be told from them is not written.
        try:
            folder = folder_of_secrets(self._play, known.hosts) if self._play else ""
            return without_secrets(document, folder, "") if folder else site_plan.without_diffs(document)
        except (SecretStoreError, AnsibleError):
            return site_plan.without_diffs(document)

    def _save_plan(self, document: Mapping[str, Any], path: str) -> list[report.Line]:
        """Write the plan to a file that was asked for, and say how it is applied."""
        try:
            replace_json(path, document)
        except OSError as error:
            return [report.Line(""), report.Line(f"The plan was not saved: {path}: {error.strerror}.", "failed")]
        shown = report.sanitise(path)
        saved = [report.Line(""), report.Line(f"The plan is saved in {shown}.", "head")]
        if refused := site_plan.refusal_of(document):
            return saved + [report.Line(f"It cannot be applied: {report.sanitise(one)}", "failed") for one in refused]
        command = f"playbooks/apply.yml, -e site_plan_file={shlex.quote(shown)}"
        return [*saved, report.Line(f"Apply it by {command} and the same other options.")]

    @staticmethod
    def _compare_with_plan(done: Mapping[str, Any], applied: Mapping[str, Any], failed: list[str]) -> list[report.Line]:
        """Say whether what was done is what the plan has that was applied. ``failed`` are hosts of the run."""
        path, rest = applied["path"], applied["rest"]
        try:
            text = Path(path).read_text(encoding="utf-8")
            planned = site_plan.read_plan(text, path)
        except (OSError, UnicodeDecodeError, site_plan.PlanError) as error:
            text = f"What was done is not compared with the plan, which cannot be read any more: {error}"
            return [report.Line(""), report.Line(report.sanitise(text), "failed")]
        if site_plan.digest_of(text) != applied["digest"]:
            text = f"What was done is not compared with the plan, since {path} is another one now."
            return [report.Line(""), report.Line(report.sanitise(text), "failed")]
        differences = site_plan.compare_changes(planned, done, rest=rest, done=True)
        beyond = [] if differences else site_plan.beyond_plan(planned, done)
        return site_plan.compared_lines(differences, outcome=done["outcome"], failed=failed, rest=rest, beyond=beyond)

    def _plan_lines(self, run: report.RunReport, width: int, custom: Mapping[str, Any]) -> list[report.Line]:
        """Write the plan where that is wanted, and return what is shown of it.

        That is all in check mode, and what was done otherwise than planned in a run that applies a saved plan.
        """
        try:
            document = self._plan(run, custom)
        except SecretStoreError as error:
            return [
                report.Line(""),
                report.Line(
                    report.sanitise(f"There is no plan, since secrets could not be told from other texts: {error}"),
                    "failed",
                ),
            ]
        if path := self.get_option("plan_path"):
            try:
                replace_json(path, document)
            except OSError as error:
                self._display.warning(f"The plan {path} cannot be written: {error.strerror}.")
        whole = custom.get("_run", {})
        lines: list[report.Line] = []
        if run.check:
            diff = bool(context.CLIARGS.get("diff"))
            lines += site_plan.plan_lines(document, width, diff=diff, full=self._display.verbosity >= TASKS)
            if path := whole.get(site_plan.STATS, {}).get("path"):
                lines += self._save_plan(document, path)
        elif applied := whole.get(site_plan.APPLIED):
            lines += self._compare_with_plan(document, applied, report.failed_hosts(run.hosts))
        return lines

    def _stop_short(self, outcome: str) -> list[report.Line]:
        if self._summed_up:
            return []
        if self._stage:
            self._stage.status = outcome
            self._stage.seconds += self._clock() - self._stage_began
            self._stage = None
        run = self._report(outcome)
        self._write_json(run)
        lines = mistakes_of_site() if outcome == "broken off" and not self._hosts else []
        lines += report.outcome_lines(run)
        self._record_lines(lines)
        return lines

    def _abandon(self) -> None:
        # Ansible gave up without statistics: an interrupt, or an error that stops everything, which it has shown.
        if self._open and os.getpid() == self._pid:
            lines = self._stop_short("interrupted" if self._signalled else "broken off")
            self._close()
            self._say(lines)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A worker has this handler too until it sets its own; it has nothing to say.
        if os.getpid() == self._pid and self._open:
            self._signalled = True
            # Buffered streams may be in the middle of a write here, hence the bare descriptor.
            clear = self._live.abandon() if self._live else b""
            if number == signal.SIGTERM:
                self._open = False
                text = "".join(f"{line.text}\n" for line in self._stop_short("interrupted"))
                clear += text.encode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):
                os.write(STDOUT_FD, clear)
        previous = self._previous.get(number)
        if callable(previous):
            previous(number, frame)
        elif previous == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Plan the stages of a playbook."""
        if not self._open:
            self._begin()
        self._playbooks += 1
        self._summed_up = False
        plays = playbook.get_plays()
        stages = {stage.name: stage for stage in self._stages}
        planned = set()
        for play in plays:
            name = play_name(play)
            if name not in stages:
                stages[name] = report.StageRecord(number=len(stages) + 1, name=name)
                self._stages.append(stages[name])
            self._stage_of_play[play._uuid] = stages[name]
            planned.add(name)
        file_name = Path(str(playbook._file_name or "")).name or "playbook"
        lines = report.title_lines(file_name, len(plays), len(planned), bool(context.CLIARGS.get("check")))
        self._say(lines)
        self._record_lines(lines)
        self._write_json(self._report("running"))
        if refused := refused_start(plays, context.CLIARGS):
            lines = [report.Line(f"Nothing was touched. {refused}", "failed")]
            self._say(lines)
            self._record_lines(lines)
            # Ansible makes a warning of whatever else a callback raises, and goes on.
            raise SystemExit(REFUSED_CODE)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the end of a run."""
        self._end_stage()
        arguments = context.CLIARGS.get("args")
        more = isinstance(arguments, list | tuple) and self._playbooks < len(arguments)
        # A failure may or may not keep Ansible from the next playbook, so it shows its summary at once.
        if more and not report.failed_hosts(self._hosts):
            return
        run = self._report(report.decide_outcome(self._stages, self._hosts))
        width = shutil.get_terminal_size((100, 24)).columns
        lines = self._plan_lines(run, width, stats.custom)
        lines += report.summary_lines(run, width, self._display.verbosity >= TASKS)
        if self._live:
            self._live.show(None)
            self._live.clear()
        self._show_custom_stats(stats.custom)
        self._say(lines)
        self._record_lines(lines)
        self._write_json(run)
        self._summed_up = True
        if not more:
            self._close()

    def _show_custom_stats(self, custom: Mapping[str, Any]) -> None:
        if not custom or not self.get_option("show_custom_stats"):
            return
        lines = [report.Line(""), report.Line("Custom stats:", "head")]
        for host in sorted(custom, key=lambda name: (name == "_run", name)):
            label = "RUN" if host == "_run" else report.sanitise(host)
            text = self._dump_results(custom[host], indent=1).replace("\n", "")
            lines.append(report.Line(f"  {label}: {report.sanitise(text)}"))
        self._say(lines)

    # Stages

    def _is_free(self) -> bool:
        return self._play is not None and self._play.strategy in add_internal_fqcns(("free", "host_pinned"))

    def _name_width(self) -> int:
        of = len(self._stages)
        widths = (report.text_width(f"{s.number}/{of} {report.sanitise(s.name)}") for s in self._stages)
        return min(40, max(widths, default=0))

    def _end_stage(self) -> None:
        self._finish_tasks(everything=True)
        stage, self._stage, self._current = self._stage, None, None
        self._refresh()
        if stage is None:
            return
        stage.seconds += self._clock() - self._stage_began
        self._record(f"stage end: {stage.name}")
        if stage.status == "none" and not stage.tasks:
            return
        stage.status = "failed" if stage.failed or stage.unreachable else "ok"
        self._say([report.stage_end_line(stage, len(self._stages), self._name_width())])

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Begin a stage, or go on with it when the play belongs to the current one."""
        stage = self._stage_of_play.get(play._uuid)
        if stage is None:
            stage = report.StageRecord(number=len(self._stages) + 1, name=play_name(play))
            self._stages.append(stage)
            self._stage_of_play[play._uuid] = stage
        self._finish_tasks(everything=True)
        if stage is not self._stage:
            self._end_stage()
            if stage.status == "not run":
                stage.name = play_name(play)
            stage.status = "running"
            self._stage, self._stage_began = stage, self._clock()
            self._known, self._done = set(), set()
            self._record(f"stage start: {stage.name}")
            if not self._live:
                self._say([report.stage_start_line(stage, len(self._stages))])
        self._play = play
        next_step = play.get_vars().get("stages_next_step")
        self._step_of_play = next_step if isinstance(next_step, str) and next_step.strip() else ""
        self._batch += 1
        self._current = None
        variables = play.get_variable_manager().get_vars(play=play)
        self._batch_hosts = set(variables.get("ansible_play_hosts") or ())
        for block in play.compile():
            for task in planned_tasks(block.filter_tagged_tasks(variables)):
                self._known.add((self._batch, task))
        if self._live:
            self._live.pause(False)
        self._refresh()

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Say which pattern matched nothing."""
        if self._stage is None:
            return
        if not self._stage.tasks:
            self._stage.status = "none"
        pattern, limit = host_pattern(self._play.hosts), str(context.CLIARGS.get("subset") or "")
        lines = report.no_hosts_lines(self._stage, len(self._stages), pattern, limit)
        self._say(lines)
        self._record_lines(lines)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Note that a play ended for want of hosts; why is shown at each host's failure."""
        self._record("no hosts remain in this play")

    def v2_playbook_on_vars_prompt(self, varname: str, *_args: Any, **_kwargs: Any) -> None:
        """Stay away while Ansible asks for a value."""
        if self._live:
            self._live.pause(True)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Note an included file."""
        names = ", ".join(host.get_name() for host in included_file._hosts)
        self._record(f"included: {included_file._filename} for {names}")

    def v2_playbook_on_notify(self, handler: Any, host: Any) -> None:
        """Note a notified handler."""
        self._record(f"notified: {handler.get_name()} for {host.get_name()}")

    # Tasks

    def _start_task(self, task: Any, kind: str) -> None:
        if self._stage is None:
            return
        key = (self._batch, task._uuid)
        self._next_step = self._step_of_play or self._next_step
        if self._live:
            self._live.pause(False)
        if not self._is_free():
            self._finish_tasks(everything=True)
        now = self._clock()
        if key not in self._tasks:
            self._tasks[key] = RunningTask(
                key=key,
                name=str(task.get_name()).strip(),
                stage=self._stage.name,
                path=self._short_path(task),
                hosts=1 if task.run_once is True else len(self._batch_hosts - self._dead),
                started=now,
                last=now,
                check=bool(task.check_mode),
            )
            self._record(f"{kind}: {self._tasks[key].name} ({self._tasks[key].path})")
        self._current = self._tasks[key]
        self._known.add(key)
        self._stage.tasks.add(task._uuid)
        self._refresh()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Begin a task."""
        self._start_task(task, "task")

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Begin a handler; it counts in the stage in which it runs."""
        self._start_task(task, "handler")

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note that a task starts on a host."""
        if running := self._tasks.get((self._batch, task._uuid)):
            running.running.add(host.get_name())
        if self.get_option("show_per_host_start"):
            self._print(report.sanitise(f" [started {task} on {host}]"), constants.COLOR_OK)

    def _short_path(self, task: Any) -> str:
        path = str(task.get_path() or "")
        here = f"{Path.cwd()}/"
        return path.removeprefix(here)

    def _finish_tasks(self, everything: bool = False) -> None:
        for key, task in list(self._tasks.items()):
            whole = task.hosts and len(task.states) >= task.hosts and not task.running
            if everything or whole:
                del self._tasks[key]
                self._done.add(key)
                self._times.append(report.TaskTime(task.name, task.stage, task.last - task.started))
                self._say_task(task)

    def _say_task(self, task: RunningTask) -> None:
        counts = Counter(task.states.values())
        states = ("ok", "changed", "failed", "unreachable", "rescued", "ignored", "skipped")
        hidden = {"skipped"} if not self.get_option("display_skipped_hosts") else set()
        hidden |= {"ok"} if not self.get_option("display_ok_hosts") else set()
        if self._display.verbosity < TASKS or (counts and set(counts) <= hidden):
            return
        note = f"  {report.sanitise(task.path)}" if self._display.verbosity >= PATHS else ""
        note += "  [CHECK MODE]" if task.check and self.get_option("check_mode_markers") else ""
        self._say([report.task_line(task.name, {s: counts[s] for s in states}, task.last - task.started, note)])

    # Results

    def _settle(self, result: Any, state: str) -> None:
        """Count one result of a host."""
        name = result.host.get_name()
        changed = state not in {"skipped", "unreachable"} and result.is_changed()
        host = self._hosts.setdefault(name, report.HostRecord())
        host.tasks += state != "skipped"
        host.ok += state in {"ok", "changed", "ignored"}
        host.changed += changed and state in {"ok", "changed", "ignored"}
        for counted in ("failed", "unreachable", "skipped", "rescued", "ignored"):
            if state == counted:
                setattr(host, counted, getattr(host, counted) + 1)
        if self._stage:
            self._stage.hosts.add(name)
            self._stage.changed += changed and state in {"ok", "changed", "ignored"}
            self._stage.failed += state == "failed"
            self._stage.unreachable += state == "unreachable"
        if state in {"failed", "unreachable"}:
            self._dead.add(name)
            self._causes.setdefault(name, f"{str(result.task_name).strip()}: {report.cause(result.result)[0]}")
        if task := self._tasks.get((self._batch, result.task._uuid)):
            task.running.discard(name)
            task.states[name] = state
            task.last = self._clock()
            task.attempt = 0
        if changed and bool(result.task.check_mode) == bool(context.CLIARGS.get("check")):
            self._collect_changes(result)
        self._collect_warnings(result)
        self._record(f"{state}: {self.host_label(result)}: {result.task_name}")
        self._say_result(result, state)
        self._finish_tasks()
        self._refresh()

    def _collect_changes(self, result: Any) -> None:
        action = result.task.resolved_action or result.task.action
        roles = roles_of(result.task)
        data = result.result
        if action in run_changes.UNNAMED and "dest" not in data and not result.task.loop:
            # In check mode nothing else names a new file.
            data = {**data, "dest": (result.task_fields.get("args") or {}).get("dest")}
        for change in run_changes.read_changes(action, result.task_name, data):
            host = delegated_host(result) or result.host.get_name()
            self._changes.append(run_changes.placed(change, host=host, roles=roles, task=result.task_name))

    def _collect_warnings(self, result: Any) -> None:
        data = result.result
        if report.is_censored(data):
            return
        texts = [str(warning) for warning in data.get("warnings") or ()]
        if constants.config.get_config_value("DEPRECATION_WARNINGS"):
            for note in data.get("deprecations") or ():
                text = note.get("msg") if isinstance(note, Mapping) else note
                texts.append(f"deprecated: {text}")
        for text in texts:
            if text not in self._warnings:
                self._record(f"warning: {text}")
            self._warnings[text] += 1

    def _say_result(self, result: Any, state: str) -> None:
        data = result.result
        if data.get("_ansible_verbose_always") and "msg" in data and self._display.verbosity < TASKS:
            # A debug task is how a playbook speaks to its reader: the message alone, without the result around it.
            message = data["msg"]
            lines = message if isinstance(message, list) else str(message).splitlines()
            self._print("\n".join(f"        {report.sanitise(str(line))}" for line in lines))
            return
        wanted = self._display.verbosity >= (TASKS if data.get("_ansible_verbose_always") else RESULTS)
        hidden = data.get("_ansible_verbose_override") and self._display.verbosity < RESULTS
        if not wanted or hidden:
            return
        shown = dict(data)
        self._clean_results(shown, result.task.action)
        head = report.sanitise(f"    {state}: {self.host_label(result)} => ")
        lines = report.sanitise_lines(self._dump_results(shown))
        self._print("\n".join([f"    {head} {lines[0]}".rstrip(), *lines[1:]]))

    def _fail(self, result: Any, state: str) -> None:
        data, task = result.result, result.task
        log_path = str(self.get_option("log_path") or "") if self._log else ""
        failure = report.Failure(
            kind=state,
            host=self.host_label(result),
            task=str(result.task_name).strip(),
            role=str(task._role.get_name()) if task._role else "",
            where=self._short_path(task),
            why=report.cause(data),
            remedy=report.remedy(data, log_path, unreachable=state == "unreachable"),
        )
        lines = report.failure_lines(failure, full=self._display.verbosity >= TASKS)
        self._say(lines, stderr=bool(self.get_option("display_failed_stderr")))
        self._record_lines(report.failure_lines(failure))
        trace = data.get("exception")
        if self._display.verbosity >= RESULTS and isinstance(trace, str) and not report.is_censored(data):
            self._print("\n".join(report.sanitise_lines(trace)), constants.COLOR_ERROR)
        self._settle(result, state)
        if isinstance(task, TaskInclude) and "reason" in data:
            # Ansible called the include ok before it tried to read the file.
            self._hosts[result.host.get_name()].ok -= 1
            self._hosts[result.host.get_name()].tasks -= 1
        # The debugger asks right after this; the next task draws again.
        if self._live and result.task_fields.get("debugger") not in {None, "never"}:
            self._live.pause(True)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count a result that is ok or changed."""
        self._settle(result, "changed" if result.is_changed() else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Count a skipped result."""
        self._settle(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show a failure at once."""
        state = "ignored" if ignore_errors else "rescued" if is_rescued(result.task) else "failed"
        self._fail(result, state)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show at once that a host cannot be reached."""
        self._fail(result, "ignored" if result.task.ignore_unreachable else "unreachable")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Keep the warnings of an item."""
        self._collect_warnings(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Keep the warnings of an item; its failure is shown with the result of the loop."""
        self._collect_warnings(result)

    def v2_runner_retry(self, result: Any) -> None:
        """Show which attempt comes next."""
        attempt = int(result.result.get("attempts") or 0) + 1
        name = self.host_label(result)
        if task := self._tasks.get((self._batch, result.task._uuid)):
            task.attempt = max(task.attempt, attempt)
        self._record(f"retry: {name}: {result.task_name}: attempt {attempt}")
        if self._display.verbosity >= TASKS:
            text = report.sanitise(f"{name}: {result.task_name}: attempt {attempt}")
            self._print(f"    retry: {text}", constants.COLOR_DEBUG)
        self._refresh()

    def v2_on_file_diff(self, result: Any) -> None:
        """Show what a task changes in a file, under the host and the task."""
        data = result.result
        loop = data.get("results") if result.task.loop else None
        for part in loop if isinstance(loop, list) else [data]:
            if not isinstance(part, Mapping) or not (part.get("changed") and part.get("diff")):
                continue
            text = self._get_diff(report.sanitise_data(part["diff"]))
            if text and not report.is_censored(part):
                self._print(report.sanitise(f"diff  {self.host_label(result)}: {result.task_name}"))
                self._print(str(text).rstrip("\n"))
