# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters for services of a cloud, and what they make of errors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter import (
    fill_secrets,
    openstack_group_packages,
    openstack_host_plan,
    openstack_listeners,
)

KNOWN: dict[str, Any] = {
    "glance": {
        "description": "Images",
        "components": {
            "api": {
                "group": "controller",
                "packages": ["glance-api"],
                "wsgi": {"unit": "glance-api.service", "program": "/usr/bin/glance", "ini": "/etc/a.ini", "port": 9292},
            }
        },
    }
}
CONTEXT = {
    "host": "controller-1",
    "domain": "example.test",
    "address": "10.0.0.21",
    "groups": {"controller": ["controller-1"]},
    "pki_folder": "/etc/accentos/pki",
    "api_url": "https://api.example.test",
    "region": "RegionOne",
    # On the command line a number is a text.
    "processes": "2",
}


def test_a_plan_of_a_host() -> None:
    plan = openstack_host_plan.FilterModule().filters()["openstack_host_plan"]
    planned: Any = plan(KNOWN, ["glance"], None, **CONTEXT)
    assert planned["packages"] == ["glance-api"]
    assert planned["files"][0]["sections"]["uwsgi"]["processes"] == 2
    with pytest.raises(AnsibleFilterError, match="no service 'glanze'"):
        plan(KNOWN, ["glanze"], {}, **CONTEXT)


def test_ports_of_the_load_balancer() -> None:
    ports = openstack_listeners.FilterModule().filters()["openstack_listeners"]
    assert ports(KNOWN, ["glance"]) == [{"name": "glance-api", "port": 9292, "mode": "http", "check": "/"}]
    with pytest.raises(AnsibleFilterError, match="no service 'glanze'"):
        ports(KNOWN, ["glanze"])


def test_secrets_take_the_place_of_references() -> None:
    fill = fill_secrets.FilterModule().filters()["fill_secrets"]
    value = [{"password": "{secret:a}", "url": "x://{secret-in-url:a}@y", "number": 1}]
    assert fill(value, {"a": "b/$"}) == [{"password": "b/$", "url": "x://b%2F%24@y", "number": 1}]
    with pytest.raises(AnsibleFilterError, match="The secret a is not given"):
        fill("{secret:a}", {})


def test_the_packages_of_a_group_are_told_before_there_are_hosts() -> None:
    packages = openstack_group_packages.FilterModule().filters()["openstack_group_packages"]
    known = {"example": {"components": {"agent": {"group": "compute", "packages": ["example-agent"]}}}}
    assert packages(known, "compute") == ["example-agent"]
