# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages callback in real runs of ansible-playbook, in a pipe and on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 60
CANARY = "c4nary-7f3a"
UNSAFE = {"Cc", "Cf", "Cs"}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Site:
    """A folder with an inventory of two local hosts and one that refuses connections, and what a run leaves there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.json_path = folder / "run.json"
        self.log_path = folder / "run.log"
        (folder / "ansible.cfg").write_text(
            "[defaults]\n"
            "stdout_callback = accentos.cloud.stages\n"
            f"collections_path = {ROOT / 'collections'}\n"
            f"home = {folder / 'home'}\n"
            "[callback_stages]\n"
            f"log_path = {self.log_path}\n"
        )
        (folder / "hosts").write_text(
            f"[local]\nweb1\nweb2\n"
            f"[local:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"
            "[far]\ndb1 ansible_host=127.0.0.1 ansible_port=9 ansible_ssh_args='-o ConnectTimeout=1'\n"
        )
        dropped = ("ANSIBLE_", "ACCENTOS_", "NO_COLOR", "CI")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | {
            "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
            "ACCENTOS_STAGES_JSON_PATH": str(self.json_path),
            "_ANSIBLE_CALLBACK_DISPATCH_ERROR_BEHAVIOR": "error",
            "COLUMNS": "120",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
        }

    def command(self, playbook: str, *arguments: str) -> list[str]:
        (self.folder / "site.yml").write_text(playbook)
        return [sys.executable, "-m", "ansible", "playbook", "-i", "hosts", "site.yml", *arguments]

    def run(self, playbook: str, *arguments: str, **environment: str) -> Result:
        done = subprocess.run(
            self.command(playbook, *arguments),
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def on_terminal(
        self, playbook: str, *arguments: str, kill: int | None = None, when: str = "", columns: int = 100
    ) -> tuple[int, str]:
        """Exit code, negative for a signal, and all characters of a run; kill is sent once the screen shows when."""
        environment = {name: value for name, value in self.environment.items() if name != "COLUMNS"}
        terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen(
            self.command(playbook, *arguments),
            cwd=self.folder,
            env=environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        ) as process:
            os.close(inner)
            raw = b""
            deadline = time.monotonic() + TIMEOUT
            while time.monotonic() < deadline:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                data = b""
                # Linux reports that the other side is closed as an error.
                with contextlib.suppress(OSError):
                    data = os.read(terminal, 65536)
                if not data:
                    break
                raw += data
                if kill is not None and when.encode() in raw:
                    process.send_signal(kill)
                    kill = None
            os.close(terminal)
            return process.wait(TIMEOUT), raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.json_path.read_text())

    @property
    def log(self) -> str:
        return self.log_path.read_text()


def screen(raw: str) -> list[str]:
    """What a terminal shows after these characters: CR, LF and erase to the end of the line; colours are dropped."""
    rows, column = [""], 0
    for part in re.findall(r"\x1b\[K|\x1b\[[0-9;]*m|.", raw, re.DOTALL):
        if part == "\x1b[K":
            rows[-1] = rows[-1][:column]
        elif part == "\r":
            column = 0
        elif part == "\n":
            rows.append("")
            column = 0
        elif len(part) == 1:
            rows[-1] = rows[-1][:column].ljust(column) + part + rows[-1][column + 1 :]
            column += 1
    return rows


def plain(text: str) -> bool:
    return not {unicodedata.category(char) for char in text if char != "\n"} & UNSAFE


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


CHANGES = """
- name: Base system
  hosts: local
  gather_facts: false
  vars: {stages_next_step: make verify}
  handlers: [{name: reload, command: 'true'}]
  tasks:
    - {name: write, copy: {content: "new\\n", dest: "{{ inventory_hostname }}.conf"}, notify: reload}
    - {name: look, command: 'true', changed_when: false}
