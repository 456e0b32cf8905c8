# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines that the stages callback prints, from literal data."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils import stage_report as report
from hypothesis import given
from hypothesis import strategies as st

PRINTABLE = st.characters(exclude_categories=["C", "Z"])
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HOSTILE = "web\x1b[2J1\u202egnp\u2066\x9b31m\x07"


def texts(lines: list[report.Line]) -> list[str]:
    return [line.text for line in lines]


def progress(**changes: Any) -> report.Progress:
    usual = report.Progress(
        number=2,
        of=5,
        stage="Base system",
        done=12,
        known=31,
        task="Install packages",
        hosts_done=3,
        hosts=4,
        started=0.0,
    )
    return dataclasses.replace(usual, **changes)


def stages() -> list[report.StageRecord]:
    return [
        report.StageRecord(1, "Base system", "ok", 42.0, {"web1", "web2"}, {"a", "b", "c"}, changed=4),
        report.StageRecord(2, "Datenbank äöü", "failed", 126.0, {"db1"}, {"d"}, failed=1, unreachable=1),
        report.StageRecord(3, "Nowhere", "none"),
        report.StageRecord(4, "Verify"),
    ]


HOSTS = {
    "web1": report.HostRecord(tasks=3, ok=3, changed=2),
    "web2": report.HostRecord(tasks=3, ok=3, changed=2, skipped=1),
    "db1": report.HostRecord(tasks=1, failed=1),
    "db2": report.HostRecord(tasks=1, unreachable=1),
}


GOOD = {name: HOSTS[name] for name in ("web1", "web2")}


def run(outcome: str, **changes: Any) -> report.RunReport:
    usual = report.RunReport(outcome=outcome, seconds=168.2, check=False, stages=stages(), hosts=HOSTS)
    return dataclasses.replace(usual, **changes)


class TestSanitise:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("plain text 1,2", "plain text 1,2"),
            ("Grüße 日本 \U0001f600", "Grüße 日本 \U0001f600"),
            ("red\x1b[31m", "red\\x1b[31m"),
            ("c1 \x9b31m", "c1 \\x9b31m"),
            ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
            ("tag\U000e0041", "tag\\U000e0041"),
            ("half\ud800", "half\\ud800"),
            ("bell\x07 nul\x00 del\x7f", "bell\\x07 nul\\x00 del\\x7f"),
            (" two\r\n lines\tand tab ", "two lines and tab"),
            ("over\rwrite", "over write"),
            ("line\u2028sep", "line\\u2028sep"),
            ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
            ("", ""),
        ],
    )
    def test_shows(self, text: str, shown: str) -> None:
        assert report.sanitise(text) == shown

    def test_lines_keep_line_ends_and_indent(self) -> None:
        assert report.sanitise_lines("a\r\n\tb\x1b[1m\rc\n") == ["a", "    b\\x1b[1m\\rc", ""]

    def test_lines_are_clipped(self) -> None:
        assert report.sanitise_lines("x" * 5000) == ["x" * 998 + ".."]

    def test_data_is_safe_at_every_depth(self) -> None:
        data = {"be\x1bfore": "a\nb\x1b[0m", "list": [{"after": "\u202e"}, ("x\x07",)], "n": 3, "none": None}
        assert report.sanitise_data(data) == {
            "be\\x1bfore": "a\nb\\x1b[0m",
            "list": [{"after": "\\u202e"}, ["x\\x07"]],
            "n": 3,
            "none": None,
        }

    @given(st.text(alphabet=st.characters()))
    def test_no_unsafe_character_is_left(self, text: str) -> None:
        shown = report.sanitise(text)
        assert not {unicodedata.category(char) for char in shown} & UNSAFE
        assert report.sanitise(shown) == shown

    @given(st.text(alphabet=st.characters()))
    def test_lines_hold_no_unsafe_character(self, text: str) -> None:
        assert not {unicodedata.category(char) for line in report.sanitise_lines(text) for char in line} & UNSAFE

    @given(st.text(alphabet=PRINTABLE))
    def test_printable_text_stays(self, text: str) -> None:
        assert report.sanitise(text) == text


