# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares a deployment with its floor: a plain shell script that does the same, one step after another.

    .venv/bin/python tests/benchmark/deploy_floor.py [--until STAGE] [--again STAGE] [--json FILE] [--remove]

It makes a lab of its own, like that of the scenario "openstack" but without Ceph, twice. On the first one it runs
playbooks/deploy.yml, then runs it again, which must change nothing, and starts a guest. On the second one the script
floor_deploy does the same: it installs the same packages, puts the files that the first lab has, and runs the services'
own commands; then the same guest is started. Both end when ssh of the guest answers.

Its stages, in their order:

    create        the lab, and playbooks/prepare.yml on its hosts
    deploy        playbooks/deploy.yml, timed
    repeat        the same again, timed; it ends the benchmark unless changed=0
    keep          what the floor needs: packages, files and accounts of the lab, and a guest's disk
    guest         a guest, timed
    create_floor  the lab anew, and playbooks/prepare.yml
    floor         floor_deploy, timed step by step
    floor_guest   a guest, timed
    report        the table

With --remove nothing is measured: the lab goes, and what was measured stays if it was all.

What is done is remembered in .cache/deploy-floor and not done again, each step of the floor for itself; --again begins
anew with a stage. A stage that was interrupted is repeated, except that the floor cannot be repeated on hosts where a
step of it was cut off: --again create_floor. A deployment that was cut off and went on is no measurement either:
--again create.

