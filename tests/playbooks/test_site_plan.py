# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan is saved, shown, applied exactly, refused once it is not so any more, and gone on with after a kill.

The hosts are this machine, each with a folder of its own. Their playbooks are small ones that use the role as the real
ones do; the real ones run as far as they change nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = "a password of the site"
# A run on a machine with much else to do.
PATIENCE = 900.0

APPLY = """
- hosts: all
  connection: local
  vars: {stages_whole: true}
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - {import_role: {name: accentos.cloud.site_plan}, run_once: true}
- hosts: "{{ 'all' if ansible_check_mode else 'all:!all' }}"
  gather_facts: false
  tasks:
    - {import_role: {name: accentos.cloud.site_plan, tasks_from: answers}}
- hosts: "web{{ ':!site_plan_new' if groups.site_plan_new is defined else '' }}"
  gather_facts: false
  tasks:
    - name: First
      copy: {dest: "{{ folder }}/first", content: "size = {{ size }}\\nkey = {{ key }}\\n"}
      vars: {key: "{{ lookup('accentos.cloud.secret', 'web_key') }}"}
    # A run that is to be killed waits here.
    - name: Wait
      wait_for: {path: "{{ gate }}", timeout: 600}
    - name: Second
      copy: {dest: "{{ folder }}/second", content: "size = {{ size }}\\n"}
"""
IMPORT = "- import_playbook: apply.yml\n  vars: {{{}}}\n"


@dataclass(frozen=True)
class Done:
    code: int
    output: str


