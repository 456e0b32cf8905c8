# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages callback in playbook runs inside this process: real plays, tasks and results over a local connection."""

from __future__ import annotations

import errno
import io
import json
import os
import posix
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible import constants, context
from ansible.executor.playbook_executor import PlaybookExecutor
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display
from ansible.vars.manager import VariableManager
from ansible_collections.accentos.cloud.plugins.callback import stages
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_plan
from ansible_collections.accentos.cloud.plugins.plugin_utils import stage_report as report
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_scope import REFUSED_CODE
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import SITE, write_site

ARGUMENTS = {
    "args": (),
    "become": False,
    "become_ask_pass": False,
    "become_method": "sudo",
    "become_user": None,
    "check": False,
    "connection": "local",
    "diff": False,
    "flush_cache": False,
    "force_handlers": False,
    "forks": 2,
    "listhosts": None,
    "listtags": None,
    "listtasks": None,
    "module_path": None,
    "private_key_file": None,
    "remote_user": None,
    "skip_tags": (),
    "start_at_task": None,
    "step": False,
    "subset": None,
    "syntax": None,
    "tags": ("all",),
    "timeout": 10,
    "verbosity": 0,
}


class Terminal(io.StringIO):
    """A terminal that remembers everything; read() would give the raw characters."""

    def isatty(self) -> bool:
        return True


def screen(raw: str) -> list[str]:
    """What a terminal shows after these characters: CR, LF and erase to the end of the line; colours are dropped."""
    rows, column, i = [""], 0, 0
    while i < len(raw):
        if raw.startswith("\x1b[K", i):
            rows[-1] = rows[-1][:column]
            i += 3
            continue
        if raw.startswith("\x1b[", i):
            i = raw.index("m", i) + 1
            continue
        if raw[i] == "\r":
            column = 0
        elif raw[i] == "\n":
            rows.append("")
            column = 0
        else:
            rows[-1] = rows[-1][:column].ljust(column) + raw[i] + rows[-1][column + 1 :]
            column += 1
        i += 1
    return rows


class Runner:
    """Runs playbooks in this process and keeps what came out."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.capfd = capfd
        self.json_path = folder / "run.json"
        self.log_path = folder / "run.log"
        self.callback: Any = None
        # It stands still, so that what is printed does not depend on how busy the machine is.
        self.clock: Callable[[], float] = lambda: 0.0

    def plugin(self, verbosity: int = 0, **options: object) -> Any:
        callback = callback_loader.get("accentos.cloud.stages")
        self.monkeypatch.setattr(Display(), "verbosity", verbosity)
        paths = {"json_path": str(self.json_path), "log_path": str(self.log_path)}
        callback.set_options(direct=paths | options)
        callback._init_callback_methods()
        callback._clock = self.clock
        self.callback = callback
        return callback

    def __call__(self, *playbooks: str, arguments: dict[str, object] | None = None, **options: Any) -> str:
        callback = self.plugin(**options)
        paths = []
        for number, text in enumerate(playbooks):
            path = self.folder / f"site{number}.yml"
            path.write_text(text)
            paths.append(str(path))
        (self.folder / "hosts").write_text("[web]\nweb1\nweb2\n[db]\ndb1\n")
        given = ARGUMENTS | {"args": tuple(paths)} | (arguments or {})
        self.monkeypatch.setattr(context, "CLIARGS", ImmutableDict(given))
        self.monkeypatch.chdir(self.folder)
        loader = DataLoader()
        inventory = InventoryManager(loader=loader, sources=[str(self.folder / "hosts")])
        if given["subset"]:
            inventory.subset(given["subset"])
        variables = VariableManager(loader=loader, inventory=inventory)
        variables.extra_vars.update({"ansible_python_interpreter": sys.executable})
        executor = PlaybookExecutor(paths, inventory, variables, loader, {})
        executor._tqm._callback_plugins = [callback]
        self.code = executor.run()
        return self.output()

    def output(self) -> str:
        captured = self.capfd.readouterr()
        self.stderr = captured.err
        return captured.out

    @property
    def json(self) -> Any:
        return json.loads(self.json_path.read_text())

    @property
    def log(self) -> str:
        return self.log_path.read_text()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Runner]:
    # Coverage saves what a child did before it exits. Ansible kills its workers, which would leave half a file.
    monkeypatch.setattr(os, "_exit", posix._exit)
    # A failing callback must fail the test and not become a warning.
    monkeypatch.setenv("_ANSIBLE_CALLBACK_DISPATCH_ERROR_BEHAVIOR", "error")
    monkeypatch.setenv("COLUMNS", "120")
    # What Ansible does by default; the test tool or a developer's own settings may say otherwise.
    monkeypatch.setenv("ANSIBLE_DEPRECATION_WARNINGS", "true")
    monkeypatch.setattr(constants, "HOST_PATTERN_MISMATCH", "warning")
    monkeypatch.setattr(constants, "DEPRECATION_WARNINGS", True, raising=False)
    monkeypatch.setenv("ANSIBLE_CALLBACK_RESULT_FORMAT", "json")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    runner = Runner(tmp_path, monkeypatch, capfd)
    yield runner
    if runner.callback and runner.callback._open:
        runner.callback._close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


TWO_STAGES = """
- name: Base system
  hosts: web
  gather_facts: false
  vars: {stages_next_step: not this one}
  handlers: [{name: restart, debug: {msg: restarted}, changed_when: true}]
  tasks:
    - {name: one, debug: {msg: hello}, changed_when: true, notify: restart}
    - {name: two, debug: {msg: hello}}
    - {name: only db, debug: {msg: hello}, when: inventory_hostname == 'db1'}
    - {name: once, debug: {msg: hello}, run_once: true}
    - {name: elsewhere, debug: {msg: hello}, delegate_to: db1}
    - include_tasks: more.yml
