# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A limit or a tag with which a verb would do nothing, or not what it is for, is refused and not called a success."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbooks.runs import HERE, lost_lab, write_play
from tools.playbook_runs import ROOT, run_playbook

PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "playbooks").glob("*.yml"))}
STAGES = "accentos.cloud.stages"
REMOVE = "--extra-vars=compute_removed="


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the lab's site; its hosts cannot be reached from anywhere."""
    return lost_lab(tmp_path_factory.mktemp("scope") / "site")


def run(site: Path, verb: str, *arguments: str, callback: str = STAGES) -> tuple[int, str]:
    """Run a verb; return its exit code and its output with single spaces."""
    code, output = run_playbook(f"--inventory={site}", *arguments, f"playbooks/{verb}.yml", callback=callback)
    return code, re.sub(r"\s+", " ", output)


# What the playbook needs, and the limit with which it has none of that.
LEFT_OUT: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "verify": ("controller-1 (controller[0])", "compute-1", ()),
    "verify, Tempest": ("controller-1 (controller[0])", "compute-1", ("--tags=tempest",)),
    "remove_compute": ("controller-1 (controller[0])", "compute-2", (REMOVE + "compute-2",)),
    # It would be taken for one that does not answer, and an operator who then says that it is dead loses its guests.
    "remove_compute, without the compute": ("compute-2", "controller-1", (REMOVE + "nobody,compute-2",)),
    "remove_compute, as a list": ("compute-2", "controller-1", ('--extra-vars={"compute_removed": ["compute-2"]}',)),
    "provision": ("deploy-1 (deploy[0])", "compute-2", ()),
    "enrol": ("deploy-1 (deploy[0])", "compute-2", ()),
    "harden_bmcs": ("deploy-1 (deploy[0])", "compute-1", ()),
    "client": ("deploy-1 (deploy)", "controller-1", ()),
    "deploy": ("one of controller-1, compute-1, compute-2, storage-1 (controller:compute:storage)", "deploy-1", ()),
    "awx": ("localhost", "deploy-1", ()),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_limit_that_leaves_nothing_of_a_verb_is_refused_with_what_to_do(site: Path, name: str) -> None:
    needed, limit, arguments = LEFT_OUT[name]
    code, output = run(site, name.partition(",")[0], f"--limit={limit}", *arguments)
    assert code == 2, output
    assert f"This playbook needs {needed}, and the limit of this run leaves it out. Nothing was done." in output
    assert "Add it to --limit, or run without a limit" in output
    assert "UNREACHABLE" not in output
    assert "Done" not in output


@pytest.mark.parametrize("verb", ["plan", "prepare", "doctor", "deploy"])
def test_a_verb_that_is_for_any_host_is_not_refused_with_a_limit(site: Path, verb: str) -> None:
    tags = ("--tags=always", "--diff") if verb == "plan" else ()
    _code, output = run(site, verb, "--limit=compute-1", "--check", *tags)
    assert "compute-1" in output
    assert "the limit of this run" not in output


@pytest.mark.parametrize("verb", PLAYBOOKS)
def test_each_playbook_with_a_play_on_the_first_host_of_a_group_says_so_to_the_check(verb: str) -> None:
    plays: list[dict[str, Any]] = PLAYBOOKS[verb]
    first = {play["hosts"] for play in plays if str(play.get("hosts", "")).endswith("[0]")}
    check = [play for play in plays if play.get("ansible.builtin.import_playbook") == "check.yml"]
    needed = str(check[0].get("vars", {}).get("check_run_hosts", "")) if check else ""
    assert [pattern for pattern in sorted(first) if pattern not in needed] == []


def without(site: Path, folder: Path, group: str) -> Path:
    """Copy the site without a group to FOLDER and return that."""
    lost_lab(folder)
    hosts = yaml.safe_load((site / "hosts.yml").read_text())
    del hosts["all"]["children"][group]
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    return folder


@pytest.mark.parametrize(
    ("verb", "arguments", "refused"),
    [
        ("deploy", (), True),
        ("verify", (), True),
        ("apply", (), True),
        ("apply", ("--tags=compute",), True),
        # Machines and hosts can be had without a cloud.
        ("plan", ("--check", "--tags=always", "--skip-tags=prepare"), False),
        ("check", (), False),
    ],
)
def test_computes_without_a_controller_are_no_cloud(
    site: Path, tmp_path: Path, verb: str, arguments: tuple[str, ...], refused: bool
) -> None:
    folder = without(site, tmp_path / "site", "controller")
    code, output = run(folder, verb, *arguments)
    assert code == (2 if refused else code), output
    needed = "controller[0]" if verb == "verify" else "controller"
    told = f"This playbook needs a host in {needed}, and the site has none. Nothing was done."
    assert (told in output) is refused, output