class Site:
    """A site of hosts that are folders here, with a machine that is not installed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "site"
        self.saved = home / "site.plan"
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts: dict[str, Any] = {}
        for name in ("web1", "web2"):
            (home / name).mkdir()
            hosts[name] = {**here, "folder": str(home / name)}
        machine = {"host_bmc": {"driver": "ipmi", "address": "192.0.2.1"}, "provision_root_disk": {"serial": "S9"}}
        hosts["web9"] = {"ansible_host": "127.0.0.1", "ansible_port": 9, **machine}
        (self.folder / "group_vars").mkdir(parents=True)
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": {"web": {"hosts": hosts}}}}))
        self.set_size(1)
        SecretStore(self.folder).set("web_key", PRIVATE)
        playbooks = home / "playbooks"
        playbooks.mkdir()
        (playbooks / "apply.yml").write_text(APPLY)
        only = "- hosts: all\n  gather_facts: false\n  vars: {stages_check_only: true}\n"
        (playbooks / "plan.yml").write_text(only + IMPORT.format("site_plan_verb: plan"))
        (playbooks / "resume.yml").write_text(IMPORT.format("site_plan_rest: true"))
        self.open_gate()

    def set_size(self, size: int) -> None:
        (self.folder / "group_vars/all.yml").write_text(f"size: {size}\n")

    def open_gate(self) -> None:
        (self.home / "gate").touch()

    def start(
        self, playbook: str, *options: str, folder: Path | None = None, **variables: Any
    ) -> subprocess.Popen[str]:
        known = {"site_plan_file": str(self.saved), "gate": str(self.home / "gate"), **variables}
        argv = [sys.executable, "-m", "ansible", "playbook", f"--inventory={folder or self.folder}"]
        argv += [f"--extra-vars={json.dumps(known)}", *options, playbook]
        settings = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages",
        }
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, verb: str, *options: str, **variables: Any) -> Done:
        """Run one of the small playbooks."""
        return finished(self.start(str(self.home / f"playbooks/{verb}.yml"), *options, **variables))

    def plan(self) -> dict[str, Any]:
        """Save a plan and return it."""
        done = self.run("plan", "--check", "--diff")
        assert done.code == 0, done.output
        document: dict[str, Any] = json.loads(self.saved.read_text())
        return document

    def files(self) -> dict[str, str]:
        """Return the content of the files of all hosts."""
        return {f"{path.parent.name}/{path.name}": path.read_text() for path in self.home.glob("web?/*")}


def finished(process: subprocess.Popen[str]) -> Done:
    output, _nothing = process.communicate()
    return Done(process.returncode, output)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_plan_is_saved_shown_and_applied_exactly(site: Site) -> None:
    document = site.plan()
    assert stat.S_IMODE(site.saved.stat().st_mode) == 0o600
    assert site.files() == {}
    assert document["complete"] is True
    assert set(document["basis"]["site"]) == {"hosts.yml", "group_vars/all.yml"}
    assert set(document["basis"]["secrets"]) == {"web_key"}
    (machine,) = document["machines"]
    assert (machine["host"], machine["action"], machine["image"]) == ("web9", "unknown", "base-amd64")
    assert {name: one["state"] for name, one in document["hosts"].items()} == {
        "web1": "asked",
        "web2": "asked",
        "web9": "new",
    }
    first, second = document["hosts"]["web1"]["changes"]
    assert first["diff"][1:] == ["+size = 1", "+key = (hidden)"]
    assert PRIVATE not in site.saved.read_text()
    shown = finished(site.start("playbooks/show_plan.yml"))
    assert shown.code == 0, shown.output
    assert "the one disk with serial S9" in shown.output
    assert "Plan: 4 changes on 2 hosts." in shown.output
    applied = site.run("apply", "--limit=all,!web9")
    assert applied.code == 2
    assert "the plan was made with no --limit, this run has --limit all,!web9" in applied.output
    assert site.files() == {}
    # The machine is still not there, so of all hosts the others are left.
    applied = site.run("apply")
    assert {name for name in site.files() if name.startswith("web1")} == {"web1/first", "web1/second"}, applied.output
    assert second["verb"] in {"create", "change"}
    assert "Not all of the plan was done: web9." in applied.output, applied.output
    assert "As planned" not in applied.output
    again = site.run("apply")
    assert again.code == 2
    assert "file" in again.output
    assert "it was planned, and nothing is to be done now" in again.output


def test_what_differs_is_named_and_nothing_is_touched(site: Site) -> None:
    site.plan()
    kept = site.saved.read_text()

    def refused(*words: str, **variables: Any) -> None:
        done = site.run("apply", **variables)
        assert done.code == 2, done.output
        for text in (*words, "Nothing was touched."):
            assert text in done.output, done.output
        assert PRIVATE not in done.output

    before = site.files()
    site.set_size(2)
    SecretStore(site.folder).set("web_key", "another one")
    refused(
        "file of the site group_vars/all.yml: it is not what it was",
        "secret web_key: it has another value",
        "extra variable x_more: it is new",
        x_more=1,
    )
    site.set_size(1)
    SecretStore(site.folder).set("web_key", PRIVATE)
    assert site.files() == before == {}
    # A host that was changed meanwhile.
    (site.home / "web2/second").write_text("size = 5\n")
    refused("web2: ", "second: other lines than planned")
    assert set(site.files()) == {"web2/second"}
    (site.home / "web2/second").unlink()
    site.saved.write_text(kept[:100])
    refused("it is no JSON")
    site.saved.unlink()
    refused("cannot be read: No such file or directory")
    assert site.files() == {}


def test_a_killed_run_is_refused_by_apply_and_finished_by_resume(site: Site) -> None:
    site.plan()
    (site.home / "gate").unlink()
    process = site.start(str(site.home / "playbooks/apply.yml"))
    try:
        until = time.monotonic() + PATIENCE
        while set(site.files()) != {"web1/first", "web2/first"}:
            assert process.poll() is None, finished(process).output
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    finished(process)
    site.open_gate()
    refused = site.run("apply")
    assert refused.code == 2, refused.output
    assert "it was planned, and nothing is to be done now" in refused.output
    assert "playbooks/resume.yml does what is left of the plan" in refused.output
    # What is not in the plan is not done by going on, either.
    (site.home / "web1/first").write_text("size = 1\n")
    (site.home / "web1/first").rename(site.home / "web1/first.kept")
    site.set_size(3)
    beyond = site.run("resume")
    assert beyond.code == 2
    assert "file of the site group_vars/all.yml: it is not what it was" in beyond.output
    site.set_size(1)
    resumed = site.run("resume")
    assert "Not all of the plan was done: web9." in resumed.output, resumed.output
    assert "Other than planned" not in resumed.output
    files = site.files()
    assert files["web1/first"] == files["web2/first"] == f"size = 1\nkey = {PRIVATE}\n"
    assert files["web1/second"] == files["web2/second"] == "size = 1\n"


@pytest.mark.parametrize(
    ("verb", "option", "words"),
    [
        ("plan", "--start-at-task=Second", "Without check mode this would deploy."),
        ("plan", "--skip-tags=always", "Without check mode this would deploy."),
        ("apply", "--start-at-task=Second", "With --start-at-task the tasks would be skipped"),
        ("resume", "--skip-tags=always", "With --skip-tags always the tasks would be skipped"),
    ],
)
def test_no_option_skips_the_tasks_that_refuse(tmp_path: Path, verb: str, option: str, words: str) -> None:
    site = Site(tmp_path)
    for playbook in (site.home / "playbooks" / f"{verb}.yml", ROOT / "playbooks" / f"{verb}.yml"):
        done = finished(site.start(str(playbook), option))
        assert done.code == 5, done.output
        assert f"Nothing was touched. {words}" in done.output
        assert "start " not in done.output
    assert site.files() == {}


# As the role ceph makes OSDs and starts them; the number is known once there is one.
OSDS = """
- hosts: web1
  gather_facts: false
  environment: {PATH: "{{ gate | dirname }}/bin:{{ lookup('env', 'PATH') }}"}
  tasks:
    - name: Make OSDs
      copy: {dest: "{{ folder }}/label", content: "osd.3\\n"}
      register: made
    - name: Let the OSDs run
      accentos.cloud.unit:
        name: ceph-osd@{{ '(number-of-/dev/sdb)' if ansible_check_mode and made is changed else 3 }}.service
