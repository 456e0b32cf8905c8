# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stages of `make lab` on a site of its own: a machine with an empty disk becomes a compute, and guests run on it.

ACCENTOS_TEST_CONVERGED=1 takes the lab that is there, and ACCENTOS_TEST_KEEP=1 leaves it for a look.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmark.sites import moved
from tools.steps import lab as way

from .conftest import DESTROY, ROOT, Lab, Run

# It makes a whole cloud, and waits for a machine that may be emulated.
pytestmark = pytest.mark.long

NAME, NETWORKS = "onelab", "10.84."
MACHINE, CONTAINER, CLIENT = "compute-2", "compute-1", "deploy-1"


class Cloud(Lab):
    """A lab like that of `make lab`, with the client of OpenStack on its deploy host."""

    def __init__(self, site: Path) -> None:
        super().__init__(site.parent, site, ROOT / ".lab" / NAME)

    def go(self) -> dict[str, Run]:
        """Run all stages, one after the other, and return what each left."""
        return {stage.name: self.succeed(*stage.arguments) for stage in way.STAGES}

    def openstack(self, command: str) -> list[dict[str, Any]]:
        """Return the rows that a command of the client lists."""
        rows = json.loads(self.sh(CLIENT, f"openstack {command} --format json"))
        assert isinstance(rows, list)
        return rows


def site_elsewhere(site: Path) -> Path:
    """Write the site of the lab to SITE, with another name and other networks."""
    # The containers are known by the folder of their site, so it is the same in each run.
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / way.SITE, site)
    for file in site.rglob("*.yml"):
        file.write_text(moved(file.read_text(encoding="utf-8"), "10.90.", NETWORKS, NAME), encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give the cloud at the end of all stages, and remove it afterwards."""
    made = Cloud(site_elsewhere(ROOT / ".cache" / NAME / "site"))
    if not os.environ.get("ACCENTOS_TEST_CONVERGED"):
        made.succeed(DESTROY)
        made.go()
    yield made
    if not os.environ.get("ACCENTOS_TEST_KEEP"):
        made.remove(request)


def test_the_machine_is_one(cloud: Cloud) -> None:
    assert cloud.sh("rack-1", f"virsh domstate {MACHINE}").strip() == "running"
    assert cloud.sh(MACHINE, "systemd-detect-virt --container || true").strip() == "none"
    # The second line of the heading is a rule.
    ports = [line.split() for line in cloud.sh("rack-1", f"virsh domiflist {MACHINE}").strip().splitlines()[2:]]
    assert [port[2] for port in ports] == ["br-management", "br-tunnel", "br-storage"]
    # Its kernel is its own, not that of the containers.
    assert cloud.sh(MACHINE, "cat /proc/sys/kernel/random/boot_id") != cloud.sh(
        CONTAINER, "cat /proc/sys/kernel/random/boot_id"
    )


def test_its_agents_are_up(cloud: Cloud) -> None:
    services = {row["Host"]: row for row in cloud.openstack("compute service list --service nova-compute")}
    assert {host: (row["Status"], row["State"]) for host, row in services.items()} == {
        CONTAINER: ("enabled", "up"),
        MACHINE: ("enabled", "up"),
    }
    agents = [row for row in cloud.openstack("network agent list") if row["Host"].split(".")[0] == MACHINE]
    assert {row["Agent Type"]: row["Alive"] for row in agents} == {
        "OVN Controller agent": True,
        "OVN Metadata agent": True,
    }


def test_its_capacity_counts(cloud: Cloud) -> None:
    shown = {row["Hypervisor Hostname"].split(".")[0]: row for row in cloud.openstack("hypervisor list --long")}
    assert {name: row["State"] for name, row in shown.items()} == {CONTAINER: "up", MACHINE: "up"}
    assert shown[MACHINE]["vCPUs"] == int(cloud.sh(MACHINE, "nproc"))
    memory = int(cloud.sh(MACHINE, "awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo"))
    assert abs(shown[MACHINE]["Memory MB"] - memory) < memory // 10


def test_a_second_run_changes_nothing_and_guests_run_on_both(cloud: Cloud) -> None:
    again = cloud.go()
    assert {name: run.changed for name, run in again.items() if run.changed} == {}
    guests = re.findall(r"^.*\bguests\b.* on (\S+) and (\S+)", again["guests"].output, re.MULTILINE)
    assert [sorted(found) for found in guests] == [[CONTAINER, MACHINE]], again["guests"].output