class TestText:
    @pytest.mark.parametrize(
        ("text", "width", "shown"),
        [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abc.."),
            ("abc", 2, "ab"),
            ("abc", 0, ""),
            ("日本語", 5, "日.."),
            ("日", 1, ""),
        ],
    )
    def test_clip(self, text: str, width: int, shown: str) -> None:
        assert report.clip(text, width) == shown

    @given(st.text(alphabet=PRINTABLE), st.integers(0, 60))
    def test_clip_fits(self, text: str, width: int) -> None:
        assert report.text_width(report.clip(text, width)) <= width

    def test_width_counts_cells(self) -> None:
        assert [report.text_width(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]

    def test_pad(self) -> None:
        assert (report.pad("日", 4), report.pad("7", 3, right=True), report.pad("long", 3)) == ("日  ", "  7", "l..")

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(0, "0:00"), (42.9, "0:42"), (61, "1:01"), (3599, "59:59"), (3661, "1:01:01"), (-1, "0:00")],
    )
    def test_duration(self, seconds: float, shown: str) -> None:
        assert report.duration(seconds) == shown

    def test_count(self) -> None:
        assert [report.count(n, "host") for n in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]

    def test_bar(self) -> None:
        assert [report.progress_bar(d, k, 4) for d, k in ((0, 4), (2, 4), (4, 4), (9, 4), (0, 0))] == [
            "[----]",
            "[##--]",
            "[####]",
            "[####]",
            "[----]",
        ]


class TestLiveLine:
    @pytest.mark.parametrize(
        ("width", "shown"),
        [
            (20, "2/5 Bas..  3/4  0:42"),
            (40, "2/5 Base sy.. 12/31 Install..  3/4  0:42"),
            (60, "2/5 Base sys.. [###-------] 12/31 Install..  hosts 3/4  0:42"),
            (80, "2/5 Base system [###-------] 12/31 Install packages  hosts 3/4  0:42"),
            (200, "2/5 Base system [#######-------------] 12/31 Install packages  hosts 3/4  0:42"),
        ],
    )
    def test_widths(self, width: int, shown: str) -> None:
        assert report.live_line(progress(), 42.0, width) == shown

    def test_attempt(self) -> None:
        assert "Install packages (attempt 3)  hosts" in report.live_line(progress(attempt=3), 1.0, 100)

    def test_hostile_names_are_escaped(self) -> None:
        line = report.live_line(progress(stage=HOSTILE, task="x\n\x1b[A"), 1.0, 200)
        assert "web\\x1b[2J1\\u202egnp" in line
        assert not {unicodedata.category(char) for char in line} & UNSAFE

    @given(st.text(max_size=80), st.text(max_size=80), st.integers(0, 200), st.integers(0, 20))
    def test_never_wider_than_the_terminal(self, stage: str, task: str, width: int, attempt: int) -> None:
        line = report.live_line(progress(stage=stage, task=task, attempt=attempt), 4000.0, width)
        assert report.text_width(line) <= width


class TestTable:
    COLUMNS = (report.Column("name", right=False), report.Column("n", drop=1), report.Column("time"))

    def test_lines_up(self) -> None:
        rows = [["a", "1", "0:01"], ["日本", "12", "10:00"]]
        assert report.table(self.COLUMNS, rows, 80) == ["name   n   time", "a      1   0:01", "日本  12  10:00"]

    def test_first_column_gives_way_then_columns_drop(self) -> None:
        rows = [["a rather long name of one stage", "1", "0:01"]]
        assert report.table(self.COLUMNS, rows, 38) == [
            "name                           n  time",
            "a rather long name of one s..  1  0:01",
        ]
        assert report.table(self.COLUMNS, rows, 32) == [
            "name                        time",
            "a rather long name of on..  0:01",
        ]
        assert report.table(self.COLUMNS, rows, 12) == ["name    time", "a ra..  0:01"]

    def test_no_rows(self) -> None:
        assert report.table(self.COLUMNS, [], 80) == ["name  n  time"]

    @given(
        st.lists(st.text(alphabet=PRINTABLE, max_size=30), max_size=4),
        st.integers(1, 99),
    )
    def test_never_wider(self, names: list[str], width: int) -> None:
        lines = report.table(self.COLUMNS, [[name, "1", "0:01"] for name in names], width)
        assert all(report.text_width(line) <= width for line in lines)


