# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verbs of the Makefile as data."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import lab, labs, packages, venv
from .engine import Job, Needs, Step, StepError
from .machine import LAB, lab_folders, read

BIN = venv.BIN
PYTHON = venv.PYTHON
COLLECTION = "collections/ansible_collections/accentos/cloud"
RESULTS = ".cache/junit"
LAB_NOTE = "lab.json"
DEFAULT_SITE = lab.SITE
NEW_SITE = "inventories/production"
LAB_PACKAGES = (
    "podman",
    "runc",
    "netavark",
    "aardvark-dns",
    "mmdebstrap",
    "zstd",
    "openssh-client",
    "debian-archive-keyring",
    "iproute2",
    "nftables",
    "iptables",
    # Tries whether KVM works; emulates bare metal where it does not.
    "qemu-system-arm" if platform.machine() == "aarch64" else "qemu-system-x86",
)
LAB_PROGRAMS = {"podman": "podman", "mmdebstrap": "mmdebstrap", "ssh": "openssh-client", "ip": "iproute2"}
# zstd and e2fsprogs are for the tests of the ramdisk agent, the last two for signatures of a release.
QUICK_PACKAGES = ("shellcheck", "zstd", "e2fsprogs", "gpg", "gpg-agent")
# Hardware for the tests of module power: outlets behind SNMP, and a controller with bad habits. The tests start their
# programs themselves; the services of the packages are of no use.
POWER_PACKAGES = ("snmpd", "openipmi")
ASLEEP = {name: f"{name}.service" for name in POWER_PACKAGES}
# Tests that wait for servers, run whole playbooks or build releases: too slow for test-quick, which leaves them out.
SLOW_TESTS = ("tests/power", "tests/playbooks", "tests/release", "tests/stages")
# Steps of a group run at the same time, in their order, as far as there are lanes.
HOSTS = "hosts"
LAB_TESTS = "tests/lab"
# They deploy a cloud twice and kill it many times, in a lab of their own.
DEPLOYMENT_TESTS = "tests/lab/test_deploy_kills.py"
# Scenario that leaves its hosts to tests/lab.
LAB_OF_TESTS = "prepare"
# Sites of the labs that its longest tests make, beside that one.
OWN_SITES = ("molecule/openstack/inventory", ".cache/onelab/site")
# The one verb of the documentation that would take the labs of other steps away.
LAB_REMOVAL = "lab-down"
QUICK_NEEDS = Needs(disk_mib=2048)
# Wherever a lab was made, it can be removed.
REMOVAL_NEEDS = Needs(root=True, plain_path=False)
LAB_NEEDS = Needs(root=True, disk_mib=8192, memory_mib=4096, containers=True)
# A cloud with Ceph, and a machine of its own. Hosts alone are content with what other labs need.
CLOUD_NEEDS = LAB_NEEDS | Needs(
    disk_mib=20480, memory_mib=12288, smaller=f"Or end with prepared hosts: make lab UNTIL={lab.STOPS[0]} needs less."
)
# Python that mypy reads, and programs without the ending .py that ruff would not find.
TYPED = (
    f"{COLLECTION}/plugins",
    f"{COLLECTION}/agents",
    f"{COLLECTION}/roles",
    f"{COLLECTION}/tests/unit",
    "tools",
    "tests",
    "conftest.py",
)
SCRIPTS = ("tools/ansible-test", "tools/build-collections", "tools/check-site", "tools/run-docs", "tools/set-secret")


# Words that may follow a verb; no others take any.
ARGUMENTS = {
    "lab": ("[UNTIL]",),
    "init": ("[SITE]", "[ANSWERS]"),
    "check": ("[SITE]",),
    "bench": ("[ONLY]",),
}
# What the word may be, for verbs that know all.
WORDS = {"lab": lab.STOPS}


