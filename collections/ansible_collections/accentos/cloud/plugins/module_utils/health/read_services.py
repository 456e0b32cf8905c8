# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads how database, messaging, cache, overlay network, libvirt and Ceph are, from their own commands and sockets."""

from __future__ import annotations

import configparser
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.ceph_commands import CephError, connected
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError, run
from ansible_collections.accentos.cloud.plugins.module_utils.openvswitch import (
    SwitchError,
    parse_switch,
    reading_arguments,
)

try:
    import pymysql
except ImportError:
    pymysql = None

_SECONDS = 20
# Erlang's command line takes some seconds to start on a busy host.
_ERLANG_SECONDS = 45
_DATABASE_SOCKET = "/run/mysqld/mysqld.sock"
_SYSTEM_DATABASES = ("information_schema", "mysql", "performance_schema", "sys")
_CACHE = ("127.0.0.1", 11211)
_OVN = "/run/ovn"
_ADMIN = "client.admin"
_ADMIN_KEYRING = "/etc/ceph/ceph.client.admin.keyring"


def database(path: str = _DATABASE_SOCKET) -> dict[str, Any]:
    """Return status and variables of the server, databases, users, and the age of its oldest transaction in seconds."""
    if pymysql is None:
        raise ProbeError("python3-pymysql is not installed")
    statements = {
        "status": "SHOW GLOBAL STATUS",
        "variables": "SHOW GLOBAL VARIABLES",
        "databases": "SHOW DATABASES",
        "users": "SELECT DISTINCT User FROM mysql.user",
        "oldest": "SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())), 0) FROM "
        "information_schema.innodb_trx",
    }
    found: dict[str, Any] = {}
    try:
        with (
            pymysql.connect(unix_socket=path, user="root", connect_timeout=10, read_timeout=_SECONDS) as connection,
            connection.cursor() as cursor,
        ):
            for name, statement in statements.items():
                cursor.execute(statement)
                found[name] = cursor.fetchall()
    except pymysql.MySQLError as error:
        raise ProbeError(f"the server does not answer at {path}: {error}") from error
    return {
        "status": {str(name).lower(): str(value) for name, value in found["status"]},
        "variables": {str(name).lower(): str(value) for name, value in found["variables"]},
        "databases": sorted(str(row[0]) for row in found["databases"] if row[0] not in _SYSTEM_DATABASES),
        "users": sorted(str(row[0]) for row in found["users"]),
        "oldest": int(found["oldest"][0][0]),
    }


def _rabbit(*words: str) -> Any:
    return json.loads(run(["rabbitmqctl", "--quiet", "--formatter", "json", *words], timeout=_ERLANG_SECONDS))


def messaging() -> dict[str, Any]:
    """Return what the server says of itself, its cluster and its users."""
    return {"status": _rabbit("status"), "cluster": _rabbit("cluster_status"), "users": _rabbit("list_users")}


def queues() -> list[dict[str, Any]]:
    """Return the queues of the cluster."""
    found: list[dict[str, Any]] = _rabbit("list_queues", "name", "type", "state", "messages", "consumers")
    return found


def cache(address: tuple[str, int] = _CACHE) -> dict[str, str]:
    """Return the statistics of memcached."""
    try:
        with socket.create_connection(address, timeout=_SECONDS) as connection:
            connection.sendall(b"stats\r\nquit\r\n")
            with connection.makefile(encoding="ascii", errors="replace") as answer:
                rows = [line.split() for line in answer]
    except OSError as error:
        raise ProbeError(f"memcached does not answer at {address[0]}:{address[1]}: {error}") from error
    fields = 3
    return {row[1]: row[2] for row in rows if len(row) == fields and row[0] == "STAT"}


