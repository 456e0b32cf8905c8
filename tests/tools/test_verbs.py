# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs as data, the command line, and the shell entry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.steps import cli, lab, labs, machine, verbs
from tools.steps.engine import EXIT_BUSY, EXIT_FAILED, EXIT_NOT_READY, EXIT_USAGE, Run, Step, StepError, lock

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("lab", "lab-down", "init", "check", "test", "test-quick", "test-long", "bench")


def steps_of(name: str) -> tuple[Step, ...]:
    """Return the steps of verb NAME in this checkout, where it has something to do."""
    found = verbs.verb(name, (), ROOT, {"PATH": ""})
    assert found is not None
    return found.steps


def test_makefile_offers_exactly_the_verbs() -> None:
    text = (ROOT / "Makefile").read_text()
    assert sorted(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) == sorted((*VERBS, "help"))
    for name in VERBS:
        assert f"@tools/accentos {name}" in text


@pytest.mark.parametrize("name", ["lab", "init", "check", "test", "test-quick", "test-long", "bench"])
def test_every_verb_makes_the_environment_before_it_uses_it(name: str) -> None:
    steps = steps_of(name)
    names = [step.name for step in steps]
    first_use = next(
        number for number, step in enumerate(steps) if not callable(step.action) and step.action[0].startswith(".venv/")
    )
    assert names.index("python packages") < first_use
    assert len(set(names)) == len(names)
    assert all(step.why.endswith(".") and step.timeout > 0 for step in steps)


def test_the_lab_checks_the_site_before_it_makes_hosts() -> None:
    names = [step.name for step in steps_of("lab")]
    assert names[:4] == ["system packages", "python packages", "site check", "lab hosts"]


