# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor over a site of which only one host is reached: it goes on, tells all, and keeps secrets."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tests.playbooks.runs import HERE, lost_lab, run_playbook

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
    lab.write_text(yaml.safe_dump(known | {"site_secrets_folder": str(folder)}))
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


def run(site: Path, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Run the doctor; return exit code, output and report."""
    shutil.rmtree(site / ".doctor", ignore_errors=True)
    path = f"{site.parent}/bin:{os.environ['PATH']}"
    code, output = run_playbook(f"--inventory={site}", *arguments, "playbooks/doctor.yml", PATH=path)
    report = site / ".doctor/report.json"
    assert report.is_file() == ("--check" not in arguments), output
    return code, output, json.loads(report.read_text()) if report.is_file() else {}


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