What the floor leaves out, to its own advantage: it makes no certificates, keys and passwords and renders no files,
since it has those of the first lab; bridges come as the database of Open vSwitch; it asks no host for its clock and
tries no kernel under KVM; and it could not be run again. Both leave out Ceph, the volume service, preparation of the
hosts, and building the guest's disk. The first run fills the package cache for the second: for a measurement run all of
it once more, with --again create. It is no test: no change is judged by it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark import figures
from tests.benchmark.catalogue import COMPUTE_TASKS, REPEAT, REPEAT_CHANGES, REPEAT_SECONDS, WHOLE_DEPLOYMENT, judged
from tests.benchmark.figures import Figure
from tests.benchmark.sites import moved
from tests.benchmark.thousand_computes import per_host, read_tasks

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
MODEL = ROOT / "molecule/openstack/inventory"
STATE = ROOT / ".cache/deploy-floor"
SERVICES = ["keystone", "glance", "placement", "nova", "neutron", "horizon"]
STAGES = ("create", "deploy", "repeat", "keep", "guest", "create_floor", "floor", "floor_guest", "report")
# What the lab's hosts write for themselves, which another host must not be given.
OWN = (
    *(
        "passwd*",
        "group*",
        "shadow*",
        "gshadow*",
        "subuid*",
        "subgid*",
        "machine-id",
        "ld.so.cache",
        "mtab",
        "hostname",
    ),
    *(
        "hosts",
        "resolv.conf",
        "adjtime",
        ".updated",
        ".pwd.lock",
        "alternatives",
        "rc?.d",
        "init.d",
        "ssh",
        "apt",
        "chrony",
    ),
    *("*.wants", "*.requires", "*-old", "*-", ".*~lock~"),
)
# Where a deployment writes files; the last is the database of Open vSwitch, to which its packages have a link in /etc.
TREES = ("etc", "usr/lib/accentos", "usr/local/libexec/accentos", "var/lib/openvswitch")
MARK = "/root/benchmark-prepared"
GUEST = r"""
import ipaddress, json, socket, sys, time
import openstack
given = json.load(sys.stdin)
cloud = openstack.connect(auth_url=given["url"], username="admin", password=given["password"], project_name="admin",
    user_domain_name="Default", project_domain_name="Default", region_name=given["region"],
    cacert="/etc/accentos/pki/ca.crt")
external = given["external"]
image = cloud.create_image("benchmark", filename=given["image"], disk_format="raw", container_format="bare", wait=True,
    min_disk=1, hw_rng_model="virtio")
flavor = cloud.compute.create_flavor(name="benchmark", ram=256, vcpus=1, disk=1)
outside = cloud.network.create_network(name="benchmark-external", is_router_external=True,
    provider_network_type="flat", provider_physical_network="external")
cloud.network.create_subnet(network_id=outside.id, ip_version=4, cidr=external["cidr"], is_dhcp_enabled=False,
    gateway_ip=external.get("gateway"), allocation_pools=[{"start": external["first"], "end": external["last"]}])
inside = cloud.network.create_network(name="benchmark")
subnet = cloud.network.create_subnet(network_id=inside.id, ip_version=4, cidr="192.168.222.0/24")
router = cloud.network.create_router(name="benchmark", external_gateway_info={"network_id": outside.id})
cloud.network.add_interface_to_router(router, subnet_id=subnet.id)
rules = cloud.network.create_security_group(name="benchmark")
cloud.network.create_security_group_rule(security_group_id=rules.id, direction="ingress", protocol="tcp",
    port_range_min=22, port_range_max=22)
port = cloud.network.create_port(network_id=inside.id, security_groups=[rules.id])
server = cloud.compute.create_server(name="benchmark", image_id=image.id, flavor_id=flavor.id,
    networks=[{"port": port.id}])
cloud.compute.wait_for_server(server, wait=given["timeout"])
address = cloud.network.create_ip(floating_network_id=outside.id, port_id=port.id).floating_ip_address
end = time.monotonic() + given["timeout"]
while time.monotonic() < end:
    try:
        with socket.create_connection((address, 22), 1) as connection:
            connection.settimeout(5)
            if connection.recv(4) == b"SSH-":
                sys.exit(0)
    except OSError:
        pass
    time.sleep(0.2)
sys.exit(f"the guest does not answer at {address}")
"""
# As the module keystone_bootstrap: the command takes the password in its environment or arguments only.
BOOTSTRAP = r"""
import json, sys
given = json.load(sys.stdin)
import keystone.conf
from keystone.cmd.bootstrap import Bootstrapper
from keystone.common import sql
keystone.conf.configure()
sql.initialize()
keystone.conf.CONF(args=[], project="keystone")
first = Bootstrapper()
first.admin_username, first.admin_password = "admin", given["password"]
first.project_name, first.admin_role_name, first.service_name = "admin", "admin", "keystone"
first.region_id, first.immutable_roles = given["region"], True
first.public_url = first.internal_url = given["url"]
first.bootstrap()
"""
# One process for all entries: the client's command line would take seconds for each.
CATALOGUE = r"""
import json, sys
import openstack
given = json.load(sys.stdin)
cloud = openstack.connect(auth_url=given["url"], username="admin", password=given["password"], project_name="admin",
    user_domain_name="Default", project_domain_name="Default", region_name=given["region"],
    cacert="/etc/accentos/pki/ca.crt")
wanted, identity = given["plan"]["catalogue"], cloud.identity
project = identity.create_project(name="service", domain_id="default")
have = {role.name: role for role in identity.roles()}
for role in wanted["roles"]:
    have[role["name"]] = have.get(role["name"]) or identity.create_role(name=role["name"])
for service in wanted["services"]:
    if service["name"] == "keystone":
        continue
    made = identity.create_service(name=service["name"], type=service["type"], description=service["description"])
    for interface, url in service["endpoints"].items():
        identity.create_endpoint(service_id=made.id, interface=interface, url=url, region_id=service["region"])
for user in wanted["users"]:
    made = identity.create_user(name=user["name"], password=user["password"], domain_id="default")
    for grant in user["grants"]:
        if grant["role"] not in have:
            have[grant["role"]] = identity.create_role(name=grant["role"])
        identity.assign_project_role_to_user(project, made, have[grant["role"]])
"""


@dataclass(frozen=True)
class Step:
    """One step of the floor: on which host, what part of the script, and what it gets over the standard input."""

    host: str
    argv: tuple[str, ...]
    given: str = ""

    @property
    def name(self) -> str:
        """What the step is called."""
        return f"{self.host}: {' '.join(' '.join(self.argv).split())[:50]}"