- name: Verify
  hosts: db
  gather_facts: false
  vars: {stages_next_step: "make verify {{ site }}"}
  tasks: [{name: last, debug: {msg: done}}]
- name: Verify
  hosts: web1
  gather_facts: false
  tasks: [{name: last again, debug: {msg: done}}]
"""


THREE_STEPS = """
- {name: All, hosts: all, gather_facts: false, tasks: [{debug: {msg: x}, tags: [always]}]}
- name: First
  hosts: all
  gather_facts: false
  vars: {stages_next_step: first}
  tasks: [{debug: {msg: x}, tags: [early]}]
- name: Second
  hosts: db
  gather_facts: false
  vars: {stages_next_step: second}
  tasks: [{debug: {msg: x}, tags: [late]}]
"""


class TestSuccess:
    def test_quiet_output(self, run: Runner) -> None:
        (run.folder / "more.yml").write_text("- {name: included, debug: {msg: x}}\n")
        printed = run(TWO_STAGES).splitlines()
        assert run.code == 0
        # What debug tasks say stands inside its stage, the message alone.
        messages = [line for line in printed if line.startswith("        ")]
        assert {"        hello", "        restarted"} <= set(messages)
        assert printed.index(messages[-1]) < printed.index("")
        lines = [line for line in printed if line not in messages]
        assert lines[:5] == [
            "site0.yml: 2 stages",
            "start   1/2 Base system",
            "ok      1/2 Base system  2 hosts  8 tasks  4 changed  0:00",
            "start   2/2 Verify",
            "ok      2/2 Verify       2 hosts  2 tasks  0 changed  0:00",
        ]
        assert [line.split()[:7] for line in lines[6:9]] == [
            ["stage", "result", "hosts", "tasks", "changed", "failed", "unreachable"],
            ["1/2", "Base", "system", "ok", "2", "8", "4"],
            ["2/2", "Verify", "ok", "2", "2", "0", "0"],
        ]
        assert lines[10:14] == [
            "host  ok  changed  failed  unreachable  skipped",
            "db1    1        0       0            0        0",
            "web1   8        2       0            0        1",
            "web2   6        2       0            0        1",
        ]
        assert lines[-2:] == ["Done: 4 changes on 3 hosts, 0:00.", "Next: make verify {{ site }}"]
        assert "\x1b" not in "".join(lines)
        assert "Slowest" not in "".join(lines)

    @pytest.mark.parametrize(
        ("subset", "tags", "step"),
        [("db1", "all", "second"), ("web2", "all", "first"), ("all", "early", "first"), ("web1", "late", "")],
    )
    def test_the_next_step_is_that_of_the_last_play_of_which_a_task_ran(
        self, run: Runner, subset: str, tags: str, step: str
    ) -> None:
        lines = run(THREE_STEPS, arguments={"subset": subset, "tags": (tags,)}).splitlines()
        assert run.code == 0
        assert [line for line in lines if line.startswith("Next: ")] == ([f"Next: {step}"] if step else [])

    def test_summary_for_machines(self, run: Runner) -> None:
        (run.folder / "more.yml").write_text("- {name: included, debug: {msg: x}}\n")
        run(TWO_STAGES)
        assert [(s["name"], s["status"], s["hosts"], s["tasks"], s["changed"]) for s in run.json["stages"]] == [
            ("Base system", "ok", 2, 8, 4),
            ("Verify", "ok", 2, 2, 0),
        ]
        assert {name: host["tasks"] for name, host in run.json["hosts"].items()} == {"web1": 8, "web2": 6, "db1": 1}
        assert (run.json["outcome"], run.json["failed_hosts"]) == ("ok", [])
        assert stat.S_IMODE(run.json_path.stat().st_mode) == 0o600
        assert [path.name for path in run.folder.glob(".run.json*")] == []

    def test_log(self, run: Runner) -> None:
        (run.folder / "more.yml").write_text("- {name: included, debug: {msg: x}}\n")
        run.log_path.write_text("earlier\n")
        run.log_path.chmod(0o644)
        run(TWO_STAGES)
        assert stat.S_IMODE(run.log_path.stat().st_mode) == 0o600
        assert run.log.startswith("earlier\n")
        events = [line.split(" ", 1)[1] for line in run.log.splitlines()[1:]]
        assert events[:5] == [
            "site0.yml: 2 stages",
            "stage start: Base system",
            "task: one (site0.yml:8)",
            events[3],
            events[4],
        ]
        assert sorted(events[3:5]) == ["changed: web1: one", "changed: web2: one"]
        for event in (
            "skipped: web1: only db",
            "ok: web1 -> db1: elsewhere",
            "task: included (more.yml:1)",
            "notified: restart for web2",
            "handler: restart (site0.yml:6)",
            "changed: web2: restart",
            "stage end: Verify",
            "Done: 4 changes on 3 hosts, 0:00.",
        ):
            assert event in events
        # Whichever host is ready first.
        included = f"included: {run.folder}/more.yml for "
        assert {f"{included}web1, web2", f"{included}web2, web1"} & set(events)

    def test_nothing_to_change(self, run: Runner) -> None:
        out = run("- {name: Idle, hosts: db, gather_facts: false, tasks: [{debug: {msg: x}}]}")
        assert "Done: nothing to change on 1 host, 0:00." in out.splitlines()
        assert run.json["outcome"] == "unchanged"

    def test_check_mode_says_that_it_is_a_plan(self, run: Runner) -> None:
        play = "- {name: Idle, hosts: db, gather_facts: false, tasks: [{debug: {msg: x}, changed_when: true}]}"
        lines = run(play, arguments={"check": True}, verbosity=1, check_mode_markers=True).splitlines()
        assert lines[1] == "plan (check mode): nothing is written"
        assert "  - debug: 1 changed  0:00  [CHECK MODE]" in lines
        assert lines[-1] == "Plan: 1 change would be made on 1 host, 0:00. Nothing was written."
        assert run.json["check"] is True

    def test_no_hosts(self, run: Runner) -> None:
        text = "- {name: Lost, hosts: 'web:!web', gather_facts: false, tasks: [{debug: {}}]}"
        lines = run(text, arguments={"subset": "db1"}).splitlines()
        wanted = 'none    1/1 Lost  no host matches "web:!web", narrowed by --limit db1; nothing was done'
        assert lines[1:3] == ["start   1/1 Lost", wanted]
        assert "Nothing was done: no host matched." in lines
        assert run.json["outcome"] == "no hosts"
        assert run.json["stages"][0]["status"] == "no hosts"

    def test_a_stage_with_hosts_and_an_empty_play(self, run: Runner) -> None:
        one = "- {name: Both, hosts: db, gather_facts: false, tasks: [{debug: {}}]}\n"
        lines = run(one + one.replace("db", "nobody")).splitlines()
        assert "ok      1/1 Both  1 host  1 task  0 changed  0:00" in lines
        assert run.json["outcome"] == "unchanged"

    def test_no_plays(self, run: Runner) -> None:
        (run.folder / "other.yml").write_text("- {hosts: all, tasks: []}\n")
        lines = run("- import_playbook: other.yml\n  when: false\n").splitlines()
        assert "site0.yml: 1 stage" in lines
        callback = run.plugin()
        callback.v2_playbook_on_start(SimpleNamespace(get_plays=list, _file_name="empty.yml"))
        callback.v2_playbook_on_stats(SimpleNamespace(custom={}))
        lines = run.output().splitlines()
        assert lines[0] == "empty.yml: the playbook has no plays"
        assert lines[-1] == "Nothing was done: the playbook has no plays."
        assert run.json["outcome"] == "no plays"

    def test_unnamed_play_and_templated_names(self, run: Runner) -> None:
        plays = (
            "- {hosts: [db1, web1], gather_facts: false, tasks: [{debug: {}}]}\n"
            "- {name: 'Rack {{ n }}', hosts: db, gather_facts: false, vars: {n: 7}, tasks: [{debug: {}}]}\n"
        )
        run(plays)
        assert [stage["name"] for stage in run.json["stages"]] == ["db1,web1", "Rack 7"]

    def test_serial_is_one_stage(self, run: Runner) -> None:
        lines = run("- {name: Roll, hosts: web, serial: 1, gather_facts: false, tasks: [{debug: {}}]}").splitlines()
        assert [line for line in lines if line.startswith(("start", "ok"))] == [
            "start   1/1 Roll",
            "ok      1/1 Roll  2 hosts  1 task  0 changed  0:00",
        ]

    def test_a_stage_that_comes_back(self, run: Runner) -> None:
        play = "- {name: %s, hosts: db, gather_facts: false, tasks: [{debug: {}}]}\n"
        run("".join(play % name for name in "ABA"))
        assert [(stage["name"], stage["tasks"]) for stage in run.json["stages"]] == [("A", 2), ("B", 1)]

    def test_several_playbooks(self, run: Runner) -> None:
        play = "- {name: %s, hosts: db, gather_facts: false, tasks: [{debug: {}}]}\n"
        lines = run(play % "A", play % "B").splitlines()
        assert "start   2/2 B" in lines
        assert sum(line.startswith("Done:") for line in lines) == 1
        assert [stage["name"] for stage in run.json["stages"]] == ["A", "B"]

    def test_a_failed_playbook_sums_up_before_the_next(self, run: Runner) -> None:
        play = "- {name: A, hosts: db, gather_facts: false, tasks: [{fail: {msg: no}}]}\n"
        out = run(play, play)
        assert "Failed: 1 failed, of 1 host, 0:00." in out
        run.callback._abandon()
        assert run.output() == ""
        assert run.json["outcome"] == "failed"

    def test_custom_stats(self, run: Runner) -> None:
        play = """
