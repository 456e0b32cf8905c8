# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Both agents together: the ramdisk's asks the real service over TLS, from its enrolment to the end of its stages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from accentos_ramdisk.client import Client
from accentos_ramdisk.enrolment import enrol
from accentos_ramdisk.errors import AgentError
from accentos_ramdisk.inventory import take_inventory
from accentos_ramdisk.stages import STAGES, install
from ansible_collections.accentos.cloud.plugins.filter.cobbler_hardware import cobbler_hardware
from ansible_collections.accentos.cloud.plugins.module_utils.provisioner import list_machines
from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import read_hardware

from tests.agents.provisioner.cobblerd import FakeCobbler
from tests.agents.provisioner.conftest import MAC, Running
from tests.agents.ramdisk.test_inventory import whole
from tests.agents.ramdisk.test_stages import World
from tests.agents.tls import Pki


@pytest.fixture
def cobbler() -> Iterator[FakeCobbler]:
    made = FakeCobbler()
    made.add("compute-1")
    yield made
    made.stop()


@pytest.fixture
def running(tmp_path: Path, pki: Pki, cobbler: FakeCobbler) -> Iterator[Running]:
    made = Running(tmp_path / "service", pki, cobbler)
    yield made
    made.stop()


class Wire:
    """The real client for the service; the image comes from memory."""

    def __init__(self, client: Client, world: World) -> None:
        self.post = client.post
        self.download = world.service.download


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cobbler: FakeCobbler) -> World:
    (tmp_path / "world").mkdir()
    (tmp_path / "service").mkdir()
    made = World(tmp_path / "world", monkeypatch)
    cobbler.texts["compute-1"] = json.dumps(made.service.wanted)
    return made


def test_a_stranger_becomes_a_deployed_host(world: World, running: Running) -> None:
    approved: list[bool] = []

    def approve(_seconds: float) -> None:
        if not approved:
            (row,) = running.admin("GET", "enrolments")["enrolments"]
            approved.append(running.admin("PUT", "enrolments", row["id"], "approval", host="compute-1")["changed"])

    token = enrol(running.client, {"cards": [{"mac": MAC}]}, approve)
    install(Wire(running.client, world), token, [MAC], world.machine, {"cards": [{"mac": MAC}]})
    machine = running.admin("GET", "machines", "compute-1")
    assert (machine["state"], machine["host_keys"]) == ("deployed", ["ssh-ed25519 AAAA"])
    assert [row["stage"] for row in machine["stages"]] == list(STAGES)
    assert machine["inventory"] == {"cards": [{"mac": MAC}]}
    assert running.cobbler.token("compute-1") is None
    assert world.restarts == ["reboot"]


def test_a_machine_of_the_site_reports_its_hardware_with_its_first_question(
    world: World, running: Running, tmp_path: Path
) -> None:
    running.arm()
    token = str(running.cobbler.token("compute-1"))
    install(Wire(running.client, world), token, [MAC], world.machine, take_inventory(whole(tmp_path / "machine")))
    (change,) = cobbler_hardware(
        {"compute-1": {"autoinstall_meta": {"accentos_specification": "{}"}}}, list_machines(running.socket)
    )
    hardware = read_hardware(change["autoinstall_meta"])
    assert (hardware["cpu"]["threads"], hardware["memory_mib"], hardware["firmware"]) == (4, 2048, "bios")
    assert hardware["numa"] == [{"id": 0, "cpus": "0-3", "memory_mib": 2048}]
    assert [card["mac"] for card in hardware["cards"]] == ["52:54:00:00:00:0a", "52:54:00:00:00:0b"]
    assert [disk["path"] for disk in hardware["disks"]] == ["/dev/nvme0n1", "/dev/sda", "/dev/sdb", "/dev/sdc"]
    assert all(disk["size"] > 0 for disk in hardware["disks"])
    assert "NV1" in [disk.get("serial") for disk in hardware["disks"]]


def test_a_failed_stage_is_known_with_its_reason(world: World, running: Running) -> None:
    running.arm()
    world.fails("sfdisk")
    with pytest.raises(AgentError):
        install(
            Wire(running.client, world),
            str(running.cobbler.token("compute-1")),
            [MAC],
            world.machine,
            {"cards": [{"mac": MAC}]},
        )
    machine = running.admin("GET", "machines", "compute-1")
    assert (machine["state"], machine["stages"][-1]["stage"]) == ("failed", "disks")
    assert "it does not work" in machine["stages"][-1]["detail"]
    # Netboot stays on: armed again, the machine starts over at its next boot.
    assert running.arm()
