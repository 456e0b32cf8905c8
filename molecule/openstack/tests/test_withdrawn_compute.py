# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A compute leaves with its guest moved away, and joins again alone. The last file by name: others want both computes."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

ROOT = Path(__file__).parents[3]
INVENTORY = Path(os.environ.get("ACCENTOS_TEST_SITE", Path(__file__).parents[1] / "inventory"))
NAME = "withdrawn"
# Asks the services as an administrator, with the password on standard input, and prints what they answer.
PROGRAM = """
import json, sys, time
import openstack

name, what, domain = sys.argv[1:]
cloud = openstack.connect(
    auth_url=f"https://api.{domain}:5000/v3", username="admin", password=sys.stdin.read(), project_name="admin",
    user_domain_name="Default", project_domain_name="Default", region_name="RegionOne", cacert="/etc/accentos/pki/ca.crt",
)

def make():
    with open("/var/lib/accentos/images/guest/disk.img", "rb") as disk:
        image = cloud.create_image(
            name, data=disk, disk_format="raw", container_format="bare", wait=True, validate_checksum=False, use_import=False
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
    guests = {one.name: [one.compute_host, one.status] for one in cloud.compute.servers()}
    return {
        "services": sorted([one.host, one.status, one.state] for one in services),
        "hypervisors": sorted(one.name.partition(".")[0] for one in cloud.compute.hypervisors()),
        "providers": sorted(one.name.partition(".")[0] for one in cloud.placement.resource_providers()),
        "agents": sorted([one.host, one.binary] for one in cloud.network.agents() if one.is_alive),
        "silent agents": sorted([one.host, one.binary] for one in cloud.network.agents() if not one.is_alive),
        "guest": guests.get(name),
    }

print(json.dumps({"make": make, "clean": clean, "look": look}[what]()))
"""
AGENTS = ["neutron-ovn-metadata-agent", "ovn-controller"]


def site() -> dict[str, Any]:
    """Return the variables of the site that matter here."""
    argv = [sys.executable, "-m", "ansible", "inventory", f"--inventory={INVENTORY}", "--host=controller-1"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Return the folder of the lab and the domain of the site."""
    found = site()
    return {"folder": ROOT / ".lab" / found["lab_name"], "domain": found["site_domain"]}


def ask(settings: dict[str, Any], what: str) -> Any:
    """Return what the cloud answers."""
    store = SecretStore(settings["folder"] / ".secrets.yml", settings["folder"] / ".vault_key")
    password = store.read()["keystone_admin_password"]
    program = f"python3 -c {shlex.quote(PROGRAM)} {NAME} {what} {settings['domain']}"
    argv = ["ssh", "-F", str(settings["folder"] / "ssh_config"), "controller-1", program]
    done = subprocess.run(argv, input=password, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def play(playbook: str, *arguments: str) -> dict[str, int]:
    """Run a playbook and return how much it changed on each host."""
    argv = [sys.executable, "-m", "ansible", "playbook", f"--inventory={INVENTORY}", f"playbooks/{playbook}", *arguments]
    environment = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {host: int(count) for host, count in re.findall(r"(?m)^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout)}


@pytest.fixture(scope="module")
def withdrawn(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Let compute-2 leave with a guest on it, and join again at the end, whatever happens."""
    ask(settings, "make")
    removal = ("remove_compute.yml", "--extra-vars=compute_removed=compute-2")
    try:
        found = {"before": ask(settings, "look"), "first": play(*removal), "after": ask(settings, "look")}
        yield {**found, "second": play(*removal)}
    finally:
        ask(settings, "clean")


def test_the_guest_moved_and_every_service_forgot_the_host(withdrawn: dict[str, Any]) -> None:
    assert withdrawn["before"]["guest"] == ["compute-2", "ACTIVE"]
    after = withdrawn["after"]
    assert after["guest"] == ["compute-1", "ACTIVE"]
    assert after["services"] == [["compute-1", "enabled", "up"]]
    assert after["hypervisors"] == after["providers"] == ["compute-1"]
    assert not [one for one in [*after["agents"], *after["silent agents"]] if one[0] == "compute-2"]


def test_ovn_forgot_the_host_and_its_daemons_sleep(withdrawn: dict[str, Any]) -> None:
    del withdrawn
    controller = Host.get_host("ssh://controller-1")
    assert controller.check_output("ovn-sbctl --bare --columns=hostname list Chassis").split() == ["a"]


def test_a_second_run_changes_nothing(withdrawn: dict[str, Any]) -> None:
    assert set(withdrawn["second"].values()) == {0}


def test_it_joins_again_alone(withdrawn: dict[str, Any], settings: dict[str, Any]) -> None:
    assert withdrawn["second"]
    changed = play("deploy.yml", "--limit=compute-2")
    assert list(changed) == ["compute-2"]
    joined = ask(settings, "look")
    assert joined["services"] == [["compute-1", "enabled", "up"], ["compute-2", "enabled", "up"]]
    assert joined["hypervisors"] == ["compute-1", "compute-2"]
    assert [one for one in joined["agents"] if one[0] == "compute-2"] == [["compute-2", name] for name in AGENTS]
