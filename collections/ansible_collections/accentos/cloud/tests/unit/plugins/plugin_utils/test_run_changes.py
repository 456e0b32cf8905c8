# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run changes, from results of modules to the lines of a plan."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_changes import (
    Change,
    difference,
    name_service,
    placed,
    plan_lines,
    read_changes,
    unite,
)

APT = """Reading package lists...
The following additional packages will be installed:
  libfoo
The following NEW packages will be installed:
  haproxy
  libfoo
The following packages will be REMOVED:
  old*
0 upgraded, 2 newly installed
"""
CONF = {"after_header": "/etc/nova/nova.conf", "before_header": "/etc/nova/nova.conf"}
RESULTS = [
    ("ansible.builtin.apt", {"stdout": APT}, ["install haproxy", "install libfoo", "remove old"]),
    (
        "accentos.cloud.packages",
        {"stdout": APT, "missing": ["haproxy"]},
        ["install haproxy", "install libfoo", "remove old"],
    ),
    (
        "accentos.cloud.packages",
        {"missing": [], "commands": ["release libvirtd.service"]},
        ["release libvirtd.service"],
    ),
    ("accentos.cloud.files", {"diff": [{**CONF, "before": "a\n", "after": "b\n"}]}, ["change /etc/nova/nova.conf"]),
    ("accentos.cloud.files", {"diff": [{**CONF, "before": "a\n", "after": ""}]}, ["remove /etc/nova/nova.conf"]),
    ("accentos.cloud.secret_file", {"diff": {**CONF, "before": "", "after": "b"}}, ["create /etc/nova/nova.conf"]),
    ("ansible.builtin.copy", {"dest": "/etc/x", "diff": [{"before": "", "after": "b"}]}, ["create /etc/x"]),
    ("ansible.builtin.copy", {"dest": "/etc/x"}, ["change /etc/x"]),
    ("ansible.builtin.copy", {"diff": [{"before_header": "/etc/x", "before": "a", "after": "b"}]}, ["change /etc/x"]),
    ("ansible.builtin.copy", {"diff": [{"before": "", "after": "b"}]}, ["do the task"]),
    ("accentos.cloud.certificate_requests", {"diff": {"after": "/p/a.crt: it ends\n"}}, ["change /p/a.crt"]),
    (
        "accentos.cloud.units",
        {"commands": ["daemon-reload", "reset-failed a.service", "restart a.service b.service"]},
        ["restart a.service", "restart b.service"],
    ),
    ("accentos.cloud.database_access", {"statements": ["DROP DATABASE `test`"]}, ["run DROP DATABASE `test`"]),
    ("accentos.cloud.messaging_access", {"changes": ["user nova: made"]}, ["set user nova: made"]),
    (
        "accentos.cloud.openstack_catalogue",
        {"steps": [{"verb": "create", "kind": "user", "name": "Default / nova"}]},
        ["create user Default / nova"],
    ),
    (
        "accentos.cloud.compute_removal",
        {"steps": [{"host": "compute-2", "verb": "delete", "thing": "nova-compute of compute-2", "why": ""}]},
        ["delete nova-compute of compute-2"],
    ),
    ("accentos.cloud.openstack_sync", {"names": ["nova-api"]}, ["run nova-api"]),
    ("accentos.cloud.command_on_change", {"diff": {"after": "apt-get update\n"}}, ["run apt-get update"]),
    ("community.crypto.x509_certificate_pipe", {"certificate": "c"}, []),
    ("accentos.cloud.certificate_signatures", {"files": [{"path": "/etc/a.crt", "content": "c"}]}, []),
    ("ansible.builtin.file", {}, ["do the task"]),
    ("accentos.cloud.unit", {"censored": "hidden", "commands": ["start a.service"]}, ["do the task"]),
    ("ansible.builtin.apt", {"results": [{"changed": True, "stdout": APT}, {"changed": False}]}, 3),
]


@pytest.mark.parametrize(("action", "result", "expected"), RESULTS)
def test_results(action: str, result: dict[str, object], expected: list[str] | int) -> None:
    found = [
        f"{change.verb} {change.thing}" for change in read_changes(action, "the task", {"changed": True, **result})
    ]
    assert (len(found) if isinstance(expected, int) else found) == expected
    assert "results" in result or read_changes(action, "the task", {**result, "changed": False}) == []


REASONS = [
    (
        "accentos.cloud.units",
        {"commands": ["enable a.service", "start b.service", "restart a.service"], "reasons": {"a.service": "/a, /b"}},
        ["", "", "/a, /b"],
    ),
    ("accentos.cloud.unit", {"commands": ["reload a.service"], "reasons": {"a.service": "/a"}}, ["/a"]),
    ("accentos.cloud.galera_begin", {"commands": ["start a.service"]}, [""]),
    ("accentos.cloud.openstack_sync", {"names": ["a", "b"], "reasons": {"a": "/a [database]"}}, ["/a [database]", ""]),
    ("accentos.cloud.command_on_change", {"diff": {"after": "apt-get update\n"}, "reason": "/a"}, ["/a"]),
]