"""


def test_success_then_nothing_to_change(site: Site) -> None:
    first = site.run(CHANGES)
    assert (first.code, first.err) == (0, "")
    assert first.lines[:2] == ["site.yml: 1 stage", "start   1/1 Base system"]
    assert re.fullmatch(r"ok      1/1 Base system  2 hosts  3 tasks  4 changed  0:\d\d", first.lines[2])
    assert re.fullmatch(r"Done: 4 changes on 2 hosts, 0:\d\d\.", first.lines[-2])
    assert first.lines[-1] == "Next: make verify"
    assert plain(first.out)
    assert {name: host["tasks"] for name, host in site.json["hosts"].items()} == {"web1": 3, "web2": 3}
    assert (site.json["outcome"], site.json["stages"][0]["tasks"]) == ("ok", 3)
    assert stat.S_IMODE(site.log_path.stat().st_mode) == 0o600
    second = site.run(CHANGES)
    assert re.fullmatch(r"Done: nothing to change on 2 hosts, 0:\d\d\.", second.lines[-2])
    assert {name: host["changed"] for name, host in site.json["hosts"].items()} == {"web1": 0, "web2": 0}
    assert site.log.count("stage start: Base system") == 2


def test_check_and_diff(site: Site) -> None:
    done = site.run(CHANGES, "--check", "--diff")
    assert done.lines[1] == "plan (check mode): nothing is written"
    start = done.lines.index("diff  web1: write")
    assert done.lines[start + 3 : start + 5] == ["@@ -0,0 +1 @@", "+new"]
    assert "would be made on 2 hosts" in done.lines[-2]
    assert not (site.folder / "web1.conf").exists()


def test_failure_shows_cause_and_remedy(site: Site) -> None:
    done = site.run("""
- name: Break
  hosts: local
  gather_facts: false
  tasks:
    - name: fill
      command: sh -c 'for n in $(seq 20); do echo line $n; done; echo "No space left on device" >&2; exit 28'
      when: inventory_hostname == 'web1'
""")
    assert done.code == 2
    start = done.lines.index("FAILED  web1: fill")
    assert done.lines[start + 1 : start + 8] == [
        "  where  site.yml:6",
        "  why    non-zero return code",
        "         rc 28",
        "         stderr:",
        "         | No space left on device",
        "         stdout, last 15 of 20 lines:",
        "         | line 6",
    ]
    assert done.lines[start + 22].startswith("  do     A file system of the host is full.")
    assert done.lines[-2:] == [
        "Next: mend the cause above and run the same command again; what is done stays done.",
        "Failed hosts: --limit web1",
    ]


def test_rescued_ignored_loops_and_retries(site: Site) -> None:
    done = site.run(
        """
- name: Calm
  hosts: web1
  gather_facts: false
  tasks:
    - {name: soft, command: 'false', ignore_errors: true}
    - block: [{name: hard, command: 'false'}]
      rescue: [{name: mend, command: 'true'}]
    - {name: again, command: 'false', register: r, until: r is success, retries: 1, delay: 0, ignore_errors: true}
    - {name: loop, command: 'sh -c "exit {{ item }}"', loop: [0, 3], failed_when: false}
    - {name: loop bad, command: 'sh -c "exit {{ item }}"', loop: [0, 3]}
""",
        "-v",
    )
    text = "\n".join(done.lines)
    assert "ignored  web1: soft; the run goes on" in done.lines
    assert "rescued  web1: hard; the run goes on" in done.lines
    assert "    retry: web1: again: attempt 2" in done.lines
    assert "  - loop: 1 changed" in text
    start = done.lines.index("FAILED  web1: loop bad")
    assert done.lines[start + 2 : start + 5] == [
        "  why    item 3",
        "           non-zero return code",
        "           rc 3",
    ]
    host = site.json["hosts"]["web1"]
    assert (host["failed"], host["rescued"], host["ignored"], host["tasks"]) == (1, 1, 2, 6)


def test_unreachable(site: Site) -> None:
    done = site.run("- {name: Far, hosts: 'far:web1', gather_facts: false, tasks: [{name: reach, ping: }]}")
    assert done.code == 4
    start = done.lines.index("UNREACHABLE  db1: reach")
    assert "Connection refused" in done.lines[start + 2]
    assert "  do     Nothing answers as expected at that address." in done.out
    assert done.lines[-1] == "Failed hosts: --limit db1"
    assert site.json["hosts"]["db1"]["unreachable"] == 1


def test_no_log_is_kept_at_every_verbosity(site: Site) -> None:
    done = site.run(
        """
- name: Quiet
  hosts: web1
  gather_facts: false
  vars: {secret: "{{ lookup('ansible.builtin.env', 'STAGES_CANARY') }}"}
  tasks:
    - {name: write, copy: {content: "{{ secret }}", dest: secret.conf, mode: "0600"}, no_log: true}
    - {name: each, command: 'echo {{ item }}', loop: ["{{ secret }}", "{{ secret }}2"], no_log: true}
    - {name: fails, command: 'sh -c "echo {{ secret }} >&2; exit 1"', no_log: true}