@dataclass(frozen=True)
class Verb:
    """One target of the Makefile: its steps, the Debian packages they use, and how its end is judged.

    programs: those that the steps run as root, with their packages; they have to be in root's PATH.
    """

    steps: tuple[Step, ...]
    packages: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    needs: Needs = field(default_factory=Needs)
    keep_going: bool = False
    counts_tests: bool = False


def apt_step(wanted: tuple[str, ...]) -> Step:
    """Return the step that installs the Debian packages WANTED."""
    return Step(
        name="system packages",
        why=f"The steps run programs from {', '.join(wanted)}.",
        action=packages.install(wanted, ASLEEP),
        timeout=1800,
        essential=True,
        remedy="Look at apt's errors above; `apt-get update` by hand shows whether the mirror answers.",
    )


def site_check(site: str) -> Step:
    """Return the step that checks the folder of SITE."""
    return Step(
        "site check",
        "A mistake in the site folder is told before anything is touched.",
        # A folder may be called as an option is.
        (PYTHON, "tools/check-site", "--", site),
        timeout=120,
        remedy="Mend the file and line that the check names.",
        terminal=True,
    )


def site_init(site: str, answers: str = "") -> Step:
    """Return the step that makes the folder SITE, with what the file ANSWERS says."""
    return Step(
        "site folder",
        "A new site begins with a folder that the check finds nothing wrong with.",
        (
            f"{BIN}/ansible-playbook",
            # No other site has a part in it.
            "--inventory=localhost,",
            "playbooks/init.yml",
            *([f"--extra-vars=@{answers}"] if answers else ()),
            # Whatever the name of the folder is, it is no template.
            f"--extra-vars={{site_folder: !unsafe {json.dumps(site, ensure_ascii=False)}}}",
        ),
        timeout=120,
        remedy="Mend what it names: an answer, or the name of the folder.",
        terminal=True,
    )


def lab_removed(job: Job) -> None:
    """Remove what the labs kept in the checkout, once their hosts are gone."""
    venv.remove(job.root / lab.SUMMARIES)
    venv.remove(job.root / LAB)
    job.say(f"{LAB}/ is removed")


def lab_note(folder: Path, root: Path, found: Mapping[str, str]) -> dict[str, str]:
    """Return name and owner, its site folder, of the lab that keeps its files in FOLDER of checkout ROOT.

    Both stand in the note that create.yml wrote there. Where it is gone they are found by the name: in FOUND, the
    owners of what is on the machine, or as site folder of that name. Raises StepError.
    """
    name, owner = folder.name, found.get(folder.name, str(folder))
    for site in (root / DEFAULT_SITE, *sorted(root.glob("molecule/*/inventory"))):
        if name not in found and f"lab_name: {name}" in read(site / "group_vars/all/lab.yml").splitlines():
            owner = str(site.resolve())
    if note := read(folder / LAB_NOTE):
        try:
            noted = json.loads(note)
            name, owner = noted["lab_name"], noted["lab_owner"]
            right = re.fullmatch(r"[a-z0-9-]+", name) and re.fullmatch(r"/[^{}]*", owner)
        except (ValueError, TypeError, KeyError):
            right = None
        if not right:
            raise StepError(f"{folder / LAB_NOTE} is no note of a lab. Remove it, and the lab is found by its name.")
    return {"lab_name": name, "lab_owner": owner}


def lab_removal(name: str, folder: Path, found: Mapping[str, str], last: bool) -> Step:
    """Return step NAME, which removes hosts and networks of the lab in FOLDER; the LAST one also what labs share.

    FOUND has the owners of the labs that are on the machine.
    """

    def action(job: Job) -> None:
        known = {**lab_note(folder, job.root, found), "lab_state_dir": str(folder), "lab_remove_caches": last}
        # The site folder may be broken or gone, so nothing is asked of it.
        playbook = (f"{BIN}/ansible-playbook", "--inventory=localhost,", "molecule/shared/destroy.yml")
        job.call(*playbook, f"--extra-vars={json.dumps(known)}")

    shared = " and what labs share: image and package cache" if last else ""
    why = f"Hosts and networks of the lab {folder.name} are removed{shared}."
    return Step(name, why, action, timeout=900, terminal=True)


