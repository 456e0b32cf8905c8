# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor over a site of which only one host is reached: it goes on, tells all, and keeps secrets."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tests.playbooks.runs import HERE, lost_lab
from tools.playbook_runs import ROOT, run_playbook
from tools.steps import failures

PRIVATE = "a password of the site"
# One unit has failed, and its journal has what nobody should read.
PROGRAMS = {
    "systemctl": """\
case "$1" in
  show) shift 3
    for name; do
      printf 'Id=%s\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\n' "$name"
      printf 'NeedDaemonReload=no\\nNRestarts=0\\nResult=success\\n\\n'
    done ;;
  list-units) echo 'broken.service loaded failed failed <script>alert(1)</script>' ;;
  *) exit 9 ;;
esac
""",
    "journalctl": f"echo '<b>refused</b> {PRIVATE}'\n",
    "chronyc": """\
case "$4$3" in
  *tracking*) echo '7F000001,10.0.0.1,3,1.0,0.000100,0,0,0,0,0,0,0,64,Normal' ;;
  *) echo '^,*,10.0.0.1,2,6,377,5,0,0,0' ;;
esac
""",
    "ip": "echo '[]'\n",
    "dpkg": "exit 0\n",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the lab's site: its controller is this machine with programs of the test, others are lost."""
    folder = lost_lab(tmp_path_factory.mktemp("doctor") / "site")
    lab = folder / "group_vars/all/lab.yml"
    known = yaml.safe_load(lab.read_text())
    key = folder.parent / "key"
    lab.write_text(yaml.safe_dump(known | {"site_secrets_folder": str(folder), "lab_ssh_key": str(key)}))
    key.with_suffix(".pub").write_text("ssh-ed25519 AAAA of nobody\n")
    hosts = yaml.safe_load((folder / "hosts.yml").read_text())
    controller = hosts["all"]["children"]["controller"]["hosts"]["controller-1"]
    controller |= HERE
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    SecretStore(folder).set("example_password", PRIVATE)
    programs = folder.parent / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    return folder


def run_verb(verb: str, site: Path, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Run the playbook of VERB; return exit code, output and the report, if there is one."""
    shutil.rmtree(site / ".doctor", ignore_errors=True)
    path = f"{site.parent}/bin:{os.environ['PATH']}"
    code, output = run_playbook(f"--inventory={site}", *arguments, f"playbooks/{verb}.yml", PATH=path)
    report = site / ".doctor/report.json"
    return code, output, json.loads(report.read_text()) if report.is_file() else {}


def run(site: Path, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Run the doctor; return exit code, output and report."""
    code, output, report = run_verb("doctor", site, *arguments)
    assert bool(report) == ("--check" not in arguments), output
    return code, output, report


def test_lost_hosts_are_findings_and_the_others_are_looked_at(site: Path) -> None:
    code, output, report = run(site, "-vvv")
    assert code == 2, output
    found = {(host, one["check"]): one for one in report["findings"] for host in one["hosts"]}
    for host in ("deploy-1", "compute-1", "storage-1"):
        assert found[host, "host answers"]["state"] == "fail"
        assert found[host, "host answers"]["found"].startswith("it does not answer: ")
    assert found["controller-1", "host answers"]["state"] == "ok"
    assert found["controller-1", "time"]["state"] == "ok"
    # Units come from the descriptions of services, those of every layer.
    assert found["controller-1", "units of the layer image"]["found"] == "1 run"
    assert found["controller-1", "failed units"]["found"] == "broken.service: <b>refused</b> (hidden)"
    assert found["controller-1", "addresses"]["state"] == "fail"
    assert found["controller-1", "services behind the load balancer"]["state"] == "fail"
    assert found["the cloud", "address of the API"]["found"] == "no controller has 10.90.0.20"
    # No identity service answers there. It was asked all the same, and got no password made for it.
    assert found["the cloud", "login"]["state"] == "fail"
    assert set(SecretStore(site).read()) == {"example_password"}
    assert "What to do about each is above" in output
    page = (site / ".doctor/report.html").read_text()
    assert "&lt;b&gt;refused&lt;/b&gt;" in page
    assert "<b>refused" not in page
    for text in (output, json.dumps(report), page):
        assert PRIVATE not in text


def test_check_mode_tells_the_same_and_writes_nothing(site: Path) -> None:
    before = sorted(str(path) for path in site.rglob("*") if ".doctor" not in path.parts)
    code, output, _report = run(site, "--check", "--limit=controller-1")
    assert code == 2, output
    assert "broken.service: <b>refused</b> (hidden)" in output
    assert "What to do about each is above." in output
    assert sorted(str(path) for path in site.rglob("*")) == before


def test_the_report_is_for_its_owner_only_and_about_the_hosts_that_were_meant(site: Path) -> None:
    before = sorted(str(path) for path in site.rglob("*") if ".doctor" not in path.parts)
    code, _output, report = run(site, "--limit=controller-1")
    assert code == 2
    assert {host["name"] for host in report["hosts"]} == {"controller-1"}
    folder = site / ".doctor"
    assert sorted(str(path) for path in site.rglob("*") if ".doctor" not in path.parts) == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "report.json": 0o600,
        "report.html": 0o600,
    }


def test_who_wants_a_report_and_no_verdict_gets_one(site: Path) -> None:
    code, output, report = run(site, "--limit=controller-1", "--extra-vars=doctor_fail=false")
    assert (code, report["state"]) == (0, "fail"), output
    assert "broken.service: <b>refused</b> (hidden)" in output


# What a deployment ends with, without what comes before: that a cloud is needed for.
ONLY = ("--tags=report", "--limit=controller-1")


@pytest.fixture
def wanted(site: Path) -> Iterator[None]:
    """The site wants a report after each deployment."""
    variables = site / "group_vars/all/report.yml"
    variables.write_text("doctor_after_deploy: true\n")
    yield
    variables.unlink()


@pytest.mark.parametrize("verb", ["deploy", "apply"])
@pytest.mark.usefixtures("wanted")
def test_a_deployment_ends_with_the_report_where_the_site_wants_it(site: Path, verb: str) -> None:
    code, output, report = run_verb(verb, site, *ONLY)
    # It is as it is built, broken in places, and no failure of the deployment.
    assert (code, report["state"], [host["name"] for host in report["hosts"]]) == (0, "fail", ["controller-1"]), output
    assert re.search(r"^controller-1 .*changed=0 .*unreachable=0 .*failed=0", output, re.MULTILINE), output


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize("arguments", [(*ONLY, "--check"), ("--tags=always", "--limit=controller-1")])
def test_neither_a_plan_nor_a_part_of_a_deployment_has_a_report(site: Path, arguments: tuple[str, ...]) -> None:
    code, output, report = run_verb("deploy", site, *arguments)
    assert (code, report, "Look at the host" in output) == (0, {}, False), output


def test_a_site_that_does_not_want_a_report_has_none(site: Path) -> None:
    code, output, report = run_verb("deploy", site, *ONLY)
    assert (code, report, "Look at the host" in output) == (0, {}, False), output


def test_the_page_lands_beside_what_is_kept_of_a_failed_step(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{site.parent}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "kept/doctor"
    failures.doctor(site, folder, failures.redaction(site))
    said = (folder / "doctor.txt").read_text()
    assert "broken.service: <b>refused</b> (hidden)" in said
    assert json.loads((folder / "report.json").read_text())["state"] == "fail", said
    assert (folder / "report.html").is_file()
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
