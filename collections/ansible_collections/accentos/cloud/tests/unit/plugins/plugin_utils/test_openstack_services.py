# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a host for services that are described as data."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_services import (
    Context,
    ServiceError,
    group_packages,
    listeners,
    plan_host,
)

API: dict[str, Any] = {
    "group": "controller",
    "packages": ["nova-api", "uwsgi-core"],
    "files": {"/etc/nova/nova.conf": {"database": {"connection": "mysql://{secret-in-url:nova_database_password}@db"}}},
    "wsgi": {
        "unit": "nova-api.service",
        "program": "/usr/bin/nova-api-wsgi",
        "ini": "/etc/nova/api-uwsgi.ini",
        "environment": {"A": "b"},
        "port": 8774,
        "options": {"listen": 64},
    },
    "syncs": [{"name": "nova", "argv": ["nova-manage", "db", "sync"], "after": ["keystone"]}],
    "health": {"path": "/healthy", "status": [200, 300]},
}
CONSOLE: dict[str, Any] = {
    "group": "controller",
    "packages": ["nova-consoleproxy"],
    "texts": {"/etc/default/nova-consoleproxy": {"content": "TYPE=novnc\n", "group": "root", "mode": "0644"}},
    "certificate": True,
    "units": ["nova-novncproxy.service"],
    "idle": ["nova-serialproxy.service"],
    "listeners": [{"port": 6080, "sticky": True}],
}
COMPUTE: dict[str, Any] = {
    "group": "compute",
    "packages": ["nova-compute"],
    "files": {"/etc/nova/nova.conf": {"libvirt": {"virt_type": "kvm"}}, "/etc/nova/nova-compute.conf": {}},
    "units": ["nova-compute.service"],
    "daemons": ["iscsid.service"],
}
NOVA: dict[str, Any] = {
    "description": "Compute",
    "type": "compute",
    "database": [{"name": "nova", "character_set": "utf8mb3"}, {"name": "nova_cell0"}],
    "messaging": True,
    "identity": {
        "port": 8774,
        "path": "/v2.1",
        "roles": ["admin", "service"],
        "services": [{"name": "nova-ec2", "type": "ec2", "port": 8788}],
        "new_roles": ["member-of-nova"],
        "domains": [{"name": "nova", "description": "Guests"}],
        "users": [{"name": "nova_domain_admin", "domain": "nova", "grants": []}],
    },
    "files": {"/etc/nova/nova.conf": {"DEFAULT": {"my_ip": "10.0.0.21", "debug": False}}},
    "attributes": {"/etc/nova/nova.conf": {"mode": "0600"}},
    "namespaces": {"/etc/nova/nova.conf": ["nova.conf", "oslo.log"]},
    "components": {"api": API, "console": CONSOLE, "compute": COMPUTE},
}
# Not selected in most plans: whoever reads more of it than its units fails.
OTHER: dict[str, Any] = {"description": "Other", "components": {"a": {"group": "storage", "units": ["other.service"]}}}
KNOWN = {"nova": NOVA, "other": OTHER}
GROUPS = {"controller": ["controller-1", "controller-2"], "compute": ["compute-1"], "storage": ["storage-1"]}


def plan(
    host: str = "controller-1", *, overrides: Any = None, known: Any = None, names: Any = ("nova",)
) -> dict[str, Any]:
    context = Context(
        host=host,
        domain="example.test",
        address="10.0.0.21",
        groups=GROUPS,
        pki_folder="/etc/accentos/pki",
        api_url="https://api.example.test",
        region="RegionOne",
        processes=2,
    )
    return plan_host(known or KNOWN, names, overrides or {}, context)


def files(planned: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["path"]: file for file in planned["files"]}