class TestStageLines:
    def test_start_and_end(self) -> None:
        base, broken = stages()[:2]
        assert report.stage_start_line(base, 4) == report.Line("start   1/4 Base system")
        assert report.stage_end_line(base, 4, 18) == report.Line(
            "ok      1/4 Base system     2 hosts  3 tasks  4 changed  0:42", "changed"
        )
        assert report.stage_end_line(broken, 4, 0) == report.Line(
            "failed  2/4 Datenbank äöü  1 host  1 task  0 changed  1 failed  1 unreachable  2:06", "failed"
        )
        assert report.stage_end_line(report.StageRecord(1, "s", "ok"), 1, 0).style == "ok"

    def test_no_hosts_says_pattern_and_limit(self) -> None:
        nowhere = stages()[2]
        assert texts(report.no_hosts_lines(nowhere, 4, "db:!old", "")) == [
            'none    3/4 Nowhere  no host matches "db:!old"; nothing was done'
        ]
        assert texts(report.no_hosts_lines(nowhere, 4, "db", "web*")) == [
            'none    3/4 Nowhere  no host matches "db", narrowed by --limit web*; nothing was done'
        ]

    def test_title(self) -> None:
        assert texts(report.title_lines("deploy.yml", 6, 5, check=False)) == ["deploy.yml: 5 stages"]
        assert texts(report.title_lines("x.yml", 0, 0, check=True)) == [
            "x.yml: the playbook has no plays",
            "plan (check mode): nothing is written",
        ]

    def test_task_line(self) -> None:
        assert report.task_line("Install", {"ok": 2, "changed": 1, "failed": 0}, 3.0, "  a.yml:3") == report.Line(
            "  - Install: 2 ok, 1 changed  0:03  a.yml:3", "changed"
        )
        assert report.task_line("Install", {}, 0) == report.Line("  - Install: no host  0:00", "skipped")

    def test_hostile_names(self) -> None:
        bad = report.StageRecord(1, HOSTILE, "ok")
        lines = [
            report.stage_start_line(bad, 1),
            report.stage_end_line(bad, 1, 0),
            report.task_line(HOSTILE, {"ok": 1}, 0),
            *report.no_hosts_lines(bad, 1, HOSTILE, HOSTILE),
            *report.title_lines(HOSTILE, 1, 1, check=False),
            *report.failure_lines(report.Failure("failed", HOSTILE, HOSTILE, HOSTILE, HOSTILE, (), "")),
            *report.failure_lines(report.Failure("ignored", HOSTILE, HOSTILE, "", HOSTILE, (), ""), full=False),
            *report.summary_lines(
                run(
                    "failed",
                    stages=[bad],
                    hosts={HOSTILE: report.HostRecord(failed=1)},
                    slowest=[report.TaskTime(HOSTILE, HOSTILE, 1)],
                    warnings={HOSTILE: 1},
                ),
                200,
                verbose=True,
            ),
            *report.outcome_lines(run("ok", next_step=HOSTILE)),
        ]
        assert not {unicodedata.category(char) for line in lines for char in line.text} & UNSAFE
        assert sum("\\x1b[2J" in line.text for line in lines) >= 12


