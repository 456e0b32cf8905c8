# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine, with real programs that take a moment each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tools.steps import engine
from tools.steps.engine import LANES, BusyError, Holder, Job, Outcome, Run, Step, digest, lock, next_step, summarize
from tools.steps.results import Counts

OK = '<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>'
SKIPPED = '<testsuite><testcase classname="a" name="left_out"><skipped>no</skipped></testcase></testsuite>'
FAILED = '<testsuite><testcase classname="a" name="wrong"><failure>no</failure></testcase></testsuite>'


def shell(name: str, script: str, *, tests: str = "", timeout: int = 30, essential: bool = False) -> Step:
    """Return a step that runs a shell SCRIPT."""
    return Step(
        name,
        "It is a test.",
        ("sh", "-c", script),
        tests=(tests,) if tests else (),
        timeout=timeout,
        essential=essential,
        remedy="Mend it.",
    )


def screen_text(run: Run) -> str:
    """Return what a person saw."""
    return (run.root / "screen").read_text()


def alive(pid: int) -> bool:
    """Tell whether process PID runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(path: Path) -> str:
    """Return the text of PATH once it is there."""
    for _ in range(200):
        with contextlib.suppress(FileNotFoundError):
            if text := path.read_text().strip():
                return text
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def states(outcomes: list[Outcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_runs_steps_in_order_and_logs_their_output(run: Run) -> None:
    outcomes = run.execute(
        [shell("one", "echo first >> order"), shell("two", "echo second >> order; echo said")], False
    )
    assert states(outcomes) == ["ok", "ok"]
    assert (run.root / "order").read_text() == "first\nsecond\n"
    assert "[two] said" in run.log.path.read_text()
    assert run.log.path.stat().st_mode & 0o777 == 0o600
    assert summarize(run, outcomes, 1.0, False) == 0


def test_failure_tells_step_code_log_remedy_and_the_last_forty_lines(run: Run) -> None:
    outcomes = run.execute([shell("bad", "seq 1 50; exit 7"), shell("after", "true")], False)
    text = screen_text(run)
    assert states(outcomes) == ["failed", "not run"]
    assert outcomes[0].exit_code == 7
    for part in ("FAILED: bad:", "exit code: 7", f"log: {run.log.path}", "remedy: Mend it."):
        assert part in text
    shown = [line.strip() for line in text.splitlines() if line.strip().isdigit()]
    assert shown == [str(number) for number in range(11, 51)]
    assert summarize(run, outcomes, 1.0, False) == 1


def test_missing_program_is_a_failure_not_a_traceback(run: Run) -> None:
    outcomes = run.execute([Step("x", "why", ("/nonexistent/program",))], False)
    assert outcomes[0].message == "cannot start /nonexistent/program: No such file or directory"


def test_keep_going_reports_all_but_stops_after_an_essential_step(run: Run) -> None:
    gates = [shell("a", "exit 1"), shell("b", "true"), shell("c", "exit 1")]
    assert states(run.execute(gates, True)) == ["failed", "ok", "failed"]
    assert states(run.execute([shell("base", "exit 1", essential=True), *gates], True)) == ["failed"] + ["not run"] * 3


def test_timeout_ends_the_whole_group(run: Run) -> None:
    outcomes = run.execute([shell("slow", "sleep 60 & echo $! > pid; wait", timeout=1)], False)
    assert outcomes[0].message == "took longer than 1 s and was ended"
    assert not alive(int((run.root / "pid").read_text()))


def test_every_program_of_the_group_is_asked_to_end_first(run: Run) -> None:
    inner = "trap 'echo tidy > tidied; exit' TERM; touch ready; while :; do sleep 0.1; done"
    outcomes = run.execute([shell("nested", f'sh -c "{inner}" & wait', timeout=2)], False)
    assert outcomes[0].state == "failed"
    assert (run.root / "ready").exists()
    assert (run.root / "tidied").read_text() == "tidy\n"


def test_child_that_ignores_the_request_to_end_is_killed(run: Run) -> None:
    outcomes = run.execute([shell("deaf", "trap '' TERM; echo $$ > pid; while :; do sleep 1; done", timeout=1)], False)
    assert outcomes[0].state == "failed"
    assert not alive(int((run.root / "pid").read_text()))


def test_daemon_that_keeps_the_pipe_open_does_not_hold_the_step(run: Run) -> None:
    start = time.monotonic()
    outcomes = run.execute([shell("parent", "sleep 30 & echo $! > pid")], False)
    assert outcomes[0].state == "ok"
    assert time.monotonic() - start < 10
    os.kill(int((run.root / "pid").read_text()), signal.SIGKILL)


def test_neighbours_of_a_group_run_at_the_same_time(run: Run) -> None:
    # Each waits for the other: one after the other, both would time out.
    def meet(mine: str, other: str) -> Step:
        script = f"touch {mine}; while [ ! -e {other} ]; do sleep 0.05; done"
        return Step(mine, "why", ("sh", "-c", script), timeout=10, group="g")

    assert states(run.execute([meet("a", "b"), meet("b", "a")], False)) == ["ok", "ok"]


def test_what_a_group_has_only_one_of_is_used_by_one_step_at_a_time(run: Run) -> None:
    # Each refuses to run while the other does.
    script = "mkdir lab || exit 1; sleep 0.3; rmdir lab"
    steps = [Step(name, "why", ("sh", "-c", script), timeout=10, group="g", uses="lab") for name in "abc"]
    assert states(run.execute(steps, True)) == ["ok", "ok", "ok"]


def test_who_has_to_wait_for_a_thing_lets_others_pass() -> None:
    first, second, other = (
        Step(name, "why", ("true",), uses=uses) for name, uses in (("a", "x"), ("b", "x"), ("c", ""))
    )
    assert next_step([second, other], [first]) is other
    assert next_step([second], [first]) is None
    assert next_step([second], [other]) is second
    assert next_step([other], [first] * LANES) is None


@pytest.mark.parametrize(
    ("script", "message", "counts"),
    [
        ("true", "ran no test", Counts(failed=("tests",))),
        (f"echo '{OK}' > r.xml", "", Counts(1)),
        (f"echo '{OK}' > r.xml; exit 3", "sh ended with exit code 3", Counts(1, ("tests",))),
        (f"echo '{FAILED}' > r.xml", "1 tests failed", Counts(0, ("a::wrong",))),
        (f"echo '{SKIPPED}' > r.xml", "1 tests were skipped", Counts(0, (), ("a::left_out",))),
        ("exit 4", "sh ended with exit code 4", Counts(failed=("tests",))),
        ("echo '<testsuite' > r.xml", None, Counts(failed=("tests",))),
    ],
)
def test_counts_tests(run: Run, script: str, message: str | None, counts: Counts) -> None:
    outcomes = run.execute([shell("tests", script, tests="r.xml")], True)
    assert outcomes[0].counts == counts
    if message is None:
        assert "no JUnit result file" in outcomes[0].message
    else:
        assert outcomes[0].message == message


def test_results_of_an_earlier_run_do_not_count(run: Run) -> None:
    (run.root / "r.xml").write_text(OK)
    assert run.execute([shell("tests", "true", tests="r.xml")], True)[0].message == "ran no test"


def test_last_line_counts_tests_and_failed_gates(run: Run) -> None:
    steps = [shell("tests", f"echo '{OK}' > r.xml", tests="r.xml"), shell("lint", "true"), shell("types", "exit 1")]
    code = summarize(run, run.execute(steps, True), 10.0, True)
    assert screen_text(run).splitlines()[-1] == "1 passed, 1 failed"
    assert code == 1


def test_last_line_of_a_good_run(run: Run) -> None:
    steps = [shell("tests", f"echo '{OK}' > r.xml", tests="r.xml"), shell("lint", "true")]
    assert summarize(run, run.execute(steps, True), 10.0, True) == 0
    assert screen_text(run).splitlines()[-1] == "1 passed, 0 failed"


def test_skipped_tests_are_named_and_fail_the_run(run: Run) -> None:
    outcomes = run.execute([shell("tests", f"echo '{SKIPPED}' > r.xml", tests="r.xml")], True)
    assert summarize(run, outcomes, 10.0, True) == 1
    lines = screen_text(run).splitlines()
    assert "    a::left_out" in lines
    assert lines[-1] == "0 passed, 0 failed, 1 skipped"


def test_failed_tests_are_named_at_the_end_with_what_was_said_first(run: Run) -> None:
    failed = (
        '<testsuite><testcase classname="a" name="wrong"><failure message="1 != 2&#10;more"/></testcase></testsuite>'
    )
    steps = [shell("tests", f"echo '{failed}' > r.xml; seq 100", tests="r.xml"), shell("lint", "exit 1")]
    assert summarize(run, run.execute(steps, True), 10.0, True) == 1
    assert screen_text(run).splitlines()[-4:] == [
        "Failed tests:",
        "    a::wrong: 1 != 2",
        f"Failed: tests, lint. Log: {run.log.path}",
        "0 passed, 2 failed",
    ]


def test_a_test_run_without_tests_fails(run: Run) -> None:
    assert summarize(run, run.execute([shell("lint", "true")], True), 1.0, True) == 1
    assert "No test was run" in screen_text(run)


def stamped(facts: tuple[str, ...] = ()) -> Step:
    """Return a step that counts how often it ran."""

    def action(job: Job) -> None:
        job.call("sh", "-c", "echo ran >> runs")

    return Step("stamped", "why", action, inputs=("*.txt",), facts=facts, stamp="made/.complete")


def test_stamp_leaves_out_what_is_unchanged(run: Run) -> None:
    source = run.root / "in.txt"
    source.write_text("1")
    ran = run.root / "runs"
    assert states(run.execute([stamped()], False) + run.execute([stamped()], False)) == ["ok", "unchanged"]
    source.write_text("2")
    assert states(run.execute([stamped()], False)) == ["ok"]
    assert states(run.execute([stamped(("3.13",))], False)) == ["ok"]
    assert ran.read_text() == "ran\n" * 3


def test_failed_step_leaves_no_stamp(run: Run) -> None:
    (run.root / "in.txt").write_text("1")
    run.execute([stamped()], False)
    bad = Step("stamped", "why", ("false",), inputs=("*.txt",), facts=("other",), stamp="made/.complete")
    run.execute([bad], False)
    assert not (run.root / "made/.complete").exists()


def test_stamp_input_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"\*\.txt"):
        digest(stamped(), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_children_and_says_that_it_can_be_run_again(tmp_path: Path, number: signal.Signals) -> None:
    program = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from tools.steps.engine import Run, Step, summarize
from tools.steps.report import Log, Screen
root = Path(sys.argv[1])
run = Run(root, Screen(sys.stdout, {}), Log(root / "logs", "t", datetime.now(UTC)), dict(os.environ))
run.grace = 1.0
steps = [
    Step("long", "why", ("sh", "-c", "sleep 60 & echo $! > child.tmp; mv child.tmp child; wait")),
    Step("next", "why", ("touch", "next")),
]
sys.exit(summarize(run, run.execute(steps, True), 1.0, True))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
    ) as process:
        child = int(wait_for(tmp_path / "child"))
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "can be run again" in output
    assert not alive(child)
    assert not (tmp_path / "next").exists()


def test_lock_refuses_a_second_run_and_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / ".cache/run.lock"
    with (
        lock(path, "test", ""),
        pytest.raises(BusyError, match=rf"make test is running .*\(pid {os.getpid()}\)"),
        lock(path, "lab", ""),
    ):
        pass
    with lock(path, "lab", "") as holder:
        assert holder.pid == str(os.getpid())


def test_lock_admits_a_run_that_is_part_of_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    with lock(path, "test", "") as holder, lock(path, "lab", holder.pid) as inner:
        assert inner == Holder(holder.pid, None)
    with lock(path, "test", ""), pytest.raises(BusyError), lock(path, "lab", "1"):
        pass


def test_a_killed_run_keeps_its_lock_until_its_programs_have_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from tools.steps.engine import Run, Step, lock
from tools.steps.guard import Guard
from tools.steps.report import Log, Screen
root = Path(sys.argv[1])
errors = (root / "guard.errors").open("w")
with lock(root / "run.lock", "lab", "") as holder, Guard(holder.descriptor, 1.0, errors) as guard:
    run = Run(root, Screen(sys.stdout, {}), Log(root / "logs", "t", datetime.now(UTC)), dict(os.environ), guard)
    run.execute([Step("past", "why", ("true",)), Step("long", "why", ("sh", "-c", sys.argv[2]))], True)
"""
    # A program that does not end when it is asked to, one in a session of its own, as Ansible has them, and a daemon.
    script = """
trap '' TERM
(setsid sh -c 'echo $$ >daemon; exec sleep 60' >/dev/null 2>&1 &)
setsid sh -c 'echo $$ >worker; exec sleep 60' &
while [ ! -s daemon ] || [ ! -s worker ]; do sleep 0.1; done
echo $$ >program.new; mv program.new program
while :; do sleep 1; done
"""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", program, str(tmp_path), script]
    pids: dict[str, int] = {}
    try:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=root, start_new_session=True) as process:
            pids |= {name: int(wait_for(tmp_path / name)) for name in ("program", "worker", "daemon")}
            os.killpg(process.pid, signal.SIGKILL)
            # It is still there for whoever waits for it, who may never do so.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with lock(tmp_path / "run.lock", "lab-down", "") as holder:
                assert holder.pid == str(os.getpid())
                # A daemon, such as the monitor of a container, neither ends nor holds the lock.
                left = {name for name, pid in pids.items() if alive(pid)}
                assert (left, (tmp_path / "guard.errors").read_text()) == ({"daemon"}, "")
    finally:
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert capsys.readouterr().out.startswith("make lab was killed in this checkout; waiting")


