# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A rule for disks takes those that it means and no other."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://compute-1"]
pytestmark = pytest.mark.long


def test_osds_are_on_the_disks_of_their_size_and_no_other(host: Host) -> None:
    disks = json.loads(host.check_output("lsblk --json --nodeps --output NAME,SERIAL,FSTYPE"))["blockdevices"]
    kinds = {disk["serial"]: disk["fstype"] for disk in disks if disk["serial"]}
    osds = {serial for serial, kind in kinds.items() if kind == "ceph_bluestore"}
    assert osds == {"COMPUTE-1-OSD-1", "COMPUTE-1-OSD-2"}
    assert kinds["COMPUTE-1-OTHER"] is None