class TestCause:
    def test_message_rc_and_last_lines(self) -> None:
        result = {
            "msg": "non-zero return code",
            "rc": 100,
            "stderr": "".join(f"line {n}\n" for n in range(1, 21)),
            "stdout": "only\x1b[31m",
        }
        assert report.cause(result) == (
            "non-zero return code",
            "rc 100",
            "stderr, last 15 of 20 lines:",
            *(f"| line {n}" for n in range(6, 21)),
            "stdout:",
            "| only\\x1b[31m",
        )

    def test_module_crash(self) -> None:
        assert report.cause({"msg": "MODULE FAILURE", "module_stderr": "Traceback", "module_stdout": ""}) == (
            "MODULE FAILURE",
            "module_stderr:",
            "| Traceback",
        )

    def test_output_that_repeats_the_message_is_left_out(self) -> None:
        assert report.cause({"msg": "boom", "stderr": "boom\n"}) == ("boom",)

    @pytest.mark.parametrize(
        ("result", "why"),
        [
            ({}, ("The module gave no message.",)),
            ({"reason": "no such file"}, ("no such file",)),
            ({"msg": ["a", {"b": 1}]}, ('["a", {"b": 1}]',)),
            ({"msg": "one\ntwo"}, ("one", "two")),
            ({"msg": "no", "attempts": 3}, ("no", "after several attempts")),
            ({"msg": "no", "attempts": 1}, ("no",)),
            ({"msg": "{{ 7 * 7 }}"}, ("{{ 7 * 7 }}",)),
        ],
    )
    def test_forms(self, result: dict[str, object], why: tuple[str, ...]) -> None:
        assert report.cause(result) == why

    def test_long_message_keeps_both_ends(self) -> None:
        lines = report.cause({"msg": "\n".join(str(n) for n in range(100))})
        assert (lines[0], lines[14], lines[15], lines[16], lines[-1]) == ("0", "14", "(70 lines left out)", "85", "99")
        assert len(lines) == 31

    def test_each_failed_item(self) -> None:
        result = {
            "msg": "One or more items failed",
            "results": [
                {"item": "a", "changed": True},
                {"failed": True, "_ansible_item_label": "b\x1b", "item": "hidden", "msg": "no b"},
                {"unreachable": True, "item": {"n": 1}, "msg": "no c"},
                {"failed": True, "item": "canary", "_ansible_no_log": True, "msg": "canary"},
                "squashed",
            ],
        }
        assert report.cause(result) == ("item b\\x1b", "  no b", 'item {"n": 1}', "  no c", "item (hidden)")

    @pytest.mark.parametrize("mark", [{"_ansible_no_log": True}, {"censored": "hidden"}])
    def test_no_log_hides_everything(self, mark: dict[str, object]) -> None:
        result = {
            "msg": "canary",
            "stderr": "canary",
            "remedy": "canary",
            "results": [{"failed": True, "msg": "canary"}],
        }
        assert "canary" not in "".join(report.cause(result | mark))
        assert "canary" not in report.remedy(result | mark, "/var/log/run.log")
        assert report.is_censored(mark)


class TestRemedy:
    @pytest.mark.parametrize(
        ("text", "start"),
        [
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "The host shows an unknown SSH host key"),
            ("Host key verification failed.", "The host shows an unknown SSH host key"),
            ("root@192.0.2.7: Permission denied (publickey,password).", "The host refuses the login"),
            ("Missing sudo password", "The user needs a password for sudo"),
            ("sudo: a password is required", "The user needs a password for sudo"),
            ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7", "Another package manager"),
            ("E: Unable to acquire the dpkg frontend lock", "Another package manager"),
            ("E: dpkg was interrupted, you must manually run", "An earlier package installation"),
            ("OSError: [Errno 28] No space left on device", "A file system of the host is full"),
            ("Temporary failure in name resolution", "A name cannot be resolved"),
            ("Temporary failure resolving 'deb.example.com'", "A name cannot be resolved"),
            ("ssh: Could not resolve hostname db1: Name or service not known", "A name cannot be resolved"),
            ("E: Failed to fetch x  Hash Sum mismatch", "A download differs"),
            ("The checksum for /tmp/x did not match abc; it was def.", "A download differs"),
            ("No package matching 'nova' is available", "The package sources"),
            ("/bin/sh: 1: /usr/bin/python3: not found", "The host has no usable Python"),
            ("bash: python3.13: command not found", "The host has no usable Python"),
            ("couldn't resolve module/action 'community.mysql.mysql_db'", "A module or collection is missing"),
            ("Failed to import the required Python library (PyMySQL)", "A Python library is missing"),
            ("Error while resolving value for 'msg': 'nope' is undefined", "A variable has no value"),
            ("object of type 'dict' has no attribute 'x'", None),
            ("SSL: CERTIFICATE_VERIFY_FAILED certificate verify failed", "A TLS certificate is not trusted"),
            ("connect to host 192.0.2.1 port 22: Connection timed out", "Nothing answers as expected"),
            ("connect to host 127.0.0.1 port 9: Connection refused", "Nothing answers as expected"),
            ("Timed out waiting for last boot time check", "The step took longer"),
            ("Timeout when waiting for 192.0.2.1:3306", "The step took longer"),
            ("socket.timeout: The read operation", "The step took longer"),
            ("urllib3.exceptions.ReadTimeoutError: ('x', 8)", "The step took longer"),
            ("504 Gateway Time-out", "The step took longer"),
            ("rm: cannot remove '/b/sys/devices/x/open_timeout': Read-only file system", None),
            ("cat: /sys/class/watchdog/watchdog0/timeout: No such device", None),
            ("unknown option connect-timeout", None),
            ("[Errno 13] Permission denied: '/etc/x'", "The user may not do this"),
            ("something else", None),
            ("", None),
        ],
    )
    def test_well_known_causes(self, text: str, start: str | None) -> None:
        remedy = report.find_remedy(text)
        assert remedy is None if start is None else remedy is not None and remedy.startswith(start)

    def test_every_entry_is_reached_by_its_own_words(self) -> None:
        assert len({text for _pattern, text in report.REMEDIES}) == len(report.REMEDIES) == 17

    def test_the_module_knows_best(self) -> None:
        result = {"msg": "No space left on device", "remedy": "Add a disk to\x1b[1m web1."}
        assert report.remedy(result, "") == "Add a disk to\\x1b[1m web1."
        items = {"results": [{"failed": True, "msg": "x"}, {"failed": True, "remedy": "Second item."}]}
        assert report.remedy(items, "") == "Second item."

    def test_output_counts_too(self) -> None:
        assert report.remedy({"msg": "non-zero return code", "stderr": "No space left on device"}, "").startswith(
            "A file"
        )

    def test_general_sentences(self) -> None:
        assert report.remedy({"msg": "odd", "remedy": " "}, "") == (
            "Mend what the message names. Run again with -vvv for every detail."
        )
        assert report.remedy({"msg": "odd"}, "/var/log/run.log").endswith("The log of this run is /var/log/run.log.")
        assert report.remedy({"msg": "odd"}, "", unreachable=True).startswith("Check that the host is up")