- name: Stats
  hosts: db
  gather_facts: false
  tasks:
    - set_stats: {data: {size: 3}}
    - set_stats: {data: {"esc": "\\e[31m"}, per_host: true}
"""
        lines = run(play, show_custom_stats=True).splitlines()
        start = lines.index("Custom stats:")
        assert lines[start + 1 : start + 3] == ['  db1: { "esc": "\\u001b[31m"}', '  RUN: { "size": 3}']
        assert "Custom stats:" not in run(play)


class TestVerbose:
    PLAY = """
- name: Talk
  hosts: web
  strategy: %s
  gather_facts: false
  tasks:
    - {name: one, debug: {msg: "hi\\e[31m"}}
    - {name: two, set_fact: {a: "\\u202e"}}
    - {name: never, debug: {msg: x}, when: false}
"""

    @pytest.mark.parametrize("strategy", ["linear", "free"])
    def test_one_line_per_task(self, run: Runner, strategy: str) -> None:
        lines = run(self.PLAY % strategy, verbosity=1).splitlines()
        assert [line for line in lines if line.startswith("  - ")] == [
            "  - one: 2 ok  0:00",
            "  - two: 2 ok  0:00",
            "  - never: 2 skipped  0:00",
        ]
        assert "Slowest tasks:" in lines
        assert "    ok: web1 => {" in lines
        assert '    "msg": "hi\\u001b[31m"' in lines
        assert not any("set_fact" in line or "ansible_facts" in line for line in lines)

    def test_options_hide_skipped_and_ok(self, run: Runner) -> None:
        lines = run(self.PLAY % "linear", verbosity=1, display_ok_hosts=False, display_skipped_hosts=False).splitlines()
        assert not [line for line in lines if line.startswith("  - ")]

    def test_paths(self, run: Runner) -> None:
        assert "  - one: 2 ok  0:00  site0.yml:7" in run(self.PLAY % "linear", verbosity=2).splitlines()

    def test_results(self, run: Runner) -> None:
        out = run(self.PLAY % "linear", verbosity=3)
        assert '"a": "\\u202e"' in out
        assert "\u202e" not in out
        assert "    skipped: web2 => {" in out

    def test_start_per_host(self, run: Runner) -> None:
        assert " [started TASK: one on web1]".strip() in run(self.PLAY % "linear", show_per_host_start=True)


FAILING = """
- name: Break
  hosts: web
  gather_facts: false
  vars: {stages_next_step: never shown}
  tasks:
    - name: breaks
      fail: {msg: "no space left on device\\e[2J {{ '{{' }} 7 * 7 }}"}
      when: inventory_hostname == 'web1'
    - {name: goes on, debug: {msg: x}}
