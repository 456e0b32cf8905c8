# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of `make lab` as data: from an empty machine to a cloud in which guests run.

Each stage is one run of ansible-playbook that finds out by itself what is done already, so nothing here remembers how
far a run came. What a stage leaves, a summary for the report, is of no use to another stage.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import venv
from .engine import Job, Step

# Where the lab can be left as it is, in this order.
STOPS = ("hosts", "machines", "cloud", "guests")
# Where it ends without a word.
DEFAULT_STOP = STOPS[-1]
SITE = "inventories/lab"
SUMMARIES = ".cache/lab-stages"
# Machines are installed while containers become a cloud, so neither run touches the hosts of the other.
MACHINES = "bare_metal"
CONTAINERS = f"all:!{MACHINES}"
BESIDE = "cloud and machines"
DOCTOR = "doctor"


@dataclass(frozen=True)
class Stage:
    """One run of ansible-playbook with `arguments`, playbooks and options; `timeout` in seconds.

    stop: the first of STOPS that has it. group: stages of the same one run at the same time.
    """

    name: str
    why: str
    stop: str
    arguments: tuple[str, ...]
    timeout: int = 3600
    group: str = ""


STAGES = (
    Stage(
        "lab hosts",
        "The hosts of the lab are made as containers, with disks for those that store data.",
        "hosts",
        ("molecule/shared/create.yml", "molecule/shared/disks.yml"),
    ),
    Stage(
        "prepare",
        "The hosts are made ready for the roles.",
        "hosts",
        ("playbooks/prepare.yml", f"--limit={CONTAINERS}"),
    ),
    Stage(
        "rack",
        "Machines with empty disks are put into the rack, each with its management controller.",
        "machines",
        ("molecule/shared/rack.yml",),
    ),
    # The longer one first: it has no more to wait for then.
    Stage(
        "machines",
        "The machines are turned on, installed over the network, and prepared.",
        "machines",
        ("playbooks/provision.yml",),
        timeout=7200,
        group=BESIDE,
    ),
    Stage(
        "cloud",
        "The containers become a cloud.",
        "cloud",
        ("playbooks/deploy.yml", f"--limit={CONTAINERS}"),
        timeout=7200,
        group=BESIDE,
    ),
    Stage(
        "machines join",
        "The installed machines become computes of the cloud.",
        "cloud",
        ("playbooks/deploy.yml", f"--limit={MACHINES}"),
        timeout=7200,
    ),
    Stage(
        "command line",
        "A host from which an administrator uses the cloud.",
        "cloud",
        ("playbooks/client.yml",),
    ),
    Stage(
        "guests",
        "Guests prove that the cloud does what it is for.",
        "guests",
        ("playbooks/verify.yml",),
        timeout=7200,
    ),
    Stage(
        DOCTOR,
        "All hosts and services are looked at; the page of it is how the lab is, as built.",
        "guests",
        # The way was gone to its end: what is not well is told by the report.
        ("playbooks/doctor.yml", "--extra-vars=doctor_fail=false"),
    ),
)


def stages_until(stop: str) -> tuple[Stage, ...]:
    """Return the stages up to STOP, one of STOPS. Raises ValueError."""
    if stop not in STOPS:
        raise ValueError(f"{stop!r} is none of {', '.join(STOPS)}")
    wanted = STOPS[: STOPS.index(stop) + 1]
    return tuple(stage for stage in STAGES if stage.stop in wanted)


def summary_file(stage: str) -> str:
    """Return the file below the checkout that has the summary of the STAGE of that name."""
    return f"{SUMMARIES}/{stage.replace(' ', '-')}.json"


def step(stage: Stage, beside: bool) -> Step:
    """Return the step that runs STAGE; BESIDE others it leaves the terminal alone."""
    summary = summary_file(stage.name)

    def action(job: Job) -> None:
        file = job.root / summary
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        program = (f"{venv.BIN}/ansible-playbook", f"--inventory={SITE}", *stage.arguments)
        job.call(*program, env={"ACCENTOS_STAGES_JSON_PATH": str(file)})

    return Step(
        stage.name,
        stage.why,
        action,
        timeout=stage.timeout,
        terminal=not beside,
        group=stage.group if beside else "",
        remedy="Mend what the message names; the same command goes on from here.",
    )


def steps(stop: str) -> tuple[Step, ...]:
    """Return the steps of the lab up to STOP, one of STOPS, and the report at their end. Raises ValueError."""
    wanted = stages_until(stop)
    groups = [stage.group for stage in wanted if stage.group]
    report = Step(
        "report",
        "What there is now, and how it is used.",
        (venv.PYTHON, "-m", "tools.steps.lab_report", stop),
        timeout=60,
        terminal=True,
    )
    return (*(step(stage, groups.count(stage.group) > 1) for stage in wanted), report)
