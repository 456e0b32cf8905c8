# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new site folder: made of answers, checked first, there in one step, and never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import check_site

from tools.playbook_runs import ROOT, run_playbook
from tools.steps import verbs

REFERENCE = ROOT / "inventories/reference"
ANSWERS = f"--extra-vars=@{ROOT}/inventories/reference.answers.yml"
KEY = yaml.safe_load((ROOT / "inventories/reference.answers.yml").read_text())["init_admins"][0]["ssh_keys"][0]
# The home of somebody who has no keys of SSH.
NOBODY = str(ROOT / ".cache/nobody")


@pytest.fixture
def home(tmp_path: Path) -> str:
    """Return the home of somebody with a key, and with a certificate of it."""
    (tmp_path / "home/.ssh").mkdir(parents=True)
    (tmp_path / "home/.ssh/id_ed25519.pub").write_text(f"{KEY}\n")
    (tmp_path / "home/.ssh/id_ed25519-cert.pub").write_text("ssh-ed25519-cert-v01@openssh.com AAAA operator\n")
    return str(tmp_path / "home")


def init(folder: str | Path, *options: str, home: str = NOBODY, **answers: Any) -> tuple[int, str]:
    """Run `make init` for FOLDER as its step does; return exit code and output. Lines are not cut in the output."""
    action = verbs.site_init(str(folder)).action
    assert not callable(action)
    given = [f"--extra-vars={json.dumps(answers)}"] if answers else []
    return run_playbook(*action[1:], *given, *options, callback="accentos.cloud.stages", HOME=home, COLUMNS="1000")


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_reference_site_is_made_of_its_answers_once(tmp_path: Path) -> None:
    code, output = init(tmp_path / "site", ANSWERS, "--check", "--diff")
    assert code == 0, output
    assert "+site_name: reference" in output
    assert "Plan: 1 change would be made on 1 host" in output
    assert list(tmp_path.iterdir()) == []

    code, output = init(tmp_path / "site", ANSWERS)
    assert code == 0, output
    assert contents(tmp_path / "site") == contents(REFERENCE)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert "tools/set-secret" in output
    order = [output.index(f"playbooks/{verb}.yml") for verb in ("check", "plan", "apply", "verify")]
    assert order == sorted(order)

    (tmp_path / "site/.vault_key").write_text("of the operator")
    code, output = init(tmp_path / "site", ANSWERS)
    assert code == 0, output
    assert "Done: nothing to change on 1 host" in output


def test_without_answers_it_is_a_site_of_hosts_that_run_already(tmp_path: Path, home: str) -> None:
    code, output = init(tmp_path / "sites/berlin-1", home=home)
    assert code == 0, output
    assert "Done: 1 change on 1 host" in output
    outcome = check_site(tmp_path / "sites/berlin-1")
    assert (outcome.findings, outcome.hosts) == ((), 7)
    assert yaml.safe_load((tmp_path / "sites/berlin-1/group_vars/all/site.yml").read_text())["site_admins"] == [
        {"name": "operator", "sudo": True, "ssh_keys": [KEY]}
    ]
    assert "playbooks/prepare.yml" in output
    assert "set-secret" not in output


def test_machines_that_enrol_find_the_secrets_of_the_site(tmp_path: Path, home: str) -> None:
    # Any name will do that Ansible can read.
    site = tmp_path / "its o'site {{ 1 + 1 }} köln 🌍"
    match = {"storage": {"disks_min": 8}, "controller": {"product": "X1*"}, "compute": {}}
    code, output = init(site, home=home, init_name="koeln", init_match=match, init_controllers=3)
    assert code == 0, output
    assert check_site(site).findings == ()
    assert output.index("playbooks/enrol.yml") < output.index(".machines.cobbler.yml")
    second = yaml.safe_load((site / ".machines.cobbler.yml").read_text())
    assert second == {
        "plugin": "accentos.cloud.cobbler",
        "url": "https://10.20.0.10/cobbler_api",
        "ca": ".pki/ca.crt",
    }
    # What such a host is to Ansible, with another plug-in that asks no Cobbler.
    beside = site / ".machines.yml"
    beside.write_text("controller: {hosts: {controller-1: {host_addresses: {management: 10.20.0.11}}}}\n")
    inventory = InventoryManager(loader=DataLoader(), sources=[str(site), str(beside)])
    host = inventory.get_host("controller-1")
    values = VariableManager(loader=DataLoader(), inventory=inventory).get_vars(host=host)
    assert values["inventory_dir"] == str(site)
    assert values["site_domain"] == "cloud.example.com"


def test_all_mistakes_are_told_in_the_words_of_the_answers(tmp_path: Path, home: str) -> None:
    """Hostile texts, too, stay texts."""
    code, output = init(
        tmp_path / "My Site",
        home=home,
        init_domain="cloud\nsite_name: x",
        init_networks={"management": {"cidr": "10.20.0.1/24", "gateway": "10.20.0.1"}, "tunel": {"cidr": "10.0.0.0/8"}},
        init_ntp_servers=["0.pool.ntp.org", "a b"],
        init_apt_mirror="http://me:secret@mirror.example.com",
    )
    assert code == 2
    assert 'init_name: does not have the right form, found "My Site"; expected at most 32 lower-case letters' in output
    assert 'init_domain: is not a DNS domain, found "cloud\\nsite_name: x"' in output
    assert 'init_networks.management.cidr: has host bits set, found "10.20.0.1/24"' in output
    assert 'did you mean "10.20.0.0/24"?' in output
    assert "init_networks.tunel: unknown key; expected one of external, management" in output
    assert 'init_ntp_servers.1: is neither a host name nor an IP address, found "a b"' in output
    assert "secret" not in output.replace("secrets", "")
    assert "Nothing was written. Correct the answers, then run the same command again." in output
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_answers_that_are_none_and_nobody_who_may_log_in(tmp_path: Path) -> None:
    code, output = init(tmp_path / "site", init_domian="a.example.com", init_computes=0)
    assert code == 2
    assert "init_domian: unknown; expected one of init_admins, " in output
    assert 'did you mean "init_domain"?' in output
    assert "init_computes: is too small, found 0; expected a number from 1 to 9999" in output
    assert "init_admins: nobody could log in" in output
    assert list(tmp_path.iterdir()) == []
