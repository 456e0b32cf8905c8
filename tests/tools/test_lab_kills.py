# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of killed runs decide, with literals, and the programs that they run on hosts, on this machine."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab import cloud_state, host_state
from tests.lab import test_deploy_kills as deployment
from tests.lab.conftest import Lab
from tests.lab.kills import FIRST, LONG, SHORT, difference, guessed_seconds, kill_points
from tests.lab.manifest import TREES, digest, entries
from tests.lab.test_deploy_kills import SITE, Cloud, Findings, Reference, hosts_of

LAB = Path(__file__).parents[1] / "lab"
SECONDS = [1.0] * 30
# A run that starts a task each tenth of a second, as the callback stages tells it, and then fails.
RUN = """
import json, pathlib, subprocess, sys, time
# What a worker starts, in a session of its own.
other = subprocess.Popen(["sleep", "600"], start_new_session=True)
log = open(sys.argv[1], "a", buffering=1)
for number in range(1, int(sys.argv[2]) + 1):
    print(f"2026-01-02T03:04:05.000+00:00 task: number {number} (tasks.yml:{number})", file=log)
    print(f"2026-01-02T03:04:05.000+00:00 changed: host: number {number} {other.pid}", file=log)
    # One of them may be a task without an end.
    time.sleep(600 if sys.argv[5:] == [str(number)] else 0.1)
other.kill()
changed = {"hosts": {"compute-1": {"changed": int(sys.argv[4])}}}
pathlib.Path(sys.argv[1]).with_name("summary.json").write_text(json.dumps(changed))
print("the cause")
sys.exit(int(sys.argv[3]))
"""