- {name: Later, hosts: web, gather_facts: false, tasks: [{debug: {msg: x}}]}
"""


class TestFailure:
    def test_block_and_end(self, run: Runner) -> None:
        lines = run(FAILING).splitlines()
        start = lines.index("FAILED  web1: breaks")
        assert lines[start : start + 4] == [
            "FAILED  web1: breaks",
            "  where  site0.yml:7",
            "  why    no space left on device\\x1b[2J {{ 7 * 7 }}",
            "  do     A file system of the host is full. Find it with 'df -h' and 'df -i', make room, then run again.",
        ]
        assert "failed  1/2 Break  2 hosts  2 tasks  0 changed  1 failed  0:00" in lines
        assert lines[-3:] == [
            "Failed: 1 failed, of 2 hosts, 0:00.",
            "Next: mend the cause above and run the same command again; what is done stays done.",
            "Failed hosts: --limit web1",
        ]
        assert "never shown" not in "".join(lines)
        assert run.json["failed_hosts"] == ["web1"]
        assert {name: host["tasks"] for name, host in run.json["hosts"].items()} == {"web1": 1, "web2": 2}
        assert "do     A file system" in run.log

    def test_to_stderr(self, run: Runner) -> None:
        out = run(FAILING, display_failed_stderr=True)
        assert "FAILED  web1: breaks" not in out
        assert "FAILED  web1: breaks" in run.stderr

    def test_traceback_and_result_with_vvv(self, run: Runner) -> None:
        run.monkeypatch.setenv("ANSIBLE_DISPLAY_TRACEBACK", "always")
        out = run(FAILING, verbosity=3)
        assert "(traceback unavailable)" in out or "Traceback" in out
        assert "    failed: web1 => {" in out
        assert "(traceback" not in run(FAILING, verbosity=2)

    def test_role_loop_and_log_name(self, run: Runner) -> None:
        tasks = run.folder / "roles" / "base" / "tasks"
        tasks.mkdir(parents=True)
        (tasks / "main.yml").write_text(
            "- {name: loop, fail: {msg: 'no {{ item }}'}, loop: [a, b], when: item != 'a', failed_when: true}\n"
        )
        lines = run("- {name: R, hosts: db, gather_facts: false, roles: [base]}").splitlines()
        start = lines.index("FAILED  db1: loop")
        assert lines[start + 1 : start + 5] == [
            "  role   base",
            "  where  roles/base/tasks/main.yml:1",
            "  why    item b",
            "           no b",
        ]
        assert lines[start + 5].endswith(f"The log of this run is {run.log_path}.")

    def test_ignored_and_rescued(self, run: Runner) -> None:
        (run.folder / "bad.yml").write_text("- {name: inner, fail: {msg: inner no}}\n")
        lines = run("""
- name: Calm
  hosts: db
  gather_facts: false
  tasks:
    - {name: soft, fail: {msg: soft no}, ignore_errors: true}
    - block: [{name: direct, fail: {msg: direct no}}]
      rescue: [{name: mend, debug: {msg: x}}]
    - block: [{import_tasks: bad.yml}]
      rescue: [{name: mend, debug: {msg: x}}]
    - block: [{block: [{include_tasks: bad.yml}]}]
      rescue: [{name: mend, debug: {msg: x}}]
    - block: [{name: fine, debug: {msg: x}}]
      rescue: [{name: mend, debug: {msg: x}}]
      always: [{name: tail, fail: {msg: tail no}}]
""").splitlines()
        assert [line for line in lines if "goes on" in line] == [
            "ignored db1: soft (site0.yml:6): soft no; the run goes on",
            "rescued db1: direct (site0.yml:7): direct no; the run goes on",
            "rescued db1: inner (bad.yml:1): inner no; the run goes on",
            "rescued db1: inner (bad.yml:1): inner no; the run goes on",
        ]
        assert "FAILED  db1: tail" in lines
        host = run.json["hosts"]["db1"]
        assert {key: host[key] for key in ("failed", "rescued", "ignored", "tasks", "ok")} == {
            "failed": 1,
            "rescued": 3,
            "ignored": 1,
            "tasks": 10,
            "ok": 6,
        }

    @pytest.mark.parametrize(("ignore", "state"), [("false", "unreachable"), ("true", "ignored")])
    def test_unreachable(self, run: Runner, ignore: str, state: str) -> None:
        out = run(f"""