def test_a_program_does_not_start_before_the_guard_knows_of_it(tmp_path: Path) -> None:
    """A run may be killed at any moment, and what nobody knows of nobody ends."""
    code = """
import os, signal, sys, time
from pathlib import Path
from tools.steps.child import Limits, run_child
class Late:
    def started(self, pid):
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)
argv = ("sh", "-c", "touch ran")
run_child(argv, Path(sys.argv[1]), dict(os.environ), print, Limits(time.monotonic() + 60, bool, float), None, Late())
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, cwd=Path(__file__).resolve().parents[2], check=False, timeout=60)
    time.sleep(0.5)
    assert (result.returncode, list(tmp_path.iterdir())) == (-signal.SIGKILL, [])


def test_a_killed_run_whose_programs_do_not_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "KILLED_RUN_SECONDS", 0.3)
    path = tmp_path / "run.lock"
    with subprocess.Popen(["true"]) as gone:
        pass
    with lock(path, "test", ""):
        path.write_text(f"{gone.pid} lab\n")
        with pytest.raises(BusyError, match=rf"make lab was killed .*\(pid {gone.pid}\)"), lock(path, "lab", ""):
            pass


def test_terminal_step_sees_a_terminal_of_the_same_size(tmp_path: Path) -> None:
    program = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from tools.steps.engine import Run, Step
from tools.steps.report import Log, Screen
root = Path(sys.argv[1])
run = Run(root, Screen(sys.stdout, {"TERM": "xterm"}), Log(root / "logs", "t", datetime.now(UTC)), dict(os.environ))
code = "import os; print('tty', os.isatty(1), *os.get_terminal_size(1))"
run.execute([Step("own", "why", (sys.executable, "-c", code), terminal=True)], False)
print(run.log.path.read_text())
"""
    master, slave = os.openpty()
    subprocess.run(["stty", "rows", "33", "cols", "101"], stdin=slave, check=True)
    seen: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(master, 4096):
                seen.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], stdout=slave, cwd=root, check=True, timeout=20)
    os.close(slave)
    reader.join(10)
    os.close(master)
    text = b"".join(seen).decode()
    assert text.count("tty True 101 33") == 2, text
    assert "[own] tty True 101 33\r\n" in text