@pytest.mark.parametrize("kills", [0, 1, 20, 26, 27, 70])
def test_points_are_ascending_and_each_comes_once_before_one_comes_twice(kills: int) -> None:
    points = kill_points(SECONDS, kills, random.Random(1))  # noqa: S311  no secret
    tasks = [task for task, _delay in points]
    assert len(points) == kills
    assert points == sorted(points)
    assert {FIRST <= task < len(SECONDS) for task in tasks} <= {True}
    places = len(SECONDS) - FIRST
    assert {tasks.count(task) for task in range(FIRST, len(SECONDS))} <= {kills // places, -(-kills // places)}
    assert {0 <= delay <= 1 for _task, delay in points} <= {True}


def test_the_same_seed_gives_the_same_points_and_another_one_others() -> None:
    one, same, other = (kill_points(SECONDS, 20, random.Random(seed)) for seed in (7, 7, 8))  # noqa: S311
    assert one == same != other


def test_a_task_that_takes_most_of_the_time_is_nearly_always_met() -> None:
    seconds = [0.5] * 200
    seconds[99] = 600.0
    met = [kill_points(seconds, 20, random.Random(seed)) for seed in range(50)]  # noqa: S311
    delays = [delay for points in met for task, delay in points if task == 100]
    assert len(delays) > 45
    assert max(delays) > 300 > min(delays)


def test_tasks_that_take_no_time_can_be_chosen() -> None:
    assert len(kill_points([0.0] * 30, 20, random.Random(1))) == 20  # noqa: S311


def test_guessed_times_are_short_as_often_as_long() -> None:
    guessed = guessed_seconds(1000, random.Random(1))  # noqa: S311
    assert len(guessed) == 1000
    assert SHORT <= min(guessed) < max(guessed) <= LONG
    assert 400 < sum(one < (SHORT * LONG) ** 0.5 for one in guessed) < 600


def test_difference_tells_which_side_has_a_line_and_what_is_there_twice() -> None:
    before = {"a": ["x 1", "y 1"], "b": ["z"], "gone": ["w"]}
    after = {"a": ["y 1", "x 2"], "b": ["z", "z"], "new": ["v"]}
    assert difference(before, after) == {"a": ["- x 1", "+ x 2"], "b": ["+ z"], "gone": ["- w"], "new": ["+ v"]}
    assert difference({"a": ["z", "z"]}, {"a": ["z"]}) == {"a": ["- z"]}
    # The order says nothing.
    assert difference({"a": ["1", "2"]}, {"a": ["2", "1"]}) == {}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A few files of a host."""
    root = tmp_path / "host"
    for name, text in {
        "etc/nova/nova.conf": "[DEFAULT]\n",
        "etc/accentos/pki/host.key": "mine",
        "etc/accentos/pki/ca.crt": "the site's",
        "etc/passwd-": "backup",
        "etc/machine-id": "1",
        "usr/lib/accentos/a.py": "pass",
        "usr/lib/accentos/__pycache__/a.pyc": "compiled",
        "var/lib/accentos/images/guest/disk.img": "large",
        "var/lib/accentos/syncs/nova": "{}",
        "usr/sbin/policy-rc.d": "#!/bin/sh\n",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (root / "etc/link").symlink_to("nova/nova.conf")
    os.mkfifo(root / "etc/pipe")
    (root / "etc/dead").symlink_to("nothing")
    return root


def listed(root: Path) -> list[str]:
    """Return what the program prints that hosts are sent."""
    program = (LAB / "manifest.py").read_text()
    argv = [sys.executable, "-", str(root)]
    return subprocess.run(argv, input=program, capture_output=True, text=True, check=True).stdout.splitlines()


def test_manifest_lists_what_deployments_write(tree: Path) -> None:
    lines = listed(tree)
    assert lines == [line for one in TREES for line in entries(one, str(tree))]
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert len(rows) == len(lines)
    assert rows["/etc/link"][3:] == ["nova/nova.conf"]
    assert rows["/etc/dead"][3:] == ["nothing"]
    assert rows["/etc/pipe"][3:] == ["-"]
    assert rows["/etc/accentos/pki/host.key"][3:] == ["own"]
    assert rows["/etc/machine-id"][3:] == ["own"]
    assert len(rows["/etc/accentos/pki/ca.crt"][3]) == len(rows["/usr/sbin/policy-rc.d"][3]) == 64
    assert {"/etc/nova", "/var/lib/accentos/syncs/nova", "/usr/lib/accentos/a.py"} < set(rows)
    assert not {"/etc/passwd-", "/usr/lib/accentos/__pycache__", "/var/lib/accentos/images"} & set(rows)
    assert not [path for path in rows if "disk.img" in path or path.endswith(".pyc")]
    owner = Path(tree, "etc").owner()
    assert rows["/etc"][1] == owner


def test_manifest_sees_each_kind_of_change(tree: Path) -> None:
    before = listed(tree)
    (tree / "etc/nova/nova.conf").write_text("[default]\n")
    (tree / "etc/accentos/pki/ca.crt").chmod(0o600)
    (tree / "etc/link").unlink()
    (tree / "etc/.nova.conf.rest").touch()
    (tree / "etc/machine-id").write_text("2")
    changed = {line.split()[1] for line in difference({"a": before}, {"a": listed(tree)})["a"]}
    assert changed == {"/etc/nova/nova.conf", "/etc/accentos/pki/ca.crt", "/etc/link", "/etc/.nova.conf.rest"}


@pytest.mark.parametrize(
    ("path", "one", "same", "other"),
    [
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\nnova:x:64060:0::/var/lib/nova:/bin/sh\n",
            "nova:x:64061:0::/var/lib/nova:/bin/sh\nroot:x:0:0:root:/root:/bin/bash\n",
            "root:x:0:0:root:/root:/bin/bash\nnova:x:64060:0::/var/lib/nova:/bin/bash\n",
        ),
        ("/etc/group", "kvm:x:104:nova,root\nb:x:1:\n", "b:x:2:\nkvm:x:105:root,nova\n", "kvm:x:104:nova\nb:x:1:\n"),
        ("/etc/gshadow", "kvm:!::nova,root\n", "kvm:!::root,nova\n", "kvm:*::nova,root\n"),
        ("/etc/shadow", "a:!*:20000:0:99999:7:::\n", "a:!*:20001:0:99999:7:::\n", "a:$y$1:20000:0:99999:7:::\n"),
        ("/etc/subuid", "a:100000:65536\nb:165536:65536\n", "b:100000:65536\na:165536:65536\n", "a:100000:65536\n"),
        (
            "/etc/libvirt/nwfilter/no-arp.xml",
            "<filter name='a'>\n  <uuid>1-2</uuid>\n</filter>\n",
            "<filter name='a'>\n</filter>\n",
            "<filter name='b'>\n  <uuid>1-2</uuid>\n</filter>\n",
        ),
        (
            "/etc/libvirt/qemu/networks/default.xml",
            "<network>\n  <uuid>1</uuid>\n  <mac address='52:54:00:00:00:01'/>\n  <ip/>\n</network>\n",
            "<network>\n  <uuid>2</uuid>\n  <mac address='52:54:00:00:00:02'/>\n  <ip/>\n</network>\n",
            "<network>\n  <uuid>1</uuid>\n  <mac address='52:54:00:00:00:01'/>\n</network>\n",
        ),
        (
            "/etc/dbconfig-common/a.conf",
            "a='1'\ndbc_dbpass='x'\n",
            "a='1'\ndbc_dbpass='y'\n",
            "a='2'\ndbc_dbpass='x'\n",
        ),
        ("/etc/nova/nova.conf", "a = 1\n", "a = 1\n", "a=1\n"),
    ],
)
def test_a_part_of_some_files_is_up_to_the_host(path: str, one: str, same: str, other: str) -> None:
    first, second, third = (digest(path, text.encode()) for text in (one, same, other))
    assert first == second != third


def test_bytes_that_are_no_text_are_compared_too() -> None:
    assert digest("/etc/passwd", b"\xff:x:1:0::/:/\n") != digest("/etc/passwd", b"\xfe:x:1:0::/:/\n")


def test_programs_for_hosts_need_only_what_hosts_have() -> None:
    for name, others in (("manifest.py", set()), ("host_state.py", set()), ("cloud_state.py", {"pymysql"})):
        known = set(sys.stdlib_module_names)
        found = ast.walk(ast.parse((LAB / name).read_text()))
        imported = {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
        found = ast.walk(ast.parse((LAB / name).read_text()))
        imported |= {str(node.module) for node in found if isinstance(node, ast.ImportFrom)}
        assert {module.partition(".")[0] for module in imported} - known == others


def test_a_host_tells_units_that_start_at_boot_or_were_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {
        "list-unit-files": "a.service enabled enabled\nb@.service enabled enabled\nc.service disabled enabled\n"
        "d.service static -\nproc.mount generated -\nnova-api.service masked enabled",
        "show": "Id=a.service\nActiveState=active\n\nId=ceph-osd@0.service\nActiveState=inactive\n\n"
        "Id=nova-api.service\nActiveState=active",
    }
    asked: list[tuple[str, ...]] = []

    def ask(*argv: str) -> list[str]:
        asked.append(argv)
        return answers[argv[1]].split("\n")

    monkeypatch.setattr(host_state, "ask", ask)
    monkeypatch.setattr(host_state, "STARTED", tmp_path)
    for name in ("ceph-osd@0.service", "nova-api.service", "nova-api.service~certificate-nova"):
        (tmp_path / name).touch()
    assert [*host_state.units(host_state.unit_files())] == [
        "unit a.service enabled",
        "unit b@.service enabled",
        "unit c.service disabled",
        "unit d.service static",
        "unit nova-api.service masked",
        "runs a.service",
        "runs nova-api.service",
    ]
    assert asked[-1][3:] == ("a.service", "ceph-osd@0.service", "nova-api.service")


def test_a_host_tells_what_is_wrong_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = {"systemctl": ["nova-api.service loaded failed failed"], "sh": ["these packages are only half configured:"]}
    monkeypatch.setattr(host_state, "ask", lambda *argv: said[argv[0]])
    monkeypatch.setattr(host_state, "tasks", lambda: iter(()))
    for name in ("var/lib/dpkg/updates/0001", "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    holder = (
        "import fcntl,sys\nf=open(sys.argv[1],'r+b')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint(flush=True)\nsys.stdin.read()"
    )
    argv = [sys.executable, "-c", holder, str(tmp_path / "var/lib/dpkg/lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"\n"
        assert [*host_state.wrong(tmp_path)] == [
            "failed: nova-api.service loaded failed failed",
            "dpkg --audit: these packages are only half configured:",
            f"cut off: {tmp_path}/var/lib/dpkg/updates/0001",
            f"held: {tmp_path}/var/lib/dpkg/lock",
        ]
        other.communicate(b"")
    with (tmp_path / "var/lib/dpkg/lock").open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_task_that_still_runs_is_told() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60 && sleep 0"]) as process:
        end = time.monotonic() + 10
        while not (found := [line for line in host_state.tasks() if f" {process.pid}:" in line]):
            assert time.monotonic() < end
        process.kill()
        assert found == [f"still runs: process {process.pid}: /bin/sh -c sleep 60 && sleep 0"]


def test_a_cloud_tells_rows_by_their_kind_and_rights_of_each_user() -> None:
    def query(statement: str) -> list[tuple[Any, ...]]:
        if statement == cloud_state.QUERIES["role"]:
            return [("admin", "<<null>>", None), ("admin", "<<null>>", None)]
        if "global_priv" in statement:
            return [("nova", "%"), ("reader", "")]
        if statement == "SHOW GRANTS FOR `nova`@`%`":
            return [("GRANT USAGE ON *.*",), ("GRANT ALL PRIVILEGES ON `nova`.*",)]
        if "alembic_version'" in statement:
            return [("neutron",)]
        if statement == "SELECT version_num FROM `neutron`.alembic_version":
            return [("aaa",), ("bbb",)]
        raise cloud_state.AskError(f"{statement}: no such table")

    sources = [cloud_state.rows(query, "role", cloud_state.QUERIES["role"]), cloud_state.rows(query, "x", "SELECT 1")]
    sources += [cloud_state.rights(query), cloud_state.steps(query)]
    assert [line for source in sources for line in cloud_state.answers(source)] == [
        'role: ["admin", "<<null>>", null]',
        'role: ["admin", "<<null>>", null]',
        f"{cloud_state.SILENT}SELECT 1: no such table",
        "right of nova@%: GRANT USAGE ON *.*",
        "right of nova@%: GRANT ALL PRIVILEGES ON `nova`.*",
        "right of reader@: a role",
        "step of neutron: aaa",
        "step of neutron: bbb",
    ]


def test_a_cloud_tells_accounts_pools_and_settings_of_its_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = {
        "pool_name": "vms",
        "size": 2,
        "min_size": 1,
        "crush_rule": 1,
        "application_metadata": {"rbd": {"x": "y"}},
        "pg_num": 32,
    }
    answers: dict[str, Any] = {
        "auth": {"auth_dump": [{"entity": "client.nova", "key": "secret", "caps": {"osd": "profile rbd"}}]},
        "osd dump": {"pools": [pool]},
        "osd tree": {"nodes": [{"id": 0, "name": "osd.0", "type": "osd", "status": "up", "device_class": "hdd"}]},
        "config": [
            {"section": "mon", "name": "auth_allow", "value": "false"},
            {"section": "osd.0", "name": "osd_mclock_max_capacity_iops_hdd", "value": "123.4"},
        ],
    }
    monkeypatch.setattr(
        cloud_state, "ask", lambda *argv: json.dumps(answers.get(f"{argv[1]} {argv[2]}") or answers[argv[1]])
    )
    found = [*cloud_state.storage()]
    assert found == [
        'ceph user: client.nova {"osd": "profile rbd"}',
        'ceph pool: vms {"application_metadata": ["rbd"], "crush_rule": 1, "min_size": 1, "size": 2}',
        'ceph disk: {"name": "osd.0", "type": "osd", "device_class": "hdd", "status": "up"}',
        "ceph setting: mon auth_allow false",
    ]


def test_the_cloud_has_the_hosts_of_its_site(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    assert (cloud.controller, cloud.hosts) == ("controller-1", ("controller-1", "compute-1", "compute-2"))
    assert (cloud.site, cloud.state.name, cloud.made) == (SITE, "openstack", False)
    nested = {
        "all": {"hosts": {"x": None}, "children": {"a": {"children": {"b": {"hosts": {"y": {}, "x": {}}}}}, "c": {}}}
    }
    assert hosts_of(nested) == ["x", "y"]


def test_a_reference_is_private_and_comes_back_as_it_was(tmp_path: Path) -> None:
    reference = Reference({"a": ["/etc 755"]}, {"cloud": ["x"]}, {"a": []}, {"s": "00"}, ["one (a.yml:1)"], [1.5])
    file = tmp_path / "reference.json"
    reference.write(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Reference.read(file) == reference


def test_findings_tell_everything() -> None:
    findings = Findings()
    findings.add_by_host("files", {"a": [], "b": ["- x", "+ y"]})
    with findings.looking_at("the secrets"):
        raise OSError("no such file")
    assert findings.texts == ["files, b:\n  - x\n  + y", "the secrets cannot be looked at: no such file"]


def runs(pid: int) -> bool:
    """Tell whether a process runs, which has a while to end; one of whose end nobody has taken notice does not."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in ("Z", "X"):
            return False
        time.sleep(0.1)
    return True


class Stand(Lab):
    """A lab whose playbooks are the run of this file."""

    def command(self, playbook: str, *arguments: str, site: Path | None = None) -> list[str]:
        """Return the command of a run with as many tasks as PLAYBOOK says."""
        return [sys.executable, "-c", RUN, str(self.scratch / "stages.log"), playbook, "3", "0", *arguments]


@pytest.mark.parametrize(
    ("task", "delay", "places"), [(2, 0, {2, 3}), ("number 3", 0, {3}), (3, 0.05, {3}), (2, 300, {3})]
)
def test_a_run_is_killed_at_its_task_or_when_the_next_one_starts(
    task: int | str, delay: float, places: set[int], tmp_path: Path
) -> None:
    lab = Stand(tmp_path)
    began = time.monotonic()
    # The third task has no end, so a machine that is slow comes no further.
    told = lab.kill_at_task("9", task, "3", delay=delay)
    assert time.monotonic() - began < 200
    assert int(told.rpartition("number ")[2].split()[0]) in places
    # What it started has ended with it.
    child = re.search(r"changed: host: number \d+ (\d+)$", lab.log(), re.MULTILINE)
    assert child
    assert not runs(int(child[1]))


def test_a_run_that_ends_by_itself_shows_its_end(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"the run ended with code 3 .* task 9:\s+the cause"):
        Stand(tmp_path).kill_at_task("3", 9)


def test_a_run_that_does_not_come_to_its_task_is_killed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"after 0\.5 seconds the run was not at its task 'never'"):
        Stand(tmp_path).kill_at_task("9", "never", "3", limit=0.5)