class TestFailure:
    FAILURE = report.Failure(
        "failed", "web1", "Install", "base", "roles/base/tasks/main.yml:7", ("boom", "rc 1"), "Mend it."
    )

    def test_block(self) -> None:
        assert report.failure_lines(self.FAILURE, full=False) == [
            report.Line("FAILED  web1: Install", "failed"),
            report.Line("  role   base", "failed"),
            report.Line("  where  roles/base/tasks/main.yml:7", "failed"),
            report.Line("  why    boom", "failed"),
            report.Line("         rc 1", "failed"),
            report.Line("  do     Mend it.", "failed"),
        ]

    @pytest.mark.parametrize("kind", ["ignored", "rescued"])
    def test_harmless_ones_are_quiet(self, kind: str) -> None:
        harmless = report.Failure(kind, "web1", "Probe", "", "a.yml:3", ("boom", "rc 1"), "Mend it.")
        assert report.failure_lines(harmless, full=False) == [
            report.Line(f"{kind} web1: Probe (a.yml:3): boom; the run goes on", "skipped")
        ]
        assert report.failure_lines(harmless) == [
            report.Line(f"{kind}  web1: Probe; the run goes on", "skipped"),
            report.Line("  where  a.yml:3", "skipped"),
            report.Line("  why    boom", "skipped"),
            report.Line("         rc 1", "skipped"),
        ]

    def test_unreachable(self) -> None:
        lines = report.failure_lines(report.Failure("unreachable", "db2", "Ping", "", "", ("no route",), "Check it."))
        assert texts(lines) == ["UNREACHABLE  db2: Ping", "  why    no route", "  do     Check it."]


