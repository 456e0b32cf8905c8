# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan is made from: names and digests of files, code, secrets and variables; options of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.plan_basis import (
    code_digests,
    file_digests,
    refused_options,
    same_options,
    secret_versions,
    skipping_options,
    variable_versions,
)


def write(folder: Path, **files: str) -> Path:
    """Write files, whose names have "__" for a slash, and return the folder."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_changed_a_new_and_a_lost_file_of_a_site_differ_alone(tmp_path: Path) -> None:
    site = write(tmp_path / "site", hosts="a", group_vars__all="b", host_vars__c1="c")
    write(site, **{".secrets.yml": "s", ".pki__ca.crt": "p"})
    before = file_digests([site])
    assert set(before) == {"hosts", "group_vars/all", "host_vars/c1"}
    write(site, group_vars__all="B", host_vars__c2="d", **{".secrets.yml": "S"})
    (site / "host_vars/c1").unlink()
    (site / "link").symlink_to("nowhere")
    after = file_digests([site])
    assert {name for name in before if before[name] != after.get(name)} == {"group_vars/all", "host_vars/c1"}
    assert after.keys() - before.keys() == {"host_vars/c2", "link"}


def test_files_of_several_inventories_are_told_apart(tmp_path: Path) -> None:
    site = write(tmp_path / "site", hosts="a")
    beside = write(tmp_path / "more", hosts="b")
    single = write(tmp_path, **{"extra.yml": "c"}) / "extra.yml"
    assert set(file_digests([site, beside, single])) == {"site/hosts", "more/hosts", "extra.yml"}


def test_the_part_of_the_code_that_changed_is_named(tmp_path: Path) -> None:
    code = write(tmp_path / "code", plugins__a="1", agents__b="1", roles__nova__c="1", roles__heat__d="1")
    playbooks = write(tmp_path / "playbooks", **{"deploy.yml": "1"})
    before = code_digests(code, playbooks, "2.19.0")
    assert set(before) == {"ansible-core", "plug-ins", "agents", "playbooks", "role nova", "role heat"}
    write(code, roles__nova__c="2")
    write(code / "plugins/__pycache__", a="x")
    after = code_digests(code, playbooks, "2.20.0")
    assert {name for name in before if before[name] != after[name]} == {"ansible-core", "role nova"}
    # A file that moves is a change, too.
    (code / "roles/heat/d").rename(code / "roles/heat/e")
    assert code_digests(code, playbooks, "2.20.0")["role heat"] != before["role heat"]


def test_versions_of_secrets_tell_changes_and_nothing_else() -> None:
    known = {"a_password": "same", "b_password": "same"}
    versions = secret_versions(known, b"key")
    assert versions == secret_versions(known, b"key")
    assert versions["a_password"] != versions["b_password"]
    assert versions["a_password"] != secret_versions({"a_password": "other"}, b"key")["a_password"]
    # Without the key nobody can try values.
    assert versions != secret_versions(known, b"another key")


def test_versions_of_variables_are_salted_and_comparable() -> None:
    known = {"x_size": {"b": 1, "a": [1]}, "x_word": "small", "site_plan_file": "p"}
    first = variable_versions(known)
    assert set(first) == {"x_size", "x_word"}
    assert variable_versions(known)["x_word"] != first["x_word"]
    assert variable_versions(known, first) == first
    assert variable_versions(known | {"x_word": "other"}, first)["x_word"] != first["x_word"]
    assert variable_versions(known, {"x_word": "no digest"})["x_word"] != "no digest"
    assert "small" not in json.dumps(first)


def test_what_awx_says_of_a_job_and_what_a_job_hands_on_do_not_count() -> None:
    names = ["job_id", "job_template_id", "job_template_name", "job_launch_type", "project_revision", "execution_node"]
    names += ["project_scm_branch", "inventory_id", "inventory_name", "user_id", "user_email", "user_first_name"]
    names += ["workflow_job_id", "workflow_job_name", "workflow_job_launch_type", "workflow_job_user_name"]
    names += ["schedule_id", "schedule_name", "parent_job_schedule_id", "parent_job_schedule_name"]
    job: dict[str, object] = {f"{prefix}_{name}": 7 for prefix in ("awx", "tower") for name in names}
    artifacts: dict[str, object] = {"site_plan": {"basis": {}}, "site_plan_machines": []}
    # Options of the role awx, and names that only begin alike.
    counted: dict[str, object] = {
        "awx_organization": "a",
        "awx_project_url": "u",
        "awx_project_branch": "b",
        "awx_image": "i",
    }
    counted |= {"awx_job_ids": 1, "site_planner": 1, "my_awx_job_id": 1}
    assert set(variable_versions({**job, **artifacts, **counted})) == set(counted)


def test_the_run_that_plans_again_has_the_same_options() -> None:
    options = {
        "inventory": ("site", "more"),
        "subset": "a,b",
        "tags": ("image",),
        "skip_tags": (),
        "extra_vars": ('{"a": 1}', "@file.yml"),
        "forks": 5,
        "become": True,
        "become_user": None,
        "check": False,
        "verbosity": 3,
    }
    assert same_options(options) == [
        "--inventory=site",
        "--inventory=more",
        "--tags=image",
        '--extra-vars={"a": 1}',
        "--extra-vars=@file.yml",
        "--limit=a,b",
        "--forks=5",
        "--become",
    ]


def test_options_by_which_tasks_that_refuse_are_skipped_are_named() -> None:
    assert skipping_options({"skip_tags": ("prepare",), "step": False, "start_at_task": None}) == []
    given = {"skip_tags": ("prepare", "always"), "step": True, "start_at_task": "x"}
    assert skipping_options(given) == ["--start-at-task", "--step", "--skip-tags always"]


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"ask_pass": False, "step": False, "start_at_task": None}, []),
        ({"ask_pass": True}, ["--ask-pass"]),
        ({"become_ask_pass": True, "start_at_task": "x"}, ["--ask-become-pass", "--start-at-task"]),
    ],
)
def test_options_that_nobody_could_answer_are_refused(options: dict[str, object], refused: list[str]) -> None:
    assert refused_options(options) == refused
