# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of make lab, and what it says at its end."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.steps import lab, lab_report
from tools.steps.engine import Run, Step
from tools.steps.lab_report import Result, Site

ROOT = Path(__file__).resolve().parents[2]
SITE = Site(
    ".lab/lab",
    "lab.example.test",
    "10.90.0.20",
    {
        "all": ["deploy-1", "compute-1", "compute-2"],
        "deploy": ["deploy-1"],
        "compute": ["compute-1", "compute-2"],
        "bare_metal": ["compute-2"],
    },
)
EMULATED = {"acceleration": "tcg", "acceleration_reason": "/dev/kvm does not exist"}


def names(stop: str) -> list[str]:
    return [stage.name for stage in lab.stages_until(stop)]


def test_each_stop_has_all_that_those_before_it_have() -> None:
    assert names("hosts") == ["lab hosts", "prepare"]
    assert names("machines") == [*names("hosts"), "rack", "machines"]
    for shorter, longer in zip(lab.STOPS, lab.STOPS[1:], strict=False):
        assert set(names(shorter)) < set(names(longer))
    assert names(lab.STOPS[-1]) == [stage.name for stage in lab.STAGES]
    with pytest.raises(ValueError, match="nowhere"):
        lab.stages_until("nowhere")


def test_what_stages_name_is_there() -> None:
    playbooks = [word for stage in lab.STAGES for word in stage.arguments if not word.startswith("--")]
    assert [name for name in playbooks if not (ROOT / name).is_file()] == []
    groups = lab_report.groups_of(lab_report.read_yaml(ROOT / lab.SITE / "hosts.yml"))
    assert set(groups[lab.MACHINES]) < set(groups["compute"])
    machines = lab_report.read_yaml(ROOT / lab.SITE / "group_vars/all/lab.yml")["lab_rack_machines"]
    assert [machine["name"] for machine in machines] == groups[lab.MACHINES]


def test_containers_and_machines_do_not_meet_before_both_are_done() -> None:
    limits = {stage.name: [word for word in stage.arguments if word.startswith("--limit=")] for stage in lab.STAGES}
    beside = [stage.name for stage in lab.STAGES if stage.group]
    assert beside == ["machines", "cloud"]
    assert limits["cloud"] == limits["prepare"] == ["--limit=all:!bare_metal"]
    assert limits["machines join"] == ["--limit=bare_metal"]
    assert names("guests").index("machines join") == max(names("guests").index(name) for name in beside) + 1


def test_steps_share_the_screen_only_where_they_run_at_the_same_time() -> None:
    steps = {step.name: step for step in lab.steps("guests")}
    assert [name for name, step in steps.items() if not step.terminal] == ["machines", "cloud"]
    assert len({steps[name].group for name in ("machines", "cloud")}) == 1
    alone = {step.name: step for step in lab.steps("machines")}
    assert (alone["machines"].terminal, alone["machines"].group) == (True, "")
    assert [*steps][-1] == [*alone][-1] == "report"