def statements(databases: Mapping[str, Any]) -> str:
    """Return the SQL that makes DATABASES and their users, from what the module database_access takes."""
    lines = []
    for one in databases["databases"]:
        characters = one.get("character_set", "utf8mb4")
        collation = one.get("collation", "utf8mb4_general_ci")
        lines.append(f"CREATE DATABASE `{one['name']}` CHARACTER SET {characters} COLLATE {collation};")
    for user in databases["users"]:
        # Passwords of the site are letters and digits.
        lines.append(f"CREATE USER '{user['name']}'@'%' IDENTIFIED BY '{user['password']}';")
        lines += [f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{user['name']}'@'%';" for name in user["databases"]]
    return "".join(f"{line}\n" for line in lines)


def in_order(syncs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return SYNCS so that each comes after those that it names. Raises ValueError."""
    waiting, done = list(syncs), list[Mapping[str, Any]]()
    while waiting:
        ready = [sync for sync in waiting if set(sync["after"]) <= {one["name"] for one in done}]
        if not ready:
            raise ValueError(f"these wait for each other: {', '.join(sync['name'] for sync in waiting)}")
        done += ready
        waiting = [sync for sync in waiting if sync not in ready]
    return done


def python(host: str, program: str, given: str, user: str = "root") -> Step:
    """Return the step that runs a Python PROGRAM on HOST as a USER."""
    return Step(host, ("sync", user, "python3", "-c", program), given)


def floor_steps(told: Mapping[str, Mapping[str, Any]], addresses: Mapping[str, str]) -> list[Step]:
    """Return all steps, in their order, from what deploy_floor.yml TOLD of each host; the controller comes first."""
    controller, *computes = sorted(told, key=lambda name: (not told[name]["plan"]["syncs"], name))
    mine = told[controller]
    given, plan = json.dumps(mine), mine["plan"]
    keystone = [unit for unit in plan["units"] if unit["name"] == "keystone.service"]
    syncs = in_order(plan["syncs"])
    accounts = "".join(f"{user['name']} {user['password']}\n" for user in plan["messaging"])
    return [
        *(Step(host, ("packages",)) for host in (controller, *computes)),
        Step(controller, ("database",), statements(plan["databases"])),
        Step(controller, ("messaging",), accounts),
        Step(controller, ("front",)),
        *(sync_step(controller, sync) for sync in syncs if sync["name"] == "keystone"),
        python(controller, BOOTSTRAP, given, "keystone"),
        Step(controller, ("units", *(unit["name"] for unit in keystone))),
        Step(controller, ("wait", mine["url"])),
        python(controller, CATALOGUE, given),
        Step(controller, ("ovn_database", addresses[controller])),
        *(Step(host, ("overlay",)) for host in (controller, *computes)),
        *(sync_step(controller, sync) for sync in syncs if sync["name"] != "keystone"),
        Step(controller, ("units", *(unit["name"] for unit in plan["units"] if unit not in keystone))),
        Step(controller, ("wait", *(check["url"] for check in plan["checks"]))),
        *(Step(host, ("compute",)) for host in computes),
        *(Step(host, ("units", *(unit["name"] for unit in told[host]["plan"]["units"]))) for host in computes),
        Step(controller, ("sync", "nova", "sh", "-c", discover(len(computes)))),
    ]


def sync_step(host: str, sync: Mapping[str, Any]) -> Step:
    """Return the step of one command that brings a database up to date."""
    return Step(host, ("sync", sync["user"], *sync["argv"]))


def discover(computes: int) -> str:
    """Return the command that waits until so many COMPUTES are in the cell."""
    listing = "nova-manage cell_v2 list_hosts | grep -c ' cell1 '"
    return f'until nova-manage cell_v2 discover_hosts && [ "$({listing})" -ge {computes} ]; do sleep 1; done'


def benchmark_site(text: str) -> str:
    """Return a file of the scenario's site with networks and a name that collide with no other lab's."""
    return moved(text, "10.94.", "10.97.", "deployfloor")


def write_site(folder: Path, secrets: Path) -> None:
    """Write the site into FOLDER: the scenario's, without storage; its secrets outlive the lab in SECRETS."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "group_vars/all").mkdir(parents=True)
    hosts = yaml.safe_load(benchmark_site((MODEL / "hosts.yml").read_text(encoding="utf-8")))
    del hosts["all"]["children"]["storage"]
    (folder / "hosts.yml").write_text(f"---\n{yaml.safe_dump(hosts, sort_keys=False)}", encoding="utf-8")
    for file in (MODEL / "group_vars/all").glob("*.yml"):
        content = benchmark_site(file.read_text(encoding="utf-8"))
        if file.name == "ceph.yml":
            continue
        if file.name == "lab.yml":
            variables = yaml.safe_load(content)
            del variables["lab_disks"]
            variables["site_secrets_folder"] = str(secrets)
            content = f"---\n{yaml.safe_dump(variables, sort_keys=False)}"
        (folder / "group_vars/all" / file.name).write_text(content, encoding="utf-8")


class Lab:
    """The lab, the benchmark's folder, and what it remembers."""

    def __init__(self) -> None:
        STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
        STATE.chmod(0o700)
        self.site, self.secrets, self.memory = STATE / "site", STATE / "secrets", STATE / "state.json"
        self.secrets.mkdir(exist_ok=True, mode=0o700)
        self.done: dict[str, Any] = json.loads(self.memory.read_text(encoding="utf-8")) if self.memory.exists() else {}

    def remember(self, stage: str, result: object) -> None:
        """Note that a stage is done."""
        self.done[stage] = result
        self._write()

    def _write(self) -> None:
        beside = self.memory.with_suffix(".new")
        beside.write_text(json.dumps(self.done, indent=2) + "\n", encoding="utf-8")
        beside.replace(self.memory)

    def forget(self, stage: str) -> None:
        """Begin anew with a stage: it and all after it are not done."""
        for name in STAGES[STAGES.index(stage) :]:
            self.done.pop(name, None)
            if name == "floor":
                self.done = {key: value for key, value in self.done.items() if not key.startswith("step ")}
        self._write()

    def playbook(self, name: str, *options: str, **settings: str) -> float:
        """Run a playbook, its output into the benchmark's folder; return its seconds. Raises SystemExit."""
        began, output = time.monotonic(), STATE / f"{Path(name).stem}.txt"
        command = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "--inventory",
            str(self.site),
            *options,
            str(ROOT / name),
        ]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **settings}
        with output.open("wb") as stream:
            ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream, check=False)
        if ended.returncode:
            sys.exit(output.read_text(encoding="utf-8")[-6000:])
        return time.monotonic() - began

    def ssh(self, host: str, command: str, given: bytes = b"") -> bytes:
        """Run a COMMAND of the shell on HOST. Raises SystemExit."""
        argv = ["ssh", "-F", str(ROOT / ".lab/deployfloor/ssh_config"), host, command]
        ended = subprocess.run(argv, input=given, capture_output=True, check=False)
        if ended.returncode:
            sys.exit(f"{host}: {command[:200]}\n{ended.stdout.decode()[-3000:]}{ended.stderr.decode()[-3000:]}")
        return ended.stdout

    def hosts(self) -> dict[str, str]:
        """Return the address of each host in management."""
        groups = yaml.safe_load((self.site / "hosts.yml").read_text(encoding="utf-8"))["all"]["children"]
        return {
            name: host["host_addresses"]["management"]
            for group in groups.values()
            for name, host in group["hosts"].items()
        }

    # Stages

    def create(self) -> object:
        """Make the lab and prepare its hosts; remember which packages they have."""
        write_site(self.site, self.secrets)
        self.destroy()
        self.playbook("molecule/shared/create.yml")
        self.playbook("playbooks/prepare.yml")
        for host in self.hosts():
            self.ssh(host, f"sleep 1; touch {MARK}; apt-mark showmanual >{MARK}.packages; sleep 1")
        return True

    create_floor = create

    def deploy(self) -> object:
        """Deploy, and count the tasks."""
        log, summary = STATE / "deploy.log", STATE / "deploy.json"
        log.unlink(missing_ok=True)
        paths = {"ACCENTOS_STAGES_LOG_PATH": str(log), "ACCENTOS_STAGES_JSON_PATH": str(summary)}
        seconds = self.playbook("playbooks/deploy.yml", **paths, ANSIBLE_STDOUT_CALLBACK="accentos.cloud.stages")
        tasks = read_tasks(log.read_text(encoding="utf-8"), time.time())
        told = json.loads(summary.read_text(encoding="utf-8"))
        return {
            "seconds": seconds,
            "tasks of a compute": per_host(tasks),
            "tasks of a controller": per_host(tasks, "controller-"),
            "changed": sum(host["changed"] for host in told["hosts"].values()),
        }

    def repeat(self) -> object:
        """Deploy again. Raises SystemExit if anything changed."""
        result = self.deploy()
        if isinstance(result, dict) and result["changed"]:
            sys.exit(f"the second deployment changed {result['changed']} things: see {STATE}/deploy.log")
        return result

    def keep(self) -> object:
        """Bring what the floor needs from the lab's hosts to the benchmark's folder."""
        # Before the tools are there that build the guest's disk.
        for host in self.hosts():
            self.ssh(host, f"[ -e {MARK}.deployed ] || apt-mark showmanual >{MARK}.deployed")
        left_out = " ".join(f"-name {shlex.quote(name)} -prune -o" for name in OWN)
        newer = f"-newer {MARK} ! -newer {MARK}.deployed '(' -type f -o -type l ')'"
        find = f"cd / && find $(ls --directory {' '.join(TREES)} 2>/dev/null) {left_out} {newer} -print0"
        for host in self.hosts():
            packages = self.ssh(
                host, f"sort {MARK}.packages >{MARK}.sorted; sort {MARK}.deployed | comm -13 {MARK}.sorted -"
            )
            (STATE / f"packages-{host}").write_bytes(packages)
            (STATE / f"files-{host}.tar").touch(0o600)
            (STATE / f"files-{host}.tar").write_bytes(self.ssh(host, f"{find} | tar --null --files-from=- -cf -"))
        names = json.dumps({"benchmark_folder": str(STATE), "benchmark_services": SERVICES})
        self.playbook("tests/benchmark/deploy_floor.yml", "--extra-vars", names)
        image = self.ssh(next(iter(self.hosts())), "cat /var/lib/accentos/images/guest/disk.img")
        (STATE / "guest.img").write_bytes(image)
        return {host: len((STATE / f"packages-{host}").read_text(encoding="utf-8").split()) for host in self.hosts()}

    def guest(self) -> object:
        """Start a guest and wait for its ssh; return the seconds."""
        controller = next(iter(self.hosts()))
        told = json.loads((STATE / f"plan-{controller}.json").read_text(encoding="utf-8"))
        variables = yaml.safe_load((self.site / "group_vars/all/openstack.yml").read_text(encoding="utf-8"))
        told = {key: told[key] for key in ("url", "region", "password")}
        told |= {"external": variables["cloud_checks_external"], "image": "/root/benchmark.img", "timeout": 600}
        self.ssh(controller, "cat >/root/benchmark.img", (STATE / "guest.img").read_bytes())
        began = time.monotonic()
        self.ssh(controller, f"python3 -c {shlex.quote(GUEST)}", json.dumps(told).encode())
        return time.monotonic() - began

    floor_guest = guest

    def floor(self) -> object:
        """Do the same by hand; return the seconds of each step."""
        hosts = self.hosts()
        told = {host: json.loads((STATE / f"plan-{host}.json").read_text(encoding="utf-8")) for host in hosts}
        steps = floor_steps(told, hosts)
        for host in hosts:
            if f"step 0 {steps[0].name}" not in self.done:
                self.ssh(
                    host, "mkdir -p -m 700 /root/floor; cat >/root/floor/run", (HERE / "floor_deploy").read_bytes()
                )
                self.ssh(host, "cat >/root/floor/files.tar", (STATE / f"files-{host}.tar").read_bytes())
                self.ssh(host, "cat >/root/floor/packages", (STATE / f"packages-{host}").read_bytes())
        for number, step in enumerate(steps):
            key = f"step {number} {step.name}"
            if key not in self.done:
                began = time.monotonic()
                self.ssh(step.host, f"sh /root/floor/run {shlex.join(step.argv)}", step.given.encode())
                self.remember(key, time.monotonic() - began)
        return {key: seconds for key, seconds in self.done.items() if key.startswith("step ")}

    def report(self) -> None:
        """Print the table."""
        sys.stdout.write("\n".join(report(self.done)) + "\n")

    def destroy(self) -> None:
        """Remove the lab."""
        self.playbook("molecule/shared/destroy.yml")

    def remove(self) -> None:
        """Remove the lab; what was done on it has to be done again, unless only the report is left."""
        if "floor_guest" not in self.done:
            self.forget("create")
        self.destroy()


