# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check at the start of every playbook: whatever the limit, once, before any connection, with a clear message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.playbooks.runs import lost_lab
from tools.playbook_runs import ROOT, run_playbook

SCHEMA = ROOT / "collections/ansible_collections/accentos/cloud/plugins/plugin_utils/site_schema.yml"
MISTAKE = "group_vars/all/site.yml:3:1: site_doman: unknown key"
LIMITS: tuple[tuple[str, ...], ...] = ((), ("--limit=compute-1,storage-1",))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a copy of the lab's site; its hosts cannot be reached from anywhere."""
    return lost_lab(tmp_path / "site")


def break_site(folder: Path) -> None:
    """Make the mistake that MISTAKE tells."""
    file = folder / "group_vars/all/site.yml"
    file.write_text(file.read_text().replace("site_domain:", "site_doman:"))


def run(
    *arguments: str | Path, playbook: str = "prepare", callback: str = "ansible.builtin.default"
) -> tuple[int, str]:
    """Run a playbook of the checkout; return its exit code and all its output."""
    return run_playbook(*arguments, f"playbooks/{playbook}.yml", callback=callback)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_mistake_ends_the_run_before_any_connection(site: Path, limit: tuple[str, ...]) -> None:
    break_site(site)
    code, output = run(f"--inventory={site}", *limit)
    assert code != 0
    assert MISTAKE in output
    assert output.count("TASK [") == 1
    assert "UNREACHABLE" not in output
    assert output.count("PLAY [") == 1


@pytest.mark.parametrize("limit", LIMITS)
def test_a_good_site_is_checked_once(site: Path, limit: tuple[str, ...]) -> None:
    code, output = run(f"--inventory={site}", *limit, playbook="check")
    assert code == 0, output
    assert output.count("ok: [") == 1
    assert ("ok: [localhost]" in output) is (not limit)


def test_what_the_check_leaves_alone_is_left_alone_by_ansible_too(site: Path) -> None:
    for name in (
        "ssh/config",
        "pki/ca.txt",
        "secrets.txt",
        "README",
        ".git/config",
        ".gitattributes",
        ".vscode/a.json",
    ):
        file = site / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("Host *\n  User [root\n")
    code, output = run(f"--inventory={site}", playbook="check")
    assert code == 0, output


