# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The address of the services: one controller has it, and another one when haproxy there does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from .cluster import API, CONTROLLERS, Cluster, wait_for

testinfra_hosts = ["ssh://controller-1"]

# Logs each answer of the identity service until its input says stop.
READER = """
import json, select, ssl, sys, time, urllib.request
sys.stdin.readline()
context = ssl.create_default_context(cafile="/etc/accentos/pki/ca.crt")
rows, errors, number = [], {}, 0
print("writing", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    number += 1
    try:
        urllib.request.urlopen(f"https://{sys.argv[1]}:5000/v3", context=context, timeout=2).read()
        rows.append([number, time.monotonic()])
    except Exception as error:
        errors[repr(error)] = None
print(json.dumps(dict(acknowledged=rows, errors=list(errors))))
"""


def carriers(cluster: Cluster) -> list[str]:
    """Return the controllers that have the address."""
    address = cluster(CONTROLLERS[0], f"getent hosts {API}").split()[0]
    return [name for name in CONTROLLERS if f" {address}/32 " in cluster(name, "ip -oneline address show")]


@pytest.fixture
def carrier(cluster: Cluster) -> Iterator[str]:
    """The controller that has the address, whose haproxy works again afterwards."""
    wait_for(lambda: len(carriers(cluster)) == 1, 30)
    name = carriers(cluster)[0]
    yield name
    cluster(name, "pkill -CONT -x haproxy || true; systemctl start haproxy")


@pytest.mark.parametrize("fault", ["systemctl stop haproxy", "pkill -STOP -x haproxy"])
def test_the_address_leaves_a_haproxy_that_does_not_answer(
    cluster: Cluster, carrier: str, fault: str, record_property: Callable[[str, object], None]
) -> None:
    asker = next(name for name in CONTROLLERS if name != carrier)
    reader = cluster.write(asker, READER, API)
    time.sleep(2)
    cluster(carrier, fault)
    wait_for(lambda: carriers(cluster) not in ([], [carrier]), 20, lambda: cluster.journal(carrier, "keepalived"))
    time.sleep(3)
    record = reader.stop()
    record_property(f"outage: {fault}", f"{record.outage:.1f} s")
    assert record.outage < 10


def test_a_process_of_the_identity_service_that_is_killed_costs_next_to_nothing(
    cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    reader = cluster.write(CONTROLLERS[1], READER, API)
    time.sleep(2)
    cluster(CONTROLLERS[0], "systemctl kill --signal KILL keystone")
    time.sleep(6)
    record = reader.stop()
    record_property("outage of a killed keystone", f"{record.outage:.1f} s, errors {record.errors}")
    assert record.outage < 5


def test_a_keepalived_that_is_killed_leaves_no_second_address(cluster: Cluster, carrier: str) -> None:
    cluster(carrier, "pkill -KILL -x keepalived")
    # At first both have it; the one that came back takes it away.
    wait_for(lambda: len(carriers(cluster)) == 1 and carriers(cluster) != [carrier], 20, lambda: str(carriers(cluster)))
    assert cluster(carrier, "systemctl is-active keepalived") == "active"
