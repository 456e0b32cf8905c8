# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What back ends of volumes mean for hosts, on literals."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.volume_back_ends import FilterModule
from ansible_collections.accentos.cloud.plugins.module_utils.host_needs import FEATURES
from ansible_collections.accentos.cloud.plugins.plugin_utils.volume_back_ends import (
    BackEndError,
    Place,
    plan_back_ends,
    pools_of_volumes,
)

UUID = "7a2e"
CONTROLLER = Place(
    host="controller-1",
    address="10.0.0.21",
    site="example",
    volume_hosts=["controller-1", "controller-2"],
    computes=["compute-1"],
    ceph=True,
    secret_uuid=UUID,
)
COMPUTE = dataclasses.replace(CONTROLLER, host="compute-1")
RBD: dict[str, Any] = {"driver": "rbd", "options": None}
NFS: dict[str, Any] = {
    "driver": "nfs",
    "shares": ["nas.example.test:/volumes", "[fd00::1]:/more"],
    "mount_options": "vers=4.2,nosuid",
    "secure_file_operations": True,
}
LVM: dict[str, Any] = {"driver": "lvm", "volume_group": "volumes", "hosts": ["controller-1"]}


def test_the_back_end_in_ceph() -> None:
    found = plan_back_ends({"ceph": RBD}, {}, CONTROLLER)
    assert found["sections"] == {
        "ceph": {
            "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
            "volume_backend_name": "ceph",
            "backend_host": "example",
            "rbd_ceph_conf": "/etc/ceph/ceph.conf",
            "rbd_exclusive_cinder_pool": True,
            "rbd_pool": "volumes",
            "rbd_secret_uuid": "7a2e",
            "rbd_user": "cinder",
            "report_discard_supported": True,
        }
    }
    assert (found["texts"], found["packages"], found["compute_packages"], found["kernel"]) == ({}, [], [], [])
    assert plan_back_ends({"ceph": {**RBD, "pool": "other"}}, {}, CONTROLLER)["sections"]["ceph"]["rbd_pool"] == "other"


def test_shares_of_nfs() -> None:
    found = plan_back_ends({"files": NFS}, {}, CONTROLLER)
    assert found["sections"]["files"] == {
        "volume_driver": "cinder.volume.drivers.nfs.NfsDriver",
        "volume_backend_name": "files",
        "backend_host": "example",
        "nas_secure_file_operations": "true",
        "nas_secure_file_permissions": "auto",
        "nfs_shares_config": "/etc/cinder/shares-files",
    }
    assert found["texts"]["/etc/cinder/shares-files"]["content"].splitlines()[1:] == [
        "nas.example.test:/volumes -o vers=4.2,nosuid",
        "[fd00::1]:/more -o vers=4.2,nosuid",
    ]
    assert (found["packages"], found["compute_packages"], found["kernel"]) == (["nfs-common"], [], ["nfs"])
    compute = plan_back_ends({"files": NFS}, {}, COMPUTE)
    assert (compute["sections"], compute["texts"], compute["packages"]) == ({}, {}, [])
    assert (compute["compute_packages"], compute["kernel"]) == (["nfs-common"], ["nfs"])
    assert found["masked"] == compute["masked"] == ["rpcbind.service", "rpcbind.socket"]
    plain = plan_back_ends({"files": {"driver": "nfs", "shares": ["nas:/v"]}}, {}, CONTROLLER)
    assert plain["texts"]["/etc/cinder/shares-files"]["content"].splitlines()[1:] == ["nas:/v"]


def test_a_group_of_lvm_belongs_to_its_hosts() -> None:
    found = plan_back_ends({"disks": LVM}, {"disks": {"lvm_type": "thin"}}, CONTROLLER)
    disks = found["sections"]["disks"]
    assert (disks["backend_host"], disks["volume_group"], disks["lvm_type"]) == ("controller-1", "volumes", "thin")
    assert (disks["target_helper"], disks["target_ip_address"], disks["use_chap_auth"]) == (
        "lioadm",
        "10.0.0.21",
        True,
    )
    assert found["packages"] == ["lvm2", "python3-rtslib-fb"]
    assert found["kernel"] == ["device_mapper", "iscsi_target"]
    other = plan_back_ends(
        {"disks": LVM}, {"disks": {"lvm_type": "thin"}}, dataclasses.replace(CONTROLLER, host="controller-2")
    )
    # The site has it, and this host has nothing of it.
    assert (other["names"], other["sections"], other["packages"], other["kernel"]) == (["disks"], {}, [], [])
    compute = plan_back_ends({"disks": LVM}, {}, COMPUTE)
    assert (compute["kernel"], compute["compute_daemons"]) == (["iscsi"], ["iscsid.service"])
    assert found["compute_daemons"] == plan_back_ends({"files": NFS}, {}, COMPUTE)["compute_daemons"] == []
    daemon = {**LVM, "target_helper": "tgtadm", "target_address": "10.0.1.21"}
    found = plan_back_ends({"disks": daemon}, {}, CONTROLLER)
    assert (found["packages"], found["kernel"]) == (["lvm2", "tgt"], ["device_mapper"])
    assert found["sections"]["disks"]["target_ip_address"] == "10.0.1.21"