class TestSummary:
    def test_wide(self) -> None:
        shown = texts(report.summary_lines(run("failed"), 200, verbose=False))
        assert shown == [
            "",
            "stage              result    hosts  tasks  changed  failed  unreachable  time  share",
            "1/4 Base system    ok            2      3        4       0            0  0:42    25%",
            "2/4 Datenbank äöü  failed        1      1        0       1            1  2:06    75%",
            "3/4 Nowhere        no hosts      0      0        0       0            0  0:00     0%",
            "4/4 Verify         not run       -      -        -       -            -     -      -",
            "",
            "host  ok  changed  failed  unreachable  skipped",
            "db1    0        0       1            0        0",
            "db2    0        0       0            1        0",
            "web1   3        2       0            0        0",
            "web2   3        2       0            0        1",
            "",
            "Total time 2:48",
            "",
            "Failed: 1 failed, 1 unreachable, of 4 hosts, 2:48.",
            "Next: mend the cause above and run the same command again; what is done stays done.",
            "Failed hosts: --limit db1,db2",
        ]

    def test_narrow(self) -> None:
        shown = texts(report.summary_lines(run("failed"), 40, verbose=False))
        assert shown[1:3] == ["stage              result    time  share", "1/4 Base system    ok        0:42    25%"]
        assert shown[7:9] == ["host  ok  changed  failed  unreachable", "db1    0        0       1            0"]

    @pytest.mark.parametrize("width", [10, 40, 80, 200])
    def test_tables_fit(self, width: int) -> None:
        hosts = {"web" + "äö日" * 30: report.HostRecord(ok=1, rescued=1, ignored=1)}
        lines = texts(report.summary_lines(run("ok", hosts=hosts), width, verbose=False))
        assert all(report.text_width(line) <= width for line in lines[: lines.index("Total time 2:48")])

    def test_rescued_and_ignored_only_when_there_are_any(self) -> None:
        hosts = {"web1": report.HostRecord(ok=2, ignored=1)}
        shown = texts(report.summary_lines(run("ok", hosts=hosts, stages=[]), 80, verbose=False))
        assert shown[1:3] == [
            "host  ok  changed  failed  unreachable  skipped  ignored",
            "web1   2        0       0            0        0        1",
        ]

    def test_zero_stages(self) -> None:
        empty = run("no plays", stages=[], hosts={}, seconds=0.0)
        assert texts(report.summary_lines(empty, 80, verbose=True)) == [
            "",
            "Total time 0:00",
            "",
            "Nothing was done: the playbook has no plays.",
        ]

    def test_share_of_no_time_at_all(self) -> None:
        lines = texts(report.summary_lines(run("ok", stages=[report.StageRecord(1, "s", "ok")]), 99, verbose=False))
        assert lines[2].split()[-2:] == ["0:00", "-"]

    @pytest.mark.parametrize(
        ("seconds", "verbose", "shown"), [(20.0, False, False), (20.1, False, True), (1.0, True, True)]
    )
    def test_slowest_tasks(self, seconds: float, verbose: bool, shown: bool) -> None:
        slowest = [report.TaskTime(f"t{n}", "s", float(n)) for n in range(70)]
        lines = texts(report.summary_lines(run("ok", seconds=seconds, slowest=slowest), 80, verbose))
        assert ("Slowest tasks:" in lines) is shown
        if shown:
            start = lines.index("Slowest tasks:") + 1
            assert lines[start : start + 6] == [
                "     1:09  t69  (s)",
                "     1:08  t68  (s)",
                "     1:07  t67  (s)",
                "     1:06  t66  (s)",
                "     1:05  t65  (s)",
                "",
            ]

    def test_warnings_once_each_and_not_too_many(self) -> None:
        lines = texts(report.warning_lines({"old key": 3, "new": 1} | {f"w{n}": 1 for n in range(20)}))
        assert lines[:3] == ["Warnings (22):", "  - old key (3 times)", "  - new"]
        assert (len(lines), lines[-1]) == (22, "  and 2 more")
        assert "Warnings (1):" in texts(report.summary_lines(run("ok", warnings={"w": 1}), 80, verbose=False))
        assert report.warning_lines({}) == []


