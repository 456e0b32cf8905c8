# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures what the control node needs to deploy many computes: memory, and time for each task.

    .venv/bin/python tests/benchmark/thousand_computes.py [--hosts 1000] [--done] [--only TASKS] [--profile FILE]
        [--json FILE]

playbooks/deploy.yml runs as it is, with the forks of ansible.cfg, limited to the computes of a site like that of the
scenario "openstack". The computes are not there: a connection plug-in of the folder stand_in answers in their place at
the moment when a module would start on them. What runs on the control node itself, such as signing certificates, is
real. What ssh needs is left out: a process for each fork, and one for each connection that is kept open.

Sampler is that of ansible-playbook and all its children, with shared pages counted once. The run sees all of the
machine's files read-only, but for a folder of its own, and has no network. It needs util-linux's unshare, and root or
user namespaces.

It is no test: no change is judged by it.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import datetime
import ipaddress
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark.catalogue import COMPUTE_TASKS, COMPUTES, judged
from tests.benchmark.figures import Figure, write

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "molecule/openstack/inventory"
CONTROLLERS = 3
TICKS = os.sysconf("SC_CLK_TCK")
# Everything is read-only but the folder $1, /proc and /dev; shared memory is the run's own. Arguments: folder, command.
ALONE = r"""
set -e
folder=$1
shift
ip link set lo up 2>/dev/null || true
mount --bind "$folder" "$folder"
mount -t tmpfs tmpfs /dev/shm
findmnt --raw --noheadings --output TARGET | grep -Ev "^($folder|/dev|/proc)(/|$)" | sort -u | while read -r target; do
    mount -o remount,bind,ro "$(printf '%b' "$target")" 2>/dev/null || true
done
# What could not be made read-only must not be written by chance either.
if findmnt --raw --noheadings --output TARGET,OPTIONS | grep -Ev "^($folder|/dev|/proc)(/| )" | grep ' rw' >&2; then
    echo "these file systems could not be made read-only" >&2
    exit 1
fi
exec "$@"
"""
EVENT = re.compile(r"(?m)^(\S+) (task|ok|changed|failed|unreachable|ignored|rescued|skipped): (.*)$")


@dataclass
class Task:
    """A task of a run: when it began and ended, seconds computed meanwhile, how many hosts ended it in which state."""

    name: str
    path: str
    began: float
    ended: float = 0.0
    computed: float = 0.0
    states: dict[str, int] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)

    @property
    def seconds(self) -> float:
        """Seconds until the next task began, or the run ended."""
        return self.ended - self.began


def read_tasks(log: str, ended: float) -> list[Task]:
    """Return the tasks of a LOG of the callback stages, of a run that ENDED then (seconds since 1970)."""
    tasks: list[Task] = []
    for stamp, kind, text in EVENT.findall(log):
        at = datetime.datetime.fromisoformat(stamp).timestamp()
        if kind == "task":
            name, _space, path = text.rpartition(" (")
            if tasks:
                tasks[-1].ended = at
            tasks.append(Task(name, path.removesuffix(")"), at))
        elif tasks:
            tasks[-1].states[kind] = tasks[-1].states.get(kind, 0) + 1
            tasks[-1].hosts.add(text.split(":")[0].split()[0])
    if tasks:
        tasks[-1].ended = ended
    return tasks


def addresses(number: int) -> str:
    """Return the address in management of the host with this NUMBER; a /16 holds them all."""
    return str(ipaddress.IPv4Address("10.100.0.0") + 256 + number)


def host(number: int, networks: Iterable[str]) -> dict[str, Any]:
    """Return the variables of a host."""
    ports = [
        {
            "name": f"eth{index}",
            "mac": f"02:94:{index:02x}:00:{number // 256:02x}:{number % 256:02x}",
            "network": network,
        }
        for index, network in enumerate(networks)
    ]
    return {"host_addresses": {"management": addresses(number)}, "host_interfaces": ports}