def test_a_controller_gets_its_components_and_no_more() -> None:
    planned = plan()
    assert planned["packages"] == ["nova-api", "nova-consoleproxy", "uwsgi-core"]
    assert planned["certificates"] == [
        {
            "name": "nova",
            "owner": "nova",
            "group": "nova",
            "subject_alternative_names": ["DNS:controller-1.example.test", "DNS:controller-1", "IP:10.0.0.21"],
        }
    ]
    assert [unit["name"] for unit in planned["units"]] == ["nova-api.service", "nova-novncproxy.service"]
    assert planned["checks"] == [
        {"unit": "nova-api.service", "url": "https://10.0.0.21:8774/healthy", "status": [200, 300]}
    ]
    assert planned["start_policy"] == [
        "nova-api.service",
        "nova-compute.service",
        "nova-novncproxy.service",
        "nova-serialproxy.service",
        "other.service",
    ]


def test_a_compute_has_neither_password_of_the_database_nor_syncs() -> None:
    planned = plan("compute-1")
    conf = files(planned)["/etc/nova/nova.conf"]
    assert conf["sections"] == {"DEFAULT": {"my_ip": "10.0.0.21", "debug": False}, "libvirt": {"virt_type": "kvm"}}
    assert (planned["packages"], planned["syncs"], planned["certificates"]) == (["nova-compute"], [], [])
    assert planned["secrets"]["files"] == []


def test_a_host_of_no_group_gets_nothing() -> None:
    planned = plan("storage-1")
    assert [planned[name] for name in ("packages", "files", "units", "syncs", "checks")] == [[], [], [], [], []]


def test_files_are_merged_and_belong_to_the_service() -> None:
    planned = files(plan())
    conf = planned["/etc/nova/nova.conf"]
    assert set(conf["sections"]) == {"DEFAULT", "database"}
    assert {name: conf[name] for name in ("owner", "group", "mode", "namespaces")} == {
        "owner": "root",
        "group": "nova",
        "mode": "0600",
        "namespaces": ["nova.conf", "oslo.log"],
    }
    text = planned["/etc/default/nova-consoleproxy"]
    assert (text["group"], text["mode"], text["content"]) == ("root", "0644", "TYPE=novnc\n")


def test_a_component_that_asks_ceph_gets_a_keyring_and_starts_anew_with_it() -> None:
    known = {**KNOWN, "nova": {**NOVA, "components": {"compute": {**COMPUTE, "ceph_user": "client.nova"}}}}
    planned = plan("compute-1", known=known)
    assert planned["keyrings"] == [{"user": "client.nova", "owner": "nova", "group": "nova"}]
    assert {"/etc/ceph/ceph.conf", "/etc/ceph/ceph.client.nova.keyring"} <= set(planned["units"][0]["inputs"])
    assert plan("compute-1")["keyrings"] == []
    assert not [path for path in plan("compute-1")["units"][0]["inputs"] if "ceph" in path]


def test_an_api_listens_with_tls_on_the_address_of_its_host_and_has_one_thread() -> None:
    planned = files(plan())
    options = planned["/etc/nova/api-uwsgi.ini"]["sections"]["uwsgi"]
    assert options["https-socket"].startswith("10.0.0.21:8774,/etc/accentos/pki/nova.crt,/etc/accentos/pki/nova.key,")
    assert (options["threads"], options["processes"], options["listen"]) == (1, 2, 64)
    assert options["env"] == {"repeat": ["A=b", "OS_OSLO_MESSAGING_RABBIT__PROCESSNAME=nova-api"]}
    assert "http-socket" not in options
    drop_in = planned["/etc/systemd/system/nova-api.service.d/accentos.conf"]
    assert drop_in["content"].endswith("ExecStart=\nExecStart=/usr/bin/uwsgi --ini /etc/nova/api-uwsgi.ini\n")
    drop_ins = [file for path, file in planned.items() if path.startswith("/etc/systemd/system/")]
    assert len(drop_ins) > 1
    # Units of a service share folders in /run.
    assert all("\nRuntimeDirectoryPreserve=yes\n" in file["content"] for file in drop_ins)
    assert all(
        "\n[Service]\nEnvironment=PYTHONPATH=/usr/lib/accentos/openstack\n" in file["content"] for file in drop_ins
    )
    assert "ExecStart" not in planned["/etc/systemd/system/nova-novncproxy.service.d/accentos.conf"]["content"]


