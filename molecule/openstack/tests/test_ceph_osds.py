# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The OSDs of a storage host: their disks, and how they come back."""

from __future__ import annotations

import time

from testinfra.host import Host

testinfra_hosts = ["ssh://compute-1"]

FOLDERS = "/var/lib/ceph/osd"


def numbers(host: Host) -> list[str]:
    """Return the numbers of the host's OSDs."""
    return [name.removeprefix("ceph-") for name in host.check_output(f"ls {FOLDERS}").split()]


def test_osds_run_and_start_at_boot(host: Host) -> None:
    assert numbers(host)
    for number in numbers(host):
        unit = host.service(f"ceph-osd@{number}")
        assert (unit.is_running, unit.is_enabled) == (True, True), host.run(f"journalctl --unit {unit.name}").stdout
        assert host.file(f"{FOLDERS}/ceph-{number}/keyring").mode == 0o600


def test_nothing_was_left_half_made(host: Host) -> None:
    assert host.file("/var/lib/accentos/ceph_osds").mode == 0o700
    assert host.run("ls /var/lib/accentos/ceph_osds/*.json").rc != 0


def test_an_osd_whose_folder_is_gone_finds_its_disk_by_the_label(host: Host) -> None:
    number = numbers(host)[0]
    before = host.check_output(f"cat {FOLDERS}/ceph-{number}/fsid")
    host.check_output(f"systemctl stop ceph-osd@{number} && rm --recursive {FOLDERS}/ceph-{number}")
    started = time.monotonic()
    host.check_output(f"systemctl start ceph-osd@{number}")
    assert host.check_output(f"cat {FOLDERS}/ceph-{number}/fsid") == before
    assert host.service(f"ceph-osd@{number}").is_running
    assert time.monotonic() - started < 60


def test_the_administrators_keyring_is_not_here(host: Host) -> None:
    assert not host.file("/etc/ceph/ceph.client.admin.keyring").exists
    assert host.check_output("find /etc/ceph /var/lib/ceph -name '*keyring*' -perm /007") == ""
