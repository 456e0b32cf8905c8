# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each machine starts whole, switches in its kernel, and lets others reach nothing in plain text."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from tools.open_sockets import ENCRYPTED_OTHERWISE, UNENCRYPTED, open_sockets, plain

testinfra_hosts = ["ssh://controller-1", "ssh://compute-1", "ssh://compute-2"]
pytestmark = pytest.mark.long

# What protocols of storage have no encryption for; the network storage is the site's own.
STORAGE = {("tcp", 3260): "iSCSI, where each volume has a login of its own"}


def test_every_unit_of_the_start_was_started(host: Host) -> None:
    # systemd leaves out some where units wait for each other in a circle.
    assert host.run("journalctl --boot --quiet --grep 'ordering cycle'").stdout == ""
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_what_others_reach_speaks_tls(host: Host) -> None:
    sockets = open_sockets(host.check_output)
    found = plain(sockets, ENCRYPTED_OTHERWISE | UNENCRYPTED["ovn"] | STORAGE)
    # The server of files is none of ours.
    of_nfs = ("tcp", 2049) if "controller" in host.backend.hostname else None
    assert [one for one in found if (one.protocol, one.port) != of_nfs] == []


def test_the_kernel_switches_and_carries_the_overlay(host: Host) -> None:
    # The empty one is the kernel's; "netdev" is that of userspace.
    assert host.check_output("ovs-vsctl get bridge br-int datapath_type") in ('""', "system")
    assert "geneve" in host.check_output("lsmod")
    assert "genev_sys" in host.check_output("ip -brief link")