def test_a_unit_watches_its_own_files_and_packages() -> None:
    api, console = plan()["units"]
    assert api == {
        "name": "nova-api.service",
        "inputs": [
            "/etc/accentos/pki/nova.crt",
            "/etc/accentos/pki/nova.key",
            "/etc/nova/api-uwsgi.ini",
            "/etc/nova/nova.conf",
            "/etc/systemd/system/nova-api.service.d/accentos.conf",
            "/usr/lib/accentos/openstack/sitecustomize.py",
        ],
        "packages": ["nova-api", "uwsgi-core"],
    }
    assert "/etc/nova/api-uwsgi.ini" not in console["inputs"]
    assert "/etc/default/nova-consoleproxy" in console["inputs"]


def test_the_first_host_of_the_group_runs_the_syncs() -> None:
    assert plan()["syncs"] == [
        {
            "name": "nova",
            "argv": ["nova-manage", "db", "sync"],
            "user": "nova",
            "packages": ["nova-api", "uwsgi-core"],
            # keystone is not among the services of this run.
            "after": [],
        }
    ]
    assert plan("controller-2")["syncs"] == []


def test_options_of_the_operator_win() -> None:
    overrides = {
        "nova": {
            "/etc/nova/nova.conf": {"DEFAULT": {"debug": True}, "new": {"a": None}},
            # Only computes have it.
            "/etc/nova/nova-compute.conf": {"DEFAULT": {"a": 1}},
        }
    }
    conf = files(plan(overrides=overrides))["/etc/nova/nova.conf"]
    assert conf["sections"]["DEFAULT"] == {"my_ip": "10.0.0.21", "debug": True}
    assert conf["sections"]["new"] == {"a": None}
    assert files(plan("compute-1", overrides=overrides))["/etc/nova/nova-compute.conf"]["sections"] == {
        "DEFAULT": {"a": 1}
    }
    # YAML has None where all lines of a mapping are comments.
    for nothing in (
        {"nova": None},
        {"nova": {"/etc/nova/nova.conf": None}},
        {"nova": {"/etc/nova/nova.conf": {"DEFAULT": None}}},
    ):
        assert plan(overrides=nothing) == plan()
    # What a plan makes of the data stays out of the data.
    assert NOVA["files"]["/etc/nova/nova.conf"]["DEFAULT"]["debug"] is False


def test_accounts_and_catalogue_refer_to_secrets() -> None:
    planned = plan()
    owned = ["nova", "nova_cell0"]
    assert planned["databases"] == {
        "databases": [{"name": "nova", "character_set": "utf8mb3"}, {"name": "nova_cell0"}],
        "users": [{"name": "nova", "password": "{secret:nova_database_password}", "databases": owned}],
    }
    assert planned["messaging"] == [
        {"name": "nova", "password": "{secret:nova_messaging_password}", "permissions": [{"vhost": "/"}]}
    ]
    services, users = planned["catalogue"]["services"], planned["catalogue"]["users"]
    assert [(one["name"], one["type"], one["endpoints"]["internal"]) for one in services] == [
        ("nova", "compute", "https://api.example.test:8774/v2.1"),
        ("nova-ec2", "ec2", "https://api.example.test:8788"),
    ]
    assert users[0]["grants"] == [{"role": role, "project": "service"} for role in ("admin", "service")]
    assert users[1] == {
        "name": "nova_domain_admin",
        "domain": "nova",
        "grants": [],
        "password": "{secret:nova_domain_admin_identity_password}",
        "ignore_lockout_failure_attempts": True,
    }
    assert users[0]["ignore_lockout_failure_attempts"] is True
    assert planned["catalogue"]["roles"] == [{"name": "member-of-nova"}]
    assert planned["catalogue"]["domains"] == [{"name": "nova", "description": "Guests"}]
    assert planned["secrets"]["catalogue"] == [
        {"name": f"nova_{name}password", "kind": "password"} for name in ("domain_admin_identity_", "identity_")
    ]
    assert planned["secrets"]["files"] == [{"name": "nova_database_password", "kind": "password"}]


