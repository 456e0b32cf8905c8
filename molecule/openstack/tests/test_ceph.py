# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Ceph cluster, looked at from a host with a monitor: health, who gets in, what each service may do."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1"]

# The machine that carries the lab has one disk for all hosts: how full it is, is not the cluster's affair.
NOT_OURS = {"MON_DISK_LOW"}
MODES = [f"ms_{kind}_mode" for kind in ("cluster", "service", "client", "mon_cluster", "mon_service", "mon_client")]
BANNER = """
import socket, sys
host, _colon, port = sys.argv[1].rpartition(":")
with socket.create_connection((host.strip("[]"), int(port)), 5) as peer:
    peer.settimeout(5)
    print(peer.recv(8).decode("ascii", "replace").strip())
"""


def ask(host: Host, command: str) -> Any:
    """Return what the administrator gets as an answer."""
    return json.loads(host.check_output(f"ceph {command} --format json"))


def addresses(host: Host) -> list[dict[str, Any]]:
    """Return all addresses that monitors, managers and OSDs tell others."""
    monitors = [row["public_addrs"] for row in ask(host, "mon dump")["mons"]]
    osds = [row[kind] for row in ask(host, "osd dump")["osds"] for kind in row if kind.endswith("_addrs")]
    managers = [ask(host, "mgr dump")["active_addrs"]]
    return [address for vector in monitors + osds + managers for address in vector["addrvec"]]


@pytest.fixture
def image(host: Host) -> Any:
    """An image of Cinder's with known content."""
    host.check_output(
        "head --bytes=4194304 /dev/urandom >/tmp/image && rbd --id cinder import /tmp/image volumes/image"
    )
    yield "volumes/image"
    host.check_output("rbd --id cinder rm volumes/image && rm --force /tmp/image /tmp/copy")


def test_cluster_is_healthy(host: Host) -> None:
    wrong: set[str] = set()
    for _attempt in range(60):
        states = {row["name"] for row in ask(host, "pg stat")["pg_summary"]["num_pg_by_state"]}
        wrong = set(ask(host, "health")["checks"]) - NOT_OURS | states - {"active+clean"}
        if not wrong:
            break
        time.sleep(1)
    assert wrong == set(), host.check_output("ceph health detail")


def test_managers_have_all_their_modules(host: Host) -> None:
    modules = ask(host, "mgr module ls")
    assert {"balancer", "pg_autoscaler", "rbd_support", "devicehealth", "crash"} <= set(modules["always_on_modules"])
    assert "MGR_MODULE_DEPENDENCY" not in ask(host, "health")["checks"]


def test_nobody_listens_with_the_messenger_that_cannot_encrypt(host: Host) -> None:
    told = addresses(host)
    assert told
    assert {address["type"] for address in told} == {"v2"}
    places = sorted({address["addr"] for address in told})
    for place in places:
        assert host.check_output("python3 -c %s %s", BANNER, place) == "ceph v2", place
    sockets = host.check_output("ss --no-header --listening --tcp --numeric --processes")
    own = [line.split()[3] for line in sockets.splitlines() if "ceph-" in line]
    assert own
    # In the storage network only.
    assert {place.rpartition(":")[0] for place in own} <= {address["addr"].rpartition(":")[0] for address in told}
    assert not [place for place in own if place.endswith(":6789")]


def test_everything_is_encrypted_and_nothing_else_is_accepted(host: Host) -> None:
    settings = {row["name"]: row["value"] for row in ask(host, "config show osd.0")}
    assert {name: settings[name] for name in MODES} == dict.fromkeys(MODES, "secure")
    assert (settings["ms_bind_msgr1"], settings["auth_client_required"]) == ("false", "cephx")
    plain = host.run("timeout 20 rbd --id cinder --ms_client_mode=crc --ms_mon_client_mode=crc ls volumes")
    assert plain.rc not in (0, 124)


def test_cinder_writes_and_reads_its_pool(host: Host, image: str) -> None:
    host.check_output(f"rbd --id cinder export {image} /tmp/copy")
    assert host.run("cmp /tmp/image /tmp/copy").rc == 0
    host.check_output("rm /tmp/copy")


@pytest.mark.parametrize(
    "command",
    [
        "rbd --id glance ls volumes",
        "rbd --id glance export volumes/image /tmp/copy",
        "rados --id glance --pool volumes ls",
        "rbd --id glance create vms/stranger --size 4M",
        "rbd --id cinder create images/stranger --size 4M",
        "rbd --id cinder create vms/stranger --size 4M",
        "ceph --id cinder auth ls",
        "ceph --id glance osd pool rm images images --yes-i-really-really-mean-it",
    ],
)
def test_a_service_may_not_do_what_is_not_its_own(host: Host, image: str, command: str) -> None:
    result = host.run(f"timeout 30 {command}")
    assert result.rc not in (0, 124)
    assert re.search("not permitted|EACCES|denied", result.stderr), result.stderr


def test_pools_have_a_rule_of_the_role(host: Host) -> None:
    pools = {row["pool_name"]: row for row in ask(host, "osd dump")["pools"]}
    assert {"images", "volumes", "vms"} <= set(pools)
    assert {pools[name]["size"] >= 2 for name in ("images", "volumes", "vms")} == {True}


def test_keys_are_readable_for_those_who_need_them(host: Host) -> None:
    admin = host.file("/etc/ceph/ceph.client.admin.keyring")
    assert (admin.mode, admin.user) == (0o600, "root")
    found = host.check_output("find /etc/ceph /var/lib/ceph -name '*keyring*' -perm /007")
    assert found == ""
    assert host.file("/var/lib/ceph/mon/ceph-controller-1").mode == 0o700
    search = "grep --text --recursive --files-with-matches --extended-regexp"
    assert host.run(f"{search} 'AQ[A-Za-z0-9+/]{{36}}==' /var/log /tmp /etc/systemd").stdout == ""