def failing(script: str, *, witness: str = "", removal: str = "", timeout: int = 30) -> Step:
    """Return a step that uses something, a file `lab`, which others look at and remove."""
    return Step(
        "Two words",
        "It is a test.",
        ("sh", "-c", script),
        timeout=timeout,
        witness=("sh", "-c", witness) if witness else (),
        removal=("sh", "-c", removal) if removal else (),
    )


# It takes longer than what the time that is up would let it.
KEEP = 'sleep 0.5; test -e lab && mkdir -p "$ACCENTOS_FAILURES" && echo found > "$ACCENTOS_FAILURES/log"'
REMOVE = "rm -f lab; echo removed >> order"


@pytest.mark.parametrize("script", ["touch lab; echo wrong; exit 7", "touch lab; echo wrong; sleep 60"])
def test_what_a_failed_step_made_is_looked_at_and_then_removed(run: Run, script: str) -> None:
    (outcome,) = run.execute([failing(script, witness=KEEP, removal=REMOVE, timeout=1)], True)
    folder = run.root / f".cache/failures/two-words-{run.began:%Y%m%dT%H%M%SZ}"
    assert (outcome.state, outcome.kept) == ("failed", folder)
    assert (folder / "log").read_text() == "found\n"
    assert not (run.root / "lab").exists()
    # Before the action, too.
    assert (run.root / "order").read_text() == "removed\nremoved\n"
    assert outcome.message.startswith(("sh ended with exit code 7", "took longer than 1 s"))
    assert outcome.tail == ("wrong",)
    assert summarize(run, [outcome], 1.0, False) == 1
    assert screen_text(run).count(str(folder)) == 2