def test_lab_makes_hosts_and_goes_as_far_as_it_is_told() -> None:
    def until(*words: str) -> verbs.Verb:
        found = verbs.verb("lab", words, ROOT, {})
        assert found is not None
        return found

    assert [step.name for step in until().steps] == [step.name for step in until("guests").steps]
    # Prepared hosts are what a small machine has room for.
    assert until("hosts").needs.memory_mib < until().needs.memory_mib
    assert until("hosts").needs.disk_mib < until().needs.disk_mib
    assert (until("hosts").needs.smaller, "make lab UNTIL=hosts" in until().needs.smaller) == ("", True)
    assert {step.name for step in until("hosts").steps} < {step.name for step in until().steps}
    with pytest.raises(ValueError, match="everywhere"):
        until("everywhere")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("cluod", "make lab: UNTIL is one of hosts, machines, cloud, guests, and not 'cluod'"),
        ("", "make lab: UNTIL is empty"),
    ],
)
def test_lab_says_where_it_can_stop(word: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", word], tmp_path, {}) == EXIT_USAGE
    assert capsys.readouterr().err.startswith(told)
    assert list(tmp_path.iterdir()) == []


def test_only_the_steps_before_the_first_test_are_essential() -> None:
    for name in ("test", "test-quick", "test-long"):
        flags = [step.essential for step in steps_of(name)]
        assert flags == sorted(flags, reverse=True)
        assert flags.count(True) == 2


def test_test_does_all_that_test_quick_does() -> None:
    quick = {step.name for step in steps_of("test-quick")}
    assert quick < {step.name for step in steps_of("test")}


def test_what_test_leaves_out_is_in_test_long() -> None:
    leaves_out = "m: ${ACCENTOS_TESTS:-not long}\n"
    steps = {step.name: step for step in steps_of("test-long")[2:]}
    scenarios = {name.removeprefix("molecule ") for name in steps if name.startswith("molecule ")}
    for scenario in scenarios:
        # A scenario that is in no shorter run is run whole.
        shorter = f"molecule {scenario}" in {step.name for step in steps_of("test")}
        assert steps[f"molecule {scenario}"].env["ACCENTOS_TESTS"] == ("long" if shorter else "long or not long")
        assert leaves_out in (ROOT / "molecule" / scenario / "molecule.yml").read_text()
    marked = [path for path in (*ROOT.glob("molecule/*/tests/*.py"), *ROOT.glob("tests/*/*.py")) if is_long(path)]
    told = {one: yaml.safe_load((ROOT / "molecule" / one / "molecule.yml").read_text()) for one in scenarios}
    folders = {(ROOT / "molecule" / one / told[one]["verifier"]["directory"]).resolve().parent.name for one in told}
    # One scenario has the tests of another.
    assert {path.parts[-3] for path in marked if path.parts[-2] == "tests"} == folders < scenarios
    assert {path.parts[-2] for path in marked if path.parts[-3] == "tests"} == {"lab"}
    (lab,) = (step.action for step in steps_of("test") if step.name == "lab tests")
    for action, mark in ((lab, "not long"), (steps["long lab tests"].action, "long")):
        assert not callable(action)
        assert action[-4:-1] == (verbs.LAB_TESTS, "-m", mark)
    # What is left out of all of them for its length has a step of its own.
    killed = steps["killed deployments"].action
    assert not callable(killed)
    assert killed[3:-1] == (verbs.DEPLOYMENT_TESTS, "-m", "long")
    others = steps["long lab tests"].action
    assert not callable(others)
    assert ignored(others) == {verbs.DEPLOYMENT_TESTS}
    assert steps["killed deployments"].timeout > steps["long lab tests"].timeout


def is_long(path: Path) -> bool:
    """Tell whether a file has tests that only test-long runs."""
    marked = r"(?m)^(@|pytestmark = )pytest\.mark\.long$|marks=pytest\.mark\.long\)"
    return path.name.startswith("test_") and bool(re.search(marked, path.read_text()))


def test_only_what_is_left_to_test_long_is_left_out_of_a_scenario() -> None:
    text = (ROOT / "molecule/provision/molecule.yml").read_text()
    assert "- --skip-tags=${ACCENTOS_SKIP_TAGS:-prepare}\n" in text
    (step,) = (step for step in steps_of("test-long") if step.name == "molecule provision")
    assert step.env["ACCENTOS_SKIP_TAGS"] == "notest"


def ignored(words: tuple[str, ...]) -> set[str]:
    """Return what a run of pytest with the arguments WORDS leaves out."""
    return {word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")}


def test_every_folder_of_tests_is_run_once() -> None:
    run = {step.name: step.action for step in steps_of("test") if not callable(step.action)}
    quick, slow, lab = (run[name] for name in ("unit tests", "slow tests", "lab tests"))
    assert ignored(quick) == {word for word in (*slow, *lab) if (ROOT / word).is_dir()}
    assert not ignored(lab) | ignored(slow)


def options(step: Step, name: str) -> list[str]:
    """Return the values that a step gives its program for the option NAME."""
    assert not callable(step.action)
    return [word.removeprefix(f"--{name}=") for word in step.action if word.startswith(f"--{name}=")]


def test_the_documentation_leaves_out_only_verbs_whose_steps_have_run() -> None:
    steps = steps_of("test")
    (documentation,) = (step for step in steps if step.name == "documentation")
    contained = options(documentation, "contained")
    assert contained
    done = {step.name: step for step in steps if step.group != documentation.group}
    for step in (step for name in contained for step in steps_of(name)):
        same = done[step.name]
        assert steps.index(same) < steps.index(documentation)
        assert same.essential or (words(same), same.env, same.tests) == (words(step), step.env, step.tests)


def words(step: Step) -> object:
    """Return what a step does, apart from measuring what its tests cover."""
    return (
        [word for word in step.action if not word.startswith("--cov")]
        if isinstance(step.action, tuple)
        else step.action
    )


def test_labs_are_removed_when_nobody_uses_them_any_more() -> None:
    *before, last = steps_of("test")
    (documentation,) = (step for step in before if step.name == "documentation")
    # What one leaves to the other is run by it, and nothing else.
    assert options(documentation, "later") == options(last, "only") == [last.name] == [verbs.LAB_REMOVAL]
    assert not options(documentation, "only") + options(last, "later")
    # Steps of one group run at the same time; this one has none.
    assert not last.group


def test_steps_at_the_same_time_share_no_lab_and_no_results() -> None:
    steps = steps_of("test")
    (lab_tests,) = (step for step in steps if "ACCENTOS_TEST_SITE" in step.env)
    # They take over the lab that a scenario leaves to them.
    scenario = Path(lab_tests.env["ACCENTOS_TEST_SITE"]).parent.name
    (prepared,) = (step for step in steps if step.name == f"molecule {scenario}")
    assert steps.index(prepared) < steps.index(lab_tests)
    assert (prepared.group, prepared.uses) == (lab_tests.group, lab_tests.uses)
    assert lab_tests.uses
    scenarios = [step for step in steps if step.name.startswith("molecule ")]
    assert [step.name for step in scenarios if not step.removal] == [prepared.name]
    results = [pattern for step in steps for pattern in step.tests]
    assert len(set(results)) == len(results)
    # What takes longest begins first.
    assert next(step.name for step in steps if step.group == verbs.HOSTS) == "molecule openstack"


@pytest.mark.parametrize("name", ["test", "test-long"])
def test_a_scenario_that_fails_is_looked_at_before_it_is_removed(name: str) -> None:
    scenarios = [step for step in steps_of(name) if step.name.startswith("molecule ")]
    assert scenarios
    for step in scenarios:
        # Molecule would remove it at once.
        assert not callable(step.action)
        assert "--destroy=never" in step.action
        scenario = step.name.removeprefix("molecule ")
        # The one with the other driver of networks has this site, too.
        site = {"openvswitch": "openstack"}.get(scenario, scenario)
        assert step.witness == (".venv/bin/python", "-m", "tools.steps.failures", f"molecule/{site}/inventory")
        if step.removal:
            assert step.removal == (".venv/bin/molecule", "destroy", "--scenario-name", scenario)


@pytest.mark.parametrize("name", ["test", "test-long"])
def test_all_steps_with_a_lab_keep_what_its_hosts_tell(name: str) -> None:
    steps = steps_of(name)
    documented = {"documentation", verbs.LAB_REMOVAL} & {step.name for step in steps}
    with_lab = {step.name for step in steps if step.uses} | documented
    assert {step.name for step in steps if step.witness} == with_lab
    sites = {word for step in steps for word in step.witness if word.endswith("/inventory") or word == lab.SITE}
    assert [site for site in sites if not (ROOT / site).is_dir()] == []


def test_coverage_is_judged_when_all_that_is_measured_has_run() -> None:
    programs = [(step.action, step.group) for step in steps_of("test") if not callable(step.action)]
    first, last = [(action, group) for action, group in programs if "--cov" in action]
    assert first[1] != last[1]
    assert ("--cov-append" in first[0], "--cov-fail-under=0" in first[0]) == (False, True)
    assert ("--cov-append" in last[0], "--cov-fail-under=0" in last[0]) == (True, False)


def test_packages_with_a_service_keep_it_asleep() -> None:
    found = verbs.verb("test", (), ROOT, {})
    assert found is not None
    assert set(verbs.ASLEEP) <= set(found.packages)


def test_check_takes_a_site() -> None:
    found = verbs.verb("check", ("inventories/reference",), ROOT, {})
    assert found is not None
    assert found.steps[-1].action == (".venv/bin/python", "tools/check-site", "--", "inventories/reference")


def test_init_takes_a_folder_and_answers_and_runs_nothing_of_their_names() -> None:
    for words, folder, more in (
        ((), '"inventories/production"', []),
        (("sites/{{ x }}'\n",), '"sites/{{ x }}\'\\n"', []),
        (("-x", "my answers.yml"), '"-x"', ["--extra-vars=@my answers.yml"]),
    ):
        found = verbs.verb("init", words, ROOT, {})
        assert found is not None
        action = found.steps[-1].action
        assert not callable(action)
        named = f"--extra-vars={{site_folder: !unsafe {folder}}}"
        assert action[1:] == ("--inventory=localhost,", "playbooks/init.yml", *more, named)


def test_init_says_which_word_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", "site", " "], tmp_path, {}) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("make init: ANSWERS is empty")
    assert cli.main(["init", "", "answers"], tmp_path, {}) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("make init: SITE is empty")
    assert list(tmp_path.iterdir()) == []


def test_bench_takes_a_benchmark_and_is_no_part_of_the_tests() -> None:
    for names, words in (((), ()), (("lab",), ("--only=lab",)), (("--help",), ("--only=--help",))):
        found = verbs.verb("bench", names, ROOT, {})
        assert found is not None
        assert found.steps[-1].action == (".venv/bin/python", "-m", "tests.benchmark", *words)
        assert not found.counts_tests
    # A figure depends on what else the machine does, so no change is judged by one.
    for name in ("test", "test-quick", "test-long"):
        assert "benchmarks" not in {step.name for step in steps_of(name)}
        assert not [step for step in steps_of(name) if not callable(step.action) and "tests.benchmark" in step.action]


def test_lab_down_has_nothing_to_do_without_a_lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab-down"], tmp_path, {"PATH": "/nothing"}) == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".lab").mkdir()
    found = verbs.verb("lab-down", (), tmp_path, {"PATH": "/nothing"})
    assert found is not None
    assert [step.name for step in found.steps] == ["python packages", "lab hosts", "lab files"]


def test_lab_files_are_removed_last(run: Run) -> None:
    for folder in (".lab/keys", lab.SUMMARIES):
        (run.root / folder).mkdir(parents=True)
    run.execute([Step("lab files", "why", verbs.lab_removed)], False)
    assert not (run.root / ".lab").exists()
    assert not (run.root / lab.SUMMARIES).exists()


def test_lab_down_removes_the_lab_of_every_scenario(run: Run) -> None:
    for name in ("lab", "molecule", "cobbler"):
        (run.root / ".lab" / name).mkdir(parents=True)
    (run.root / ".lab/link").symlink_to(run.root)
    (run.root / ".lab/lab/lab.json").write_text('{"lab_name": "lab", "lab_owner": "/srv/site"}\n')
    scenario = run.root / "molecule/first/inventory"
    (scenario / "group_vars/all").mkdir(parents=True)
    (scenario / "group_vars/all/lab.yml").write_text("---\nlab_name: molecule\n")
    ansible = run.root / ".venv/bin/ansible-playbook"
    ansible.parent.mkdir(parents=True)
    ansible.write_text(f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done >>{run.root}/calls\n')
    ansible.chmod(0o755)

    found = verbs.verb("lab-down", (), run.root, {"PATH": "/nothing"})
    assert found is not None
    environment, *steps = found.steps
    assert environment.name == "python packages"
    assert [step.name for step in steps] == ["lab cobbler", "lab molecule", "lab hosts", "lab files"]
    outcomes = run.execute(steps, False)
    assert [outcome.state for outcome in outcomes] == ["ok"] * 4

    calls = (run.root / "calls").read_text().splitlines()
    assert calls[:2] == ["--inventory=localhost,", "molecule/shared/destroy.yml"]
    given = [json.loads(word.removeprefix("--extra-vars=")) for word in calls if word.startswith("--extra-vars=")]
    lab = run.root / ".lab"
    assert given == [
        # Without a note and without a site of that name only what has no living owner is removed.
        {
            "lab_name": "cobbler",
            "lab_owner": str(lab / "cobbler"),
            "lab_state_dir": str(lab / "cobbler"),
            "lab_remove_caches": False,
        },
        {
            "lab_name": "molecule",
            "lab_owner": str(scenario.resolve()),
            "lab_state_dir": str(lab / "molecule"),
            "lab_remove_caches": False,
        },
        {"lab_name": "lab", "lab_owner": "/srv/site", "lab_state_dir": str(lab / "lab"), "lab_remove_caches": True},
    ]
    assert not lab.exists()


def stand_in_podman(folder: Path, containers: list[object], networks: list[object]) -> dict[str, str]:
    """Put a podman that lists CONTAINERS and NETWORKS into FOLDER and return the environment in which it is found."""
    folder.mkdir()
    for name, rows in (("ps", containers), ("network", networks)):
        (folder / f"{name}.json").write_text(json.dumps(rows))
    (folder / "podman").write_text(f'#!/bin/sh\nexec /bin/cat "{folder}/$1.json"\n')
    (folder / "podman").chmod(0o755)
    return {"PATH": str(folder)}


def test_labs_whose_files_are_gone_are_found_on_the_machine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    site = str(run.root / "inventories/lab")
    scenario = str(run.root / "molecule/gone/inventory")
    mine = {"accentos_owner": site}
    environ = stand_in_podman(
        run.root / "bin",
        [
            {"Names": ["accentos-lab-cache"], "Labels": mine},
            {"Names": ["accentos-lab-compute-1"], "Labels": mine},
            {"Names": ["accentos-other-cache"], "Labels": {"accentos_owner": f"{run.root}-2/inventories/lab"}},
            {"Names": ["accentos-foreign-cache"], "Labels": None},
        ],
        [
            {"name": "podman"},
            {"name": "accentos-two-words-management", "labels": {"accentos_owner": scenario}},
            {"name": "accentos-two-words-storage", "labels": {"accentos_owner": scenario}},
        ],
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert labs.find_labs(run.root, environ) == {"lab": site, "two-words": scenario}
    found = verbs.verb("lab-down", (), run.root, environ)
    assert found is not None
    assert [step.name for step in found.steps] == ["python packages", "lab two-words", "lab hosts", "lab files"]
    # Without its note and its site folder a lab is known by what is on the machine.
    folder = run.root / ".lab/two-words"
    assert verbs.lab_note(folder, run.root, labs.find_labs(run.root, environ)) == {
        "lab_name": "two-words",
        "lab_owner": scenario,
    }
    # Labs are root's, so only root can say that there is none.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    asked = verbs.verb("lab-down", (), run.root, environ)
    assert asked is not None
    assert asked.needs.root


def test_a_machine_without_labs_of_this_checkout_has_nothing_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = tmp_path / "checkout"
    root.mkdir()
    environ = stand_in_podman(
        tmp_path / "bin", [{"Names": ["accentos-lab-cache"], "Labels": {"accentos_owner": "/elsewhere"}}], []
    )
    assert cli.main(["lab-down"], root, environ) == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    (tmp_path / "bin/podman").write_text("#!/bin/sh\necho broken storage >&2\nexit 125\n")
    assert cli.main(["lab-down"], root, environ) == EXIT_FAILED
    assert "podman does not say which labs there are: broken storage." in capsys.readouterr().err


def test_programs_that_are_not_in_the_path_of_root_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / ".lab").mkdir()
    assert cli.main(["lab-down"], tmp_path, {"PATH": "/nothing"}) == EXIT_NOT_READY
    assert "The program podman is not found in PATH (/nothing)." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [".lab"]


@pytest.mark.parametrize(
    "note",
    [
        "broken",
        "[]",
        '{"lab_name": "x"}',
        '{"lab_name": "../x", "lab_owner": "/a"}',
        '{"lab_name": "x", "lab_owner": "/{{ a }}"}',
        '{"lab_name": 1, "lab_owner": "/a"}',
    ],
)
def test_wrong_note_of_a_lab_is_refused(note: str, tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(note)
    with pytest.raises(StepError, match=r"lab\.json is no note of a lab\. Remove it"):
        verbs.lab_note(tmp_path, ROOT, {})


@pytest.mark.parametrize("arguments", [[], ["frobnicate"]])
def test_wrong_command_line(arguments: list[str], tmp_path: Path) -> None:
    assert cli.main(arguments, tmp_path, {}) == EXIT_USAGE


@pytest.mark.parametrize("name", VERBS)
def test_a_word_too_many_is_refused_and_nothing_done(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = {"lab": "[UNTIL]", "init": "[SITE] [ANSWERS]", "check": "[SITE]", "bench": "[ONLY]"}.get(name, "").split()
    words = ["anything", *wanted]
    assert cli.main([name, *words], tmp_path, {}) == EXIT_USAGE
    assert capsys.readouterr().err == f"usage: {' '.join(('tools/accentos', name, *wanted))}; nothing was done\n"
    assert list(tmp_path.iterdir()) == []


def test_test_inside_test_is_refused(tmp_path: Path) -> None:
    assert cli.main(["test"], tmp_path, {"ACCENTOS_VERB": "test"}) == EXIT_USAGE


def test_second_run_is_refused_with_its_own_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if machine.preflight(verbs.QUICK_NEEDS, (), machine.gather(tmp_path, False)):
        pytest.fail("this machine is not ready for any verb")
    with lock(tmp_path / ".cache/run.lock", "lab", ""):
        assert cli.main(["check"], tmp_path, {}) == EXIT_BUSY
    assert "make lab is running" in capsys.readouterr().err


def test_environment_of_the_steps() -> None:
    caller = {"PATH": "/usr/bin", "MAKELEVEL": "1", "PYTHONPATH": "/x", "HOME": "/home/user"}
    env = cli.child_environment(Path("/srv/a"), caller, "lab", "7")
    assert env == {
        "ACCENTOS_PID": "7",
        "ACCENTOS_VERB": "lab",
        "ANSIBLE_CONFIG": "/srv/a/ansible.cfg",
        "ANSIBLE_HOME": "/srv/a/.cache/ansible",
        "HOME": "/home/user",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/srv/a/.cache/hypothesis",
        "LC_ALL": "C.UTF-8",
        "PATH": "/srv/a/.venv/bin:/usr/bin",
        "PYTHONPYCACHEPREFIX": "/srv/a/.cache/pycache",
        "PYTHONUNBUFFERED": "1",
        "RUFF_CACHE_DIR": "/srv/a/.cache/ruff",
    }


@pytest.mark.parametrize(
    ("line", "shell"),
    [
        (b"#!/bin/sh\n", True),
        (b"#!/usr/bin/env bash\n", True),
        (b"#!/usr/bin/env python3\n", False),
        (b"# sh\n", False),
        (b"", False),
    ],
)
def test_shell_programs_are_known_by_their_first_line(line: bytes, shell: bool) -> None:
    assert verbs.is_shell(line) is shell


def test_files_of_the_checkout_are_those_git_would_keep(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("ignored\n")
    for name in ("ignored", "known", "gone", "new name"):
        (tmp_path / name).write_text("x")
    subprocess.run(["git", "add", "known", "gone"], cwd=tmp_path, check=True)
    (tmp_path / "gone").unlink()
    assert verbs.git_files(tmp_path) == [".gitignore", "known", "new name"]


def entry(tmp_path: Path, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the shell entry in an otherwise empty checkout with PATH."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "accentos").write_text((ROOT / "tools/accentos").read_text())
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    return subprocess.run(
        ["/bin/sh", tools / "accentos", *arguments],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_lab_down_asks_podman_where_the_files_of_a_lab_are_gone(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "python3"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    (programs / "podman").write_text("#!/bin/sh\nexit 0\n")
    (programs / "podman").chmod(0o755)
    # The entry is alone in this checkout, so the steps cannot be there: it has handed over to them.
    asked = entry(tmp_path, "lab-down", path=str(programs))
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "tools.steps" in asked.stderr


def test_help_and_lab_down_need_no_python(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("awk", "dirname"):
        source = next(place for place in ("/usr/bin", "/bin") if Path(place, name).exists())
        (programs / name).symlink_to(f"{source}/{name}")
    listed = entry(tmp_path, "help", path=str(programs))
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[1] for line in listed.stdout.splitlines()] == [
        "help",
        "lab",
        "lab-down",
        "init",
        "check",
        "test",
        "test-quick",
        "test-long",
        "bench",
    ]
    down = entry(tmp_path, "lab-down", path=str(programs))
    assert (down.returncode, down.stdout) == (0, "nothing to remove\n")


@pytest.mark.parametrize(
    "words", [("lab", "hosts", "cloud"), ("lab-down", "x"), ("help", "x"), ("check", "a", "b"), ("bench", "a", "b")]
)
def test_the_shell_entry_refuses_a_word_too_many_before_it_looks_for_python(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dirname").symlink_to("/usr/bin/dirname")
    refused = entry(tmp_path, *words, path=str(programs))
    assert (refused.returncode, refused.stdout) == (EXIT_USAGE, "")
    assert refused.stderr.startswith("usage: tools/accentos VERB")


def recipe(target: str) -> str:
    """Return the one line of shell that the Makefile has for TARGET, as make hands it to the shell."""
    text = (ROOT / "Makefile").read_text()
    (line,) = re.findall(rf"^{target}:.*\n\t@(.*)\n(?!\t)", text, re.MULTILINE)
    # What make itself would put in is not quoted.
    assert "$" not in line.replace("$$", "")
    return str(line).replace("$$", "$")


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        (None, ["check"]),
        ("", ["check", ""]),
        ("inventories/lab", ["check", "inventories/lab"]),
        ("a b", ["check", "a b"]),
        ("--help", ["check", "--help"]),
        ("x\"; touch 'made'; `touch made` *", ["check", "x\"; touch 'made'; `touch made` *"]),
    ],
)
def test_the_makefile_hands_over_the_site_as_one_word_or_none(
    site: str | None, expected: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "tools/accentos"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    # make gives the shell the variables of its command line and of its environment.
    environment = {"PATH": os.environ["PATH"]} | ({} if site is None else {"SITE": site})
    argv = ["/bin/sh", "-c", recipe("check")]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == expected
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("site", ["", " ", "\t"])
def test_an_empty_site_is_a_mistake_not_the_lab(site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", site], tmp_path, {}) == EXIT_USAGE
    assert capsys.readouterr().err.startswith("make check: SITE is empty.")
    assert list(tmp_path.iterdir()) == []


def test_the_makefile_hands_over_other_words_in_the_same_way() -> None:
    assert recipe("bench") == recipe("check").replace("check", "bench").replace("SITE", "ONLY")
    assert recipe("lab") == recipe("check").replace("check", "lab").replace("SITE", "UNTIL")


def test_a_site_that_is_called_as_an_option_is_a_folder() -> None:
    found = verbs.verb("check", ("--help",), ROOT, {})
    assert found is not None
    action = found.steps[-1].action
    assert not callable(action)
    done = subprocess.run(
        [sys.executable, *action[1:]], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "the folder cannot be read" in done.stderr
