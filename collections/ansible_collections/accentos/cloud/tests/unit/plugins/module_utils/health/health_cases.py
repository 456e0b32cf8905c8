# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What collectors read on a host that is well, and one way in which each check sees it broken."""

from __future__ import annotations

import copy
from typing import Any

LAYERS_WITH_UNITS = (
    "power",
    "network",
    "host",
    "database",
    "messaging",
    "identity",
    "image",
    "compute",
    "network service",
    "block storage",
    "Ceph",
)


def unit_of(layer: str) -> str:
    return f"unit-of-{layer.replace(' ', '-')}.service"


def url_of(layer: str) -> str:
    return f"https://10.0.0.11:1/{layer.replace(' ', '-')}"


WANTED: dict[str, Any] = {
    "units": [{"name": unit_of(layer), "layer": layer} for layer in LAYERS_WITH_UNITS],
    "apis": [{"url": url_of(layer), "layer": layer} for layer in LAYERS_WITH_UNITS],
    "addresses": {"management": "10.0.0.11", "storage": "10.0.2.11", "tunnel": "10.0.1.11"},
    "peers": [{"host": "b", "network": "management", "address": "10.0.0.12"}],
    "names": {"b": "10.0.0.12"},
    "controllers": 3,
    "databases": ["nova"],
    "database_users": ["nova"],
    "messaging_users": ["nova"],
    "chassis": ["a", "c"],
    "ceph_pools": ["images"],
}
STATE = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    "NRestarts": "0",
}
CERTIFICATE = {"name": "nova", "readable": True, "left": 300.0, "since": 3.0, "issuer_known": True, "key": "fits"}
_LOGIN = {"user": "nova", "files": ["/etc/nova/nova.conf"], "problem": "", "judged": True}
WELL: dict[str, Any] = {
    "units": {"states": {unit_of(layer): dict(STATE) for layer in LAYERS_WITH_UNITS}, "failed": [], "journals": {}},
    "apis": {url_of(layer): "" for layer in LAYERS_WITH_UNITS},
    "configuration": {"nova-api.service": []},
    "secrets": [{"path": "/etc/nova/nova.conf", "mode": 0o640, "open": False}],
    "database_logins": [dict(_LOGIN)],
    "messaging_logins": [dict(_LOGIN)],
    "identity_logins": [dict(_LOGIN)],
    "filesystems": [{"path": "/var", "used": 40.0, "files": 10.0, "read_only": False}],
    "load": {
        "memory": {"MemTotal": 1000, "MemAvailable": 500, "SwapTotal": 100, "SwapFree": 90},
        "load": 1.0,
        "processors": 4,
        "files": 1.0,
        "memory_errors": {"corrected": 0, "uncorrected": 0},
    },
    "arrays": {"md0": "UU"},
    "system": {"kernel": "6.12.1", "next": "6.12.1", "packages": ""},
    "clock": {
        "leap": "Normal",
        "stratum": 3,
        "offset": -0.001,
        "sources": [{"name": "a", "state": "*", "reach": 255}, {"name": "b", "state": "+", "reach": 1}],
    },
    "certificates": {
        "certificates": [
            {"name": "ca", "readable": True, "left": 3000.0, "since": 3.0},
            {**CERTIFICATE, "mode": 0o640},
        ]
    },
    "addresses": {
        "10.0.0.11": {"device": "eth0", "state": "UP", "mtu": 1500},
        "10.0.1.11": {"device": "br-phy", "state": "UNKNOWN", "mtu": 1500},
        "10.0.2.11": {"device": "eth1", "state": "UP", "mtu": 1500},
    },
    "devices": {
        "counters": {"eth0": {"rx_packets": 90000, "tx_packets": 10000, "rx_errors": 1, "tx_errors": 0}},
        "bonds": {"bond0": {"eth2": "up", "eth3": "up"}},
        "tracked": 10.0,
    },
    "peers": [{"host": "b", "network": "management", "address": "10.0.0.12", "problem": ""}],
    "names": {"b": ["10.0.0.12"]},
    "database": {
        "status": {
            "uptime": "600",
            "wsrep_cluster_status": "Primary",
            "wsrep_local_state_comment": "Synced",
            "wsrep_ready": "ON",
            "wsrep_cluster_size": "3",
            "wsrep_flow_control_paused": "0.01",
            "threads_connected": "20",
        },
        "variables": {"version": "11.8.2", "max_connections": "2000", "require_secure_transport": "ON"},
        "databases": ["glance", "nova"],
        "users": ["mysql", "nova", "root"],
        "oldest": 2,
    },
    "messaging": {
        "status": {
            "alarms": [],
            "disk_free": 10 * 2**30,
            "disk_free_limit": 2**29,
            "listeners": [{"protocol": "amqp/ssl", "port": 5671}, {"protocol": "clustering", "port": 25672}],
        },
        "cluster": {"running_nodes": ["rabbit@a", "rabbit@b", "rabbit@c"], "partitions": {}, "alarms": []},
        "users": [{"user": "nova", "tags": []}],
    },
    "queues": [{"name": "conductor", "type": "quorum", "state": "running", "messages": 0, "consumers": 1}],
    "cache": {"version": "1.6", "rejected_connections": "0", "listen_disabled_num": "0"},
    "overlay_databases": {
        name: {
            "Status": "cluster member",
            "Role": "follower",
            "Leader": "9a7b",
            "members": "3",
            "Entries not yet committed": "0",
            "Entries not yet applied": "0",
        }
        for name in ("OVN_Northbound", "OVN_Southbound")
    },
    "overlay": {"northd": "standby", "chassis": ["a", "c"]},
    "switch": {
        "settings": {"ovn-bridge": "br-int", "ovn-bridge-mappings": "external:br-ex", "ovn-encap-ip": "10.0.1.11"},
        "bridges": {"br-int": "secure", "br-ex": ""},
        "errors": {},
        "connection": "connected",
    },
    "hypervisor": {"guests": {"instance-1": {"state": 1, "reason": 1}}, "virt_type": "kvm", "kvm": True},
    "hypervisor_tls": "a",
    "monitor": {"state": "peon"},
    "osds": {"0": "active"},
    "ceph": {
        "status": {
            "quorum_names": ["a", "b", "c"],
            "monmap": {"num_mons": 3},
            "health": {"status": "HEALTH_OK", "checks": {}},
            "pgmap": {"pgs_by_state": [{"state_name": "active+clean", "count": 33}]},
            "mgrmap": {"available": True, "num_standbys": 2},
        },
        "dump": {
            "flags": "sortbitwise,recovery_deletes",
            "osds": [{"osd": 0, "up": 1, "in": 1}, {"osd": 1, "up": 1, "in": 1}],
            "pools": [{"pool_name": "images", "size": 3, "application_metadata": {"rbd": {}}}],
        },
        "df": {"stats": {"total_bytes": 100, "total_used_raw_bytes": 10}},
        "versions": {"overall": {"ceph version 18.2.7": 9}},
    },
    "balancer": [
        {"pxname": "nova-api", "svname": "FRONTEND", "status": "OPEN", "scur": "3", "slim": "100"},
        {"pxname": "nova-api", "svname": "a", "status": "UP", "scur": "3", "slim": ""},
        {"pxname": "nova-api", "svname": "b", "status": "UP 1/2", "scur": "3", "slim": ""},
        {"pxname": "nova-api", "svname": "BACKEND", "status": "UP", "scur": "3", "slim": "10"},
    ],
}
_STATUS = ("database", "status")
_CLUSTER = ("messaging", "cluster")
_NORTH = ("overlay_databases", "OVN_Northbound")
_GUEST = ("hypervisor", "guests", "instance-1")
_CEPH = ("ceph", "status")
_GROUPS = (*_CEPH, "pgmap", "pgs_by_state", 0)
_UNWELL = {"status": "HEALTH_ERR", "checks": {"OSD_FULL": {"summary": {"message": "1 full osd"}}}}
_ONE = ("certificates", "certificates", 1)
# Check, the place that is changed, its value there, the state that follows, and words that the finding has.
BROKEN: list[tuple[str, tuple[str | int, ...], Any, str, str]] = [
    ("failed units", ("units", "failed"), ["x.service"], "fail", "x.service"),
    *(
        (
            f"units of the layer {layer}",
            ("units", "states", unit_of(layer), "ActiveState"),
            "failed",
            "fail",
            "is failed",
        )
        for layer in LAYERS_WITH_UNITS
    ),
    ("units of the layer host", ("units", "states", unit_of("host"), "LoadState"), "not-found", "fail", "not-found"),
    ("units at boot", ("units", "states", unit_of("host"), "UnitFileState"), "masked", "fail", unit_of("host")),
    ("units that start again", ("units", "states", unit_of("host"), "NRestarts"), "7", "warn", "7 times"),
    ("unit files", ("units", "states", unit_of("host"), "NeedDaemonReload"), "yes", "warn", unit_of("host")),
    ("present configuration", ("configuration", "nova-api.service"), ["/etc/nova/nova.conf"], "warn", "nova.conf"),
    ("files with secrets", ("secrets", 0, "open"), True, "fail", "/etc/nova/nova.conf (0640)"),
    *(
        (
            f"logins at the {name}",
            (f"{kind}_logins", 0, "problem"),
            "a:1: denied",
            "fail",
            "nova of /etc/nova/nova.conf: a:1: denied",
        )
        for kind, name in (("database", "database"), ("messaging", "messaging"), ("identity", "identity service"))
    ),
    (
        "logins at the database",
        ("database_logins", 0),
        {**_LOGIN, "problem": "a:1: timed out", "judged": False},
        "unknown",
        "a:1: timed out",
    ),
    ("disk space", ("filesystems", 0, "used"), 97.0, "fail", "/var 97 %"),
    ("disk space", ("filesystems", 0, "used"), 90.0, "warn", "/var 90 %"),
    ("files on disks", ("filesystems", 0, "files"), 99.0, "fail", "/var 99 %"),
    ("disks are written to", ("filesystems", 0, "read_only"), True, "fail", "/var"),
    ("memory", ("load", "memory", "MemAvailable"), 20, "fail", "2 %"),
    ("memory", ("load", "memory", "MemAvailable"), 70, "warn", "7 %"),
    ("swap", ("load", "memory", "SwapFree"), 10, "warn", "90 %"),
    ("processors", ("load", "load"), 30.0, "fail", "load 30.0"),
    ("processors", ("load", "load"), 10.0, "warn", "load 10.0"),
    ("open files", ("load", "files"), 96.0, "fail", "96 %"),
    ("memory errors", ("load", "memory_errors", "uncorrected"), 1, "fail", "1 uncorrected"),
    ("memory errors", ("load", "memory_errors", "corrected"), 5, "warn", "5 corrected"),
    ("software arrays", ("arrays", "md0"), "U_", "fail", "md0 [U_]"),
    ("packages", ("system", "packages"), "The following packages are only half configured", "fail", "half configured"),
    ("kernel", ("system", "next"), "6.12.9", "warn", "6.12.9 is installed"),
    ("time", ("clock", "leap"), "Not synchronised", "fail", "follows nothing"),
    ("clock offset", ("clock", "offset"), -0.7, "fail", "700.0 ms"),
    ("clock offset", ("clock", "offset"), 0.1, "warn", "100.0 ms"),
    ("time sources", ("clock", "sources"), [], "fail", "no source answers"),
    ("time sources", ("clock", "sources", 0, "reach"), 0, "warn", "a does not answer"),
    ("time sources", ("clock", "sources", 1, "state"), "x", "warn", "b tells another time"),
    ("certificates last", (*_ONE, "left"), -2.0, "fail", "nova ended 2 days ago"),
    ("certificates last", (*_ONE, "left"), 20.0, "warn", "nova ends in 20 days"),
    ("certificates begun", (*_ONE, "since"), -0.5, "fail", "nova in 0.5 days"),
    ("certificates and keys", (*_ONE, "key"), "other", "fail", "for another key"),
    ("certificates and keys", (*_ONE, "key"), "missing", "fail", "has no key"),
    ("certificates and keys", (*_ONE, "readable"), False, "fail", "cannot be read"),
    ("certificates' authority", (*_ONE, "issuer_known"), False, "fail", "nova"),
    ("authority lasts", ("certificates", "certificates", 0, "left"), 5.0, "fail", "5 days"),
    ("private keys", (*_ONE, "mode"), 0o644, "fail", "0644"),
    *(
        (f"APIs of the layer {layer}", ("apis", url_of(layer)), "status 503", "fail", "503")
        for layer in LAYERS_WITH_UNITS
    ),
    ("addresses", ("addresses",), {}, "fail", "10.0.0.11 of management"),
    ("devices", ("addresses", "10.0.0.11", "state"), "DOWN", "fail", "eth0 (management) is DOWN"),
    ("errors of devices", ("devices", "counters", "eth0", "rx_errors"), 500, "warn", "eth0 500 of 100000"),
    ("bonds", ("devices", "bonds", "bond0", "eth3"), "down", "fail", "eth3 of bond0 is down"),
    ("tracked connections", ("devices", "tracked"), 99.0, "fail", "99 %"),
    ("other hosts", ("peers", 0, "problem"), "timed out", "fail", "b in management (10.0.0.12): timed out"),
    ("names", ("names", "b"), ["127.0.1.1"], "fail", "b is 127.0.1.1 instead of 10.0.0.12"),
    ("names", ("names", "b"), [], "fail", "b is unknown"),
    ("services behind the load balancer", ("balancer",), [], "fail", "hands on nothing"),
    ("servers behind the load balancer", ("balancer", 2, "status"), "DOWN", "warn", "nova-api on b is DOWN"),
    ("database answers", ("database", "status"), {}, "unknown", "not understood"),
    ("database quorum", (*_STATUS, "wsrep_cluster_status"), "non-Primary", "fail", "non-Primary"),
    ("database is up to date", (*_STATUS, "wsrep_ready"), "OFF", "fail", "ready OFF"),
    ("database is up to date", (*_STATUS, "wsrep_local_state_comment"), "Donor/Desynced", "warn", "Donor"),
    ("database servers", (*_STATUS, "wsrep_cluster_size"), "2", "warn", "2 of 3"),
    ("database servers", (*_STATUS, "wsrep_cluster_size"), "1", "fail", "1 of 3"),
    ("database flow", (*_STATUS, "wsrep_flow_control_paused"), "0.7", "fail", "70.0 %"),
    ("database flow", (*_STATUS, "wsrep_flow_control_paused"), "0.2", "warn", "20.0 %"),
    ("database connections", (*_STATUS, "threads_connected"), "1950", "fail", "98 %"),
    ("old transactions", ("database", "oldest"), 4000, "warn", "4000 s"),
    ("database over TLS", ("database", "variables", "require_secure_transport"), "OFF", "fail", "is OFF"),
    ("databases of services", ("database", "databases"), ["glance"], "fail", "nova"),
    ("database users", ("database", "users"), ["root"], "fail", "nova"),
    ("anonymous database user", ("database", "users"), ["", "nova"], "fail", "there is one"),
    ("messaging servers", (*_CLUSTER, "running_nodes"), ["rabbit@a"], "fail", "1 of 3"),
    ("messaging servers", (*_CLUSTER, "running_nodes"), ["rabbit@a", "rabbit@b"], "warn", "2 of 3"),
    ("messaging partitions", (*_CLUSTER, "partitions"), {"a": ["b"]}, "fail", "a from b"),
    ("messaging alarms", ("messaging", "status", "alarms"), ["disk_free_limit"], "fail", "disk_free_limit"),
    ("messaging disk", ("messaging", "status", "disk_free"), 2**28, "fail", "0.2 GiB free"),
    ("messaging disk", ("messaging", "status", "disk_free"), 700 * 2**20, "warn", "0.7 GiB free"),
    ("messaging over TLS", ("messaging", "status", "listeners", 0, "protocol"), "amqp", "fail", "amqp on port 5671"),
    ("messaging users", ("messaging", "users"), [], "fail", "nova"),
    ("messaging user guest", ("messaging", "users"), [{"user": "guest"}], "fail", "it is there"),
    ("queues", ("queues", 0, "state"), "down", "fail", "conductor is down"),
    ("waiting messages", ("queues", 0), {"name": "q", "messages": 3, "consumers": 0}, "warn", "q: 3 and nobody reads"),
    ("waiting messages", ("queues", 0, "messages"), 5000, "warn", "conductor: 5000"),
    ("cache", ("cache",), {}, "fail", "nothing"),
    ("connections of the cache", ("cache", "listen_disabled_num"), "4", "warn", "4 times"),
    ("overlay databases", (*_NORTH, "Status"), "disconnected from the cluster", "fail", "OVN_Northbound: disc"),
    ("overlay databases", (*_NORTH, "members"), "2", "fail", "OVN_Northbound: 2 members"),
    ("overlay leaders", (*_NORTH, "Leader"), "unknown", "fail", "OVN_Northbound: follower"),
    ("overlay changes", (*_NORTH, "Entries not yet applied"), "7", "warn", "7 entries not yet applied"),
    ("northd", ("overlay", "northd"), "paused", "fail", "paused"),
    ("chassis", ("overlay", "chassis"), ["a"], "fail", "c"),
    ("strange chassis", ("overlay", "chassis"), ["a", "c", "gone"], "warn", "gone"),
    ("strange chassis", ("overlay", "chassis"), ["a", "c", "c"], "warn", "c twice"),
    ("bridges", ("switch", "bridges"), {"br-int": ""}, "fail", "br-ex"),
    ("ports of the switch", ("switch", "errors"), {"tap1": "No such device"}, "fail", "tap1: No such device"),
    ("address of tunnels", ("switch", "settings", "ovn-encap-ip"), "10.9.9.9", "fail", "instead of 10.0.1.11"),
    ("ovn-controller", ("switch", "connection"), "not connected", "fail", "not connected"),
    (
        "guests of libvirt",
        (*_GUEST,),
        {"state": 3, "reason": 5},
        "fail",
        "instance-1 is paused by an error of its disk",
    ),
    ("guests of libvirt", (*_GUEST,), {"state": 6, "reason": 0}, "fail", "instance-1 crashed"),
    ("acceleration", ("hypervisor", "kvm"), False, "fail", "/dev/kvm is not there"),
    ("acceleration", ("hypervisor", "virt_type"), "qemu", "warn", "without acceleration"),
    ("monitor", ("monitor", "state"), "electing", "fail", "electing"),
    ("OSDs of the host", ("osds", "0"), "booting", "fail", "osd.0: booting"),
    ("OSDs of the host", ("osds",), {}, "fail", "no OSD"),
    ("quorum of Ceph", (*_CEPH, "quorum_names"), ["a", "b"], "warn", "2 of 3"),
    ("health of Ceph", (*_CEPH, "health"), _UNWELL, "fail", "OSD_FULL: 1 full osd"),
    ("health of Ceph", (*_CEPH, "health"), {**_UNWELL, "status": "HEALTH_WARN"}, "warn", "OSD_FULL: 1 full osd"),
    ("OSDs", ("ceph", "dump", "osds", 1, "up"), 0, "fail", "osd.1 is down"),
    ("OSDs", ("ceph", "dump", "osds", 1, "in"), 0, "fail", "osd.1 is out"),
    ("placement groups", (*_GROUPS, "state_name"), "down+peering", "fail", "33 down+peering"),
    ("placement groups", (*_GROUPS, "state_name"), "active+undersized", "warn", "33 active+undersized"),
    ("manager of Ceph", (*_CEPH, "mgrmap", "available"), False, "fail", "none is active"),
    ("other managers of Ceph", (*_CEPH, "mgrmap", "num_standbys"), 0, "warn", "no other"),
    ("room in Ceph", ("ceph", "df", "stats", "total_used_raw_bytes"), 90, "fail", "90 %"),
    ("pools", ("ceph", "dump", "pools"), [], "fail", "images"),
    ("copies", ("ceph", "dump", "pools", 0, "size"), 1, "fail", "images has 1"),
    (
        "pools",
        ("ceph", "dump", "pools", 0, "application_metadata"),
        {},
        "fail",
        "images is of no application",
    ),
    ("flags of Ceph", ("ceph", "dump", "flags"), "noout,sortbitwise", "warn", "noout"),
    ("flags of Ceph", ("ceph", "dump", "flags"), "pauserd,pausewr", "fail", "pauserd"),
    ("versions of Ceph", ("ceph", "versions", "overall"), {"17": 1, "18": 2}, "warn", "1 17"),
    ("clients of the load balancer", ("balancer", 0, "scur"), "99", "fail", "nova-api 99 %"),
]


def changed(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return what a host says on which one thing is not well."""
    data: Any = copy.deepcopy(WELL)
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    whole: dict[str, Any] = data
    return whole