def test_a_good_step_is_not_looked_at_but_what_it_made_is_removed(run: Run) -> None:
    (outcome,) = run.execute([failing("touch lab", witness=KEEP, removal=REMOVE)], True)
    assert (outcome.state, outcome.kept) == ("ok", None)
    assert not (run.root / "lab").exists()
    assert not (run.root / ".cache/failures").exists()


def test_what_goes_wrong_afterwards_does_not_hide_the_failure(run: Run) -> None:
    removal = "test -e lab && exit 9; exit 0"
    (outcome,) = run.execute([failing("touch lab; exit 7", witness="exit 8", removal=removal)], True)
    assert (outcome.state, outcome.exit_code, outcome.message) == ("failed", 7, "sh ended with exit code 7")
    assert "not all was kept: sh ended with exit code 8" in run.log.path.read_text()
    (run.root / "lab").unlink()
    # What cannot be removed is a failure where there is no other one.
    (outcome,) = run.execute([failing("touch lab", removal=removal)], True)
    assert (outcome.state, outcome.message, outcome.counts.failed) == (
        "failed",
        "sh ended with exit code 9",
        ("Two words",),
    )


def test_what_is_done_afterwards_has_its_end_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "AFTERMATH_SECONDS", 1)
    (outcome,) = run.execute([failing("touch lab; exit 7", witness="sleep 60", removal=REMOVE)], True)
    assert (outcome.message, outcome.seconds < 30) == ("sh ended with exit code 7", True)
    assert not (run.root / "lab").exists()


def test_who_interrupts_a_run_keeps_what_it_made(run: Run) -> None:
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    (outcome,) = run.execute([failing("touch lab; sleep 60", witness=KEEP, removal=REMOVE)], True)
    assert (outcome.state, outcome.kept) == ("interrupted", None)
    assert (run.root / "lab").exists()


def test_tests_that_failed_are_looked_at_although_their_program_ended_well(run: Run) -> None:
    step = replace(failing(f"touch lab; echo '{FAILED}' >out.xml", witness=KEEP, removal=REMOVE), tests=("out.xml",))
    (outcome,) = run.execute([step], True)
    assert (outcome.message, (outcome.kept or Path("/")).name) == (
        "1 tests failed",
        f"two-words-{run.began:%Y%m%dT%H%M%SZ}",
    )