- name: Far
  hosts: db
  gather_facts: false
  vars: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9, ansible_ssh_args: -o ConnectTimeout=1}}
  tasks: [{{name: reach, ping: , ignore_unreachable: {ignore}}}]
""")
        assert run.json["hosts"]["db1"][state] == 1
        assert ("UNREACHABLE  db1: reach" in out) is (state == "unreachable")
        assert ("ignored db1: reach" in out) is (state == "ignored")
        assert ("Nothing answers as expected at that address." in out) is (state == "unreachable")

    def test_no_log(self, run: Runner) -> None:
        play = """
- name: Quiet
  hosts: db
  gather_facts: false
  tasks:
    - {name: hide, fail: {msg: canary}, no_log: true, ignore_errors: true}
    - {name: hide, fail: {msg: "canary{{ item }}"}, loop: [canary1], no_log: true, ignore_errors: true}
    - {name: hide, debug: {msg: canary}, no_log: true}
"""
        out = run(play, verbosity=4)
        assert "The output is hidden because no_log is set for this task." in out
        assert "canary" not in out + run.stderr + run.log + run.json_path.read_text()

    def test_retries(self, run: Runner) -> None:
        play = """
- name: Again
  hosts: db
  gather_facts: false
  tasks:
    - {name: try, debug: {msg: x}, register: r, until: r.attempts | default(0) > 5, retries: 2, delay: 0}
"""
        out = run(play, verbosity=1)
        assert "    retry: db1: try: attempt 2" in out.splitlines()
        assert "    retry: db1: try: attempt 3" in out.splitlines()
        assert "         after several attempts" in out.splitlines()
        assert "retry: db1: try: attempt 2" in run.log
        assert "retry:" not in run(play)

    def test_a_file_to_include_that_is_missing(self, run: Runner) -> None:
        lines = run("- {name: I, hosts: db, gather_facts: false, tasks: [include_tasks: nofile.yml]}").splitlines()
        start = lines.index("FAILED  db1: include_tasks")
        assert lines[start + 2].startswith(f"  why    Could not find or access '{run.folder}/nofile.yml'")
        host = run.json["hosts"]["db1"]
        assert (host["tasks"], host["ok"], host["failed"]) == (1, 0, 1)

    def test_no_hosts_remaining_is_logged(self, run: Runner) -> None:
        run("- {name: S, hosts: web, gather_facts: false, max_fail_percentage: 0, tasks: [{fail: {msg: x}}]}")
        assert "no hosts remain in this play" in run.log

    def test_loop_warnings_and_deprecations_once(self, run: Runner) -> None:
        plugins = run.folder / "action_plugins"
        plugins.mkdir()
        (plugins / "stages_moan.py").write_text(
            "from ansible.plugins.action import ActionBase\n"
            "class ActionModule(ActionBase):\n"
            "    def run(self, tmp=None, task_vars=None):\n"
            "        self._display.warning('old key\\x1b[1m')\n"
            "        self._display.deprecated('use new', version='9.9', collection_name='accentos.cloud')\n"
            "        return {'failed': self._task.args['n'] == 2, 'msg': 'no', 'remedy': 'Use one.'}\n"
        )
        play = "- {name: W, hosts: db, gather_facts: false, tasks: [{stages_moan: {n: '{{ item }}'}, loop: [1, 2]}]}"
        lines = run(play).splitlines()
        start = lines.index("Warnings (2):")
        assert lines[start + 1].startswith("  - old key\\x1b[1m (")
        assert lines[start + 2].startswith("  - deprecated: use new (")
        assert "  do     Use one." in lines
        run.monkeypatch.setenv("ANSIBLE_DEPRECATION_WARNINGS", "false")
        assert "deprecated" not in run(play)


def test_diff_under_host_and_task(run: Runner) -> None:
    plugins = run.folder / "action_plugins"
    plugins.mkdir()
    (plugins / "stages_edit.py").write_text(
        "from ansible.plugins.action import ActionBase\n"
        "class ActionModule(ActionBase):\n"
        "    def run(self, tmp=None, task_vars=None):\n"
        "        diff = {'before': 'old\\n', 'after': self._task.args['text'], 'after_header': 'f\\u202e'}\n"
        "        return {'changed': self._task.args['text'] != 'old\\n', 'diff': diff}\n"
    )
    play = """
- name: D
  hosts: db
  gather_facts: false
  tasks:
    - {name: write, stages_edit: {text: "new\\e[31m\\n"}}
    - {name: loop, stages_edit: {text: "{{ item }}\\n"}, loop: [a, old, b]}
    - {name: hidden, stages_edit: {text: canary}, no_log: true}
"""
    lines = run(play, arguments={"diff": True}).splitlines()
    start = lines.index("diff  db1: write")
    assert lines[start + 1 : start + 6] == [
        "--- before",
        "+++ after: f\\u202e",
        "@@ -1 +1 @@",
        "-old",
        "+new\\x1b[31m",
    ]
    assert [line for line in lines if line.startswith(("diff", "+"))][3:] == [
        "diff  db1: loop",
        "+++ after: f\\u202e",
        "+a",
        "diff  db1: loop",
        "+++ after: f\\u202e",
        "+b",
    ]
    assert "canary" not in "".join(lines)


class TestLive:
    def live(self, run: Runner, playbook: str, **options: Any) -> Terminal:
        terminal = Terminal()
        run.monkeypatch.setattr(sys, "stdout", terminal)
        run.monkeypatch.setattr(sys, "stderr", terminal)
        run.monkeypatch.setenv("TERM", "xterm")
        run(playbook, **options)
        assert sys.stdout is terminal
        assert sys.stderr is terminal
        return terminal

    def test_line_moves_while_a_task_runs_and_leaves_nothing(self, run: Runner) -> None:
        play = """
