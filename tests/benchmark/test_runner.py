# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The runner of benchmarks, with programs that stand in for them, and what it keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmark import record, runner
from tests.benchmark.catalogue import Benchmark
from tests.benchmark.figures import RATIO, Bar, Figure
from tests.benchmark.record import HEAD, HistoryError, Machine, Result, Session
from tests.benchmark.runner import HISTORY, ROOT, Runner, commit, listing, main
from tools.steps.engine import EXIT_FAILED, EXIT_NOT_READY, EXIT_USAGE

MACHINE = Machine("A | B", 2, 24, "6.18.44")
SESSION = Session("2026-01-02", "0123456789", MACHINE)
FIGURES = (Figure("deployment", 300.0, "s", ("floor", 200.0), Bar(2, RATIO)), Figure("memory", 2048.4, "MiB"))
PAST = "\n".join(["# Figures", "", *HEAD, "| an older row |", ""])
# Notes how it was called; writes a figure where it is asked for.
PROGRAM = """
import json, pathlib, sys
name, words = pathlib.Path(__file__).stem, sys.argv[1:]
with open({calls!r}, "a") as file:
    file.write(" ".join([name, *[word if "/" not in word else "FILE" for word in words]]) + "\\n")
print("measured by", name)
if "--json" in words:
    bar = dict(most={most}, unit="s")
    row = dict(what="a figure", value=3, unit="s", beside=dict(name="floor", value=2), ratio=1.5, bar=bar, met=None)
    pathlib.Path(words[-1]).write_text(json.dumps(dict(figures=[row], details=None)))
"""