def public_key() -> str:
    """Return an SSH key that opens nothing."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def site(computes: int, model: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the files of a site like the MODEL, which is group_vars/all/site.yml, with so many COMPUTES."""
    number = 0
    groups: dict[str, Any] = {}
    for group, count, networks in (
        ("controller", CONTROLLERS, ("management", "tunnel", "storage", "external")),
        ("compute", computes, ("management", "tunnel", "storage")),
        ("storage", CONTROLLERS, ("management", "storage")),
    ):
        hosts = {f"{group}-{index + 1}": host(number + index, networks) for index in range(count)}
        number += count
        groups[group] = {"hosts": hosts}
    addressed: dict[str, Any] = {
        name: {"cidr": f"10.{100 + index}.0.0/16"} for index, name in enumerate(model["site_networks"])
    }
    addressed["management"]["gateway"] = "10.100.0.1"
    values = {**model, "site_networks": addressed, "site_api_address": "10.100.0.20"}
    # The model's own is a file of the lab.
    values["site_admins"] = [{"name": "operator", "ssh_keys": [public_key()]}]
    return {
        "hosts.yml": {"all": {"children": groups}},
        "group_vars/all/site.yml": values,
        "group_vars/all/connection.yml": {
            "ansible_connection": "stand_in",
            "ansible_python_interpreter": sys.executable,
        },
    }


def write_site(folder: Path, computes: int) -> None:
    """Write the site's files into FOLDER."""
    model = yaml.safe_load((MODEL / "group_vars/all/site.yml").read_text(encoding="utf-8"))
    for name, content in site(computes, model).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"---\n{yaml.safe_dump(content, sort_keys=False)}", encoding="utf-8")
    shutil.copy(MODEL / "group_vars/all/ceph.yml", folder / "group_vars/all/ceph.yml")


def computed_until(samples: Sequence[tuple[float, float]], at: float) -> float:
    """Return the seconds computed until a time, from SAMPLES of such pairs in the order of time."""
    before = bisect.bisect_right(samples, (at, float("inf")))
    if not before:
        return 0.0
    if before == len(samples):
        return samples[-1][1]
    (early, less), (late, more) = samples[before - 1], samples[before]
    return less + (more - less) * (at - early) / (late - early)


def descendants(parents: Mapping[int, int], root: int) -> set[int]:
    """Return ROOT and all processes below it, from the parent of each process."""
    found, waiting = {root}, [root]
    while waiting:
        above = waiting.pop()
        below = [process for process, parent in parents.items() if parent == above and process not in found]
        found.update(below)
        waiting += below
    return found


def read_processes() -> dict[int, tuple[int, float]]:
    """Return for each process of the machine its parent, and the seconds that it and its ended children computed."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program, in parentheses, may hold anything.
            fields = file.read_text(errors="replace").rpartition(")")[2].split()
            found[int(file.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / TICKS)
    return found


def read_kib(process: int) -> int:
    """Return the memory of a process in KiB, of shared pages its part; 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


