# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The common form of figures, and what each program makes of its measurements, with literals."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import check_site

from tests.benchmark import boot_clients, catalogue, cobbler_systems, deploy_floor, lab, power_on_to_ssh
from tests.benchmark.catalogue import BENCHMARKS, COMPUTES
from tests.benchmark.figures import RATIO, Bar, Figure, FiguresError, figure_of, read, write
from tests.benchmark.thousand_computes import Run, Sampler, Task, results

HERE = Path(__file__).parent


def summary(figures: list[Figure]) -> list[tuple[str, float, str, float | None, bool | None]]:
    """Return what matters of FIGURES: name, value, unit, ratio and whether the bar is met."""
    return [
        (one.what, one.value, one.unit, None if one.ratio is None else round(one.ratio, 3), one.met) for one in figures
    ]


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (None, None),
        (Bar(30, "s"), True),
        (Bar(29.9, "s"), False),
        (Bar(1.5, RATIO), True),
        (Bar(1.4, RATIO), False),
    ],
)
def test_a_bar_is_met_up_to_it(bar: Bar | None, met: bool | None) -> None:
    assert Figure("a", 30, "s", ("floor", 20), bar).met is met


@pytest.mark.parametrize("figure", [Figure("a", 1, "s", bar=Bar(1, "MiB")), Figure("a", 1, "s", bar=Bar(1, RATIO))])
def test_a_bar_that_cannot_be_judged_is_an_error(figure: Figure) -> None:
    with pytest.raises(FiguresError, match="a: the bar is in"):
        _ = figure.met


def test_nothing_is_divided_by_nothing() -> None:
    assert Figure("a", 1, "s", ("floor", 0)).ratio is None


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    figures = [Figure("a", 3.0, "s", ("floor", 2.0), Bar(2, RATIO)), Figure("b", 4, "MiB")]
    write(tmp_path / "file", figures, {"more": 1})
    assert read(tmp_path / "file") == figures
    told = json.loads((tmp_path / "file").read_text())
    assert told["details"] == {"more": 1}
    assert told["figures"] == [
        {
            "what": "a",
            "value": 3.0,
            "unit": "s",
            "beside": {"name": "floor", "value": 2.0},
            "ratio": 1.5,
            "bar": {"most": 2, "unit": "ratio"},
            "met": True,
        },
        {"what": "b", "value": 4, "unit": "MiB", "beside": None, "ratio": None, "bar": None, "met": None},
    ]


ROW: dict[str, Any] = {"what": "a", "value": 1, "unit": "s", "beside": None, "bar": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"figures": []}',
        '{"figures": [{"what": "a"}]}',
        *(json.dumps({"figures": [ROW | {"value": value}]}) for value in ("1", True, None, float("nan"))),
        json.dumps({"figures": [ROW | {"bar": {"most": 1, "unit": "m"}}]}),
    ],
)
def test_a_file_without_figures_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(FiguresError):
        read(tmp_path / "file")


def test_a_file_that_was_not_written_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FiguresError, match="was not written"):
        read(tmp_path / "file")


def test_a_row_without_bar_and_floor_is_a_figure() -> None:
    assert figure_of(ROW) == Figure("a", 1, "s")


# Each program


def test_every_program_of_the_folder_is_a_benchmark_and_takes_the_option() -> None:
    assert len({one.name for one in BENCHMARKS}) == len(BENCHMARKS)
    programs = {path.name for path in HERE.glob("*.py") if "\ndef main() -> None:" in path.read_text()}
    assert {one.program for one in BENCHMARKS} == programs
    for one in BENCHMARKS:
        assert '"--json"' in (HERE / one.program).read_text(), one.program