def test_several_back_ends_and_options_of_your_own() -> None:
    back_ends = {
        "ceph": {**RBD, "options": {"rbd_flatten_volume_from_snapshot": True}},
        "files": {**NFS, "type": "slow"},
    }
    raw = {"ceph": {"rbd_pool": "others"}, "array": {"volume_driver": "x.Driver"}}
    found = plan_back_ends(back_ends, raw, CONTROLLER)
    assert list(found["sections"]) == found["names"] == ["ceph", "files", "array"]
    ceph = found["sections"]["ceph"]
    assert (ceph["rbd_flatten_volume_from_snapshot"], ceph["rbd_pool"]) == (True, "others")
    assert found["sections"]["array"] == {"backend_host": "example", "volume_driver": "x.Driver"}
    assert found["types"] == [
        {"name": "ceph", "extra_specs": {"volume_backend_name": "ceph"}},
        {"name": "slow", "extra_specs": {"volume_backend_name": "files"}},
    ]


def test_every_feature_is_one_that_host_check_knows() -> None:
    for place in (CONTROLLER, COMPUTE):
        for helper in ("lioadm", "tgtadm"):
            found = plan_back_ends({"files": NFS, "disks": {**LVM, "target_helper": helper}}, {}, place)
            assert set(found["kernel"]) <= set(FEATURES)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"x": {"driver": "zfs"}}, "x names no driver. It is one of lvm, nfs, rbd"),
        ({"x": {}}, "names no driver"),
        ({"a b": RBD}, "'a b' is no name"),
        ({"x": {**RBD, "shares": []}}, "has shares, which means nothing"),
        ({"x": {"driver": "nfs"}}, "shares of the back end x must be a list"),
        ({"x": {"driver": "nfs", "shares": "nas:/v"}}, "must be a list"),
        ({"x": {"driver": "nfs", "shares": ["nas"]}}, "must be a list such as"),
        ({"x": {**NFS, "mount_options": "vers=4 -o x"}}, "mount_options of the back end x"),
        ({"x": {**NFS, "secure_file_permissions": "maybe"}}, "secure_file_permissions of the back end x is maybe"),
        ({"x": {"driver": "lvm"}}, "x needs volume_group"),
        ({"x": {**LVM, "target_helper": "iet"}}, "It is one of lioadm, tgtadm"),
        ({"x": {**LVM, "hosts": ["compute-1"]}}, "Name some of controller-1, controller-2"),
        ({"x": {**LVM, "hosts": []}}, "hosts of the back end x are none"),
        ({"x": {**LVM, "hosts": "controller-1"}}, r"hosts of the back end x must be a list such as \[controller-1\]"),
        ({"x": {**LVM, "hosts": None}}, "hosts of the back end x must be a list"),
        ({"x": {**RBD, "options": "rbd_pool"}}, "options of the back end x must be a mapping"),
        ({"database": RBD}, "A back end cannot be called database, since cinder.conf has a section of that name"),
        ({"backend_defaults": RBD}, "cannot be called backend_defaults"),
        ({"Nova": RBD}, "cannot be called Nova"),
        ({"DEFAULT": RBD}, "cannot be called DEFAULT"),
        ({"oslo_policy": RBD}, "cannot be called oslo_policy"),
        ([RBD], "openstack_service_volume_back_ends must be a mapping of back ends by name"),
        ({"x": [RBD]}, "names no driver"),
        ({"x": {"driver": ["rbd"]}}, "names no driver"),
        ({"x": dict[Any, Any](RBD) | {1: 2}}, "x has 1, which means nothing"),
        ({"x": {**RBD, "pool": None}}, "pool of the back end x must be the name of a pool of Ceph, not None"),
        ({"x": {**LVM, "hosts": [1]}}, "hosts of the back end x are 1. Name some of controller-1"),
        ({"Files": NFS, "files": NFS}, "The back ends Files and files differ in case only"),
        ({"x": {**RBD, "type": None}}, "type of the back end x must be the name of a volume type, not None"),
        ({"x": {**RBD, "options": {"volume_backend_name": None}}}, "volume_backend_name of the back end x must be a"),
        ({"x": {**LVM, "type": "all"}, "y": {**NFS, "type": "all"}}, "x and y have the volume type all"),
    ],
)
def test_what_cannot_be_is_refused(given: Any, words: str) -> None:
    with pytest.raises(BackEndError, match=words):
        plan_back_ends(given, {}, CONTROLLER)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"keystone_authtoken": {}}, "cannot be called keystone_authtoken"),
        ({"a b": {}}, "'a b' is no name"),
        ({1: {}}, "1 is no name"),
        (["array"], "openstack_service_cinder_back_ends must be a mapping"),
        ({"array": {}, "Array": {}}, "array and Array differ in case only"),
        ({"array": "x.Driver"}, "The back end array in openstack_service_cinder_back_ends must be a"),
    ],
)
def test_what_cannot_be_among_other_back_ends_is_refused(raw: Any, words: str) -> None:
    with pytest.raises(BackEndError, match=words):
        plan_back_ends({}, raw, CONTROLLER)
    assert plan_back_ends({}, {"array": None}, CONTROLLER)["sections"] == {"array": {"backend_host": "example"}}