@pytest.mark.parametrize(("action", "result", "expected"), REASONS)
def test_reasons(action: str, result: dict[str, object], expected: list[str]) -> None:
    assert [change.why for change in read_changes(action, "the task", {"changed": True, **result})] == expected


@pytest.mark.parametrize(
    ("roles", "change", "service"),
    [
        (["mariadb", "pki"], Change("file", "change", "/etc/accentos/pki/mariadb.crt"), "mariadb"),
        (["openstack_service", "load_balancer", "pki"], Change("file", "change", "/x"), "load_balancer"),
        (["openstack_service"], Change("file", "change", "/etc/nova/nova.conf"), "nova"),
        (["openstack_service"], Change("file", "change", "/etc/systemd/system/nova-api.service.d/a.conf"), "nova"),
        (["openstack_service", "pki"], Change("file", "change", "/etc/accentos/pki/keystone.key"), "keystone"),
        (["openstack_service"], Change("unit", "start", "glance-api.service"), "glance"),
        (["openstack_service"], Change("database", "run", "CREATE DATABASE `nova_api` CHARACTER SET x"), "nova"),
        (["openstack_service"], Change("database", "run", "CREATE USER 'nova'@'%' IDENTIFIED"), "nova"),
        (["openstack_service"], Change("package", "install", "nova-api"), "openstack_service"),
        (["pki"], Change("file", "change", "/x"), "pki"),
        ([], Change("file", "change", "/x"), "-"),
    ],
)
def test_service(roles: list[str], change: Change, service: str) -> None:
    assert name_service(roles, change) == service


OSDS = "accentos.cloud.ceph_osds"


def disks(*lines: str) -> dict[str, object]:
    """Return what the module says that makes OSDs on these disks."""
    return {"changed": True, "diff": {"before": "", "after": "".join(f"{line}\n" for line in lines)}}


def test_a_task_that_has_no_reader_tells_what_its_module_tells() -> None:
    (first,), (second,) = (read_changes(OSDS, "Make OSDs", disks(f"wipe /dev/{name}: old")) for name in ("sdb", "sdc"))
    assert (first.kind, first.verb, first.thing) == ("other", "do", "Make OSDs")
    assert first.diff == ("@@ -0,0 +1 @@", "+wipe /dev/sdb: old")
    assert first != second
    lines = [line.text.strip() for line in plan_lines([first], 100, diff=True, full=False)]
    assert lines[-1] == "+wipe /dev/sdb: old"
    assert "+wipe" not in "".join(line.text for line in plan_lines([first], 100, diff=False, full=False))
    assert read_changes(OSDS, "Make OSDs", {"censored": "hidden", **disks("wipe /dev/sdb")})[0].diff == ()


def test_all_items_of_a_loop_and_all_hosts_of_a_task_are_told_once() -> None:
    items = {"results": [disks("sdb"), disks("sdc"), disks("sdb")]}
    (change,) = unite(read_changes(OSDS, "Make OSDs", items))
    assert [line for line in change.diff if line.startswith("+")] == ["+sdb", "+sdc"]


def test_properties_are_told_as_far_as_check_mode_knows_them() -> None:
    made = {"before": {"path": "/a", "state": "absent", "mode": "0"}, "after": {"path": "/a", "state": "directory"}}
    kept = {"before": {"mode": "0644", "mtime": 1.5}, "after": {"mode": "0600", "mtime": 2.5}}
    (change,) = read_changes("ansible.builtin.file", "Folder", {"changed": True, "diff": [made, kept]})
    assert [line for line in change.diff if line[0] in "+-"] == [
        "-state: absent",
        "+state: directory",
        "-mode: 0644",
        "+mode: 0600",
    ]


def test_plan() -> None:
    found = [
        Change("unit", "restart", "nova-api.service", "/etc/nova/nova.conf"),
        Change("file", "change", "/etc/nova/nova.conf", "", difference("a = 1\nb = 1\n", "a = 1\nb = \x1b2\n")),
        Change("package", "install", "libfoo"),
        Change("package", "install", "libfoo"),
    ]
    changes = unite(placed(change, host="c1", roles=["openstack_service"], task="t") for change in found)
    lines = [line.text for line in plan_lines(changes, 100, diff=True, full=False)]
    assert "  c1: nova: restart nova-api.service: /etc/nova/nova.conf" in lines
    assert [line.strip() for line in lines if line.startswith("      ")][1:] == ["a = 1", "-b = 1", "+b = \\x1b2"]
    assert "  c1: openstack_service: install 1 package: libfoo" in lines
    assert lines[2].split() == ["host", "service", "packages", "files", "units"]
    assert lines[3].split() == ["c1", "nova", "-", "1", "1"]
    assert plan_lines([], 100, diff=True, full=False) == []