def test_the_load_balancer_hands_on_what_controllers_answer() -> None:
    assert listeners(KNOWN, ["nova", "other"]) == [
        {"name": "nova-api", "port": 8774, "mode": "http", "check": "/healthy"},
        {"name": "nova-console", "port": 6080, "mode": "http", "sticky": True},
    ]
    with pytest.raises(ServiceError, match="no service 'novA'"):
        listeners(KNOWN, ["novA"])
    wsgi = {**API["wsgi"], "repeatable": ["/login"], "sticky": False}
    known = {"nova": {**NOVA, "components": {"api": {**API, "wsgi": wsgi}}}}
    assert listeners(known, ["nova"])[0] == {
        "name": "nova-api",
        "port": 8774,
        "mode": "http",
        "check": "/healthy",
        "repeatable": ["/login"],
    }
    plan(known=known)


def broken(**changes: Any) -> dict[str, Any]:
    return {"nova": {**NOVA, **changes}}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"names": ["novA"]}, "There is no service 'novA'. Known: nova, other."),
        ({"overrides": {"novA": {}}}, "openstack_service_overrides names novA, and there is no such service."),
        ({"overrides": {"nova": "debug"}}, "nova is text in openstack_service_overrides."),
        ({"overrides": {"nova": {"/etc/nova.conf": {}}}}, "openstack_service_overrides names /etc/nova.conf of nova"),
        ({"known": broken(port=1)}, "The service nova has port, which means nothing."),
        ({"known": broken(identity={"ports": 1})}, "The identity of nova has ports"),
        ({"known": broken(components={"a": {"group": "controller", "unit": "x"}})}, "The component a of nova has unit"),
        ({"known": broken(components={"a": {**API, "wsgi": {"address": "x"}}})}, "The wsgi of a of nova has address"),
        ({"known": broken(files={"/a": {"a": {"b": "{secret:}"}}})}, "'{secret:}' refers to a secret in a way"),
        ({"known": {"nova": NOVA, "copy": NOVA}, "names": ["nova", "copy"]}, "Two services want to write /etc/"),
    ],
)
def test_a_wrong_description_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ServiceError) as caught:
        plan(**arguments)
    assert str(caught.value).startswith(told)


def test_a_service_that_has_no_meaning_in_the_site_is_left_out() -> None:
    known = {**KNOWN, "nova": {**KNOWN["nova"], "wanted": False}}
    assert plan(known=known) == plan(known=known, names=[])
    assert listeners(known, ["nova"]) == []


def test_a_group_has_the_packages_of_its_components_and_their_services() -> None:
    known = {
        "nova": {**NOVA, "packages": ["nova-common"]},
        "unwanted": {**NOVA, "wanted": False, "packages": ["other"]},
    }
    assert group_packages(known, "compute") == ["nova-common", "nova-compute"]
    assert group_packages(known, "storage") == []
    assert group_packages({}, "compute") == []


def test_a_component_may_be_of_several_groups_and_is_there_once() -> None:
    agent = {"group": ["controller", "compute"], "units": ["agent.service"], "packages": ["agent"]}
    known = {"nova": {**NOVA, "components": {**NOVA["components"], "agent": agent}}}
    for host in ("controller-2", "compute-1"):
        planned = plan(host, known=known)
        assert "agent" in planned["packages"]
        assert [unit["name"] for unit in planned["units"]].count("agent.service") == 1
    assert "agent" in group_packages(known, "controller")
    assert "agent" in group_packages(known, "compute")
    assert plan("storage-1", known=known)["units"] == []
    assert "nova-agent" not in [one["name"] for one in listeners(known, ["nova"])]


def test_a_daemon_runs_as_its_package_has_it() -> None:
    planned = plan("compute-1")
    nova, daemon = planned["units"]
    assert nova["name"] == "nova-compute.service"
    assert daemon == {"name": "iscsid.service", "inputs": [], "packages": ["nova-compute"]}
    assert not [file for file in planned["files"] if "iscsid" in file["path"]]
    # Its package may start it.
    assert "iscsid.service" not in planned["start_policy"]
