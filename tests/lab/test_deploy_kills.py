# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment that is killed again and again ends as one that nobody disturbed.

The reference is a deployment of fresh hosts: their files, see manifest.py, and what they and the cloud have beside
files, see host_state.py and cloud_state.py. Then the hosts are made anew, with the same secrets and the same authority,
and one deployment of them is killed at ascending random points and started again each time.

ACCENTOS_TEST_KILLS is how often, by default 20; with 0 only the reference is taken. ACCENTOS_TEST_SEED repeats a
choice.
ACCENTOS_TEST_REFERENCE names a file for the reference: one that is there is the reference, one that is not is written.
Beside it, and private as it is, are the files of the hosts, for a person who looks for the cause of a difference.
ACCENTOS_TEST_CONVERGED=1 takes the cloud that the lab carries for the reference; a run must find that all is done.
ACCENTOS_TEST_KEEP=1 leaves hosts and secrets at the end. Without it the lab is removed, unless only the reference was
taken, or the test did not come to make hosts.
ACCENTOS_TEST_CLOUD_SITE names another site, such as a copy with another lab_name and other networks.

With --log-cli-level=INFO pytest shows each kill when it is done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
import os
import random
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore, SecretStoreError

from tests.benchmark.thousand_computes import read_tasks
from tools.secret_search import needles, places_here, places_on

from .cloud_state import SILENT
from .conftest import ANSIBLE_HOME, DESTROY, PREPARE, ROOT, Lab, Run, lab_name
from .kills import difference, guessed_seconds, kill_points
from .manifest import TREES

pytestmark = pytest.mark.long