def program(root: Path, text: str) -> None:
    """Put a program in the place of ansible-playbook."""
    file = root / ".venv/bin/ansible-playbook"
    file.parent.mkdir(parents=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_stage_leaves_its_own_summary_and_none_of_an_earlier_run(run: Run) -> None:
    program(run.root, 'printf "%s " "$@" >>"$ACCENTOS_STAGES_JSON_PATH"')
    stage = lab.Stage("two words", "Why.", "hosts", ("a.yml", "--limit=x"))
    for _time in range(2):
        (outcome,) = run.execute([lab.step(stage, beside=True)], False)
        assert outcome.state == "ok"
        assert (
            run.root / ".cache/lab-stages/two-words.json"
        ).read_text() == "--inventory=inventories/lab a.yml --limit=x "


def test_a_stage_that_fails_ends_the_way(run: Run) -> None:
    program(run.root, "exit 4")
    steps = [*(step for step in lab.steps("cloud") if step.name in ("machines", "cloud", "machines join"))]
    assert [outcome.state for outcome in run.execute(steps, False)] == ["failed", "failed", "not run"]


def test_a_summary_is_read_as_the_callback_writes_it() -> None:
    summary = {"outcome": "ok", "seconds": 12.5, "stages": [{"name": "a", "changed": 2}, {"name": "b", "changed": 3}]}
    assert lab_report.read_result("cloud", summary) == Result("cloud", "ok", 12.5, 5)


def test_groups_have_the_hosts_of_their_children() -> None:
    tree = {
        "all": {
            "children": {
                "compute": {"hosts": {"c1": None}, "children": {"metal": {"hosts": {"c2": {}}}}},
                "other": {"hosts": {"c1": None}},
                "none": None,
            }
        }
    }
    assert lab_report.groups_of(tree) == {
        "all": ["c1", "c2"],
        "compute": ["c1", "c2"],
        "metal": ["c2"],
        "other": ["c1"],
        "none": [],
    }


def test_the_table_has_times_and_changes() -> None:
    assert lab_report.stage_table([Result("lab hosts", "ok", 61.7, 3), Result("cloud", "ok", 600.0, 40)]) == [
        "  stage        time  changed",
        "  lab hosts    1:01        3",
        "  cloud       10:00       40",
        "  in all      11:01       43",
    ]
    # What runs at the same time counts once.
    assert lab_report.stage_table(
        [Result("machines", "ok", 900.0, 3), Result("cloud", "ok", 600.0, 40), Result("guests", "ok", 60.0, 0)]
    )[-2:] == ["  in all     16:00       43", "  machines and cloud ran at the same time."]


@pytest.mark.parametrize("stop", lab.STOPS)
def test_the_report_says_what_is_there_and_what_is_next(stop: str) -> None:
    text = "\n".join(lab_report.report(stop, SITE, EMULATED, [Result("lab hosts", "ok", 1.0, 1)]))
    assert "TCG: /dev/kvm does not exist." in text
    assert ".lab/lab/.secrets.yml" in text
    following = text.partition("\nNext\n")[2]
    assert len(following.splitlines()) == 3
    # Where it is not at its end, what is named goes further than this.
    further = [lab.STOPS.index(word) > lab.STOPS.index(stop) for word in re.findall(r"make lab UNTIL=(\w+)", following)]
    assert further == ([True] if stop in ("hosts", "machines") else [])
    assert ("openstack server list" in text) == (stop in ("cloud", "guests"))
    assert ("guests have proved it" in text) == (stop == "guests")
    assert "Nothing was to change." not in text
    assert "Nothing was to change." in "\n".join(lab_report.report(stop, SITE, {}, [Result("lab hosts", "ok", 1.0, 0)]))


@pytest.mark.parametrize(
    ("counts", "told", "more"),
    [
        ({"ok": 9, "warn": 0, "unknown": 0, "fail": 0}, "checks: 9 ok, 0 fail", False),
        ({"ok": 9, "warn": 1, "unknown": 2, "fail": 0}, "checks: 9 ok, 1 warn, 2 unknown, 0 fail", True),
    ],
)
def test_the_report_names_the_page_of_the_doctor_and_what_it_found(
    counts: Mapping[str, int], told: str, more: bool
) -> None:
    lines = lab_report.as_built(SITE, counts)
    assert lines[1:3] == ["  .lab/lab/.doctor/report.html; the same as JSON is beside it", f"  {told}"]
    assert len(lines) == 3 + more


def test_the_doctor_looks_last_and_what_it_finds_ends_nothing() -> None:
    last = lab.STAGES[-1]
    assert (last.name, last.arguments) == (lab.DOCTOR, ("playbooks/doctor.yml", "--extra-vars=doctor_fail=false"))


def test_what_the_report_names_is_there() -> None:
    commands = "\n".join(line for stop in lab.STOPS for line in lab_report.next_commands(stop, SITE))
    playbooks = set(re.findall(r"playbooks/\w+\.yml", commands))
    assert playbooks
    assert [name for name in playbooks if not (ROOT / name).is_file()] == []
    targets = set(re.findall(r"make ([a-z-]+)", commands))
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def lay_out(root: Path, files: Mapping[str, str]) -> None:
    """Write FILES below ROOT."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_the_report_is_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = {"outcome": "unchanged", "seconds": 2, "stages": [{"name": "a", "changed": 0}]}
    lay_out(
        tmp_path,
        {
            f"{lab.SITE}/{name}": (ROOT / lab.SITE / name).read_text()
            for name in ("hosts.yml", "group_vars/all/site.yml")
        }
        | {f"{lab.SITE}/group_vars/all/lab.yml": "lab_name: other\n"}
        | {lab.summary_file(stage.name): json.dumps(summary) for stage in lab.STAGES}
        | {
            ".lab/other/acceleration.json": json.dumps(EMULATED),
            ".lab/other/.doctor/report.json": json.dumps({"counts": {"ok": 7, "warn": 0, "unknown": 0, "fail": 2}}),
        },
    )
    assert lab_report.main("guests", tmp_path) == 0
    shown = capsys.readouterr().out
    assert (tmp_path / ".lab/other/report.txt").read_text() == shown
    assert "https://api.lab.example.test:5000/v3" in shown
    assert "1 installed over the network (compute-2)" in shown
    assert "Nothing was to change." in shown
    assert "  .lab/other/.doctor/report.html; the same as JSON is beside it\n  checks: 7 ok, 2 fail\n" in shown
    # Where guests have proved nothing yet, the doctor has not looked either.
    (tmp_path / ".lab/other/.doctor/report.json").unlink()
    assert lab_report.main("cloud", tmp_path) == 0
    assert "As built" not in capsys.readouterr().out


def test_the_report_is_the_last_step_and_knows_where_it_was_told_to_stop() -> None:
    last: Step = lab.steps("cloud")[-1]
    assert last.action == (".venv/bin/python", "-m", "tools.steps.lab_report", "cloud")