@pytest.mark.parametrize("one", BENCHMARKS, ids=lambda one: one.name)
def test_the_arguments_are_such_as_the_program_knows(
    one: catalogue.Benchmark, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = {path.stem: sys.modules[f"tests.benchmark.{path.stem}"] for path in [HERE / one.program]}
    for arguments in (*one.before, one.arguments, *one.after):
        # The help is shown when what stands before it is right.
        monkeypatch.setattr(sys, "argv", [one.program, *arguments, "--help"])
        with pytest.raises(SystemExit) as ended:
            programs[Path(one.program).stem].main()
        assert ended.value.code == 0
    assert "--json FILE" in capsys.readouterr().out


def names(figures: list[Figure]) -> set[str]:
    return {figure.what for figure in figures}


CLOUD: dict[str, Any] = {
    "deploy": {"seconds": 300.0, "tasks of a compute": 57, "tasks of a controller": 120, "changed": 400},
    "repeat": {"seconds": 90.0, "tasks of a compute": 57, "tasks of a controller": 120, "changed": 0},
    "guest": 30.0,
    "floor": {"step 0": 150.0, "step 1": 50.0},
    "floor_guest": 20.0,
}


def test_a_deployment_is_held_against_its_floor() -> None:
    assert summary(deploy_floor.results(CLOUD)) == [
        ("deployment with a guest", 330.0, "s", 1.5, False),
        ("deployment", 300.0, "s", 1.5, None),
        ("guest until ssh answers", 30.0, "s", 1.5, None),
        ("second deployment", 90.0, "s", 0.3, False),
        ("second deployment, by the clock", 90.0, "s", None, False),
        ("second deployment, things changed", 0, "changes", None, True),
        ("tasks of a compute", 57, "tasks", None, True),
        ("tasks of a controller", 120, "tasks", None, None),
    ]


def test_a_task_too_many_is_a_bar_not_met() -> None:
    cloud = CLOUD | {"deploy": CLOUD["deploy"] | {"tasks of a compute": 61}}
    assert {one.what: one.met for one in deploy_floor.results(cloud)}["tasks of a compute"] is False


def thousand(*, whole: bool, hosts: int = 2, mib: int = 2) -> list[Figure]:
    memory = Sampler(1, 1.0)
    memory.peak_kib = mib * 1024
    tasks = [
        Task("A", "", 0.0, 3.0, 2.0, {"ok": 2}, {"compute-1", "compute-2"}),
        Task("B", "", 3.0, 4.0, 0.5, {"ok": 1}, {"compute-1"}),
    ]
    return results(Run(tasks, memory, 5.0, 3.0), hosts, whole=whole, done=False)


def test_the_figures_of_many_computes() -> None:
    assert summary(thousand(whole=True)) == [
        ("peak memory over 2 computes", 2.0, "MiB", None, None),
        ("task for 100 hosts over 2 computes", 150.0, "s", None, None),
        ("task for 100 hosts over 2 computes, computed", 100.0, "s", None, None),
        ("whole run over 2 computes", 5.0, "s", None, None),
        ("whole run over 2 computes, computed", 3.0, "s", None, None),
        ("tasks of a compute", 2, "tasks", None, True),
        ("of these a run does once, for its first compute", 1, "tasks", None, None),
    ]


@pytest.mark.parametrize(("hosts", "mib", "met"), [(1000, 4096, True), (1000, 4097, False), (200, 5000, None)])
def test_a_thousand_computes_have_a_bar_of_memory(hosts: int, mib: int, met: bool | None) -> None:
    assert thousand(whole=True, hosts=hosts, mib=mib)[0].met is met


def test_a_run_that_ended_early_is_no_whole_run() -> None:
    assert [one.what for one in thousand(whole=False)] == [
        "peak memory over 2 computes, first tasks",
        "task for 100 hosts over 2 computes, first tasks",
        "task for 100 hosts over 2 computes, first tasks, computed",
    ]


def test_an_installation_is_held_against_its_floor_without_firmware() -> None:
    marks = {power_on_to_ssh.MARKS[0][0]: 10.0, "ssh answers": 40.0}
    assert summary(power_on_to_ssh.results(marks, {"floor": 20.0}))[0] == (
        "power-on to ssh without firmware",
        30.0,
        "s",
        1.5,
        False,
    )


def test_of_several_installations_the_one_with_the_median_ratio_counts() -> None:
    def run(seconds: float, floor: float) -> tuple[dict[str, float], dict[str, float]]:
        return {power_on_to_ssh.MARKS[0][0]: 10.0, "ssh answers": 10.0 + seconds}, {"floor": floor}

    # The machine was half as fast in the second one.
    runs = [run(26, 20), run(60, 40), run(24, 20)]
    assert power_on_to_ssh.middle(runs) == runs[0]
    assert power_on_to_ssh.middle(runs[1:]) == runs[1]


def test_many_clients_are_held_against_the_rate_of_one() -> None:
    measured = [(1, {"seconds": 2.0, "bytes": 100}), (50, {"seconds": 150.0, "bytes": 5000})]
    assert summary(boot_clients.results(measured)) == [
        ("1 clients fetch", 2.0, "s", 1.0, None),
        ("50 clients fetch", 150.0, "s", 1.5, None),
    ]


def test_one_call_is_held_against_the_loop() -> None:
    seconds = {
        "Define, one call": 2.0,
        "Define, loop": 20.0,
        "Sync, one call": 2.0,
        "Sync, loop": 20.0,
        "Repeat, one call": 2.0,
        "Repeat, loop": 1.0,
    }
    assert summary(cobbler_systems.results(seconds)) == [
        ("define", 2.0, "s", 0.1, True),
        ("define and sync", 4.0, "s", 0.1, True),
        ("repeat, nothing to do", 2.0, "s", 2.0, False),
    ]


def test_a_newcomers_way_has_bars() -> None:
    assert summary(lab.results(lab.Times(135.0, 32.4, 0, 14.4, cached=False))) == [
        ("make lab to guests, nothing cached", 135.0, "s", None, True),
        ("make lab again", 32.4, "s", 0.24, None),
        ("make lab again, things changed", 0, "changes", None, True),
        ("hosts made again, caches warm", 14.4, "s", None, True),
    ]
    warm = lab.results(lab.Times(721.0, 32.4, 1, 61.0, cached=True))
    assert warm[0].what == "make lab to guests, caches of another lab"
    assert [one.met for one in warm] == [False, None, False, False]


def test_every_bar_is_of_a_figure_that_its_program_has() -> None:
    had = {
        "lab": [figure for cached in (False, True) for figure in lab.results(lab.Times(1, 1, 0, 1, cached=cached))],
        **{f"computes_{hosts}": thousand(whole=True, hosts=hosts) for hosts in COMPUTES},
        "deploy_floor": deploy_floor.results(CLOUD),
        "cobbler_systems": cobbler_systems.results(
            {f"{verb}, {way}": 1.0 for verb in ("Define", "Sync", "Repeat") for way in ("one call", "loop")}
        ),
        "power_on_to_ssh": power_on_to_ssh.results(
            {power_on_to_ssh.MARKS[0][0]: 1.0, "ssh answers": 2.0}, {"floor": 1.0}
        ),
    }
    for one in BENCHMARKS:
        assert set(one.bars) <= names(had.get(one.name, [])), one.name


# The newcomer's way


def test_changes_are_counted_on_all_hosts() -> None:
    log = (
        "2026-01-02T03:04:01.000+00:00 task: A (a.yml:1)\n2026-01-02T03:04:02.000+00:00 changed: a: A\n"
        "2026-01-02T03:04:03.000+00:00 changed: b -> localhost: A\n2026-01-02T03:04:03.000+00:00 ok: c: A\n"
    )
    assert lab.count_changes(log) == 2
    # No news is not no change.
    with pytest.raises(ValueError, match="no task"):
        lab.count_changes("")


def test_the_verbs_of_the_clone_are_no_part_of_those_around() -> None:
    around = {"ACCENTOS_PID": "1", "ACCENTOS_VERB": "bench", "ANSIBLE_CONFIG": "/other", "HOME": "/root"}
    assert lab.settings(around, Path("/clone")) == {
        "ANSIBLE_CONFIG": "/clone/ansible.cfg",
        "ANSIBLE_HOME": "/clone/.cache/ansible",
        "ACCENTOS_STAGES_LOG_PATH": "/clone/.cache/stages.log",
        "HOME": "/root",
        "PIP_NO_CACHE_DIR": "1",
    }


def test_the_lab_of_the_clone_is_a_site_that_meets_no_other(tmp_path: Path) -> None:
    shutil.copytree(lab.ROOT / lab.SITE, tmp_path / lab.SITE)
    lab.move_site(tmp_path / lab.SITE)
    text = "".join(file.read_text() for file in (tmp_path / lab.SITE).rglob("*.yml"))
    assert ("10.90." in text, "02:90:" in text, "10.98.0.11" in text) == (False, False, True)
    named = [line for line in text.splitlines() if line.startswith(("lab_name:", "site_name:", "site_domain:"))]
    assert sorted(named) == ["lab_name: benchmark", "site_domain: benchmark.example.test", "site_name: benchmark"]
    outcome = check_site(tmp_path / lab.SITE)
    assert ([str(one) for one in outcome.findings], outcome.hosts) == ([], 6)


def test_the_clone_is_the_commit_with_the_site_moved(tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(lab.ROOT / lab.SITE, root / lab.SITE)
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.test")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message=a")):
        subprocess.run(["git", *settings, *words], cwd=root, check=True)
    (root / "not committed").touch()
    clone = root / ".cache/clone"
    lab.clone_checkout(root, clone)
    assert "lab_name: benchmark\n" in (clone / lab.SITE / "group_vars/all/lab.yml").read_text()
    assert not (clone / "not committed").exists()
    assert "lab_name: lab\n" in (root / lab.SITE / "group_vars/all/lab.yml").read_text()


