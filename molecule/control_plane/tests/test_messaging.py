# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Three servers of messages that are one: what was confirmed is delivered, whoever of them is lost."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from .cluster import CONTROLLERS, SITE, Cluster, Record, wait_for

testinfra_hosts = ["ssh://controller-1"]

CONNECT = """
import json, select, socket, ssl, sys, time
import amqp
password = sys.stdin.readline().strip()
def connect():
    for server in sys.argv[1:]:
        try:
            connection = amqp.Connection(
                f"{server}:5671", userid="faults", password=password, virtual_host="faults",
                confirm_publish=True, connect_timeout=2,
                read_timeout=5, write_timeout=5, ssl=dict(
                    ca_certs="/etc/accentos/pki/ca.crt", cert_reqs=ssl.CERT_REQUIRED, server_hostname=server))
            connection.connect()
            channel = connection.channel()
            channel.queue_declare("faults", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
            return connection, channel
        except Exception as error:
            failed = error
    raise failed
"""
# Sends numbers until its input says stop; one that was not confirmed may be there or not.
SENDER = f"""{CONNECT}
rows, errors, number, channel = [], {{}}, 0, None
print("writing", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    number += 1
    try:
        if channel is None:
            connection, channel = connect()
        channel.basic_publish(amqp.Message(str(number), delivery_mode=2), routing_key="faults", timeout=5)
        rows.append([number, time.monotonic()])
    except Exception as error:
        errors[repr(error)] = None
        channel = None
print(json.dumps(dict(acknowledged=rows, errors=list(errors))))
"""
# Prints the numbers of all messages that are there.
READER = f"""{CONNECT}
connection, channel = connect()
numbers = []
print("writing", flush=True)
while (message := channel.basic_get("faults", no_ack=True)) is not None:
    numbers.append([int(message.body), 0.0])
print(json.dumps(dict(acknowledged=numbers, errors=[])))
"""


def running(cluster: Cluster, name: str) -> set[str]:
    """Return who of the cluster runs, as one server sees it."""
    done = cluster.run(name, "rabbitmqctl --quiet --formatter json cluster_status")
    return set(json.loads(done.stdout)["running_nodes"]) if done.returncode == 0 else set()


def whole(cluster: Cluster) -> bool:
    """Tell whether each server sees all three."""
    return all(running(cluster, name) == {f"rabbit@{other}" for other in CONTROLLERS} for name in CONTROLLERS)


def told(cluster: Cluster) -> str:
    """Return what the servers logged last."""
    return "\n".join(f"{name}\n{cluster.journal(name, 'rabbitmq-server')}" for name in CONTROLLERS)


@pytest.fixture(scope="module")
def password(cluster: Cluster) -> Iterator[str]:
    """The password of a user who has a virtual host that is there for these tests only."""
    wait_for(lambda: whole(cluster), 180, lambda: told(cluster))
    word = secrets.token_hex(16)
    cluster(
        CONTROLLERS[0],
        f"rabbitmqctl --quiet add_vhost faults && rabbitmqctl --quiet add_user faults {word} && "
        "rabbitmqctl --quiet set_permissions --vhost faults faults '.*' '.*' '.*'",
    )
    yield word
    cluster(CONTROLLERS[0], "rabbitmqctl --quiet delete_user faults; rabbitmqctl --quiet delete_vhost faults")


def servers(*first: str) -> list[str]:
    """Return the names by which a client knows the servers, some of them first."""
    return [f"{name}.{SITE}" for name in [*first, *(name for name in CONTROLLERS if name not in first)]]


def read_back(cluster: Cluster, password: str, record: Record) -> None:
    """Assert that every message that was confirmed is delivered."""
    found = cluster.write(CONTROLLERS[0], READER, *servers(), secret=password).stop()
    assert sorted(set(record.acknowledged) - set(found.acknowledged)) == []


def test_three_servers_are_one_cluster(cluster: Cluster) -> None:
    wait_for(lambda: whole(cluster), 60, lambda: told(cluster))


@pytest.mark.parametrize("name", CONTROLLERS)
def test_servers_take_only_each_other_in(cluster: Cluster, name: str) -> None:
    peer = CONTROLLERS[0] if name != CONTROLLERS[0] else CONTROLLERS[1]
    ask = f"sleep 1 | openssl s_client -connect {peer}:25672 -CAfile /etc/accentos/pki/ca.crt"
    key = "-cert /etc/accentos/pki/rabbitmq.crt -key /etc/accentos/pki/rabbitmq.key"
    assert "Verify return code: 0 (ok)" in cluster.run(name, f"{ask} {key} 2>&1").stdout
    assert "alert certificate required" in cluster.run(name, f"{ask} 2>&1").stdout


def test_a_queue_is_on_all_servers(cluster: Cluster, password: str) -> None:
    record = cluster.write(CONTROLLERS[0], SENDER, *servers(), secret=password).stop()
    assert record.errors == ()
    rows = json.loads(
        cluster(CONTROLLERS[0], "rabbitmqctl --quiet --formatter json list_queues --vhost faults type members")
    )
    assert [(row["type"], sorted(row["members"])) for row in rows] == [
        ("quorum", [f"rabbit@{name}" for name in CONTROLLERS])
    ]
    read_back(cluster, password, record)


def test_a_server_that_is_killed_costs_seconds_and_no_confirmed_message(
    cluster: Cluster, password: str, record_property: Callable[[str, object], None]
) -> None:
    wait_for(lambda: whole(cluster), 180, lambda: told(cluster))
    sender = cluster.write(CONTROLLERS[0], SENDER, *servers(CONTROLLERS[1]), secret=password)
    time.sleep(3)
    cluster(CONTROLLERS[1], "systemctl kill --signal KILL rabbitmq-server")
    time.sleep(10)
    back = wait_for(lambda: whole(cluster), 180, lambda: told(cluster))
    record = sender.stop()
    read_back(cluster, password, record)
    record_property("outage of a killed server of messages", f"{record.outage:.1f} s, all back after {back + 10:.1f} s")
    assert record.outage < 30


@pytest.mark.long
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_servers_that_all_stopped_start_in_any_order(cluster: Cluster, password: str, order: tuple[int, ...]) -> None:
    wait_for(lambda: whole(cluster), 180, lambda: told(cluster))
    record = cluster.write(CONTROLLERS[0], SENDER, *servers(), secret=password).stop()
    for name in CONTROLLERS:
        cluster(name, "systemctl stop rabbitmq-server")
    for index in order:
        # It ends its start only when the others are there.
        cluster(CONTROLLERS[index], "systemctl start --no-block rabbitmq-server")
        time.sleep(5)
    wait_for(lambda: whole(cluster), 300, lambda: told(cluster))
    read_back(cluster, password, record)