class TestOutcome:
    @pytest.mark.parametrize(
        ("stage_list", "hosts", "outcome"),
        [
            ([], {}, "no plays"),
            (stages(), HOSTS, "failed"),
            (stages(), {"a": report.HostRecord(unreachable=1)}, "failed"),
            (stages(), GOOD, "ok"),
            (stages(), {"a": report.HostRecord(ok=3)}, "unchanged"),
            (stages(), {"a": report.HostRecord(rescued=1, ignored=1)}, "unchanged"),
            (stages(), {}, "no hosts"),
            ([report.StageRecord(1, "s", "ok")], {}, "unchanged"),
        ],
    )
    def test_decide(
        self, stage_list: list[report.StageRecord], hosts: dict[str, report.HostRecord], outcome: str
    ) -> None:
        assert report.decide_outcome(stage_list, hosts) == outcome

    @pytest.mark.parametrize(
        ("outcome", "check", "line"),
        [
            ("ok", False, "Done: 4 changes on 2 hosts, 2:48."),
            ("ok", True, "Plan: 4 changes would be made on 2 hosts, 2:48. Nothing was written."),
            ("unchanged", False, "Done: nothing to change on 2 hosts, 2:48."),
            ("unchanged", True, "Plan: nothing to change on 2 hosts, 2:48."),
        ],
    )
    def test_success_shows_the_next_step(self, outcome: str, check: bool, line: str) -> None:
        done = run(outcome, hosts=GOOD, check=check)
        assert texts(report.outcome_lines(done)) == [line]
        done = run(outcome, hosts=GOOD, check=check, next_step="run {{ verb }}")
        assert texts(report.outcome_lines(done)) == [line, "Next: run {{ verb }}"]

    @pytest.mark.parametrize("outcome", ["failed", "interrupted", "broken off", "no hosts", "no plays"])
    def test_only_success_shows_the_next_step(self, outcome: str) -> None:
        assert "make verify" not in " ".join(texts(report.outcome_lines(run(outcome, next_step="make verify"))))

    def test_only_unreachable(self) -> None:
        lines = report.outcome_lines(run("failed", hosts={"a b": report.HostRecord(unreachable=1)}))
        assert lines[0].text == "Failed: 1 unreachable, of 1 host, 2:48."
        assert lines[2].text == "Failed hosts: --limit 'a b'"

    def test_interrupted_names_the_stage(self) -> None:
        running = [report.StageRecord(1, "Base", "ok"), report.StageRecord(2, "Keys", "interrupted")]
        assert texts(report.outcome_lines(run("interrupted", stages=running))) == [
            "Interrupted in stage 2/2 Keys, after 2:48.",
            "Next: run the same command again; what is done stays done.",
        ]
        assert report.outcome_lines(run("interrupted"))[0].text == "Interrupted, after 2:48."

    def test_broken_off_is_not_interrupted(self) -> None:
        running = [report.StageRecord(1, "Base", "ok"), report.StageRecord(2, "Keys", "broken off")]
        assert texts(report.outcome_lines(run("broken off", stages=running))) == [
            "Broke off in stage 2/2 Keys, after 2:48.",
            "Next: mend the cause above and run the same command again; what is done stays done.",
        ]

    @pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
    def test_no_limit_is_proposed_for_the_control_node(self, name: str) -> None:
        for others in ({}, {"db1": HOSTS["db1"]}):
            lines = report.outcome_lines(run("failed", hosts={name: report.HostRecord(failed=1), **others}))
            assert "--limit" not in " ".join(texts(lines))
            assert len(lines) == 2

    def test_no_host(self) -> None:
        assert report.outcome_lines(run("no hosts"))[0].text == "Nothing was done: no host matched."


def test_summary_for_machines() -> None:
    data = report.summary_data(run("failed", seconds=168.20049))
    loaded = json.loads(json.dumps(data))
    assert loaded == data
    assert {key: data[key] for key in ("outcome", "check", "seconds", "failed_hosts")} == {
        "outcome": "failed",
        "check": False,
        "seconds": 168.2,
        "failed_hosts": ["db1", "db2"],
    }
    assert loaded["stages"][1:3] == [
        {
            "name": "Datenbank äöü",
            "status": "failed",
            "seconds": 126.0,
            "hosts": 1,
            "tasks": 1,
            "changed": 0,
            "failed": 1,
            "unreachable": 1,
        },
        {
            "name": "Nowhere",
            "status": "no hosts",
            "seconds": 0.0,
            "hosts": 0,
            "tasks": 0,
            "changed": 0,
            "failed": 0,
            "unreachable": 0,
        },
    ]
    assert loaded["hosts"]["web2"] == {
        "tasks": 3,
        "ok": 3,
        "changed": 2,
        "failed": 0,
        "unreachable": 0,
        "skipped": 1,
        "rescued": 0,
        "ignored": 0,
    }