class StandCloud(Cloud):
    """A cloud whose deployments are the run of this file, and which is what the test wants."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.calls: list[str] = []
        self.files, self.rows, self.faults, self.known = ["/etc 1"], ["user: nova"], list[str](), {"a": "1"}
        self.code = self.changed_tasks = 0
        self.lying: list[str] = []

    def command(self, playbook: str, *arguments: str, site: Path | None = None) -> list[str]:
        """Return the command of a run of eight tasks."""
        self.calls.append(playbook)
        return [
            sys.executable,
            "-c",
            RUN,
            str(self.scratch / "stages.log"),
            "8",
            str(self.code),
            str(self.changed_tasks),
        ]

    def kill_at_task(
        self, playbook: str, task: int | str, *arguments: str, delay: float = 0, limit: float = 3600
    ) -> str:
        """Note a kill. No run has a task 99."""
        self.calls.append(f"kill {playbook}")
        assert task != 99, "the run ended with code 4"
        return f"task: number {task}"

    def program(self, host: str, name: str, *words: str) -> str:
        """Answer as the programs do."""
        if name == "manifest.py":
            return "".join(f"{line}\n" for line in self.files)
        return json.dumps(self.faults if words else self.rows)

    def prepare_fresh_hosts(self, *, keep_secrets: bool) -> None:
        """Note that hosts are made."""
        self.made = True
        self.calls.append(f"fresh hosts, secrets {'kept' if keep_secrets else 'new'}")

    def secrets(self) -> dict[str, str]:
        """Return what the test wants."""
        return self.known

    def secrets_that_lie_about(self) -> dict[str, list[str]]:
        """Return what the test wants."""
        return {"compute-1": self.lying}

    def keep_files(self, beginning: str) -> None:
        """Note that files are kept."""
        self.calls.append("keep")


def judge(cloud: StandCloud) -> dict[str, object]:
    """Run the test of killed deployments over a cloud and return the properties that it records."""
    told: dict[str, object] = {}
    deployment.test_deployment_that_is_killed_again_and_again_ends_as_an_undisturbed_one(cloud, told.__setitem__)
    return told


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill three times, and do not wait for what comes late."""
    for name, value in {"KILLS": 3, "SEED": 5, "ATTEMPTS": 2, "PAUSE": 0, "REFERENCE": "", "CONVERGED": False}.items():
        monkeypatch.setattr(deployment, name, value)


