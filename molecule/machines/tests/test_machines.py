# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud of machines uses what their kernels can and containers cannot: switch, overlay, LVM, iSCSI and NFS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.lab.sockets import ENCRYPTED_OTHERWISE, UNENCRYPTED, open_sockets, plain
from tools.playbook_runs import read_checks, run_playbook

# Machines that are emulated take long to become a cloud.
pytestmark = pytest.mark.long

SITE = Path(__file__).parents[1] / "inventory"
BACK_ENDS = ("ceph", "disks", "files")


@pytest.fixture(scope="module")
def verified() -> dict[str, tuple[str, str]]:
    """Run playbooks/verify.yml; return result and detail of each check."""
    code, output = run_playbook(f"--inventory={SITE}", "playbooks/verify.yml", callback="accentos.cloud.stages")
    assert code == 0, output
    return read_checks(output)


def test_every_check_of_verify_passes(verified: dict[str, tuple[str, str]]) -> None:
    assert len(verified) == 13
    assert {name: row for name, row in verified.items() if row[0] != "ok"} == {}


def test_guests_write_and_read_volumes_on_each_back_end(verified: dict[str, tuple[str, str]]) -> None:
    assert verified["volume"][1].endswith(f"of each of the types {', '.join(BACK_ENDS)}")


MACHINES = ("ssh://controller-1", "ssh://compute-1", "ssh://compute-2")


@pytest.mark.testinfra_hosts(*MACHINES)
def test_every_unit_of_the_start_was_started(host: Host) -> None:
    # systemd leaves out some where units wait for each other in a circle.
    assert host.run("journalctl --boot --quiet --grep 'ordering cycle'").stdout == ""
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


# What protocols of storage have no encryption for; the network storage is the site's own.
STORAGE = {("tcp", 3260): "iSCSI, where each volume has a login of its own"}


@pytest.mark.testinfra_hosts(*MACHINES)
def test_what_others_reach_speaks_tls(host: Host) -> None:
    sockets = open_sockets(host.check_output)
    found = plain(sockets, ENCRYPTED_OTHERWISE | UNENCRYPTED["ovn"] | STORAGE)
    if "controller" in host.backend.hostname:
        # The server of files is none of ours.
        of_nfs = {int(line.split()[3]) for line in host.check_output("rpcinfo -p").splitlines()[1:]}
        found = [one for one in found if one.port not in of_nfs]
    assert found == []


@pytest.mark.testinfra_hosts(*MACHINES)
def test_the_kernel_switches_and_carries_the_overlay(host: Host) -> None:
    # The empty one is the kernel's; "netdev" is that of userspace.
    assert host.check_output("ovs-vsctl get bridge br-int datapath_type") in ('""', "system")
    assert "geneve" in host.check_output("lsmod")
    assert "genev_sys" in host.check_output("ip -brief link")


@pytest.mark.testinfra_hosts("ssh://compute-1")
def test_osds_are_on_the_disks_of_their_size_and_no_other(host: Host) -> None:
    disks = json.loads(host.check_output("lsblk --json --nodeps --output NAME,SERIAL,FSTYPE"))["blockdevices"]
    kinds = {disk["serial"]: disk["fstype"] for disk in disks if disk["serial"]}
    osds = {serial for serial, kind in kinds.items() if kind == "ceph_bluestore"}
    assert osds == {"COMPUTE-1-OSD-1", "COMPUTE-1-OSD-2"}
    assert kinds["COMPUTE-1-OTHER"] is None


@pytest.mark.testinfra_hosts("ssh://controller-1")
def test_no_volume_is_left(host: Host, verified: dict[str, tuple[str, str]]) -> None:
    assert verified["cleaning up"][0] == "ok"
    # Cinder keeps a thin pool in the group.
    assert "volume-" not in host.check_output("lvs --noheadings --options lv_name volumes")
    assert host.check_output("find /srv/volumes -name 'volume-*'") == ""
    assert host.check_output("rbd --pool volumes ls") == ""