def parse_lines(text: str) -> dict[str, str]:
    """Return the lines ``Name: value`` of a text; of a name that stands twice the first."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            found.setdefault(name.strip(), value.strip())
    return found


def overlay_databases() -> dict[str, dict[str, str]]:
    """Return the state of each OVN database in its cluster, by its name."""
    found = {}
    for short, name in (("nb", "OVN_Northbound"), ("sb", "OVN_Southbound")):
        argv = ["ovs-appctl", "--timeout=10", "-t", f"{_OVN}/ovn{short}_db.ctl", "cluster/status", name]
        text = run(argv, timeout=_SECONDS)
        members = [line for line in text.partition("\nServers:")[2].splitlines() if line.strip()]
        found[name] = {**parse_lines(text), "members": str(len(members))}
    return found


def overlay() -> dict[str, Any]:
    """Return what northd does, and the chassis that the southbound database knows."""
    chassis = ["ovn-sbctl", "--timeout=10", f"--db=unix:{_OVN}/ovnsb_db.sock", "--no-leader-only", "--format=json"]
    rows = json.loads(run([*chassis, "--columns=hostname", "list", "Chassis"], timeout=_SECONDS))["data"]
    status = run(["ovn-appctl", "--timeout=10", "-t", "ovn-northd", "status"], timeout=_SECONDS)
    return {"northd": parse_lines(status).get("Status", ""), "chassis": sorted(str(row[0]) for row in rows)}


def switch() -> dict[str, Any]:
    """Return what Open vSwitch has, and whether ovn-controller is connected to the southbound database."""
    try:
        known = parse_switch(run(["ovs-vsctl", "--timeout=10", *reading_arguments()], timeout=_SECONDS))
    except SwitchError as error:
        raise ProbeError(str(error.args[0])) from error
    try:
        connection = run(
            ["ovn-appctl", "--timeout=10", "-t", "ovn-controller", "connection-status"], timeout=_SECONDS
        ).strip()
    except ProbeError as error:
        # Bridges and ports are there without it.
        connection = str(error)
    return {
        "settings": dict(known.external_ids),
        "bridges": {name: bridge.fail_mode for name, bridge in known.bridges.items()},
        "managers": sorted(known.managers),
        "errors": dict(known.errors),
        "connection": connection,
    }


def hypervisor() -> dict[str, Any]:
    """Return libvirt's guests with state and reason, and how nova starts guests."""
    text = run(["virsh", "--connect", "qemu:///system", "domstats", "--state", "--raw"], timeout=_SECONDS)
    guests: dict[str, dict[str, int]] = {}
    name = ""
    for line in text.splitlines():
        key, _equals, value = line.strip().partition("=")
        if line.startswith("Domain:"):
            name = line.partition(":")[2].strip().strip("'")
            guests[name] = {}
        elif name and key in ("state.state", "state.reason"):
            guests[name][key.rpartition(".")[2]] = int(value)
    settings = configparser.RawConfigParser(strict=False)
    settings.read("/etc/nova/nova-compute.conf", encoding="utf-8")
    kind = settings.get("libvirt", "virt_type", fallback="")
    return {"guests": guests, "virt_type": kind, "kvm": Path("/dev/kvm").exists()}


def hypervisor_tls(host: str) -> str:
    """Return the name that libvirt tells over TLS, as other computes reach it."""
    return run(["virsh", "--connect", f"qemu+tls://{host}/system", "hostname"], timeout=_SECONDS).strip()


def ceph() -> dict[str, Any]:
    """Return what the monitors say of the cluster."""
    commands: Mapping[str, dict[str, str]] = {
        "status": {"prefix": "status"},
        "dump": {"prefix": "osd dump"},
        "df": {"prefix": "df"},
        "versions": {"prefix": "versions"},
    }
    try:
        with connected(_ADMIN, _ADMIN_KEYRING, _SECONDS) as cluster:
            return {name: cluster.ask(command) for name, command in commands.items()}
    except CephError as error:
        raise ProbeError(str(error)) from error


def monitor(host: str) -> dict[str, Any]:
    """Return what the monitor of this host says of itself."""
    argv = ["ceph", "--admin-daemon", f"/run/ceph/ceph-mon.{host}.asok", "mon_status"]
    found: dict[str, Any] = json.loads(run(argv, timeout=_SECONDS))
    return found


def osds(folder: str = "/var/lib/ceph/osd") -> dict[str, str]:
    """Return what each OSD of the host says of its own state, or why it says nothing."""
    place = Path(folder)
    numbers: Sequence[str] = sorted(path.name.removeprefix("ceph-") for path in place.glob("ceph-*"))
    found = {}
    for number in numbers:
        argv = ["ceph", "--admin-daemon", f"/run/ceph/ceph-osd.{number}.asok", "status"]
        try:
            found[number] = str(json.loads(run(argv, timeout=_SECONDS)).get("state", ""))
        except ProbeError as error:
            found[number] = str(error)
    return found