def git_files(root: Path) -> list[str]:
    """Return the files of the checkout ROOT that git knows or would add, without those deleted in the work tree.

    Raises StepError.
    """
    result = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise StepError(f"git does not list the files: {result.stderr.strip()}", result.returncode)
    return sorted({name for name in result.stdout.split("\0") if name and (root / name).is_file()})


def is_shell(first_line: bytes) -> bool:
    """Tell from its FIRST_LINE whether a file is a shell program that shellcheck knows."""
    words = first_line.removeprefix(b"#!").replace(b"/", b" ").split() if first_line.startswith(b"#!") else []
    return bool(words) and any(word in (b"sh", b"bash", b"dash") for word in words)


def shellcheck(job: Job) -> None:
    """Check every shell program of the checkout."""
    found = []
    for name in git_files(job.root):
        with (job.root / name).open("rb") as file:
            if not name.endswith(".j2") and is_shell(file.readline(200)):
                found.append(name)
    if not found:
        raise StepError("no shell program was found; .ci/run and tools/accentos are expected")
    job.say(f"{len(found)} files: {' '.join(found)}")
    job.call("shellcheck", "--norc", *found)


def quality_steps(*, coverage: bool) -> tuple[Step, ...]:
    """Return the checks that need neither containers nor administrator rights; they run at the same time.

    With COVERAGE the slow tests judge later what these have covered; it makes them slower.
    """
    pytest = (
        PYTHON,
        "-m",
        "pytest",
        # One process would take nearly as long as all of test-quick may. Of two, one waits for the other at the end.
        "--numprocesses=3",
        "--dist=loadfile",
        *(f"--ignore={folder}" for folder in (LAB_TESTS, *SLOW_TESTS)),
        # What is covered is judged once the slow tests have added theirs.
        *(("--cov", "--cov-report=", "--cov-fail-under=0") if coverage else ()),
        f"--junitxml={RESULTS}/pytest.xml",
    )
    rows: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("ruff check", "Mistakes that a linter sees in Python.", (f"{BIN}/ruff", "check", ".", *SCRIPTS)),
        ("ruff format", "One layout of Python.", (f"{BIN}/ruff", "format", "--check", ".", *SCRIPTS)),
        ("mypy", "Types fit together.", (f"{BIN}/mypy", *TYPED)),
        ("yamllint", "One layout of YAML.", (f"{BIN}/yamllint", "--strict", ".")),
        ("ansible-lint", "Playbooks and roles follow the production profile.", (f"{BIN}/ansible-lint", "--strict")),
    )
    return (
        Step(
            "unit tests",
            "Decisions, the runner, the quality of the tree.",
            pytest,
            timeout=900,
            tests=(f"{RESULTS}/pytest.xml",),
            group="quick",
        ),
        *(Step(name, why, argv, timeout=600, group="quick") for name, why, argv in rows),
        Step("shellcheck", "Mistakes that a linter sees in shell programs.", shellcheck, group="quick"),
    )


def slow_tests_step() -> Step:
    """Return the tests that need no containers but time, and the verdict on the coverage of both."""
    result = f"{RESULTS}/slow.xml"
    return Step(
        "slow tests",
        "Power drivers against servers, whole playbooks, releases, the terminal; coverage of all of Python.",
        (
            PYTHON,
            "-m",
            "pytest",
            # They wait for servers and playbooks more than they compute.
            "--numprocesses=4",
            "--dist=loadfile",
            *SLOW_TESTS,
            "--cov",
            "--cov-append",
            "--cov-report=term",
            f"--junitxml={result}",
        ),
        timeout=1800,
        tests=(result,),
        group=HOSTS,
    )


def ansible_test_step(kind: str, why: str, timeout: int, result: str) -> Step:
    """Return the run of Ansible's own test tool that is of such a KIND and leaves files named like RESULT."""
    return Step(
        f"ansible-test {kind}",
        why,
        (PYTHON, "tools/ansible-test", kind),
        timeout=timeout,
        tests=(f"{COLLECTION}/tests/output/junit/{result}",),
        group=HOSTS,
    )