def test_a_file_beside_the_folder_of_its_group_is_a_mistake_because_ansible_does_not_read_it(site: Path) -> None:
    (site / "group_vars/all.yml").write_text("x_lost: 1\n")
    (site / "group_vars/all/.hidden.yml").write_text("x_hidden: 1\n")
    (site / "group_vars/all/found.yml.orig").write_text("x_hidden: 1\n")
    (site / "group_vars/.gitkeep").write_text("")
    (site / "group_vars/all/found.yml").write_text("x_found: 1\n")
    listed = subprocess.run(
        [sys.executable, "-m", "ansible", "inventory", f"--inventory={site}", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "x_found" in listed
    assert "x_lost" not in listed
    assert "x_hidden" not in listed
    code, output = run(f"--inventory={site}", playbook="check")
    assert code != 0
    assert "group_vars/all.yml:1:1: there is also a folder all/" in output
    assert "has 1 mistake:" in output


@pytest.mark.parametrize("limit", LIMITS)
def test_connection_settings_that_the_mistake_breaks_do_not_hide_it(site: Path, limit: tuple[str, ...]) -> None:
    break_site(site)
    names = yaml.safe_load(SCHEMA.read_text())["$defs"]["connection"]["properties"]
    lines = [f'{name}: "{{{{ site_domain }}}}"\n' for name in names]
    (site / "group_vars/all/connection.yml").write_text("---\n" + "".join(lines))
    code, output = run(f"--inventory={site}", *limit)
    assert code != 0
    assert MISTAKE in output


def test_the_stages_callback_tells_the_mistake_too(site: Path) -> None:
    break_site(site)
    code, output = run(f"--inventory={site}", "--limit=compute-1", callback="accentos.cloud.stages")
    assert code != 0
    assert MISTAKE in output


UNREADABLE = {
    "a tab": (b"---\nx_a: 1\nx_b:\n\t- 2\n", "group_vars/all/more.yml:4:1: "),
    "not UTF-8": ("---\nx_a: Köln\n".encode("latin-1"), "group_vars/all/more.yml:2:1: the file is not UTF-8 text"),
    "sealed": (
        b"$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        "group_vars/all/more.yml:1:1: the whole file is sealed, so nothing in it can be checked; expected single",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_variables_that_ansible_cannot_read_are_told_by_file_and_line(site: Path, name: str) -> None:
    content, mistake = UNREADABLE[name]
    (site / "group_vars/all/more.yml").write_bytes(content)
    code, output = run(f"--inventory={site}", callback="accentos.cloud.stages")
    assert code != 0
    assert mistake in output
    assert "has 1 mistake:" in output
    assert "Interrupted" not in output
    assert "Broke off in stage 1/" in output
    assert output.count("Next: ") == 1


def test_no_limit_is_proposed_for_the_check_on_the_control_node(site: Path) -> None:
    break_site(site)
    code, output = run(f"--inventory={site}", callback="accentos.cloud.stages")
    assert code != 0
    assert "Failed: 1 failed, of 1 host" in output
    assert "--limit" not in output


@pytest.mark.parametrize("limit", ["nowhere", "localhost"])
def test_a_limit_without_a_host_of_the_site_is_an_error(site: Path, limit: str) -> None:
    code, output = run(f"--inventory={site}", f"--limit={limit}")
    assert code != 0
    assert "no hosts to target" in output


def test_a_site_without_hosts_is_checked(site: Path) -> None:
    (site / "hosts.yml").write_text("---\nall: {}\n")
    break_site(site)
    code, output = run(f"--inventory={site}", playbook="check")
    assert code != 0
    assert MISTAKE in output


@pytest.mark.parametrize("limit", LIMITS)
def test_hosts_that_cannot_be_read_are_told_before_ansible_gives_up(site: Path, limit: tuple[str, ...]) -> None:
    hosts = site / "hosts.yml"
    line = len(hosts.read_text().splitlines()) + 1
    hosts.write_text(f"{hosts.read_text()}broken: [one\n")
    code, output = run(f"--inventory={site}", *limit)
    assert code == 2
    assert f"hosts.yml:{line + 1}:1: a list in brackets is not closed; expected [one, two]" in output
    assert "Correct these lines, then run the same command again." in output
    assert "plugin" not in output


def test_a_second_inventory_is_checked_as_well(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "more.yml"
    other.write_text("all:\n  vars:\n    nova_wrokers: 1\n    site_name: other\n")
    code, output = run(f"--inventory={site}", f"--inventory={other}", playbook="check")
    assert code != 0
    assert f"{other}:3:5: all.vars.nova_wrokers: unknown key" in output
    assert f"{other}:4:5: all.vars.site_name: is not allowed here" in output
    other.write_text("all:\n  vars:\n    x_mine: 1\n")
    code, output = run(f"--inventory={site}", f"--inventory={other}", playbook="check")
    assert code == 0, output


def test_a_second_site_is_refused(site: Path) -> None:
    code, output = run(f"--inventory={site}", "--inventory=inventories/reference", playbook="check")
    assert code != 0
    assert "More than one of the inventories in use can be the site" in output


@pytest.mark.parametrize("limit", LIMITS)
def test_a_copy_of_the_inventory_is_checked_at_its_source(site: Path, tmp_path: Path, limit: tuple[str, ...]) -> None:
    # AWX keeps the inventory in its database and hands it to a run as a program.
    break_site(site)
    hosts = ["deploy-1", "compute-1", "storage-1"]
    copy = tmp_path / "inventory/hosts"
    copy.parent.mkdir()
    copy.write_text(f"#!/bin/sh\necho '{json.dumps({'all': {'hosts': hosts}, '_meta': {'hostvars': {}}})}'\n")
    copy.chmod(0o755)
    code, output = run(f"--inventory={copy.parent}", f"--extra-vars=site_folder={site}", *limit)
    assert code != 0
    assert MISTAKE in output


@pytest.mark.parametrize("limit", LIMITS)
def test_the_inventory_that_molecule_generates_beside_it_does_not_count(
    site: Path, tmp_path: Path, limit: tuple[str, ...]
) -> None:
    generated = tmp_path / "generated"
    generated.mkdir()
    (generated / "ansible_inventory.yml").write_text(
        "---\nall:\n  hosts:\n    compute-1:\n  vars:\n    molecule_file: \"{{ lookup('env', 'MOLECULE_FILE') }}\"\n"
    )
    for order in ((generated, site), (site, generated)):
        code, output = run(*(f"--inventory={folder}" for folder in order), *limit, playbook="check")
        assert code == 0, output
    break_site(site)
    code, output = run(f"--inventory={generated}", f"--inventory={site}", *limit, playbook="check")
    assert code != 0
    assert MISTAKE in output