class Still(Runner):
    """A runner on a machine that is as busy as it is told, one value for each look."""

    def __init__(self, root: Path, *busy: float) -> None:
        super().__init__(programs=root / "programs", root=root)
        self.looks = list(busy)

    def busy(self) -> float:
        return self.looks.pop(0) if self.looks else 0.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a checkout with programs: good, slow (a bar that is not met), broken, mute (without figures)."""
    programs = tmp_path / "programs"
    programs.mkdir()
    good = PROGRAM.format(calls=str(tmp_path / "calls"), most=3)
    (programs / "good.py").write_text(good)
    (programs / "slow.py").write_text(PROGRAM.format(calls=str(tmp_path / "calls"), most=2))
    (programs / "broken.py").write_text(f"{good}\nprint('why it broke')\nsys.exit('--json' in words and 7)\n")
    (programs / "mute.py").write_text("print('nothing to say')\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / HISTORY).write_text(PAST)
    return tmp_path


def benchmark(name: str, **more: object) -> Benchmark:
    return Benchmark(name, f"what {name} does", f"{name}.py", 1, "nothing", **more)  # type: ignore[arg-type]


def reports(root: Path) -> list[dict[str, object]]:
    (file,) = (root / ".cache/benchmarks").glob("*.json")
    found: list[dict[str, object]] = json.loads(file.read_text())["benchmarks"]
    return found


def test_all_are_run_one_after_another_and_kept(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    several = [
        benchmark("good", arguments=("--size", "3"), before=(("--warm",),), after=(("--remove",), ("--clean",))),
        benchmark("slow"),
    ]
    assert main([], Still(root), several) == EXIT_FAILED
    calls = (root / "calls").read_text().splitlines()
    assert calls == ["good --warm", "good --size 3 --json FILE", "good --remove", "good --clean", "slow --json FILE"]
    past = (root / HISTORY).read_text()
    assert past.startswith(PAST)
    rows = [[cell.strip() for cell in row.split(" | ")] for row in past.removeprefix(PAST).splitlines()]
    assert [row[3:] for row in rows] == [
        ["good", "a figure", "3 s", "floor: 2 s", "1.50", "3 s", "yes |"],
        ["slow", "a figure", "3 s", "floor: 2 s", "1.50", "2 s", "no |"],
    ]
    assert [(one["name"], one["error"], one["quiet"]) for one in reports(root)] == [
        ("good", None, True),
        ("slow", None, True),
    ]
    shown = capfd.readouterr().out
    assert "measured by good" in shown
    assert [line.split() for line in shown.splitlines() if line.startswith("slow ")] == [
        ["slow", "a", "figure", "3", "s", "floor:", "2", "s", "1.50", "2", "s", "no"]
    ]


def test_a_failure_is_told_and_the_rest_goes_on(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    several = [benchmark("broken", after=(("--remove",),)), benchmark("mute"), benchmark("absent"), benchmark("good")]
    assert main([], Still(root), several) == EXIT_FAILED
    calls = (root / "calls").read_text().splitlines()
    # What it made is removed all the same.
    assert calls == ["broken --json FILE", "broken --remove", "good --json FILE"]
    broken, mute, absent, good = reports(root)
    assert "broken.py --json" in str(broken["error"])
    assert "ended with exit code 7" in str(broken["error"])
    assert "was not written" in str(mute["error"])
    assert "exit code 2" in str(absent["error"])
    assert (good["error"], broken["figures"]) == (None, [])
    shown = capfd.readouterr().out
    assert "why it broke" in shown
    assert [line.split(":")[1] for line in shown.splitlines() if line.startswith("FAILED: ")] == [
        " broken",
        " mute",
        " absent",
    ]
    # A figure of a program that failed is none.
    assert len((root / HISTORY).read_text().removeprefix(PAST).splitlines()) == 1


def test_all_bars_met_is_no_failure(root: Path) -> None:
    assert main([], Still(root), [benchmark("good")]) == 0


def test_a_busy_machine_measures_nothing(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([], Still(root, 0.5), [benchmark("good")]) == EXIT_NOT_READY
    assert "50% of its cores compute, 10% may" in capfd.readouterr().err
    assert not (root / "calls").exists()
    assert (root / HISTORY).read_text() == PAST


def test_figures_of_a_busy_machine_are_shown_as_worthless_and_not_added(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--anyway"], Still(root, 0.5), [benchmark("good")]) == 0
    assert "WORTHLESS: good: 50% of the cores" in capfd.readouterr().out
    assert (root / HISTORY).read_text() == PAST
    assert [one["quiet"] for one in reports(root)] == [False]


def test_work_that_begins_later_spoils_only_what_comes_after(root: Path) -> None:
    assert main([], Still(root, 0.0, 0.5, 0.0), [benchmark("good"), benchmark("slow"), benchmark("good")]) == 1
    assert [one["quiet"] for one in reports(root)] == [True, False, True]
    assert [row.split(" | ")[3] for row in (root / HISTORY).read_text().splitlines()[-2:]] == ["good", "good"]


def test_only_what_is_asked_for_is_run(root: Path) -> None:
    assert main(["--only", "good"], Still(root), [benchmark("slow"), benchmark("good")]) == 0
    assert (root / "calls").read_text() == "good --json FILE\n"
    with pytest.raises(SystemExit) as ended:
        main(["--only", "goood"], Still(root), [benchmark("good")])
    assert ended.value.code == EXIT_USAGE


def test_what_needs_a_lab_is_left_out_until_it_stands(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    several = [benchmark("slow", lab="rack"), benchmark("good")]
    assert main([], Still(root), several) == 0
    assert (root / "calls").read_text() == "good --json FILE\n"
    assert "slow is left out: it needs nothing, which is not there. To have it: .venv/bin/molecule converge" in (
        capfd.readouterr().err
    )
    # Who asks for it is told so by the exit code.
    assert main(["--only", "slow"], Still(root), several) == EXIT_NOT_READY
    (root / ".lab/rack").mkdir(parents=True)
    (root / ".lab/rack/ssh_config").touch()
    assert main(["--only", "slow", "--json", str(root / "report")], Still(root), several) == EXIT_FAILED
    assert (root / "calls").read_text().splitlines()[-1] == "slow --json FILE"


def test_nothing_is_measured_that_could_not_be_kept(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / HISTORY).write_text(f"{PAST}\nSome more words.\n")
    assert main([], Still(root), [benchmark("good")]) == EXIT_USAGE
    assert "the table must be the last thing in it" in capfd.readouterr().err
    assert not (root / "calls").exists()


def test_a_program_that_takes_too_long_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PATIENCE", 0.005)
    (root / "programs/stuck.py").write_text("import time\ntime.sleep(60)\n")
    began = time.monotonic()
    assert main([], Still(root), [benchmark("stuck")]) == EXIT_FAILED
    assert time.monotonic() - began < 30
    assert "stuck.py --json" in str(reports(root)[0]["error"])
    assert "was ended" in str(reports(root)[0]["error"])


def test_an_interrupted_run_ends_its_program_and_keeps_what_was_measured(root: Path) -> None:
    (root / "programs/stuck.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(root / 'pid')!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.benchmark import test_runner as t\n"
        f"root = Path({str(root)!r})\n"
        "several = [t.benchmark('good'), t.benchmark('stuck', after=(('--remove',),)), t.benchmark('slow')]\n"
        "sys.exit(t.main([], t.Still(root), several))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not (root / "pid").exists() or not (root / "pid").read_text():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        shown, _err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int((root / "pid").read_text()), 0)
    assert "not measured: stuck, slow. What it made goes with: stuck.py --remove" in shown
    assert [one["name"] for one in reports(root)] == ["good"]
    assert len((root / HISTORY).read_text().removeprefix(PAST).splitlines()) == 1


def test_the_list_tells_bars_and_needs(capsys: pytest.CaptureFixture[str]) -> None:
    head, row = listing([benchmark("good", bars={"a figure": Bar(60, "s")})])
    assert head.split() == ["name", "minutes", "measures", "needs", "bars"]
    assert row.split("  ")[0] == "good"
    assert row.endswith("a figure: 60 s")
    assert main(["--list"], Runner()) == 0
    assert "computes_1000" in capsys.readouterr().out


# What is kept


def test_the_machine_is_read_from_the_kernel() -> None:
    cpuinfo = "processor\t: 0\nmodel name\t: AMD  EPYC \n\nprocessor\t: 1\nmodel name\t: AMD  EPYC \n"
    machine = record.read_machine(cpuinfo, "MemTotal:       24630304 kB\nMemFree: 1 kB\n", "6.18.44")
    assert str(machine) == "AMD EPYC, 2 cores, 23 GiB, Linux 6.18.44"
    assert record.read_machine("processor\t: 0\nBogoMIPS\t: 2\n", "", "6.1").cpu == "unnamed CPU"


def test_the_busy_share_is_what_was_not_idle() -> None:
    before = "cpu  100 0 50 800 50 0 0 0 100 0\ncpu0 1 1 1 1\n"
    # 60 of 100 passed idle and 10 waiting for a disk; 10 were taken by other guests of the machine's host.
    after = "cpu  115 0 55 860 60 0 0 10 115 0\ncpu0 1 1 1 1\n"
    assert record.busy_share(before, after) == pytest.approx(0.3)
    assert record.busy_share(before, before) == 0.0


def test_a_look_at_this_machine_is_a_share() -> None:
    assert 0.0 <= Runner(look=0.1).busy() <= 1.0


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (57.0, "57"), (14.44, "14.4"), (1.5, "1.50"), (2048.4, "2048.4")]
)
def test_numbers_have_the_digits_that_are_compared(value: float, text: str) -> None:
    assert record.number(value) == text


def test_the_table_has_a_line_for_each_figure() -> None:
    lines = record.table([Result("a", 1.0, 0.0, quiet=True, figures=FIGURES), Result("b", 1.0, 0.0, True, error="why")])
    assert [" ".join(line.split()) for line in lines] == [
        "benchmark figure value floor or peer ratio bar bar met",
        "a deployment 300 s floor: 200 s 1.50 2 ratio yes",
        "a memory 2048.4 MiB - - - -",
        "FAILED: b: why",
    ]
    assert record.table([Result("b", 1.0, 0.0, True, error="why")]) == ["FAILED: b: why"]


def test_the_report_has_everything() -> None:
    told = record.report(SESSION, [Result("a", 1.5, 0.02, quiet=True, figures=FIGURES[:1])])
    assert json.loads(json.dumps(told)) == {
        "date": "2026-01-02",
        "commit": "0123456789",
        "machine": {"cpu": "A | B", "cores": 2, "memory_gib": 24, "kernel": "6.18.44"},
        "benchmarks": [
            {
                "name": "a",
                "seconds": 1.5,
                "busy_before": 0.02,
                "quiet": True,
                "error": None,
                "figures": [FIGURES[0].row()],
            }
        ],
    }


def test_rows_of_the_history_have_its_columns() -> None:
    rows = record.history(SESSION, Result("a", 1.0, 0.0, quiet=True, figures=FIGURES))
    machine = "A \\| B, 2 cores, 24 GiB, Linux 6.18.44"
    assert rows == [
        f"| 2026-01-02 | 0123456789 | {machine} | a | deployment | 300 s | floor: 200 s | 1.50 | 2 ratio | yes |",
        f"| 2026-01-02 | 0123456789 | {machine} | a | memory | 2048.4 MiB | - | - | - | - |",
    ]
    assert record.history(SESSION, Result("a", 1.0, 0.9, quiet=False, figures=FIGURES)) == []


@pytest.mark.parametrize(
    "text",
    ["", PAST + PAST, PAST.rstrip("\n"), PAST + "\nmore\n", PAST.replace(HEAD[1], ""), PAST.replace("bar met", "x")],
)
def test_a_history_to_which_nothing_can_be_added_is_refused(text: str) -> None:
    with pytest.raises(HistoryError):
        record.check_history(text)


def test_the_history_of_the_project_takes_rows_and_has_all_columns() -> None:
    text = (ROOT / HISTORY).read_text()
    record.check_history(text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {len(record.COLUMNS) + 1}


def test_the_commit_tells_whether_files_differ_but_not_the_history(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        settings = ("-c", "user.name=a", "-c", "user.email=a@example.test")
        subprocess.run(["git", *settings, *words], cwd=tmp_path, check=True, capture_output=True)

    assert commit(tmp_path) == "unknown"
    git("init")
    (tmp_path / "docs").mkdir()
    (tmp_path / HISTORY).write_text(PAST)
    (tmp_path / "file").write_text("a")
    git("add", ".")
    git("commit", "--message=a")
    first = commit(tmp_path)
    assert len(first) == 10
    (tmp_path / HISTORY).write_text(f"{PAST}| a row |\n")
    assert commit(tmp_path) == first
    (tmp_path / "file").write_text("b")
    assert commit(tmp_path) == f"{first}+"