@pytest.mark.usefixtures("quick")
def test_a_deployment_that_is_killed_is_judged(tmp_path: Path) -> None:
    cloud = StandCloud(tmp_path)
    told = judge(cloud)
    deploy = deployment.DEPLOY
    assert cloud.calls[:4] == ["fresh hosts, secrets new", deploy, "keep", "fresh hosts, secrets kept"]
    assert cloud.calls[4:] == [*[f"kill {deploy}"] * 3, deploy, deploy]
    kills = [value for name, value in told.items() if name.startswith("kill ")]
    assert len(kills) == 3
    assert {"seconds for the reference", "seconds with kills", "seconds in all", "kills"} < set(told)


@pytest.mark.usefixtures("quick")
def test_a_cloud_that_is_there_is_taken_for_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "CONVERGED", True)
    monkeypatch.setattr(deployment, "KILLS", 0)
    monkeypatch.setattr(deployment, "REFERENCE", str(tmp_path / "kept.json"))
    cloud = StandCloud(tmp_path)
    judge(cloud)
    assert (cloud.calls, cloud.made) == ([deployment.DEPLOY, "keep"], False)
    assert Reference.read(tmp_path / "kept.json").seconds is None
    # The kills in another run.
    monkeypatch.setattr(deployment, "KILLS", 2)
    later = StandCloud(tmp_path)
    judge(later)
    assert later.calls == ["fresh hosts, secrets kept", *[f"kill {deployment.DEPLOY}"] * 2, *[deployment.DEPLOY] * 2]
    # With other secrets nothing could be the same, and nothing is touched.
    other = StandCloud(tmp_path)
    other.known = {"a": "2"}
    with pytest.raises(AssertionError, match="has not the secrets of the reference"):
        judge(other)
    assert (other.calls, other.made) == ([], False)