"""
SYSTEMCTL = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 9
case "$1 $2" in
  "show ceph-osd@3.service")
    echo LoadState=loaded; echo NeedDaemonReload=no
    [ -e start ] && echo ActiveState=active || echo ActiveState=inactive
    [ -e enable ] && echo UnitFileState=enabled || echo UnitFileState=disabled ;;
  "enable ceph-osd@3.service"|"start ceph-osd@3.service") touch "$1" ;;
  *) echo "not known: $*" >&2; exit 1 ;;
esac
"""


def test_units_whose_numbers_the_run_gives_are_as_planned_and_are_gone_on_with(site: Site) -> None:
    with (site.home / "playbooks/apply.yml").open("a") as playbook:
        playbook.write(OSDS)
    units, label = site.home / "bin", site.home / "web1/label"
    units.mkdir()
    (units / "systemctl").write_text(SYSTEMCTL)
    (units / "systemctl").chmod(0o755)
    things = [one["thing"] for one in site.plan()["hosts"]["web1"]["changes"] if one["kind"] == "unit"]
    assert things == ["ceph-osd@(number-of-/dev/sdb).service"] * 2
    # A run was killed after it made the OSD.
    label.write_text("osd.3\n")
    for verb, words in (("resume", "Not all of the plan was done: web9."), ("apply", "web9.")):
        done = site.run(verb)
        assert words in done.output, done.output
        assert "it is not in the plan" not in done.output, done.output
        assert "Other than planned" not in done.output, done.output
        assert {path.name for path in units.iterdir()} == {"systemctl", "enable", "start"}, done.output
        for path in (units / "enable", units / "start", *site.home.glob("web[12]/*")):
            path.unlink()