def stand_in_verbs(root: Path, fails: str = "") -> None:
    """Make the folder ROOT a checkout whose verbs only note that they were called; one that has FAILS in it fails."""
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".lab").mkdir()
    playbook = root / ".venv/bin/ansible-playbook"
    playbook.write_text(
        f'#!/bin/sh\necho "playbook $*" >>{root}.calls\ncase "$*" in *{fails or "nothing"}*) exit 1;; esac\n'
    )
    playbook.chmod(0o755)
    log = "2026-01-02T03:04:01.000+00:00 task: A (a.yml:1)"
    (root / "Makefile").write_text(
        f"lab lab-down:\n\t@echo 'make $@' >>{root}.calls; echo '{log}' >>.cache/stages.log\n"
    )


def test_the_verbs_run_in_the_order_of_a_newcomer(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    stand_in_verbs(clone)
    (clone / ".cache").mkdir()
    times = lab.measure(clone, cached=False)
    lab.remove(clone, caches=True)
    assert (times.changes, times.cached, clone.exists()) == (0, False, False)
    assert (tmp_path / "clone.calls").read_text().splitlines() == [
        "make lab",
        "make lab",
        "playbook --inventory=inventories/lab molecule/shared/destroy.yml",
        "playbook --inventory=inventories/lab molecule/shared/create.yml",
        "make lab-down",
    ]


def test_what_other_labs_have_cached_stays(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    stand_in_verbs(clone)
    lab.remove(clone, caches=False)
    assert not clone.exists()
    assert (tmp_path / "clone.calls").read_text().splitlines() == [
        "playbook --inventory=inventories/lab molecule/shared/destroy.yml"
    ]


def test_a_lab_that_is_not_removed_keeps_its_folder(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    stand_in_verbs(clone, fails="destroy")
    with pytest.raises(SystemExit, match=r"destroy\.yml in .* ended with exit code 1"):
        lab.remove(clone, caches=False)
    assert clone.exists()


def test_a_verb_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    verb = "trap 'sleep 1; touch ended; exit 1' TERM; touch began; while :; do sleep 0.1; done"
    script = (
        "import signal, sys; from pathlib import Path; from tests.benchmark import lab\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))\n"
        f"lab.call(Path({str(tmp_path)!r}), 'sh', '-c', {verb!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=lab.ROOT) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "began").exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
        assert (tmp_path / "ended").exists()