def reference_step() -> Step:
    """Return the step that reads the documentation of all modules, plug-ins and roles as the site of Ansible would."""
    return Step(
        "reference",
        "Options, examples and references in the documentation of modules, plug-ins and roles.",
        (
            f"{BIN}/antsibull-docs",
            "lint-collection-docs",
            "--plugin-docs",
            # What it would say of the pages is for the program that writes them.
            "--skip-rstcheck",
            "--validate-collection-refs=dependent",
            "--disallow-unknown-collection-refs",
            COLLECTION,
        ),
        timeout=600,
        group=HOSTS,
    )


def witness(*sites: str) -> tuple[str, ...]:
    """Return the program that keeps what hosts of the labs of SITES tell, once a step has failed."""
    return (PYTHON, "-m", "tools.steps.failures", *sites)


def scenario_step(scenario: str, why: str, timeout: int, group: str = "", env: Mapping[str, str] | None = None) -> Step:
    """Return the step that runs a SCENARIO of Molecule with ENV, beside others of its GROUP if it has one."""
    molecule, which = f"{BIN}/molecule", ("--scenario-name", scenario)
    return Step(
        f"molecule {scenario}",
        why,
        # By itself it removes the hosts of a scenario that failed, and with them all that tells why.
        (molecule, "test", *which, "--destroy=never"),
        timeout=timeout,
        tests=(f"{RESULTS}/molecule-{scenario}.xml",),
        group=group,
        uses=f"lab of {scenario}",
        env=dict(env or {}),
        witness=witness(f"molecule/{scenario}/inventory"),
        removal=() if scenario == LAB_OF_TESTS else (molecule, "destroy", *which),
    )


def lab_tests_step(
    name: str, why: str, root: Path, marked: str, group: str = "", tests: tuple[str, ...] = (LAB_TESTS,)
) -> Step:
    """Return the step NAME that runs those of TESTS that are MARKED so, by default all of tests/lab, on lab hosts."""
    sites = (f"molecule/{LAB_OF_TESTS}/inventory", *(OWN_SITES if marked == "long" else ()))
    result = f"{RESULTS}/{name.replace(' ', '-')}.xml"
    return Step(
        name,
        why,
        (PYTHON, "-m", "pytest", *tests, "-m", marked, f"--junitxml={result}"),
        timeout=3600,
        tests=(result,),
        env={
            "ACCENTOS_TEST_SITE": f"molecule/{LAB_OF_TESTS}/inventory",
            # The search for secrets reads all files there, so nobody else may remove them meanwhile.
            "ANSIBLE_HOME": str(root / ".cache/ansible-lab"),
        },
        group=group,
        uses=f"lab of {LAB_OF_TESTS}",
        # Labs that tests remove at their own end are looked at before; these are left when the time is up.
        witness=witness(*sites),
    )


def documentation_step(root: Path, name: str, why: str, *options: str, group: str = "") -> Step:
    """Return the step NAME that runs the commands of the documentation in ROOT that OPTIONS do not leave out."""
    documents = ["README.md", *sorted(str(path.relative_to(root)) for path in root.glob("docs/*.md"))]
    result = f"{RESULTS}/{name}.xml"
    return Step(
        name,
        why,
        (PYTHON, "tools/run-docs", "--junit", result, *options, *documents),
        timeout=3600,
        tests=(result,),
        # The whole way of `make lab` has a test of its own among those that take long.
        env={"UNTIL": lab.STOPS[0]},
        group=group,
        witness=witness(DEFAULT_SITE),
    )


