# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A back end of volumes that does not work is told with the errors of its driver, and comes back once it is mended."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from .administrator import Administrator
from .playbooks import play, succeed

testinfra_hosts = ["ssh://controller-1"]

UNIT = "cinder-volume.service"
# A pool that nobody made, and a user that Ceph does not know.
BACK_ENDS = {
    "openstack_service_volume_back_ends": {
        "ceph": {"driver": "rbd"},
        "other": {"driver": "rbd", "pool": "others"},
        "broken": {"driver": "rbd", "pool": "others", "options": {"rbd_user": "of-a-test"}},
    }
}
# Seconds, see the module volume_services.
PATIENCE = 121
KEYRING = "/etc/ceph/ceph.client.of-a-test.keyring"
USER = f"""
ceph auth get-or-create client.of-a-test mon 'profile rbd' osd 'profile rbd pool=others' >{KEYRING}
chown cinder: {KEYRING}
"""
# A scheduler does not report itself while it waits for back ends that are gone; it looks for them when it is asked.
WAIT = """
import json, time

for _second in range(90):
    list(cloud.block_storage.backend_pools())
    states = {one.binary: one.state for one in cloud.block_storage.services()}
    if set(states.values()) == {"up"}:
        break
    time.sleep(1)
print(json.dumps(states))
"""
REMOVE_TYPES = """
for one in cloud.block_storage.types():
    if one.name in ("ceph", "other", "broken"):
        cloud.block_storage.delete_type(one)
print("null")
"""


@pytest.fixture(scope="module", autouse=True)
def restored(host: Host, administrator: Administrator) -> Iterator[None]:
    """Leave the cloud with the back end that it has."""
    yield
    succeed("deploy", "--tags=storage")
    administrator(REMOVE_TYPES)
    for name in ("other", "broken"):
        host.check_output(f"cinder-manage service remove cinder-volume openstack@{name}")
    host.check_output(f"ceph auth del client.of-a-test; rm --force {KEYRING}")
    assert administrator(WAIT) == {"cinder-scheduler": "up", "cinder-volume": "up"}


def started(host: Host) -> str:
    return host.check_output(f"systemctl show --property=ActiveEnterTimestampMonotonic {UNIT}")


def test_a_back_end_that_does_not_work_ends_the_deployment_with_the_errors_of_its_driver(host: Host) -> None:
    run = play("deploy", "--tags=storage", variables=BACK_ENDS)
    said = " ".join(run.output.split())
    assert run.code == 2, run.output
    assert '"msg": "broken: no volume can be made there.' in said
    assert "The last errors in /var/log/cinder/cinder-volume.log:" in said
    assert "Error connecting to ceph cluster." in said
    assert "openstack volume service set --disable openstack@broken cinder-volume" in said
    # What the others need of the cluster is there.
    assert "others" in host.check_output("ceph osd pool ls").split()
    assert "profile rbd pool=others" in host.check_output("ceph auth get client.cinder")


def test_it_comes_back_once_it_is_mended_and_is_then_let_alone(host: Host) -> None:
    host.check_output(USER)
    before = started(host)
    # Drivers of a service that was just started, by the run that failed, are given some time.
    age = float(host.check_output("cut -d ' ' -f 1 /proc/uptime")) - int(before.partition("=")[2]) / 1e6
    time.sleep(max(0, PATIENCE - age))
    mended = succeed("deploy", "--tags=storage", variables=BACK_ENDS)
    assert {name: changed for name, changed in mended.changed().items() if changed} == {"controller-1": 1}
    between = started(host)
    assert between != before
    again = succeed("deploy", "--tags=storage", variables=BACK_ENDS)
    assert set(again.changed().values()) == {0}
    assert started(host) == between
