# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compute leaves, its guest moves away, it joins again alone. The last file by name: others want both computes."""

from __future__ import annotations

from typing import Any

import pytest
from testinfra.host import Host

from .administrator import Administrator
from .playbooks import succeed

testinfra_hosts = ["ssh://controller-1"]
pytestmark = pytest.mark.long

NAME = "withdrawn"
# Network agents of a compute by the driver of networks.
AGENTS = {
    "openvswitch": ("neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent"),
    "ovn": ("neutron-ovn-metadata-agent", "ovn-controller"),
}
# At boot ovn-host starts ovn-controller, which goes with it.
UNITS = {
    "openvswitch": ("nova-compute", *AGENTS["openvswitch"]),
    "ovn": ("nova-compute", "neutron-ovn-metadata-agent", "ovn-host"),
}
# Makes a guest on the second compute, removes it, or prints what the services say.
PROGRAM = """
import json, sys

name, what = sys.argv[2:]

def make():
    with open("/var/lib/accentos/images/guest/disk.img", "rb") as disk:
        image = cloud.create_image(
            name, data=disk, disk_format="raw", container_format="bare", hw_rng_model="virtio", wait=True
        )
    flavor = cloud.create_flavor(name, ram=128, vcpus=1, disk=1)
    network = cloud.create_network(name)
    cloud.create_subnet(network.id, cidr="192.168.223.0/24", subnet_name=name)
    cloud.compute.default_microversion = "2.96"
    made = cloud.compute.create_server(
        name=name, imageRef=image.id, flavorRef=flavor.id, networks=[{"uuid": network.id}], host="compute-2"
    )
    cloud.compute.wait_for_server(made, wait=120)

def clean():
    for found in cloud.compute.servers(name=f"^{name}$"):
        cloud.compute.delete_server(found)
        cloud.compute.wait_for_delete(found, wait=60)
    for network in cloud.network.networks(name=name):
        cloud.network.delete_network(network)
    for flavor in cloud.compute.flavors():
        if flavor.name == name:
            cloud.compute.delete_flavor(flavor)
    for image in cloud.image.images(name=name):
        cloud.image.delete_image(image)

def look():
    services = [one for one in cloud.compute.services() if one.binary == "nova-compute"]
    guests = {one.name: one for one in cloud.compute.servers()}
    guest = guests.get(name)
    return {
        "services": sorted([one.host, one.status, one.state] for one in services),
        "hypervisors": sorted(one.name.partition(".")[0] for one in cloud.compute.hypervisors()),
        "providers": sorted(one.name.partition(".")[0] for one in cloud.placement.resource_providers()),
        "agents": sorted([one.host, one.binary, one.is_alive] for one in cloud.network.agents()),
        "guest": guest and [guest.compute_host, guest.status],
        "id": guest and guest.id,
    }

print(json.dumps({"make": make, "clean": clean, "look": look}[what]()))
"""


def disks(host: Host) -> list[str]:
    """Return the disks of guests that Ceph has."""
    return host.check_output("rbd ls vms").split()


def look_outside(host: Host, administrator: Administrator, driver: str) -> dict[str, Any]:
    """Return what the cloud, OVN's database where there is one, and the host itself say."""
    compute = Host.get_host("ssh://compute-2", ssh_config=host.backend.ssh_config)
    units = {name: (compute.service(name).is_running, compute.service(name).is_enabled) for name in UNITS[driver]}
    found = {**administrator(PROGRAM, NAME, "look"), "driver": driver, "units": units}
    if driver == "ovn":
        found["chassis"] = sorted(host.check_output("ovn-sbctl --bare --columns=hostname list Chassis").split())
        found["private"] = len(host.check_output("ovn-sbctl --bare --columns=name list Chassis_Private").split())
    return found


@pytest.fixture(scope="module")
def story(host: Host, administrator: Administrator, network_driver: str) -> dict[str, Any]:
    """Let compute-2 leave with a guest on it, once more, and join again; return what was seen after each."""
    removal = {"compute_removed": "compute-2"}
    try:
        administrator(PROGRAM, NAME, "make")
        before = {**administrator(PROGRAM, NAME, "look"), "disks": disks(host)}
        changed = succeed("remove_compute", variables=removal).changed()
        left = {"changed": changed, **look_outside(host, administrator, network_driver)}
        again = succeed("remove_compute", variables=removal).changed()
        changed = succeed("deploy", "--limit=compute-2").changed()
        joined = {"changed": changed, **look_outside(host, administrator, network_driver)}
        whole = succeed("deploy").changed()
    finally:
        administrator(PROGRAM, NAME, "clean")
    return {"before": before, "left": left, "again": again, "joined": joined, "whole": whole, "disks": disks(host)}


def test_the_disk_of_a_guest_is_in_ceph_as_long_as_the_guest_is_there(story: dict[str, Any]) -> None:
    assert f"{story['before']['id']}_disk" in story["before"]["disks"]
    assert f"{story['before']['id']}_disk" not in story["disks"]


def test_the_guest_moves_away(story: dict[str, Any]) -> None:
    assert story["before"]["guest"] == ["compute-2", "ACTIVE"]
    assert story["left"]["guest"] == ["compute-1", "ACTIVE"]


def test_every_service_forgets_the_host(story: dict[str, Any]) -> None:
    left = story["left"]
    assert left["services"] == [["compute-1", "enabled", "up"]]
    assert left["hypervisors"] == left["providers"] == ["compute-1"]
    assert {host for host, _kind, _alive in left["agents"]} == {"compute-1", "controller-1"}
    if left["driver"] == "ovn":
        assert (left["chassis"], left["private"]) == (["compute-1", "controller-1"], 2)
    assert set(left["units"].values()) == {(False, False)}


def test_a_second_run_changes_nothing(story: dict[str, Any]) -> None:
    assert set(story["left"]["changed"]) == {"compute-2", "controller-1"}
    assert story["again"] == {"compute-2": 0, "controller-1": 0}


def test_it_joins_again_alone(story: dict[str, Any]) -> None:
    joined = story["joined"]
    assert list(joined["changed"]) == ["compute-2"]
    assert joined["services"] == [["compute-1", "enabled", "up"], ["compute-2", "enabled", "up"]]
    assert joined["hypervisors"] == joined["providers"] == ["compute-1", "compute-2"]
    found = {(kind, alive) for host, kind, alive in joined["agents"] if host == "compute-2"}
    assert found == {(kind, True) for kind in AGENTS[joined["driver"]]}
    if joined["driver"] == "ovn":
        assert (joined["chassis"], joined["private"]) == (["compute-1", "compute-2", "controller-1"], 3)
    assert set(joined["units"].values()) == {(True, True)}


def test_nothing_is_left_to_do_on_any_host(story: dict[str, Any]) -> None:
    """What a run limited to the new compute did is all there was, and it touched nobody else."""
    assert story["whole"] == {"compute-1": 0, "compute-2": 0, "controller-1": 0}