def host_test_steps(root: Path) -> tuple[Step, ...]:
    """Return the tests that take long, most of them on hosts, in an order that keeps all lanes busy: longest first."""
    return (
        scenario_step(
            "openstack",
            "Prepared hosts become a cloud, a second run changes nothing, and the cloud is looked at from outside.",
            3600,
            HOSTS,
        ),
        scenario_step(
            "provision",
            "Images; machines with empty disks become hosts by way of Cobbler and their BMCs; faults.",
            3600,
            HOSTS,
        ),
        documentation_step(
            root,
            "documentation",
            "Every command of the guide that has a dollar sign works as written.",
            # All its steps have run by then.
            "--contained=test-quick",
            f"--later={LAB_REMOVAL}",
            group=HOSTS,
        ),
        scenario_step(
            "prepare",
            "Bare hosts are planned, prepared, found unchanged by a second run, and looked at from outside.",
            1800,
            HOSTS,
        ),
        lab_tests_step(
            "lab tests",
            "Killed runs, half-made labs, lying hosts, ending certificates, a search for secrets, borders of a lab.",
            root,
            "not long",
            HOSTS,
        ),
        scenario_step(
            "cobbler",
            "A deploy host gets Cobbler; another host boots from it, tries its doors, and looks on while it is killed.",
            2400,
            HOSTS,
        ),
        slow_tests_step(),
        reference_step(),
        ansible_test_step("sanity", "What Ansible asks of every collection.", 1200, "ansible-test-sanity-*.xml"),
    )


def long_test_steps(root: Path) -> tuple[Step, ...]:
    """Return what takes too long for every change: tests with the marker long, on labs of their own."""
    marked = {"ACCENTOS_TESTS": "long"}
    return (
        # The same tests are in "unit tests" of every change, where they take as long again.
        ansible_test_step(
            "units",
            "The unit tests as Ansible runs them, away from the checkout's own settings.",
            900,
            "python*-units.xml",
        ),
        scenario_step("openstack", "A compute leaves with a guest, and joins again.", 7200, env=marked),
        # It has the site of the one before, so its hosts are called as those.
        replace(
            scenario_step(
                "openvswitch",
                "The same cloud with the other driver of networks, agents and distributed routers instead of OVN.",
                7200,
                env={"ACCENTOS_TESTS": "long or not long"},
            ),
            uses="lab of openstack",
            witness=witness("molecule/openstack/inventory"),
        ),
        # It is in no shorter run yet, so all of it is here.
        scenario_step(
            "control_plane",
            "Database, messaging and network databases of three controllers go on without one of them.",
            7200,
            env={"ACCENTOS_TESTS": "long or not long"},
        ),
        scenario_step(
            "provision",
            "Machines that are prepared too, not only installed; a stranger; faults in the midst of an installation.",
            7200,
            # Molecule's own, which no task has, so none is left out.
            env=marked | {"ACCENTOS_SKIP_TAGS": "notest"},
        ),
        scenario_step(
            "machines",
            "Machines with empty disks become a whole cloud, controller and storage too; volumes on Ceph, LVM and NFS.",
            14400,
            env={"ACCENTOS_TESTS": "long or not long"},
        ),
        replace(
            lab_tests_step(
                "long lab tests",
                "More faults of labs, the rack of bare machines, and all stages of the lab twice.",
                root,
                "long",
                tests=(f"--ignore={DEPLOYMENT_TESTS}", LAB_TESTS),
            ),
            timeout=10800,
        ),
        replace(
            lab_tests_step(
                "killed deployments",
                "A deployment that is killed again and again ends as one that nobody disturbed.",
                root,
                "long",
                tests=(DEPLOYMENT_TESTS,),
            ),
            timeout=21600,
            uses="lab of openstack",
        ),
    )


def benchmarks_step(names: tuple[str, ...]) -> Step:
    """Return the step that runs the benchmarks NAMES, without any those that an evening has time for."""
    return Step(
        "benchmarks",
        "Figures beside their floors and bars; rows for docs/benchmarks.md.",
        (PYTHON, "-m", "tests.benchmark", *(f"--only={name}" for name in names)),
        # It ends a program that takes much too long itself.
        timeout=86400,
        remedy="Its last lines tell what failed or which bar was not met; all others were measured and kept.",
        terminal=True,
    )


