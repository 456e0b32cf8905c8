# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The benchmarks as data: what each measures, how it is run, what it needs, and what its figures are held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tests.benchmark.figures import RATIO, Bar, Figure

LAB_FRESH = "make lab to guests, nothing cached"
LAB_CACHED = "make lab to guests, caches of another lab"
HOSTS_AGAIN = "hosts made again, caches warm"
LAB_AGAIN_CHANGES = "make lab again, things changed"
REPEAT_CHANGES = "second deployment, things changed"
REPEAT = "second deployment"
REPEAT_SECONDS = "second deployment, by the clock"
WHOLE_DEPLOYMENT = "deployment with a guest"
COMPUTE_TASKS = "tasks of a compute"
# Over how many computes the control node's own part is measured; the last has a bar.
COMPUTES = (100, 200, 1000)
MANY_MEMORY = f"peak memory over {COMPUTES[-1]} computes"
POWER_ON = "power-on to ssh without firmware"
PROVISIONED = "molecule/provision/inventory"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    program: file in tests/benchmark, given `arguments`; with `before` and `after`, each the arguments of one more run,
    it makes ready and tidies up, the latter also when something failed. minutes: about how long all of that takes.
    needs: what must be there, in words. lab: the lab that must stand for it, by the name of its folder in .lab; such a
    benchmark is left out of an evening's run when it does not. bars: by what the figures are called.
    """

    name: str
    measures: str
    program: str
    minutes: int
    needs: str
    arguments: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    lab: str = ""
    bars: Mapping[str, Bar] = field(default_factory=dict)


# In the order in which they run: what fills caches comes after the one that measures without.
BENCHMARKS = (
    Benchmark(
        "lab",
        "a newcomer's way: make lab, make lab again, and its hosts made a second time",
        "lab.py",
        60,
        "what make lab needs",
        after=(("--remove",),),
        bars={
            LAB_FRESH: Bar(1500, "s"),
            LAB_CACHED: Bar(720, "s"),
            HOSTS_AGAIN: Bar(60, "s"),
            LAB_AGAIN_CHANGES: Bar(0, "changes"),
        },
    ),
    *(
        Benchmark(
            f"computes_{hosts}",
            f"what the control node needs to deploy {hosts} computes that are not there: memory, seconds for each task",
            "thousand_computes.py",
            max(5, 60 * hosts // 1000),
            "util-linux's unshare, and root or user namespaces",
            arguments=("--hosts", str(hosts)),
            bars={COMPUTE_TASKS: Bar(60, "tasks")} | ({MANY_MEMORY: Bar(4096, "MiB")} if hosts == COMPUTES[-1] else {}),
        )
        for hosts in COMPUTES
    ),
    Benchmark(
        "deploy_floor",
        "the deployment of a cloud beside a plain script that does the same, and a second one that changes nothing",
        "deploy_floor.py",
        90,
        "what make lab UNTIL=hosts needs, and 10.97.0.0/16",
        arguments=("--again", "create"),
        # Fills the package cache, from which both sides then take their packages.
        before=(("--again", "create", "--until", "deploy"),),
        after=(("--remove",),),
        bars={
            WHOLE_DEPLOYMENT: Bar(1.25, RATIO),
            REPEAT: Bar(0.2, RATIO),
            REPEAT_SECONDS: Bar(60, "s"),
            REPEAT_CHANGES: Bar(0, "changes"),
            COMPUTE_TASKS: Bar(60, "tasks"),
        },
    ),
    Benchmark(
        "power_on_to_ssh",
        "the installation of a machine beside the same image piped onto the same machine by hand",
        "power_on_to_ssh.py",
        15,
        "the lab of the scenario provision with its rack",
        arguments=("--inventory", PROVISIONED, "--runs", "3"),
        lab="provision",
        bars={POWER_ON: Bar(1.3, RATIO)},
    ),
    Benchmark(
        "boot_clients",
        "up to 200 machines that fetch kernel, ramdisk and image at the same moment beside one",
        "boot_clients.py",
        10,
        "the lab of the scenario provision with its images",
        arguments=("--inventory", PROVISIONED),
        lab="provision",
    ),
    Benchmark(
        "cobbler_systems",
        "100 systems of Cobbler in one call beside a loop over community.general's module",
        "cobbler_systems.py",
        10,
        "the lab of the scenario provision with its Cobbler",
        arguments=("--inventory", PROVISIONED),
        lab="provision",
        # Who is slower than the loop has no reason to be.
        bars={"define": Bar(1, RATIO), "define and sync": Bar(1, RATIO), "repeat, nothing to do": Bar(1, RATIO)},
    ),
)


def judged(name: str, figures: Iterable[Figure]) -> list[Figure]:
    """Return the FIGURES of benchmark NAME with their bars. Raises KeyError when there is no such benchmark."""
    bars = {one.name: one.bars for one in BENCHMARKS}[name]
    return [replace(figure, bar=bars.get(figure.what)) for figure in figures]