SITE = Path(os.environ.get("ACCENTOS_TEST_CLOUD_SITE", ROOT / "molecule/openstack/inventory")).resolve()
REFERENCE = os.environ.get("ACCENTOS_TEST_REFERENCE", "")
CONVERGED = os.environ.get("ACCENTOS_TEST_CONVERGED", "") == "1"
KEEP = os.environ.get("ACCENTOS_TEST_KEEP", "") == "1"
KILLS = int(os.environ.get("ACCENTOS_TEST_KILLS", "20"))
SEED = int(os.environ.get("ACCENTOS_TEST_SEED", "0")) or secrets.randbelow(10**6) + 1
CREATE = "molecule/openstack/create.yml"
DEPLOY = "playbooks/deploy.yml"
# What services tell of themselves they tell once they have started, and some start slowly.
ATTEMPTS, PAUSE = 10, 30
LOG = logging.getLogger(__name__)
Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Reference:
    """What an undisturbed deployment left, by host and for the cloud as a whole, and what it did.

    ``seconds`` has the times of its tasks, or nothing when it found all done. Secrets are there as digests.
    """

    manifest: dict[str, list[str]]
    state: dict[str, list[str]]
    wrong: dict[str, list[str]]
    secrets: dict[str, str]
    tasks: list[str]
    seconds: list[float] | None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the reference of a file."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def write(self, file: Path) -> None:
        """Write the reference to a file that only its owner may read."""
        new = file.with_name(f"{file.name}.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(dataclasses.asdict(self), indent=1), encoding="utf-8")
        # A file that is there is a whole reference.
        new.replace(file)


def hosts_of(groups: Mapping[str, Any]) -> list[str]:
    """Return the hosts of an inventory in YAML, each once, in the order in which they stand there."""
    found: dict[str, None] = {}
    for group in groups.values():
        found |= dict.fromkeys(group.get("hosts") or {})
        found |= dict.fromkeys(hosts_of(group.get("children") or {}))
    return [*found]


class Cloud(Lab):
    """A lab that carries a cloud, which can be asked what it has."""

    def __init__(self, scratch: Path) -> None:
        inventory = yaml.safe_load((SITE / "hosts.yml").read_text(encoding="utf-8"))
        self.controller = hosts_of({"controller": inventory["all"]["children"]["controller"]})[0]
        # Whether this test made the hosts that are there.
        self.made = False
        super().__init__(scratch, SITE, ROOT / ".lab" / lab_name(SITE), tuple(hosts_of(inventory)))

    def prepare_fresh_hosts(self, *, keep_secrets: bool) -> None:
        """Make all hosts anew and prepare them, with new secrets and a new authority or with those that are there."""
        # The lab's folder, which goes with the hosts, holds the secrets, the authority and the key of ssh. This one is
        # not there.
        nowhere = {"lab_state_dir": str(self.scratch / "nothing")}
        self.made = True
        self.succeed(DESTROY, *(["--extra-vars", json.dumps(nowhere)] if keep_secrets else []))
        self.succeed(CREATE)
        self.succeed(PREPARE)

    def secrets(self) -> dict[str, str]:
        """Return digests of the site's secrets by their names."""
        known = SecretStore(self.state).read()
        return {name: hashlib.sha256(value.encode()).hexdigest() for name, value in sorted(known.items())}

    def secrets_that_lie_about(self) -> dict[str, list[str]]:
        """Return, by host and for the control node, files that have a secret and should not."""
        wanted = needles(SecretStore(self.state).read())
        found = {host: places_on(functools.partial(self.sh, host), wanted) for host in self.hosts}
        return {**found, "control node": places_here([self.scratch, ANSIBLE_HOME], wanted)}

    def contents(self) -> dict[str, list[str]]:
        """List, for each host and for the cloud, what there is beside files."""
        found = {host: self._answer(host, "host_state.py") for host in self.hosts}
        return {**found, "cloud": self._answer(self.controller, "cloud_state.py")}

    def wrong(self) -> dict[str, list[str]]:
        """List what is wrong with each host."""
        return {host: self._answer(host, "host_state.py", "wrong") for host in self.hosts}

    def _answer(self, host: str, *words: str) -> list[str]:
        """Return the list that a program prints; that there is none is told as a line, so that all else is heard."""
        try:
            return list(json.loads(self.program(host, *words)))
        except (AssertionError, ValueError) as error:
            return [f"{SILENT}{error}"]

    def keep_files(self, beginning: str) -> None:
        """Fetch the files of each host to BEGINNING.<host>.tar.gz: a manifest has only digests of them."""
        for host in self.hosts:
            without = "--exclude=/var/lib/accentos/images --exclude=/var/lib/accentos/tempest"
            # Trees that the host has not are no matter.
            pack = f"tar --create --gzip --absolute-names {without} {shlex.join(TREES)} || [ $? -le 2 ]"
            packed = Path(f"{beginning}.{host}.tar.gz")
            packed.touch(mode=0o600)
            with packed.open("wb") as file:
                argv = ["ssh", "-F", str(self.state / "ssh_config"), host, pack]
                done = subprocess.run(argv, stdout=file, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                # They are for a person, and nothing is judged by them.
                LOG.warning("the files of %s are not kept: %s", host, done.stderr)

    def take_reference(self) -> Reference:
        """Deploy without disturbance, or find that it is done, and return what is there then."""
        if not CONVERGED:
            self.prepare_fresh_hosts(keep_secrets=False)
        run = self.succeed(DEPLOY)
        ended = time.time()
        assert not CONVERGED or run.changed == 0, f"the lab does not carry a whole cloud:\n{run.output}"
        tasks = read_tasks(self.log(), ended)
        return Reference(
            manifest=self.manifest(),
            state=self.contents(),
            wrong=self.wrong(),
            secrets=self.secrets(),
            tasks=[f"{task.name} ({task.path})" for task in tasks],
            seconds=None if CONVERGED else [task.seconds for task in tasks],
        )


class Findings:
    """Collects what is not as it should be: all of it is told at the end, since a second look costs a whole run."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        """Note one."""
        LOG.warning("%s", text)
        self.texts.append(text)

    def add_by_host(self, about: str, found: Mapping[str, list[str]]) -> None:
        """Note what there is of one kind, by host."""
        for host, lines in found.items():
            if lines:
                self.add(f"{about}, {host}:\n" + "\n".join(f"  {line}" for line in lines))

    @contextlib.contextmanager
    def looking_at(self, about: str) -> Iterator[None]:
        """Note that something cannot be looked at, and let the test go on with the next."""
        try:
            yield
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError, SecretStoreError) as error:
            self.add(f"{about} cannot be looked at: {error}")

    def check_run(self, about: str, run: Run) -> None:
        """Note a run that did not end well."""
        if run.code:
            end = "\n".join(run.output.splitlines()[-100:])
            self.add(f"{about} ended with code {run.code}:\n{end}")


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give the lab, whatever is in it, and remove afterwards what the test made of it, if nobody wants that."""
    cloud = Cloud(tmp_path)
    yield cloud
    if cloud.made and KILLS and not KEEP:
        cloud.remove(request)


def reference_file(cloud: Cloud) -> Path:
    """Return where the reference is kept."""
    return Path(REFERENCE).resolve() if REFERENCE else cloud.scratch / "reference.json"


def kept_reference(cloud: Cloud, record_property: Record) -> Reference:
    """Return the reference: that of the file, or one that is taken now and kept there."""
    file = reference_file(cloud)
    if not file.exists():
        began = time.monotonic()
        taken = cloud.take_reference()
        taken.write(file)
        cloud.keep_files(str(file))
        record_property("seconds for the reference", round(time.monotonic() - began))
    reference = Reference.read(file)
    record_property("wrong with the undisturbed hosts", reference.wrong)
    known = cloud.secrets()
    lost = sorted(name for name, value in reference.secrets.items() if known.get(name) != value)
    assert not lost, (
        f"{cloud.state} has not the secrets of the reference {file}: {', '.join(lost)}. They are removed with the lab. "
        "Remove the file, and the reference is taken anew."
    )
    return reference


def kill(cloud: Cloud, reference: Reference, findings: Findings, record_property: Record) -> None:
    """Kill a deployment at as many points as are wanted, and start it again each time."""
    # Only chooses where to kill; the seed makes a choice repeatable.
    chance = random.Random(SEED)  # noqa: S311
    seconds = reference.seconds or guessed_seconds(len(reference.tasks), chance)
    points = kill_points(seconds, KILLS, chance)
    record_property("kills", f"seed {SEED}: {KILLS} times, tasks and seconds {points} of {len(seconds)} tasks")
    LOG.info("seed %s, points %s of %s tasks", SEED, points, len(seconds))
    for number, (task, delay) in enumerate(points, 1):
        # A run that fails is a finding. What the next one makes of it is worth knowing, too.
        for _attempt in range(2):
            began = time.monotonic()
            try:
                last = cloud.kill_at_task(DEPLOY, task, delay=delay)
            except AssertionError as error:
                findings.add(f"kill {number} of {KILLS}: {error}")
                continue
            with findings.looking_at("secrets on the hosts"):
                findings.add_by_host(f"secrets lie about after kill {number}", cloud.secrets_that_lie_about())
            told = f"task {task} of {len(seconds)} after {delay} s: {last} ({time.monotonic() - began:.0f} s)"
            record_property(f"kill {number}", told)
            LOG.info("kill %s: %s", number, told)
            break
        started = [f"{one.name} ({one.path})" for one in read_tasks(cloud.log(), time.time())]
        strangers = [one for one, other in zip(started, reference.tasks, strict=False) if one != other]
        if strangers:
            # The numbers of tasks are those of others then: the points are random all the same.
            record_property(f"kill {number}: tasks in another place than undisturbed", strangers[:5])


def silent(answers: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return, by host, what did not answer."""
    return {host: [line for line in lines if line.startswith(SILENT)] for host, lines in answers.items()}


def compare_files(cloud: Cloud, reference: Reference, findings: Findings) -> None:
    """Note in which files the hosts differ from the reference, and keep them."""
    found = difference(reference.manifest, cloud.manifest())
    if found:
        findings.add_by_host("files differ from the reference (-)", found)
        kept = cloud.scratch / "killed"
        findings.add(f"the files of the hosts are in {kept}.*, those of the reference in {reference_file(cloud)}.*")
        cloud.keep_files(str(kept))


def compare_contents(cloud: Cloud, reference: Reference, findings: Findings) -> None:
    """Note in what else hosts and cloud differ from the reference, once they have had time to tell."""
    found, now = {"all": ["nothing was looked at"]}, reference.state
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE if attempt else 0)
        now = cloud.contents()
        found = difference(reference.state, now)
        if not found:
            break
    findings.add_by_host("hosts differ from the reference (-) in what is no file", found)
    # The same in both says nothing.
    findings.add_by_host("not compared", silent(now))


def check_end(cloud: Cloud, reference: Reference, secrets_before: dict[str, str], findings: Findings) -> None:
    """Note what is wrong at the very end, with the hosts, and with the secrets, all of which were there before."""
    with findings.looking_at("what is wrong with the hosts"):
        # What is wrong without a kill is another matter.
        now = cloud.wrong()
        found = difference(reference.wrong, now)
        more = {host: [line for line in lines if line.startswith("+")] for host, lines in found.items()}
        findings.add_by_host("wrong with the hosts", more)
        findings.add_by_host("what is wrong is not known", silent(now))
    with findings.looking_at("the secrets"):
        known = cloud.secrets()
        anew = {name for name in {*known, *secrets_before} if known.get(name) != secrets_before.get(name)}
        findings.add_by_host("secrets that the killed deployment made, changed or lost", {"site": sorted(anew)})


def test_deployment_that_is_killed_again_and_again_ends_as_an_undisturbed_one(
    cloud: Cloud, record_property: Record
) -> None:
    reference = kept_reference(cloud, record_property)
    if not KILLS:
        return
    cloud.prepare_fresh_hosts(keep_secrets=True)
    secrets_before = cloud.secrets()
    findings = Findings()
    began = time.monotonic()
    kill(cloud, reference, findings, record_property)
    killed = time.monotonic()
    record_property("seconds with kills", round(killed - began))

    findings.check_run("the deployment after the last kill", cloud.run(DEPLOY))
    record_property("seconds of the deployment after the last kill", round(time.monotonic() - killed))
    with findings.looking_at("the files of the hosts"):
        compare_files(cloud, reference, findings)
    compare_contents(cloud, reference, findings)
    again = cloud.run(DEPLOY)
    findings.check_run("one more deployment", again)
    if again.changed:
        rows = [line for line in cloud.log().splitlines() if " changed: " in line]
        findings.add_by_host("one more deployment changes something", {"all": rows})
    check_end(cloud, reference, secrets_before, findings)
    record_property("seconds in all", round(time.monotonic() - began))
    if findings.texts:
        # As text of its own, which nothing shortens.
        pytest.fail("\n\n".join(findings.texts), pytrace=False)