def lab_verb(name: str, arguments: tuple[str, ...]) -> Verb:
    """Return the verb `lab` or `bench`, as NAME says, with ARGUMENTS. Raises ValueError."""
    before = (apt_step(LAB_PACKAGES), venv.step())
    if name == "bench":
        # The benchmark of that name makes a lab with guests.
        needs = LAB_NEEDS if arguments and "lab" not in arguments else replace(CLOUD_NEEDS, smaller="")
        return Verb((*before, benchmarks_step(arguments)), LAB_PACKAGES, LAB_PROGRAMS, needs)
    stop = arguments[0] if arguments else lab.DEFAULT_STOP
    needs = LAB_NEEDS if stop == lab.STOPS[0] else CLOUD_NEEDS
    return Verb((*before, site_check(DEFAULT_SITE), *lab.steps(stop)), LAB_PACKAGES, LAB_PROGRAMS, needs)


def lab_down(root: Path, environ: Mapping[str, str]) -> Verb | None:
    """Return the verb that removes all labs of ROOT, or None when there is nothing to remove. Raises OSError.

    An interrupted test leaves the lab of its scenario, so every folder that a lab made counts; and every lab on the
    machine, since its folder may be gone. Only root sees those, so anybody else has to become root to know.
    """
    folders = (root / LAB).exists()
    found = labs.find_labs(root, environ) if os.geteuid() == 0 else {}
    if (
        not folders
        and not found
        and (os.geteuid() == 0 or shutil.which("podman", path=environ.get("PATH", os.defpath)) is None)
    ):
        return None
    default = root / LAB / "lab"
    places = {*lab_folders(root), *(root / LAB / name for name in found)} - {default}
    others = [lab_removal(f"lab {place.name}", place, found, last=False) for place in sorted(places)]
    files = Step("lab files", "The keys and images of the lab are of no more use.", lab_removed)
    hosts = lab_removal("lab hosts", default, found, last=True)
    return Verb((venv.step(), *others, hosts, files), needs=REMOVAL_NEEDS, programs={"podman": "podman"})


def verb(name: str, arguments: tuple[str, ...], root: Path, environ: Mapping[str, str]) -> Verb | None:
    """Return verb NAME with ARGUMENTS for checkout ROOT, or None when it has nothing to do.

    Raises KeyError, ValueError where a word is none of WORDS, or OSError where the machine does not tell.
    """
    match name:
        case "lab" | "bench":
            return lab_verb(name, arguments)
        case "lab-down":
            return lab_down(root, environ)
        case "init" | "check":
            made, default = (site_init, NEW_SITE) if name == "init" else (site_check, DEFAULT_SITE)
            return Verb((venv.step(), made(*(arguments or (default,)))), needs=QUICK_NEEDS)
        case "test-quick":
            steps = (apt_step(QUICK_PACKAGES), venv.step(), *quality_steps(coverage=False))
            return Verb(steps, QUICK_PACKAGES, needs=QUICK_NEEDS, keep_going=True, counts_tests=True)
        case "test-long":
            steps = (apt_step(LAB_PACKAGES), venv.step(), *long_test_steps(root))
            return Verb(steps, LAB_PACKAGES, LAB_PROGRAMS, LAB_NEEDS, keep_going=True, counts_tests=True)
        case "test":
            wanted = LAB_PACKAGES + QUICK_PACKAGES + POWER_PACKAGES
            steps = (
                apt_step(wanted),
                venv.step(),
                *quality_steps(coverage=True),
                *host_test_steps(root),
                # The labs of all other steps would go with it, so it comes when they have ended.
                documentation_step(
                    root, LAB_REMOVAL, "The guide's last command leaves no lab.", f"--only={LAB_REMOVAL}"
                ),
            )
            return Verb(steps, wanted, LAB_PROGRAMS, LAB_NEEDS, keep_going=True, counts_tests=True)
    raise KeyError(name)
