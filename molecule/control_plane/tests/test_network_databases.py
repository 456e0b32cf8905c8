# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The databases of OVN on three controllers: one cluster each, which goes on when its leader is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from .cluster import CONTROLLERS, Cluster, wait_for

testinfra_hosts = ["ssh://controller-1"]

DATABASES = {"nb": "OVN_Northbound", "sb": "OVN_Southbound"}
PKI = "/etc/accentos/pki"
# Adds logical switches until its input says stop; one that was not acknowledged may be there or not.
WRITER = """
import json, select, subprocess, sys, time
sys.stdin.readline()
rows, errors, number = [], {}, 0
print("writing", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    number += 1
    done = subprocess.run(
        ["ovn-nbctl", "--timeout=5", f"--db={sys.argv[1]}", "-C", "/etc/accentos/pki/ca.crt",
         "-c", "/etc/accentos/pki/host.crt", "-p", "/etc/accentos/pki/host.key", "ls-add", f"fault-{number}"],
        capture_output=True, text=True)
    if done.returncode:
        errors[done.stderr[-200:]] = None
    else:
        rows.append([number, time.monotonic()])
print(json.dumps(dict(acknowledged=rows, errors=list(errors))))
"""


def status(cluster: Cluster, name: str, short: str) -> str:
    """Return what a member tells of its cluster, an empty text if it does not answer."""
    return cluster.run(
        name, f"ovn-appctl --timeout=5 -t /run/ovn/ovn{short}_db.ctl cluster/status {DATABASES[short]}"
    ).stdout


def roles(cluster: Cluster, short: str) -> dict[str, str]:
    """Return the role of each member that answers."""
    found = {name: status(cluster, name, short) for name in CONTROLLERS}
    return {
        name: line.partition(": ")[2]
        for name, text in found.items()
        for line in text.splitlines()
        if line.startswith("Role: ")
    }


def whole(cluster: Cluster, short: str) -> bool:
    """Tell whether a database has a leader and two who follow it, each knowing all three."""
    known = [status(cluster, name, short).count(" at ssl:") for name in CONTROLLERS]
    return sorted(roles(cluster, short).values()) == ["follower", "follower", "leader"] and known == [3, 3, 3]


def told(cluster: Cluster) -> str:
    """Return what the members tell."""
    return "\n".join(f"{name} {short}\n{status(cluster, name, short)}" for name in CONTROLLERS for short in DATABASES)


@pytest.mark.parametrize("short", DATABASES)
def test_three_members_are_one_cluster(cluster: Cluster, short: str) -> None:
    wait_for(lambda: whole(cluster, short), 60, lambda: told(cluster))
    assert (
        len(
            {line for name in CONTROLLERS for line in status(cluster, name, short).splitlines() if "Cluster ID" in line}
        )
        == 1
    )


def test_a_leader_that_is_killed_costs_seconds_and_no_acknowledged_change(
    cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    wait_for(lambda: whole(cluster, "nb"), 60, lambda: told(cluster))
    addresses = [cluster(name, "getent hosts $(hostname --short)").split()[0] for name in CONTROLLERS]
    writer = cluster.write(CONTROLLERS[0], WRITER, ",".join(f"ssl:{address}:6641" for address in addresses))
    time.sleep(3)
    leader = next(name for name, role in roles(cluster, "nb").items() if role == "leader")
    cluster(leader, "kill -KILL $(cat /run/ovn/ovnnb_db.pid)")
    time.sleep(12)
    record = writer.stop()
    try:
        wait_for(lambda: whole(cluster, "nb"), 120, lambda: told(cluster))
        for name in CONTROLLERS:
            rows = json.loads(
                cluster(name, "ovn-nbctl --no-leader-only --format=json --columns=name list Logical_Switch")
            )
            found = {row[0] for row in rows["data"]}
            assert {f"fault-{number}" for number in record.acknowledged} <= found, name
    finally:
        # It is in no network of anybody.
        cluster(
            CONTROLLERS[0],
            f"for n in $(seq {max(record.acknowledged) + 20}); do echo --if-exists ls-del fault-$n --; done | "
            "xargs ovn-nbctl --no-leader-only --timeout=30 --",
        )
    record_property("outage of a killed leader", f"{record.outage:.1f} s")
    assert record.outage < 30