@pytest.mark.usefixtures("quick")
def test_all_that_is_otherwise_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = StandCloud(tmp_path)
    file = tmp_path / "kept.json"
    monkeypatch.setattr(deployment, "REFERENCE", str(file))
    cloud.take_reference().write(file)
    cloud.code, cloud.changed_tasks, cloud.lying = 4, 1, ["/tmp/left"]
    cloud.files, cloud.rows, cloud.faults = ["/etc 2"], ["does not answer: x"], ["failed: nova-api.service"]
    monkeypatch.setattr(cloud, "secrets", lambda: {"a": "1", f"b{len(cloud.calls)}": "2"})
    # The run ends before it could be killed.
    monkeypatch.setattr(deployment, "kill_points", lambda *_given: [(4, 0.0), (99, 0.0)])
    with pytest.raises(pytest.fail.Exception) as told:
        judge(cloud)
    text = str(told.value)
    for part in (
        "secrets lie about after kill 1, compute-1:\n  /tmp/left",
        "kill 2 of 3: the run ended with code 4",
        "the deployment after the last kill ended with code 4",
        "files differ from the reference (-), compute-1:\n  - /etc 1\n  + /etc 2",
        "in what is no file, cloud:\n  + does not answer: x\n  - user: nova",
        "not compared, cloud",
        "one more deployment ended with code 4",
        "one more deployment changes something, all:\n  2026-01-02T03:04:05.000+00:00 changed: host: number 1 ",
        "wrong with the hosts, compute-2:\n  + failed: nova-api.service",
        "secrets that the killed deployment made, changed or lost, site:\n  b",
    ):
        assert part in text, part