- name: Slow
  hosts: web
  gather_facts: false
  vars_prompt: [{name: asked, prompt: What, default: x}]
  tasks:
    - {name: sleep, command: sleep 1.3, changed_when: false}
    - {name: warn, debug: {msg: x}}
"""
        run.clock = time.monotonic
        raw = self.live(run, play).getvalue()
        drawn = [part.split("\x1b[K")[0] for part in raw.split("\r")[1:]]
        sleeping = [line for line in drawn if "sleep" in line]
        assert sleeping[0].startswith("1/1 Slow [")
        assert len({line[-4:] for line in sleeping}) > 1
        assert len(drawn) < 40
        assert "start " not in raw
        shown = screen(raw)
        assert [line[:-4] for line in shown if line.startswith("ok ")] == [
            "ok      1/1 Slow  2 hosts  2 tasks  0 changed  "
        ]
        assert "[WARNING]: Not prompting as we are not in interactive mode" in shown
        assert not [line for line in shown if "hosts 0/2" in line or "hosts 2/2" in line]
        assert "stages-ticker" not in {thread.name for thread in threading.enumerate()}

    def test_failure_and_debugger_pause(self, run: Runner) -> None:
        shown = screen(self.live(run, FAILING).getvalue())
        assert "FAILED  web1: breaks" in shown
        assert shown[-2:] == ["Failed hosts: --limit web1", ""]

    def test_hosts_of_run_once_attempts_and_failed_hosts(self, run: Runner) -> None:
        run.monkeypatch.setattr(stages, "REDRAW_SECONDS", 0.0)
        play = """
- name: Live
  hosts: web
  gather_facts: false
  tasks:
    - {name: once, debug: {msg: x}, run_once: true}
    - {name: again, debug: {msg: x}, register: r, until: false, retries: 1, delay: 0, ignore_errors: true}
    - {name: one fails, fail: {msg: x}, when: inventory_hostname == 'web1'}
    - {name: rest, debug: {msg: x}}