def report(done: Mapping[str, Any]) -> list[str]:
    """Return the comparison as lines of text."""
    floor = sum(done["floor"].values())
    rows: Iterable[tuple[str, float]] = [
        ("deployment", done["deploy"]["seconds"]),
        ("guest until ssh answers", done["guest"]),
        ("floor", floor),
        ("guest on the floor until ssh answers", done["floor_guest"]),
        ("second deployment, changed=0", done["repeat"]["seconds"]),
    ]
    whole, by_hand = done["deploy"]["seconds"] + done["guest"], floor + done["floor_guest"]
    slowest = sorted(done["floor"].items(), key=lambda row: -row[1])[:8]
    return [
        f"{'seconds':60}",
        *(f"{name:60}{seconds:8.1f}" for name, seconds in rows),
        f"{'ratio with the guest':60}{whole / by_hand:8.2f}",
        f"{'ratio without':60}{done['deploy']['seconds'] / floor:8.2f}",
        f"{'tasks of a compute':60}{done['deploy']['tasks of a compute']:8}",
        f"{'tasks of a controller':60}{done['deploy']['tasks of a controller']:8}",
        "the floor's longest steps",
        *(f"  {name.partition(' ')[2]:58}{seconds:8.1f}" for name, seconds in slowest),
    ]