def test_two_plans_say_the_same_of_an_authority_and_a_cluster_that_the_run_makes(site: Site) -> None:
    known: dict[str, Any] = {
        "pki_ca_folder": str(site.home / "pki"),
        "site_name": "plain",
        "site_domain": "example.test",
    }
    role = {"name": "accentos.cloud.pki", "tasks_from": "trusted_authority", "rolespec_validate": False}
    tasks: list[dict[str, Any]] = [
        {"import_role": role},
        {"include_vars": str(ROOT / "collections/ansible_collections/accentos/cloud/roles/ceph/vars/main.yml")},
        {"copy": {"dest": "{{ folder }}/ceph.conf", "content": "fsid = {{ __ceph_fsid }}\n"}},
    ]
    play = {"hosts": "web1", "gather_facts": False, "tasks": tasks}
    path = site.home / "playbooks/authority.yml"
    path.write_text(yaml.safe_dump([play]))
    told = []
    for _time in range(2):
        os.environ["ACCENTOS_STAGES_PLAN_PATH"] = str(site.home / "told.json")
        try:
            done = finished(site.start(str(path), "--check", "--diff", **known))
        finally:
            del os.environ["ACCENTOS_STAGES_PLAN_PATH"]
        assert done.code == 0, done.output
        told.append(json.loads((site.home / "told.json").read_text())["hosts"])
    assert told[0] == told[1]
    diffs = [line for host in told[0].values() for one in host["changes"] for line in one["diff"]]
    assert {"+(made by the run)", "+fsid = 00000000-0000-0000-0000-000000000000"} <= set(diffs)


def test_a_plan_that_installs_nothing_shows_no_machine_to_erase_and_a_lost_controller_as_failed(site: Site) -> None:
    hosts = yaml.safe_load((site.folder / "hosts.yml").read_text())
    hosts["all"]["children"]["controller"] = {"hosts": {"web9": {}}}
    (site.folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    done = site.run("plan", "--check", "--diff", "--skip-tags=provision")
    assert done.code != 0, done.output
    document = json.loads(site.saved.read_text())
    assert document["machines"] == []
    assert document["hosts"]["web9"]["state"] == "failed"
    assert document["complete"] is False


def test_a_plan_that_could_never_be_applied_is_not_saved(site: Site) -> None:
    done = site.run("plan", "--check")
    assert done.code == 2, done.output
    assert "Run it again with --check --diff" in done.output
    done = site.run("plan", "--check", "--diff", site_plan_file=str(site.folder / "site.plan"))
    assert done.code == 2, done.output
    assert "could read no host any more" in done.output
    assert not site.saved.exists()
    assert not (site.folder / "site.plan").exists()


def test_the_real_playbooks_make_save_and_apply_a_plan_of_what_changes_nothing(site: Site) -> None:
    lab = site.home / "lab"
    shutil.copytree(ROOT / "inventories/lab", lab)
    (lab / "group_vars/all/connection.yml").write_text(
        "---\nansible_connection: ssh\nansible_host: 127.0.0.1\nansible_port: 9\n"
    )
    known = yaml.safe_load((lab / "group_vars/all/lab.yml").read_text())
    (lab / "group_vars/all/lab.yml").write_text(yaml.safe_dump(known | {"site_secrets_folder": str(lab)}))
    hosts = yaml.safe_load((lab / "hosts.yml").read_text())
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts["all"]["children"]["controller"]["hosts"]["controller-1"] |= here
    machine = {"host_bmc": {"driver": "ipmi", "address": "10.90.4.31"}, "provision_root_disk": {"serial": "S1"}}
    hosts["all"]["children"]["compute"]["hosts"]["compute-1"] |= machine
    (lab / "hosts.yml").write_text(yaml.safe_dump(hosts))
    options = ["--limit=controller-1,compute-1", "--tags=always", "--skip-tags=prepare"]
    fit: dict[str, Any] = {"host_check_folders": {}, "host_check_kernel": {}}
    done = finished(site.start("playbooks/plan.yml", "--check", "--diff", *options, folder=lab, **fit))
    assert done.code == 0, done.output
    document = json.loads(site.saved.read_text())
    assert document["run"] == {"tags": ["always"], "skip_tags": ["prepare"], "limit": "controller-1,compute-1"}
    # Nothing of that run would install one.
    assert document["machines"] == []
    assert {name: one["state"] for name, one in document["hosts"].items()} == {
        "controller-1": "asked",
        "compute-1": "new",
    }
    assert "role nova" not in document["basis"]["code"]
    assert {"plug-ins", "playbooks", "role site_plan"} < set(document["basis"]["code"])
    done = finished(site.start("playbooks/resume.yml", *options, folder=lab, site_plan_file=""))
    assert done.code == 2
    assert "There is no plan to go on with" in done.output
