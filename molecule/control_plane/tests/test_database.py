# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Three databases that are one: they agree, one of them writes, and what was acknowledged outlives any of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from .cluster import API, CONTROLLERS, SITE, Cluster, Record, wait_for

testinfra_hosts = ["ssh://controller-1"]

CA = "/etc/accentos/pki/ca.crt"
# Writes rows by way of the load balancer until its input says stop. One that was not acknowledged may be there or not.
WRITER = """
import json, select, sys, time
import pymysql
password = sys.stdin.readline().strip()
rows, errors, number, server = [], {}, 0, None
print("writing", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    number += 1
    try:
        server = server or pymysql.connect(
            host=sys.argv[1], user="faults", password=password, database="faults", autocommit=True, connect_timeout=2,
            read_timeout=10, write_timeout=10,
            ssl_ca="/etc/accentos/pki/ca.crt", ssl_verify_cert=True, ssl_verify_identity=True)
        with server.cursor() as cursor:
            cursor.execute("INSERT INTO written VALUES (%s, @@wsrep_node_name)", [number])
        rows.append([number, time.monotonic()])
    except Exception as error:
        errors[repr(error)] = None
        server = None
print(json.dumps({"acknowledged": rows, "errors": list(errors)}))
"""
# Prints the statistics of haproxy.
STATISTICS = """
import socket
server = socket.socket(socket.AF_UNIX)
server.connect("/run/haproxy/admin.sock")
server.sendall(b"show stat\\n")
print(server.makefile().read())
"""
_STATUS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN "
    "('wsrep_cluster_size', 'wsrep_local_state_comment', 'wsrep_cluster_status')"
)
WHOLE = {"wsrep_cluster_size": "3", "wsrep_local_state_comment": "Synced", "wsrep_cluster_status": "Primary"}


def whole(cluster: Cluster) -> bool:
    """Tell whether all three servers are in the cluster and have its data."""
    return all(
        (done := cluster.run(name, f'mariadb -BN -e "{_STATUS}"')).returncode == 0
        and dict(line.split("\t") for line in done.stdout.splitlines()) == WHOLE
        for name in CONTROLLERS
    )


def told(cluster: Cluster) -> str:
    """Return what the servers logged last."""
    return "\n".join(f"{name}\n{cluster.journal(name, 'mariadb')}" for name in CONTROLLERS)


@pytest.fixture(scope="module")
def password(cluster: Cluster) -> Iterator[str]:
    """The password of a user who may write in a database that is there for these tests only."""
    word = secrets.token_hex(16)
    cluster.sql(
        CONTROLLERS[0],
        f"""CREATE OR REPLACE DATABASE faults;
        CREATE OR REPLACE USER faults IDENTIFIED BY '{word}' REQUIRE SSL;
        GRANT ALL ON faults.* TO faults;""",
    )
    yield word
    cluster.sql(CONTROLLERS[0], "DROP DATABASE faults; DROP USER faults;")


@pytest.fixture
def table(cluster: Cluster, password: str) -> str:
    """Empty the table that rows are written into, and return the password of who may."""
    wait_for(lambda: whole(cluster), 180, lambda: told(cluster))
    cluster.sql(
        CONTROLLERS[0], "CREATE OR REPLACE TABLE faults.written (number INT PRIMARY KEY, server VARCHAR(64) NOT NULL)"
    )
    return password


def read_back(cluster: Cluster, record: Record) -> dict[int, str]:
    """Assert that each server has every row that was acknowledged; return who wrote each row."""
    for name in CONTROLLERS:
        rows = cluster.sql(name, "SET SESSION wsrep_sync_wait = 1; SELECT number, server FROM faults.written")
        found = {int(number): server for number, server in rows}
        assert sorted(set(record.acknowledged) - set(found)) == [], name
    return found


def test_three_servers_are_one_cluster_and_have_its_data(cluster: Cluster) -> None:
    for name in CONTROLLERS:
        assert dict(map(tuple, cluster.sql(name, _STATUS))) == WHOLE


@pytest.mark.parametrize("name", CONTROLLERS)
def test_servers_speak_tls_to_each_other_with_certificates_of_the_site(cluster: Cluster, name: str) -> None:
    assert cluster.sql(name, "SELECT @@wsrep_provider_options LIKE '%socket.ssl = YES%'") == [["1"]]
    peer = CONTROLLERS[0] if name != CONTROLLERS[0] else CONTROLLERS[1]
    pki = "/etc/accentos/pki/mariadb"
    ask = f"sleep 1 | openssl s_client -connect {peer}:4567 -CAfile {CA} -verify_return_error 2>&1"
    assert "Verify return code: 0 (ok)" in cluster(name, f"{ask[:-5]} -cert {pki}.crt -key {pki}.key 2>&1")
    assert "alert certificate required" in cluster.run(name, ask).stdout


