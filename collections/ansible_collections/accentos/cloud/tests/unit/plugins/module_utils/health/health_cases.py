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
    "addresses": {"management": "10.0.0.11", "storage": "10.0.2.11"},
    "peers": [{"host": "b", "network": "management", "address": "10.0.0.12"}],
    "names": {"b": "10.0.0.12"},
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
WELL: dict[str, Any] = {
    "units": {"states": {unit_of(layer): dict(STATE) for layer in LAYERS_WITH_UNITS}, "failed": [], "journals": {}},
    "apis": {url_of(layer): "" for layer in LAYERS_WITH_UNITS},
    "configuration": {"nova-api.service": []},
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
        "10.0.2.11": {"device": "br-phy", "state": "UNKNOWN", "mtu": 1500},
    },
    "devices": {
        "counters": {"eth0": {"rx_packets": 90000, "tx_packets": 10000, "rx_errors": 1, "tx_errors": 0}},
        "bonds": {"bond0": {"eth2": "up", "eth3": "up"}},
        "tracked": 10.0,
    },
    "peers": [{"host": "b", "network": "management", "address": "10.0.0.12", "problem": ""}],
    "names": {"b": ["10.0.0.12"]},
    "balancer": [
        {"pxname": "nova-api", "svname": "FRONTEND", "status": "OPEN", "scur": "3", "slim": "100"},
        {"pxname": "nova-api", "svname": "a", "status": "UP", "scur": "3", "slim": ""},
        {"pxname": "nova-api", "svname": "b", "status": "UP 1/2", "scur": "3", "slim": ""},
        {"pxname": "nova-api", "svname": "BACKEND", "status": "UP", "scur": "3", "slim": "10"},
    ],
}
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