""",
        "-vvvv",
        "--diff",
        STAGES_CANARY=CANARY,
    )
    assert (site.folder / "secret.conf").read_text() == CANARY
    assert "  why    The output is hidden because no_log is set for this task." in done.lines
    for text in (done.out, done.err, site.log, site.json_path.read_text()):
        assert CANARY not in text


def test_text_from_hosts_cannot_steer_the_terminal(site: Site) -> None:
    (site.folder / "evil.txt").write_text("\x1b]0;title\x07\x1b[2J\u202e\x9b31m{{ 7 * 7 }}\nFAILED  web9: forged\n")
    done = site.run(
        """
- name: "Evil \\e[31m{{ name }}"
  hosts: web1
  gather_facts: false
  vars: {name: "\\e[2J"}
  tasks:
    - {name: "task \\e[1A {{ name }}", command: cat evil.txt, register: read}
    - {name: copy, copy: {content: "{{ read.stdout }}", dest: evil.out}}
    - {name: dump, debug: {var: read}}
    - {name: stop, command: sh -c 'cat evil.txt >&2; exit 1'}
""",
        "-vvv",
        "--diff",
    )
    assert plain(done.out)
    assert plain(site.log)
    assert "         | \\x1b]0;title\\x07\\x1b[2J\\u202e\\x9b31m{{ 7 * 7 }}" in done.lines
    assert "         | FAILED  web9: forged" in done.lines
    assert "FAILED  web9: forged" not in done.lines


def test_no_hosts_matched(site: Site) -> None:
    done = site.run("- {name: Lost, hosts: nobody, tasks: []}")
    assert 'none    1/1 Lost  no host matches "nobody"; nothing was done' in done.lines
    assert "Nothing was done: no host matched." in done.lines
    assert site.json["outcome"] == "no hosts"


IDLE = "- {name: Idle, hosts: web1, gather_facts: false, tasks: [{debug: {msg: x}}]}"


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"ANSIBLE_FORCE_COLOR": "1"}, True),
        ({}, False),
        ({"NO_COLOR": "1"}, False),
    ],
)
def test_colours_in_a_pipe_only_by_force(site: Site, environment: dict[str, str], coloured: bool) -> None:
    assert ("\x1b[0;32mok " in site.run(IDLE, **environment).out) is coloured


def test_terminal_without_colours(site: Site) -> None:
    site.environment["NO_COLOR"] = "1"
    _, raw = site.on_terminal(IDLE)
    assert not re.search(r"\x1b\[[0-9;]*m", raw)


SLOW = """
- name: Slow
  hosts: local
  gather_facts: false
  tasks:
    - {name: sleeps, command: sleep 2, changed_when: false}
    - {name: stops, fail: {msg: stop here}, when: inventory_hostname == 'web2'}
"""


@pytest.mark.parametrize("columns", [40, 100])
def test_terminal_shows_a_live_line_and_leaves_none(site: Site, columns: int) -> None:
    code, raw = site.on_terminal(SLOW, columns=columns)
    assert code == 2
    drawn = [re.split(r"\x1b\[K", part)[0] for part in raw.split("\r") if re.match(r"1/1 Slow.*\x1b\[K", part)]
    assert any("sleeps" in line and line.endswith("0:01") for line in drawn)
    assert max(map(len, drawn)) < columns
    shown = screen(raw)
    assert shown[-1] == ""
    assert shown[-2] == "Failed hosts: --limit web2"
    assert any(line.startswith("web2  ") for line in shown)
    assert any(line.startswith("1/1 Slow  failed  ") for line in shown)
    assert not [line for line in shown if "sleeps" in line]
    assert raw.count("\x1b[?25l") == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 99), (signal.SIGTERM, -signal.SIGTERM)])
def test_interrupted_run_leaves_no_half_line(site: Site, number: int, code: int) -> None:
    # It must not come to its end by itself before the signal does, however busy the machine is.
    exit_code, raw = site.on_terminal(SLOW.replace("sleep 2", "sleep 60"), kill=number, when="sleeps")
    assert exit_code == code
    shown = screen(raw)
    assert shown[-3].startswith("Interrupted in stage 1/1 Slow, after 0:0")
    assert shown[-2:] == ["Next: run the same command again; what is done stays done.", ""]
    assert not [line for line in shown if "sleeps" in line]
    assert site.json["outcome"] == "interrupted"


def test_a_reader_that_leaves_does_not_stop_the_run(site: Site) -> None:
    with subprocess.Popen(
        site.command(CHANGES), cwd=site.folder, env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(TIMEOUT) == 0
    assert site.json["outcome"] == "ok"