def test_one_server_writes_at_a_time(cluster: Cluster, table: str) -> None:
    writers = [cluster.write(name, WRITER, API, secret=table) for name in CONTROLLERS[:1]]
    time.sleep(2)
    for writer in writers:
        record = writer.stop()
        assert record.errors == ()
        assert len(set(read_back(cluster, record).values())) == 1


def asked(cluster: Cluster, name: str) -> str:
    """Return what the server of a controller lets load balancers know, status and reason."""
    return cluster(
        name, f"curl --silent --max-time 10 --cacert {CA} --write-out %{{http_code}} https://{name}.{SITE}:3307/"
    )


def seen_by_haproxy(cluster: Cluster, asker: str, name: str) -> str:
    """Return what the load balancer of one controller holds the database of another to be."""
    rows = [row.split(",") for row in cluster(asker, f"python3 -c '{STATISTICS}'").splitlines()]
    return next(row[17] for row in rows if row[:2] == ["mariadb", name])


def test_a_server_that_hangs_is_no_server_although_its_port_is_open(cluster: Cluster) -> None:
    asker, name = CONTROLLERS[0], CONTROLLERS[2]
    assert asked(cluster, name) == "Synced\n200"
    wait_for(lambda: seen_by_haproxy(cluster, asker, name).startswith("UP"), 30)
    cluster(name, "pkill -STOP -x mariadbd")
    try:
        assert asked(cluster, name).endswith("503")
        cluster(asker, f"timeout 5 bash -c '</dev/tcp/{name}/3306'")
        wait_for(lambda: seen_by_haproxy(cluster, asker, name).startswith("DOWN"), 30)
    finally:
        cluster(name, "pkill -CONT -x mariadbd")
    wait_for(lambda: whole(cluster), 120, lambda: told(cluster))


def test_a_server_that_is_cut_off_serves_nobody_and_comes_back(cluster: Cluster, table: str) -> None:
    name = CONTROLLERS[2]
    others = [cluster(name, f"getent hosts {other}").split()[0] for other in CONTROLLERS[:2]]
    for other in others:
        cluster(name, f"ip route add blackhole {other}/32")
    try:
        wait_for(lambda: asked(cluster, name) == "without the quorum of its cluster\n503", 60, lambda: told(cluster))
        wait_for(lambda: seen_by_haproxy(cluster, name, name).startswith("DOWN"), 30)
        done = cluster.run(name, "mariadb --execute 'INSERT INTO faults.written VALUES (0, \"cut off\")'")
        assert "1047" in done.stderr
        cluster.sql(CONTROLLERS[0], "INSERT INTO faults.written VALUES (1, 'of the others')")
    finally:
        for other in others:
            cluster(name, f"ip route del blackhole {other}/32")
    wait_for(lambda: whole(cluster), 120, lambda: told(cluster))
    assert cluster.sql(name, "SELECT * FROM faults.written") == [["1", "of the others"]]


def test_a_writer_that_is_killed_costs_seconds_and_no_acknowledged_row(
    cluster: Cluster, table: str, record_property: Callable[[str, object], None]
) -> None:
    writer = cluster.write(CONTROLLERS[1], WRITER, API, secret=table)
    time.sleep(3)
    first = cluster.sql(CONTROLLERS[0], "SELECT server FROM faults.written ORDER BY number DESC LIMIT 1")[0][0]
    cluster(first, "pkill -KILL -x mariadbd")
    time.sleep(15)
    wait_for(lambda: whole(cluster), 180, lambda: told(cluster))
    time.sleep(5)
    record = writer.stop()
    wrote = read_back(cluster, record)
    record_property("outage of a killed writer", f"{record.outage:.1f} s")
    last = wrote[record.acknowledged[-1]]
    # The one that came back does not take the writing over: that would cut everybody off a second time.
    assert last != first
    assert record.outage < 15


def test_servers_that_all_lose_the_power_come_back_by_themselves(
    cluster: Cluster, table: str, record_property: Callable[[str, object], None]
) -> None:
    writer = cluster.write(CONTROLLERS[1], WRITER, API, secret=table)
    time.sleep(3)
    for name in CONTROLLERS:
        cluster(name, "pkill -KILL -x mariadbd")
    seconds = wait_for(lambda: whole(cluster), 300, lambda: told(cluster))
    time.sleep(5)
    record = writer.stop()
    read_back(cluster, record)
    record_property("all servers killed", f"{seconds:.1f} s until all were back, {record.outage:.1f} s without a write")