"""
        raw = self.live(run, play).getvalue()
        assert " 1/4 once  hosts 1/1  0:00" in raw
        assert " again (attempt 2)  hosts 0/2  0:00" in raw
        assert " 3/4 rest  hosts 0/1  0:00" in raw
        assert " 4/4 rest  hosts 1/1  0:00" in raw

    @pytest.mark.parametrize(
        ("display", "term", "step", "live"),
        [
            ("auto", "xterm", False, True),
            ("auto", "dumb", False, False),
            ("auto", "xterm", True, False),
            ("quiet", "xterm", False, False),
            ("live", "dumb", False, True),
        ],
    )
    def test_when_it_is_drawn(self, run: Runner, display: str, term: str, step: bool, live: bool) -> None:
        run.monkeypatch.setattr(sys, "stdout", Terminal())
        run.monkeypatch.setenv("TERM", term)
        run.monkeypatch.setattr(context, "CLIARGS", ImmutableDict(step=step))
        assert run.plugin(display=display)._wants_live() is live

    def test_never_in_a_pipe(self, run: Runner) -> None:
        run.monkeypatch.setattr(sys, "stdout", io.StringIO())
        run.monkeypatch.setattr(context, "CLIARGS", ImmutableDict(step=False))
        assert run.plugin()._wants_live() is False


PROGRESS = report.Progress(1, 2, "Base", 0, 3, "task", 0, 2, 0.0)


class TestLiveLine:
    def line(self, now: list[float]) -> tuple[stages.LiveLine, Terminal]:
        terminal = Terminal()
        return stages.LiveLine(terminal, threading.RLock(), lambda: now[0]), terminal

    def test_at_most_ten_times_a_second(self) -> None:
        now = [0.0]
        live, terminal = self.line(now)
        for moment in (0.0, 0.05, 0.09, 0.1, 0.15, 0.21):
            now[0] = moment
            live.show(PROGRESS)
        assert terminal.getvalue().count("\r") == 3

    def test_others_write_on_a_line_of_their_own(self) -> None:
        now = [0.0]
        live, terminal = self.line(now)
        aside = stages.AroundLiveLine(terminal, live)
        live.show(PROGRESS)
        assert aside.write("question? ") == 10
        now[0] = 5.0
        live.draw()
        assert screen(terminal.getvalue()) == ["question? "]
        aside.writelines(["yes\n", ""])
        live.draw()
        assert screen(terminal.getvalue())[0] == "question? yes"
        assert screen(terminal.getvalue())[1].startswith("1/2 Base")
        assert aside.isatty()

    def test_pause_and_none(self) -> None:
        now = [0.0]
        live, terminal = self.line(now)
        live.show(PROGRESS)
        live.pause(True)
        now[0] = 9.0
        live.draw()
        assert screen(terminal.getvalue()) == [""]
        live.pause(False)
        live.show(None)
        assert screen(terminal.getvalue()) == [""]

    def test_abandon_says_what_to_clear(self) -> None:
        assert self.line([0.0])[0].abandon() == b""
        live, terminal = self.line([0.0])
        live.show(PROGRESS)
        size = len(terminal.getvalue())
        assert live.abandon() == b"\r\x1b[K"
        live.show(PROGRESS)
        assert len(terminal.getvalue()) == size

    def test_a_terminal_that_goes_away_ends_the_ticker_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Gone(Terminal):
            def write(self, text: str) -> int:
                raise OSError(errno.EIO, "gone")

        monkeypatch.setattr(stages, "TICK_SECONDS", 0.01)
        live = stages.LiveLine(Gone(), threading.RLock(), time.monotonic)
        live._progress = PROGRESS
        live.start()
        live._ticker.join(5)
        assert not live._ticker.is_alive()
        live._drawn = False
        live.stop()


class TestInterrupt:
    def begin(self, run: Runner, **options: Any) -> Any:
        run.monkeypatch.setattr(context, "CLIARGS", ImmutableDict(ARGUMENTS))
        callback = run.plugin(**options)
        callback._begin()
        callback._stage = report.StageRecord(1, "Base", "running")
        callback._stages.append(callback._stage)
        callback._stage_began = callback._clock()
        return callback

    def test_term(self, run: Runner) -> None:
        seen: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
        self.begin(run)
        signal.raise_signal(signal.SIGTERM)
        assert seen == [signal.SIGTERM]
        assert run.output() == (
            "Interrupted in stage 1/1 Base, after 0:00.\nNext: run the same command again; what is done stays done.\n"
        )
        assert run.json["outcome"] == "interrupted"
        assert run.json["stages"][0]["status"] == "interrupted"

    def test_int_leaves_the_rest_to_ansible(self, run: Runner) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        callback = self.begin(run)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        run.output()
        callback._abandon()
        assert run.output().startswith("Interrupted in stage 1/1 Base, after 0:00.\n")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        callback._abandon()
        assert run.output() == ""

    def test_an_error_of_ansible_is_not_an_interrupt(self, run: Runner) -> None:
        self.begin(run)._abandon()
        assert run.output() == (
            "Broke off in stage 1/1 Base, after 0:00.\n"
            "Next: mend the cause above and run the same command again; what is done stays done.\n"
        )
        assert run.json["outcome"] == run.json["stages"][0]["status"] == "broken off"

    @pytest.mark.parametrize("results", [False, True])
    def test_the_mistakes_of_a_site_that_cannot_be_read_are_shown(self, run: Runner, results: bool) -> None:
        site = write_site(run.folder / "site", {SITE: "---\nsite_name:\ttest\n  - a\n"})
        callback = self.begin(run)
        run.monkeypatch.setattr(context, "CLIARGS", ImmutableDict(ARGUMENTS | {"inventory": [str(site)]}))
        if results:
            callback._hosts["web1"] = report.HostRecord(ok=1)
        callback._abandon()
        out = run.output()
        assert (f"The site in {site} has " in out) is not results
        assert (f"{SITE}:2:" in out) is not results
        assert "Broke off in stage 1/1 Base" in out
        assert (f"{SITE}:2:" in run.log) is not results

    def test_default_action_is_kept(self, run: Runner) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.begin(run)
        sent: list[tuple[int, int]] = []
        run.monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
        signal.raise_signal(signal.SIGTERM)
        assert sent == [(os.getpid(), signal.SIGTERM)]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_a_worker_says_nothing(self, run: Runner) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        callback = self.begin(run)
        callback._pid = -1
        signal.raise_signal(signal.SIGTERM)
        callback._abandon()
        assert run.output() == ""

    def test_outside_the_main_thread_signals_stay(self, run: Runner) -> None:
        before = signal.getsignal(signal.SIGTERM)
        thread = threading.Thread(target=self.begin, args=(run,))
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) == before


class TestTrouble:
    def test_files_that_cannot_be_written(self, run: Runner) -> None:
        missing = run.folder / "missing"
        run(FAILING, log_path=str(missing / "log"), json_path=str(missing / "json"))
        assert f"The log {missing}/log cannot be written: No such file or directory." in run.stderr
        assert f"The summary {missing}/json cannot be written: No such file or directory." in run.stderr

    def test_failed_replacement_leaves_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "target").mkdir()
        with pytest.raises(OSError, match="target"):
            stages.replace_json(str(tmp_path / "target"), {})
        assert [path.name for path in tmp_path.iterdir()] == ["target"]

    def test_a_reader_that_leaves_does_not_stop_the_run(self, run: Runner) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as pipe:
            run.monkeypatch.setattr(sys, "stdout", pipe)
            run(FAILING)
            print("to nowhere", file=pipe, flush=True)
        assert run.json["outcome"] == "failed"
        assert run.code == 2

    def test_events_without_a_play_are_harmless(self, run: Runner) -> None:
        callback = run.plugin()
        callback._start_task(SimpleNamespace(_uuid="x"), "task")
        callback.v2_playbook_on_no_hosts_matched()
        callback.v2_playbook_on_no_hosts_remaining()
        assert run.output() == ""

    def test_a_play_that_no_playbook_announced(self, run: Runner) -> None:
        manager = SimpleNamespace(get_vars=lambda play: {})
        play = SimpleNamespace(
            _uuid="u",
            name="",
            hosts=None,
            strategy="linear",
            get_vars=dict,
            get_variable_manager=lambda: manager,
            compile=list,
        )
        callback = run.plugin()
        callback.v2_playbook_on_play_start(play)
        assert run.output() == "start   1/1 (no name)\n"

    def test_names_of_colours_exist(self) -> None:
        assert all(hasattr(constants, name) for name in stages.COLORS.values())


def test_check_mode_ends_with_a_plan(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tmp_path / "plan.json"
    monkeypatch.setenv("ACCENTOS_STAGES_PLAN_PATH", str(plan))
    target = tmp_path / "new.conf"
    play = (
        "- hosts: db1\n  gather_facts: false\n  tasks:\n    - name: write\n"
        f"      accentos.cloud.files:\n        files: [{{path: {target}, content: x}}]\n"
        "    - name: see\n      accentos.cloud.files:\n        files: [{path: /nowhere/at/all, content: x}]\n"
        "      check_mode: true\n"
    )
    assert f"  db1: -: create {target}" in run(play, arguments={"check": True, "diff": True}).splitlines()
    foretold = json.loads(plan.read_text())
    assert "What would change:" not in run(play)
    done = json.loads(plan.read_text())
    assert (foretold["check"], done["check"]) == (True, False)
    would, did = (document["hosts"]["db1"]["changes"] for document in (foretold, done))
    assert [change["thing"] for change in would] == [str(target), "/nowhere/at/all"]
    assert [{**change, "diff": []} for change in did] == [{**change, "diff": []} for change in would[:1]]
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("folder", "lines"),
    [
        ("store", ["+key = (hidden)"]),
        # Nobody can say what of it is a secret.
        ("no/absolute/path", []),
    ],
)
def test_no_document_has_a_secret_of_the_site_whatever_the_playbook(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, lines: list[str]
) -> None:
    plan = tmp_path / "plan.json"
    monkeypatch.setenv("ACCENTOS_STAGES_PLAN_PATH", str(plan))
    store = tmp_path / "store"
    store.mkdir()
    SecretStore(store).set("web_key", "a password of the site")
    variables = {"site_secrets_folder": str(store) if folder == "store" else folder}
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(yaml.safe_dump(variables))
    text = "key = a password of the site\n"
    task = {"name": "write", "accentos.cloud.files": {"files": [{"path": str(tmp_path / "new"), "content": text}]}}
    play = [{"hosts": "db1", "gather_facts": False, "tasks": [task]}]
    run(yaml.safe_dump(play), arguments={"check": True, "diff": True})
    (change,) = json.loads(plan.read_text())["hosts"]["db1"]["changes"]
    assert change["diff"][2:] == lines
    assert "a password" not in plan.read_text()


WHOLE = "- hosts: web1\n  gather_facts: false\n  vars: {{{0}: true}}\n  tasks: [{{debug: {{msg: begun}}}}]\n"


@pytest.mark.parametrize(
    ("mark", "arguments", "words"),
    [
        ("stages_whole", {"start_at_task": "debug"}, "With --start-at-task the tasks"),
        ("stages_whole", {"skip_tags": ("always",), "check": True}, "With --skip-tags always the tasks"),
        ("stages_whole", {"skip_tags": ("prepare",)}, ""),
        ("stages_check_only", {"start_at_task": "debug"}, "Without check mode this would deploy."),
        ("stages_check_only", {"check": True}, ""),
        ("stages_other", {"step": False, "start_at_task": "debug"}, ""),
    ],
)
def test_a_playbook_that_says_so_does_not_begin_with_options_that_skip_what_refuses(
    run: Runner, mark: str, arguments: dict[str, object], words: str
) -> None:
    if words:
        with pytest.raises(SystemExit) as caught:
            run(WHOLE.format(mark), arguments=arguments)
        assert caught.value.code == REFUSED_CODE
        run.callback._abandon()
        out = run.output()
        assert f"Nothing was touched. {words}" in out
        assert run.json["outcome"] == "broken off"
    else:
        out = run(WHOLE.format(mark), arguments=arguments)
    assert ("begun" in out) is not bool(words)


APPLIED = """
- hosts: web1,web2
  gather_facts: false
  tasks:
    - {name: write, accentos.cloud.files: {files: [{path: "{{ target }}", content: x}]}, run_once: true}
    - {name: lose, fail: {}, when: inventory_hostname == lost | default('')}
    - set_stats:
        data: {site_plan_applied: {path: "{{ plan }}", digest: "{{ digest | default('') }}", rest: false}}
        aggregate: false
      run_once: true