def test_two_controllers_are_refused_before_anything_is_built(site: Path, tmp_path: Path) -> None:
    folder = lost_lab(tmp_path / "site")
    hosts = yaml.safe_load((site / "hosts.yml").read_text())
    hosts["all"]["children"]["controller"]["hosts"]["controller-2"] = {"host_addresses": {"management": "10.90.0.22"}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    code, output = run(folder, "deploy", "--limit=compute-1")
    assert code == 2, output
    assert "controller: has 2 hosts" in output
    assert "an odd number of controllers: 1 or 3" in output
    assert "FAILED compute-1: Check the site folder" in output
    assert "Failed: 1 failed, of 1 host" in output


@pytest.mark.parametrize("callback", [STAGES, "ansible.builtin.default"])
@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("deploy", ("--tags=storge",), '--tags "storge", did you mean "storage"?'),
        ("deploy", ("--skip-tags=netwrok",), '--skip-tags "netwrok", did you mean "network"?'),
        ("plan", ("--check", "--tags=provison,always"), '--tags "provison", did you mean "provision"?'),
        ("client", ("--tags=client",), '--tags "client". It has no tags.'),
        (
            "deploy",
            ("--skip-tags=dashboard,orchestration",),
            "To do all else, name it: --tags compute,identity,image,infrastructure,network,report,storage.",
        ),
        ("apply", ("--tags=compute,network", "--skip-tags=network"), "name it: --tags compute."),
        ("prepare", ("--skip-tags=base",), "With --skip-tags base parts of certificates would be left out, too"),
    ],
)
def test_a_tag_that_cannot_be_followed_ends_a_run_before_its_first_play(
    site: Path, verb: str, arguments: tuple[str, ...], words: str, callback: str
) -> None:
    code, output = run(site, verb, *arguments, callback=callback)
    assert code == 5, output
    assert words in output
    assert "Done" not in output
    assert "PLAY [" not in output


# The first has all tags of five verbs.
@pytest.mark.parametrize("verb", ["apply", "verify", "show_plan"])
def test_the_tags_that_ansible_lists_are_those_that_are_known(site: Path, verb: str) -> None:
    code, output = run(site, verb, "--list-tags")
    assert code == 0, output
    listed = {tag.strip() for tags in re.findall(r"TASK TAGS: \[(.*?)\]", output) for tag in tags.split(",")} - {""}
    code, output = run(site, verb, f"--tags={','.join(sorted(listed | {'nothing'}))}", "--check")
    assert code == 5, output
    assert '--tags "nothing"' in output
    own = ", ".join(sorted(listed - {"always", "never"}))
    assert (f"Its tags are {own}." if own else "It has no tags.") in output


@pytest.mark.parametrize("tags", ["always", "untagged,never", "all,tagged"])
def test_words_for_tags_keep_their_meaning(site: Path, tags: str) -> None:
    code, output = run(
        site, "check", f"--tags={tags}", "--skip-tags=notest,molecule-notest,molecule-idempotence-notest"
    )
    assert code == 0, output


VIRSH = {
    "nothing runs": ("echo", 0, ""),
    "a guest runs": ("printf 'instance-1\\ninstance-2\\n\\n'", 2, "compute-1 still runs instance-1, instance-2."),
    "libvirt is silent": ("echo 'error: no connection' >&2; exit 1", 2, "libvirt answers: error: no connection. Look"),
}


@pytest.mark.parametrize("name", VIRSH)
def test_a_guest_that_nova_does_not_know_is_told_with_its_remedy(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, code, words = VIRSH[name]
    (tmp_path / "virsh").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "virsh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    role = {"name": "accentos.cloud.compute", "tasks_from": "stop", "rolespec_validate": False}
    known = {"__compute_removal": {"present": ["compute-1"]}, "site_domain": "example.test"}
    play = {
        "hosts": "compute-1",
        "gather_facts": False,
        # Of the daemons there are none here.
        "tasks": [{"ansible.builtin.import_role": role, "vars": {"__compute_units": []}}],
    }
    groups = {"controller": {"hosts": {"controller-1": known}}, "compute": {"hosts": {"compute-1": HERE | known}}}
    found, output = run_playbook(*write_play(tmp_path, play, groups), callback=STAGES)
    told = re.sub(r"\s+", " ", output)
    assert found == code, output
    assert words in told
    assert ("then run the same command again" in told.lower()) is bool(code), output
