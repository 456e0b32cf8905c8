# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every check of a cloud's APIs, once well and once broken, on literals."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import LAYERS, Collected, judge
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_cloud import CLOUD_CHECKS, age

NOW = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
LONG_AGO, LATELY = "2026-01-01T00:00:00Z", "2026-01-01T23:59:00.000000"
WANTED = {
    "computes": ["c-1"],
    "services": ["nova"],
    "endpoints": {"nova": {"public": "https://a:1", "internal": "https://a:1"}, "other": {"public": "https://a:2"}},
    "identity_users": ["nova"],
    "now": NOW,
}
SERVICE = {"binary": "nova-compute", "host": "c-1", "state": "up", "status": "enabled"}
WELL: dict[str, Any] = {
    "login": {"seconds": 0.5},
    "identity_api": {
        "services": [{"name": "nova", "enabled": True, "urls": {"public": "https://a:1", "internal": "https://a:1"}}],
        "users": {"nova": True},
    },
    "image_api": [{"name": "i", "id": "1", "status": "active", "updated_at": LONG_AGO}],
    "compute_api": {
        "services": [SERVICE],
        "broken": [],
        "guests": [{"name": "g", "id": "2", "status": "BUILD", "OS-EXT-STS:task_state": "spawning", "updated": LATELY}],
        "providers": {
            "c-1.example.test": {
                "inventories": {
                    "MEMORY_MB": {"total": 1000, "reserved": 100, "allocation_ratio": 1.0},
                    "VCPU": {"total": 4, "reserved": 0, "allocation_ratio": 4.0},
                },
                "usages": {"MEMORY_MB": 300, "VCPU": 2},
            }
        },
    },
    "network_api": {
        "agents": [{"agent_type": "OVN Metadata agent", "host": "c-1", "admin_state_up": True, "alive": True}],
        "ports": [{"id": "3", "binding:vif_type": "ovs", "binding:host_id": "c-1"}],
        "floating": [{"floating_ip_address": "203.0.113.9", "status": "ACTIVE"}],
        "routers": [{"name": "r", "id": "4", "status": "ACTIVE", "admin_state_up": True}],
    },
    "volume_api": {
        "services": [{**SERVICE, "binary": "cinder-volume", "host": "a@ceph"}],
        "volumes": [{"name": "v", "id": "5", "status": "creating", "updated_at": None, "created_at": LATELY}],
        "snapshots": [{"name": "s", "id": "6", "status": "available"}],
    },
}
_SERVICES = ("compute_api", "services", 0)
_PROVIDER = ("compute_api", "providers", "c-1.example.test")
BROKEN: list[tuple[str, tuple[str | int, ...], Any, str, str]] = [
    ("login", ("login", "seconds"), 3.0, "warn", "3.0 s"),
    ("login", ("login", "seconds"), 30.0, "fail", "30.0 s"),
    ("catalogue", ("identity_api", "services", 0, "enabled"), False, "fail", "nova is missing"),
    ("catalogue", ("identity_api", "services", 0, "urls"), {"public": "https://a"}, "fail", "nova has no internal"),
    (
        "catalogue",
        ("identity_api", "services", 0, "urls", "internal"),
        "https://b:1",
        "fail",
        "the internal endpoint of nova is https://b:1 instead of https://a:1",
    ),
    ("endpoints over TLS", ("identity_api", "services", 0, "urls", "public"), "http://a:1", "fail", "http://a:1"),
    ("users of services", ("identity_api", "users"), {}, "fail", "nova is missing"),
    ("users of services", ("identity_api", "users", "nova"), False, "fail", "nova is disabled"),
    ("images that can be used", ("image_api",), [], "warn", "none"),
    ("images on their way", ("image_api", 0, "status"), "saving", "warn", "i (1): saving"),
    ("services of compute", (*_SERVICES, "state"), "down", "fail", "nova-compute@c-1"),
    ("computes that take guests", (*_SERVICES, "status"), "disabled", "fail", "none does"),
    ("computes of the inventory", (*_SERVICES, "host"), "c-9", "fail", "c-1"),
    ("disabled computes", (*_SERVICES, "status"), "disabled", "warn", "c-1: no reason told"),
    ("computes in placement", (*_PROVIDER, "inventories"), {}, "fail", "c-1"),
    ("room for guests", (*_PROVIDER, "usages", "MEMORY_MB"), 890, "fail", "memory 99 %"),
    ("room for guests", (*_PROVIDER, "usages", "VCPU"), 14, "warn", "processors 88 %"),
    ("guests with errors", ("compute_api", "broken"), [{"name": "g", "id": "2", "status": "ERROR"}], "warn", "g (2)"),
    ("guests that hang", ("compute_api", "guests", 0, "updated"), LONG_AGO, "warn", "g (2): spawning"),
    ("agents of the network", ("network_api", "agents", 0, "alive"), False, "fail", "OVN Metadata agent@c-1"),
    ("metadata agents", ("network_api", "agents", 0, "host"), "c-9", "fail", "c-1"),
    ("bound ports", ("network_api", "ports", 0, "binding:vif_type"), "binding_failed", "fail", "3 on c-1"),
    ("floating addresses", ("network_api", "floating", 0, "status"), "ERROR", "fail", "203.0.113.9: ERROR"),
    ("routers", ("network_api", "routers", 0, "status"), "ERROR", "warn", "r (4): ERROR"),
    ("services of volumes", ("volume_api", "services", 0, "state"), "down", "fail", "cinder-volume@a@ceph"),
    ("volumes with errors", ("volume_api", "volumes", 0, "status"), "error_deleting", "warn", "v (5): error_deleting"),
    ("volumes that hang", ("volume_api", "volumes", 0, "created_at"), LONG_AGO, "warn", "v (5): creating"),
    ("snapshots with errors", ("volume_api", "snapshots", 0, "status"), "error", "warn", "s (6): error"),
]


def findings(data: dict[str, Any]) -> dict[str, dict[str, str]]:
    collected = {name: Collected(value) for name, value in data.items()}
    return {one["check"]: one for one in judge(CLOUD_CHECKS, collected, WANTED, "the cloud")}


def test_a_cloud_that_is_well_has_only_good_findings() -> None:
    found = findings(WELL)
    assert {name: one["found"] for name, one in found.items() if one["state"] != "ok"} == {}
    assert list(found) == [check.name for check in CLOUD_CHECKS]
    assert {name for name, *_rest in BROKEN} == set(found)
    assert {check.layer for check in CLOUD_CHECKS} <= set(LAYERS)
    assert {check.of for check in CLOUD_CHECKS} == {check.of for check in CLOUD_CHECKS if check.answers}


@pytest.mark.parametrize(("check", "place", "value", "state", "words"), BROKEN)
def test_what_is_broken_is_found(check: str, place: tuple[str | int, ...], value: Any, state: str, words: str) -> None:
    data: Any = copy.deepcopy(WELL)
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    found = findings(data)[check]
    assert found["state"] == state
    assert words in found["found"]


def test_times_are_read_as_services_write_them() -> None:
    assert age(None, NOW) == 0
    assert age("2026-01-01T23:00:00Z", NOW) == age("2026-01-01T23:00:00.000000", NOW) == 3600
    assert age("2026-01-02T00:00:00+01:00", NOW) == 3600
