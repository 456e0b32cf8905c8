# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the benchmark of a whole deployment decides, with literals; and that its site passes the check."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import check_site

from tests.benchmark import deploy_floor
from tests.benchmark.deploy_floor import HERE, STAGES, Step, benchmark_site, floor_steps, in_order, report, statements


def sync(name: str, *after: str) -> dict[str, Any]:
    return {"name": name, "user": "nova", "argv": ["nova-manage", name], "after": list(after)}


def told(*syncs: dict[str, Any], units: tuple[str, ...]) -> dict[str, Any]:
    return {
        "url": "https://api:5000/v3",
        "region": "RegionOne",
        "password": "secret",
        "plan": {
            "syncs": list(syncs),
            "units": [{"name": name} for name in units],
            "databases": {"databases": [{"name": "nova"}], "users": []},
            "messaging": [{"name": "nova", "password": "word"}],
            "checks": [{"url": "https://10.0.0.21:8774/"}],
        },
    }


CLOUD = {
    "compute-1": told(units=("nova-compute.service",)),
    "controller-1": told(
        sync("nova", "cell0"), sync("keystone"), sync("cell0"), units=("keystone.service", "a.service")
    ),
}


def test_statements_make_databases_and_their_owners() -> None:
    databases = {
        "databases": [{"name": "nova", "character_set": "utf8mb3", "collation": "utf8mb3_bin"}, {"name": "glance"}],
        "users": [{"name": "nova", "password": "word", "databases": ["nova"]}],
    }
    assert statements(databases).splitlines() == [
        "CREATE DATABASE `nova` CHARACTER SET utf8mb3 COLLATE utf8mb3_bin;",
        "CREATE DATABASE `glance` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;",
        "CREATE USER 'nova'@'%' IDENTIFIED BY 'word';",
        "GRANT ALL PRIVILEGES ON `nova`.* TO 'nova'@'%';",
    ]


def test_commands_run_after_those_that_they_name() -> None:
    assert [one["name"] for one in in_order([sync("c", "b"), sync("b", "a"), sync("a")])] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        in_order([sync("a", "b"), sync("b", "a")])


def test_steps_of_the_floor_come_in_an_order_that_works() -> None:
    steps = floor_steps(CLOUD, {"controller-1": "10.0.0.21", "compute-1": "10.0.0.31"})
    names = [
        f"{step.host} {' '.join(step.argv[:1] if step.argv[0] in ('packages', 'overlay') else step.argv)}"
        for step in steps
    ]
    order = [
        *("controller-1 packages", "compute-1 packages", "controller-1 database"),
        *("controller-1 sync nova nova-manage keystone", "controller-1 units keystone.service"),
        *("controller-1 ovn_database 10.0.0.21", "controller-1 overlay", "compute-1 overlay"),
        *("controller-1 sync nova nova-manage cell0", "controller-1 sync nova nova-manage nova"),
        *("controller-1 units a.service", "compute-1 units nova-compute.service"),
    ]
    places = [names.index(name) for name in order]
    assert places == sorted(places)


def test_no_secret_is_in_an_argument_or_a_name() -> None:
    steps = floor_steps(CLOUD, {"controller-1": "10.0.0.21"})
    assert not [step.name for step in steps if "word" in step.name or '"secret"' in " ".join(step.argv)]
    assert [step.given for step in steps if step.argv == ("messaging",)] == ["nova word\n"]
    assert {"\n" in step.name for step in steps} == {False}


def test_the_script_has_every_part_that_is_asked_for() -> None:
    script = (HERE / "floor_deploy").read_text(encoding="utf-8")
    parts = {step.argv[0] for step in floor_steps(CLOUD, {"controller-1": "10.0.0.21"})}
    assert {part for part in parts if f"\n    {part})" not in script} == set()


def test_the_script_refuses_a_part_that_it_does_not_have(tmp_path: Path) -> None:
    script = (HERE / "floor_deploy").read_text(encoding="utf-8").replace("/root/floor", str(tmp_path))
    done = subprocess.run(["sh", "-s", "other"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "there is no part other\n")


def test_a_file_of_the_site_is_moved_to_networks_of_its_own() -> None:
    moved = benchmark_site('lab_name: openstack\nsite_domain: a.test\nmac: "02:94:00:00:00:21"\ncidr: 10.94.0.0/24\n')
    assert moved.splitlines() == [
        "lab_name: deployfloor",
        "site_domain: deployfloor.example.test",
        'mac: "02:97:00:00:00:21"',
        "cidr: 10.97.0.0/24",
    ]


def test_the_site_passes_the_check_and_has_no_storage(tmp_path: Path) -> None:
    deploy_floor.write_site(tmp_path / "site", tmp_path / "secrets")
    outcome = check_site(tmp_path / "site")
    assert ([str(one) for one in outcome.findings], outcome.hosts) == ([], 3)
    assert "storage:" not in (tmp_path / "site/hosts.yml").read_text(encoding="utf-8").replace("network: storage", "")


def test_what_is_done_is_remembered_and_forgotten_from_a_stage_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy_floor, "STATE", tmp_path)
    lab = deploy_floor.Lab()
    for stage in ("create", "deploy", "create_floor", "step 0 a", "floor"):
        lab.remember(stage, 1)
    assert list(deploy_floor.Lab().done) == ["create", "deploy", "create_floor", "step 0 a", "floor"]
    lab.forget("create_floor")
    assert list(lab.done) == ["create", "deploy"]
    assert list(deploy_floor.Lab().done) == ["create", "deploy"]


def test_every_stage_can_run() -> None:
    assert [stage for stage in STAGES if not callable(getattr(deploy_floor.Lab, stage, None))] == []


def test_the_report_compares_with_and_without_the_guest() -> None:
    counts = {"tasks of a compute": 57, "tasks of a controller": 120}
    lines = report(
        {
            "deploy": {"seconds": 300.0, **counts},
            "repeat": {"seconds": 90.0, **counts},
            "guest": 30.0,
            "floor": {"step 0 controller-1: packages": 150.0, "step 1 controller-1: front": 50.0},
            "floor_guest": 20.0,
        }
    )
    values = {line[:60].strip(): line[60:].strip() for line in lines}
    assert (values["floor"], values["ratio with the guest"], values["ratio without"]) == ("200.0", "1.50", "1.50")
    assert values["tasks of a compute"] == "57"


def test_a_step_is_named_by_its_beginning() -> None:
    assert Step("a", ("sync", "x", "python3", "-c", "\nimport json\n" * 20)).name.startswith(
        "a: sync x python3 -c import"
    )