"""


def test_only_a_run_that_did_all_of_the_plan_that_it_began_with_is_as_planned(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "plan.json"
    target = tmp_path / "new.conf"
    play = yaml.safe_load(APPLIED)
    play[0]["vars"] = {"target": str(target), "plan": str(plan)}
    with monkeypatch.context() as changed:
        changed.setenv("ACCENTOS_STAGES_PLAN_PATH", str(plan))
        run(yaml.safe_dump(play), arguments={"check": True, "diff": True})
    assert f"since {plan} is another one now" in run(yaml.safe_dump(play))
    play[0]["vars"]["digest"] = site_plan.digest_of(plan.read_text())
    target.unlink()
    assert "As planned: exactly" in run(yaml.safe_dump(play))
    target.unlink()
    play[0]["vars"]["lost"] = "web2"
    out = run(yaml.safe_dump(play))
    assert "Not all of the plan was done: web2." in out
    assert "As planned" not in out


DELEGATED = """
- name: Elsewhere
  hosts: web1
  gather_facts: false
  vars: {ansible_host: "{{ addresses[inventory_hostname] }}", addresses: {web1: 192.0.2.1, localhost: 192.0.2.2}}
  tasks:
    - {name: fixed, fail: {msg: one}, delegate_to: localhost, ignore_errors: true}
    - {name: computed, fail: {msg: two}, delegate_to: "{{ 'db1' }}", ignore_errors: true}
    - {name: same, fail: {msg: three}, delegate_to: web1, ignore_errors: true}
    - {name: unknown, fail: {msg: four}, delegate_to: "{{ nobody }}", ignore_errors: true}
"""


def test_hosts_are_shown_by_their_names_alone(run: Runner) -> None:
    out = run(DELEGATED)
    shown = [line.split(":")[0].split(None, 1)[1] for line in out.splitlines() if "the run goes on" in line]
    assert shown[:3] == ["web1 -> localhost", "web1 -> db1", "web1"]
    assert "{{" not in "".join(shown)