def test_back_ends_of_one_name_for_the_scheduler_may_have_one_type() -> None:
    more = {"type": "disks", "options": {"volume_backend_name": "pooled"}}
    found = plan_back_ends({"x": {**LVM, **more}, "y": {**LVM, **more, "hosts": ["controller-2"]}}, {}, CONTROLLER)
    assert found["types"] == [{"name": "disks", "extra_specs": {"volume_backend_name": "pooled"}}]


def test_the_filter_refuses_a_back_end_in_ceph_where_there_is_none() -> None:
    place = {**dataclasses.asdict(CONTROLLER), "ceph": False}
    with pytest.raises(AnsibleFilterError, match="ceph is in Ceph, which this site has not"):
        FilterModule().filters()["volume_back_ends"]({"ceph": RBD}, **place)
    nothing: Any = FilterModule().filters()["volume_back_ends"]({}, None, **place)
    assert nothing["names"] == []
    # YAML has None where all back ends are comments.
    assert FilterModule().filters()["volume_back_ends"](None, **place) == nothing


@pytest.mark.parametrize("options", ["vers=3", "nosuid,nfsvers=3", "vers=3,nodev"])
def test_old_nfs_needs_the_port_mapper(options: str) -> None:
    old = {**NFS, "mount_options": options}
    assert plan_back_ends({"old": old}, {}, COMPUTE)["masked"] == []
    assert plan_back_ends({"files": NFS, "old": old}, {}, COMPUTE)["masked"] == []
    assert plan_back_ends({"files": {**NFS, "mount_options": "vers=4.1,timeo=30"}}, {}, COMPUTE)["masked"] != []
    assert plan_back_ends({"disks": LVM}, {}, COMPUTE)["masked"] == []


def test_pools_are_those_that_back_ends_keep_volumes_in_here() -> None:
    elsewhere = {"driver": "rbd", "pool": "far", "options": {"rbd_ceph_conf": "/etc/ceph/far.conf"}}
    fast = {"driver": "rbd", "pool": "fast"}
    back_ends = {"ceph": RBD, "fast": fast, "same": fast, "elsewhere": elsewhere, "disks": LVM, "files": NFS}
    assert pools_of_volumes(back_ends, {}) == ["volumes", "fast"]
    other = {"volume_driver": "cinder.volume.drivers.rbd.RBDDriver", "rbd_ceph_conf": "/etc/ceph/ceph.conf"}
    raw = {
        "ceph": {"rbd_pool": "others"},
        "own": {**other, "rbd_user": "cinder", "rbd_pool": "own"},
        "stranger": {**other, "rbd_user": "stranger", "rbd_pool": "strange"},
        "empty": None,
    }
    assert pools_of_volumes({"ceph": RBD}, raw) == ["others", "own"]
    assert pools_of_volumes({"disks": LVM}, {}) == []


@pytest.mark.parametrize("given", [[], "ceph", {"ceph": None}, {"ceph": {"driver": "rbd", "pool": "a, allow *"}}])
def test_what_cannot_be_a_back_end_has_no_pool(given: Any) -> None:
    raw: Any = given if isinstance(given, list) else {}
    assert pools_of_volumes(given, raw) == []