def results(done: Mapping[str, Any]) -> list[Figure]:
    """Return the comparison as figures in the common form."""
    deployed, floor = done["deploy"]["seconds"], sum(done["floor"].values())
    whole, by_hand = deployed + done["guest"], floor + done["floor_guest"]
    rows = [
        Figure(WHOLE_DEPLOYMENT, whole, "s", ("floor with a guest", by_hand)),
        Figure("deployment", deployed, "s", ("floor", floor)),
        Figure("guest until ssh answers", done["guest"], "s", ("on the floor", done["floor_guest"])),
        Figure(REPEAT, done["repeat"]["seconds"], "s", ("first deployment", deployed)),
        Figure(REPEAT_SECONDS, done["repeat"]["seconds"], "s"),
        Figure(REPEAT_CHANGES, done["repeat"]["changed"], "changes"),
        Figure(COMPUTE_TASKS, done["deploy"]["tasks of a compute"], "tasks"),
        Figure("tasks of a controller", done["deploy"]["tasks of a controller"], "tasks"),
    ]
    return judged("deploy_floor", rows)


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--until", choices=STAGES, default="report", help="the last stage")
    parser.add_argument("--again", choices=STAGES, help="begin anew with this stage")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for machines, too")
    parser.add_argument("--remove", action="store_true", help="remove the lab, and do nothing else")
    arguments = parser.parse_args()
    if arguments.json and arguments.until != "report":
        parser.error("--json has figures of all stages, so --until must not leave any out")
    lab = Lab()
    if arguments.remove:
        lab.remove()
        return
    if arguments.again:
        lab.forget(arguments.again)
    for stage in STAGES[: STAGES.index(arguments.until) + 1]:
        if stage not in lab.done:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage}\n")
            run: Callable[[], object] = getattr(lab, stage)
            result = run()
            if stage != "report":
                lab.remember(stage, result)
    if arguments.json:
        figures.write(arguments.json, results(lab.done), lab.done)


if __name__ == "__main__":
    main()