class Sampler(threading.Thread):
    """Samples memory and computing time of a process and its children until it is stopped."""

    def __init__(self, process: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._process, self._seconds, self._stopped = process, seconds, threading.Event()
        self.peak_kib = self.main_kib = self.processes = 0
        self.peak_at = 0.0
        # Pairs of time, in seconds since 1970, and seconds computed until then.
        self.computed: list[tuple[float, float]] = []

    def run(self) -> None:
        """Sample."""
        while not self._stopped.wait(self._seconds):
            processes = read_processes()
            parents = {process: parent for process, (parent, _seconds) in processes.items()}
            below = descendants(parents, self._process) & set(processes)
            computed = sum(processes[process][1] for process in below)
            # What a child computed is lost from sight between its end and its parent's taking note of it.
            self.computed.append((time.time(), max([computed, *(before for _at, before in self.computed[-1:])])))
            sizes = {process: read_kib(process) for process in below}
            if sum(sizes.values()) > self.peak_kib:
                self.peak_kib, self.peak_at = sum(sizes.values()), time.time()
                self.main_kib, self.processes = sizes.get(self._process, 0), len(sizes)

    def stop(self) -> None:
        """End sampling."""
        self._stopped.set()
        self.join()


def command(scratch: Path, profile: str) -> list[str]:
    """Return the command that deploys the computes of the site in SCRATCH, alone with its folder."""
    apart = ["unshare", "--mount", "--net", "--propagation", "private"]
    apart += [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    program = ["-m", "ansible.cli.playbook"]
    if profile:
        program = ["-m", "cProfile", "-o", str(scratch / "profile"), *program]
    playbook = ["--inventory", str(scratch / "site"), "--limit", "compute", str(ROOT / "playbooks/deploy.yml")]
    return [*apart, "sh", "-c", ALONE, "sh", str(scratch), sys.executable, *program, *playbook]


def settings(scratch: Path, *, done: bool) -> dict[str, str]:
    """Return the environment of the run."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "ACCENTOS_"))}
    folders = {
        key: str(scratch / name) for key, name in (("HOME", "home"), ("TMPDIR", "tmp"), ("ANSIBLE_HOME", "ansible"))
    }
    return {
        **kept,
        **folders,
        **({"ACCENTOS_STAND_IN_DONE": "1"} if done else {}),
        "ACCENTOS_STAGES_LOG_PATH": str(scratch / "log"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CONNECTION_PLUGINS": str(Path(__file__).parent / "stand_in"),
    }


@dataclass(frozen=True)
class Run:
    """A run: its tasks, memory, seconds, and seconds that its processes computed."""

    tasks: list[Task]
    memory: Sampler
    seconds: float
    computed: float


def run(scratch: Path, *, done: bool, only: int, profile: str) -> Run:
    """Deploy. Raises SystemExit."""
    for name in ("home", "tmp", "ansible"):
        (scratch / name).mkdir()
    log, output = scratch / "log", scratch / "output"
    began = time.time()
    with output.open("wb") as stream:
        playbook = subprocess.Popen(
            command(scratch, profile), cwd=ROOT, env=settings(scratch, done=done), stdout=stream, stderr=stream
        )
        memory = Sampler(playbook.pid, 0.25)
        memory.start()
        stopped = False
        while playbook.poll() is None:
            time.sleep(0.2)
            if only and not stopped and log.exists() and len(read_tasks(log.read_text(encoding="utf-8"), 0)) > only:
                # Not SIGINT: who starts in the background of a shell ignores it.
                playbook.send_signal(signal.SIGTERM)
                stopped = True
    memory.stop()
    ended = time.time()
    if playbook.returncode and not stopped:
        sys.exit(output.read_text(encoding="utf-8")[-6000:])
    tasks = read_tasks(log.read_text(encoding="utf-8"), ended)
    for task in tasks:
        task.computed = computed_until(memory.computed, task.ended) - computed_until(memory.computed, task.began)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(tasks[:only] if only else tasks, memory, ended - began, used.ru_utime + used.ru_stime)


def per_host(tasks: Iterable[Task], prefix: str = "compute-") -> int:
    """Return the most tasks that a host whose name begins with PREFIX was in, those it skipped included."""
    counts: dict[str, int] = {}
    for task in tasks:
        for name in task.hosts:
            counts[name] = counts.get(name, 0) + name.startswith(prefix)
    return max(counts.values(), default=0)


def once(tasks: Iterable[Task]) -> int:
    """Return how many of the TASKS a run of several computes does once, which Ansible counts for the first of them."""
    return per_host(task for task in tasks if len(task.hosts) == 1)


def table(tasks: Iterable[Task]) -> list[str]:
    """Return a line of text for each task, in their order."""
    lines = [f"{'':76}{'seconds':>9}{'computed':>10}{'for 100 hosts':>20}", f"{'task':70}{'hosts':>6}"]
    for task in tasks:
        hosts = len(task.hosts)
        states = " ".join(f"{state} {count}" for state, count in sorted(task.states.items()))
        each = f"{100 * task.seconds / hosts:11.2f}{100 * task.computed / hosts:9.2f}" if hosts > 1 else f"{'':20}"
        lines.append(f"{task.name[:69]:70}{hosts:6}{task.seconds:9.1f}{task.computed:10.1f}{each}  {states}")
    return lines


def figures(ended: Run, hosts: int) -> list[str]:
    """Return what is asked of a run over so many HOSTS, as lines of text."""
    many = [task for task in ended.tasks if len(task.hosts) == hosts]
    memory = ended.memory
    at = next(
        (task.name for task in ended.tasks if task.began <= memory.peak_at <= task.ended), "before the first task"
    )
    lines = [
        f"{'peak memory, MiB':50}{memory.peak_kib / 1024:10.0f}  in {memory.processes} processes, at: {at}",
        f"{'of which ansible-playbook itself, MiB':50}{memory.main_kib / 1024:10.0f}",
        f"{'tasks of a compute':50}{per_host(ended.tasks):10}",
        f"{'of these a run does once, for its first compute':50}{once(ended.tasks):10}",
        f"{'seconds in all':50}{ended.seconds:10.1f}",
        f"{'seconds that its processes computed':50}{ended.computed:10.1f}",
    ]
    if many:
        spent = sum(task.seconds for task in many)
        lines.append(f"{'seconds per task per 100 hosts':50}{100 * spent / len(many) / hosts:10.2f}")
        computed = sum(task.computed for task in many)
        lines.append(f"{'computed per task per 100 hosts':50}{100 * computed / len(many) / hosts:10.2f}")
    return lines


def results(ended: Run, hosts: int, *, whole: bool, done: bool) -> list[Figure]:
    """Return the figures of a run over so many HOSTS in the common form.

    Those that only a WHOLE run has are left out of one that ended early; of hosts that were DONE it is the second run.
    """
    many = [task for task in ended.tasks if len(task.hosts) == hosts]
    over = f"over {hosts} computes{', second run' if done else ''}{'' if whole else ', first tasks'}"
    rows = [Figure(f"peak memory {over}", ended.memory.peak_kib / 1024, "MiB")]
    if many:
        share = len(many) * hosts / 100
        spent, computed = (sum(getattr(task, name) for task in many) for name in ("seconds", "computed"))
        rows.append(Figure(f"task for 100 hosts {over}", spent / share, "s"))
        rows.append(Figure(f"task for 100 hosts {over}, computed", computed / share, "s"))
    if whole:
        rows.append(Figure(f"whole run {over}", ended.seconds, "s"))
        rows.append(Figure(f"whole run {over}, computed", ended.computed, "s"))
        rows.append(Figure(COMPUTE_TASKS, per_host(ended.tasks), "tasks"))
        rows.append(Figure("of these a run does once, for its first compute", once(ended.tasks), "tasks"))
    return judged(f"computes_{COMPUTES[-1]}", rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument(
        "--done", action="store_true", help="the hosts say that nothing is left to do, as in a second run"
    )
    parser.add_argument("--only", type=int, default=0, metavar="TASKS", help="stop after so many tasks")
    parser.add_argument(
        "--profile", default="", metavar="FILE", help="write what cProfile sees of ansible-playbook itself"
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures for machines, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thousand-computes-") as folder:
        scratch = Path(folder)
        write_site(scratch / "site", arguments.hosts)
        ended = run(scratch, done=arguments.done, only=arguments.only, profile=arguments.profile)
        if arguments.profile:
            shutil.copy(scratch / "profile", arguments.profile)
    sys.stdout.write("\n".join([*table(ended.tasks), "", *figures(ended, arguments.hosts)]) + "\n")
    if arguments.json:
        rows = [
            {"name": one.name, "hosts": len(one.hosts), "seconds": one.seconds, "computed": one.computed}
            for one in ended.tasks
        ]
        told = {"hosts": arguments.hosts, "seconds": ended.seconds, "computed": ended.computed}
        told |= {"peak_mib": ended.memory.peak_kib / 1024, "tasks": rows}
        measured = results(ended, arguments.hosts, whole=not arguments.only, done=arguments.done)
        write(Path(arguments.json), measured, told)


if __name__ == "__main__":
    main()
