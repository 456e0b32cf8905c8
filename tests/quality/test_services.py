# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The services of a cloud, described as data, give each kind of host a plan that keeps the rules of the house."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import (
    find_references,
    render_sections,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_overrides import COMPUTE_STAGES, STAGES
from ansible_collections.accentos.cloud.plugins.plugin_utils.volume_back_ends import (
    BackEndError,
    Place,
    plan_back_ends,
)

from tests.quality.tree import COLLECTION, ROOT, load

ROLE = COLLECTION / "roles/openstack_service"
GROUPS = {"controller": ["controller-1"], "compute": ["compute-1"], "storage": ["storage-1"]}
# Options whose value must be a secret of the site, and so never a text in the tree.
SECRET = re.compile(r"password|secret|transport_url|connection$")
# A UUID names a secret and is none.
PLAIN = re.compile(r"(ssl|tcp|unix):.*|ovn_.*|max_password_length|password_hash_algorithm|rbd_secret_uuid")


def as_templates(value: Any) -> Any:
    """Return a value whose texts are templates, as those of a role are."""
    if isinstance(value, dict):
        return {key: as_templates(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_templates(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


def plan(host: str, expression: str = "__openstack_service_whole_plan", *, services: Any = None, **given: Any) -> Any:
    """Return what the role plans for a host with the variables ``given`` of a site, by default for all services."""
    variables: dict[str, Any] = {}
    for path in (ROLE / "defaults/main.yml", *sorted((ROLE / "vars/main").glob("*.yml"))):
        variables |= as_templates(load(path))
    # Ansible names the hosts whose variables hostvars has.
    addresses = {"controller-1": "10.0.0.21", "compute-1": "10.0.0.31", "storage-1": "10.0.0.41"}
    variables |= {
        "inventory_hostname": host,
        "groups": GROUPS,
        "host_addresses": {"management": addresses[host]},
        "hostvars": {name: {"host_addresses": {"management": address}} for name, address in addresses.items()},
        "site_domain": "example.test",
        "site_name": "example",
        "site_networks": {"management": {"cidr": "10.0.0.0/24"}},
        **given,
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    names = list(templar.template(trust_as_template("{{ __openstack_service_known | list }}")))
    assert {"keystone", "glance", "nova"} <= set(names)
    variables["openstack_service_services"] = services or names
    templar = Templar(loader=DataLoader(), variables=variables)
    return templar.template(trust_as_template("{{ " + expression + " }}"))


def test_what_was_decided_is_taken_for_the_same_services_only() -> None:
    whole = plan("compute-1")
    services = list(plan("compute-1", "{'names': openstack_service_services}")["names"])
    decided = {"services": services, "plan": {"packages": ["decided"]}}
    assert plan("compute-1", "__openstack_service_plan", __openstack_service_decided=decided) == decided["plan"]
    decided["services"] = services[1:]
    assert plan("compute-1", "__openstack_service_plan", __openstack_service_decided=decided) == whole
    assert plan("compute-1", "__openstack_service_plan") == whole


def test_the_python_of_every_unit_finds_the_file_that_the_role_writes_for_it() -> None:
    variables: Any = load(ROLE / "vars/main/common.yml")
    (file,) = variables["__openstack_service_python_files"]
    path, folder = file["path"], file["path"].removesuffix("/sitecustomize.py")
    assert (ROLE / "files/sitecustomize.py").is_file()
    planned = plan("controller-1")
    drop_ins = {
        file["path"]: file["content"] for file in planned["files"] if file["path"].startswith("/etc/systemd/system/")
    }
    assert len(planned["units"]) > 10
    for unit in planned["units"]:
        assert path in unit["inputs"], unit["name"]
        content = drop_ins[f"/etc/systemd/system/{unit['name']}.d/accentos.conf"]
        assert f"\nEnvironment=PYTHONPATH={folder}\n" in content, unit["name"]


@pytest.fixture(scope="module")
def plans() -> dict[str, dict[str, Any]]:
    return {host: plan(host) for hosts in GROUPS.values() for host in hosts}


def test_every_file_renders_with_its_secrets(plans: dict[str, dict[str, Any]]) -> None:
    for planned in plans.values():
        names = {secret["name"]: "value" for secret in planned["secrets"]["files"]}
        for file in planned["files"]:
            if "sections" in file:
                assert "{secret" not in render_sections(file["path"], file["sections"], names)
    assert len(plans["controller-1"]["files"]) > len(plans["compute-1"]["files"]) > 0


def test_secrets_are_referred_to_and_never_written(plans: dict[str, dict[str, Any]]) -> None:
    seen = 0
    for planned in plans.values():
        for file in planned["files"]:
            for section, options in file.get("sections", {}).items():
                for option, value in options.items():
                    if SECRET.search(option) and not PLAIN.fullmatch(option) and not PLAIN.fullmatch(str(value)):
                        seen += 1
                        assert list(find_references(value)), (file["path"], section, option)
    assert seen > 10


def test_only_controllers_know_passwords_of_databases(plans: dict[str, dict[str, Any]]) -> None:
    for host, planned in plans.items():
        known = [secret["name"] for secret in planned["secrets"]["files"] if "database" in secret["name"]]
        assert bool(known) == (host == "controller-1"), (host, known)


def test_every_api_speaks_tls_on_the_address_of_its_host_with_one_thread(plans: dict[str, dict[str, Any]]) -> None:
    found = [
        file["sections"]["uwsgi"] for file in plans["controller-1"]["files"] if "uwsgi" in file.get("sections", {})
    ]
    assert len(found) == len(plans["controller-1"]["checks"]) > 0
    for options in found:
        assert re.match(r"10\.0\.0\.21:\d+,/\S+\.crt,/\S+\.key,", options["https-socket"])
        assert (options["threads"], options["enable-threads"]) == (1, True)
        assert not {"http", "http-socket", "socket"} & set(options)


def test_every_file_of_options_is_validated_or_belongs_to_uwsgi(plans: dict[str, dict[str, Any]]) -> None:
    unchecked = {
        file["path"]
        for planned in plans.values()
        for file in planned["files"]
        if "sections" in file and not file["namespaces"] and "uwsgi" not in file["sections"]
    }
    assert unchecked == set()


def sections(planned: dict[str, Any], path: str) -> Any:
    """Return the sections of a file of a plan."""
    (file,) = [file for file in planned["files"] if file["path"] == path]
    return file["sections"]


def test_images_volumes_and_disks_are_in_ceph_where_there_is_storage(plans: dict[str, dict[str, Any]]) -> None:
    controller, compute = plans["controller-1"], plans["compute-1"]
    glance = sections(controller, "/etc/glance/glance-api.conf")
    assert (glance["DEFAULT"]["enabled_backends"], glance["ceph"]["rbd_store_user"]) == (["ceph:rbd"], "glance")
    assert (glance["glance_store"], glance["DEFAULT"]["show_image_direct_url"]) == ({"default_backend": "ceph"}, True)
    cinder = sections(controller, "/etc/cinder/cinder.conf")
    assert (cinder["DEFAULT"]["enabled_backends"], cinder["ceph"]["rbd_user"]) == (["ceph"], "cinder")
    libvirt = sections(compute, "/etc/nova/nova.conf")["libvirt"]
    assert (libvirt["images_rbd_pool"], libvirt["rbd_user"]) == ("vms", "nova")
    assert libvirt["rbd_secret_uuid"] != cinder["ceph"]["rbd_secret_uuid"]
    assert [keyring["user"] for keyring in controller["keyrings"]] == ["client.cinder", "client.glance"]
    assert compute["keyrings"] == [{"user": "client.nova", "owner": "nova", "group": "nova"}]
    assert plans["storage-1"]["keyrings"] == []


def test_nothing_asks_for_ceph_where_there_is_no_storage() -> None:
    planned = {host: plan(host, groups={**GROUPS, "storage": []}) for host in ("controller-1", "compute-1")}
    glance = sections(planned["controller-1"], "/etc/glance/glance-api.conf")
    assert (glance["DEFAULT"]["enabled_backends"], glance["glance_store"]) == (
        ["file:file"],
        {"default_backend": "file"},
    )
    assert [unit["name"] for unit in planned["controller-1"]["units"] if unit["name"].startswith("cinder")] == []
    for one in planned.values():
        assert one["keyrings"] == []
        assert [name for name in one["packages"] if re.search("ceph|rbd|rados", name)] == []
        assert [file["path"] for file in one["files"] if re.search("ceph|rbd_", str(file))] == []


def test_a_back_end_of_volumes_is_named_and_belongs_to_the_site() -> None:
    own = {"files": {"volume_driver": "cinder.volume.drivers.nfs.NfsDriver"}, "ceph": {"rbd_pool": "others"}}
    planned = plan("controller-1", openstack_service_cinder_back_ends=own)
    cinder = sections(planned, "/etc/cinder/cinder.conf")
    assert cinder["DEFAULT"]["enabled_backends"] == ["ceph", "files"]
    assert cinder["files"] == {"backend_host": "example", **own["files"]}
    assert (cinder["ceph"]["rbd_pool"], cinder["ceph"]["rbd_user"]) == ("others", "cinder")
    assert "cinder-volume.service" in [unit["name"] for unit in planned["units"]]


def test_back_ends_of_volumes_stand_beside_each_other() -> None:
    given = {
        "ceph": {"driver": "rbd"},
        "files": {"driver": "nfs", "shares": ["nas.example.test:/volumes"], "mount_options": "vers=4.2"},
        "disks": {"driver": "lvm", "volume_group": "volumes"},
    }
    planned = plan("controller-1", openstack_service_volume_back_ends=given)
    cinder = sections(planned, "/etc/cinder/cinder.conf")
    assert cinder["DEFAULT"]["enabled_backends"] == ["ceph", "files", "disks"]
    assert [cinder[name]["backend_host"] for name in given] == ["example", "example", "controller-1"]
    (shares,) = [file for file in planned["files"] if file["path"] == cinder["files"]["nfs_shares_config"]]
    assert (shares["owner"], shares["group"], shares["mode"]) == ("root", "cinder", "0640")
    assert shares["content"].endswith("\nnas.example.test:/volumes -o vers=4.2\n")
    (unit,) = [unit for unit in planned["units"] if unit["name"] == "cinder-volume.service"]
    assert shares["path"] in unit["inputs"]
    assert {"nfs-common", "lvm2", "python3-rtslib-fb"} <= set(planned["packages"])
    assert {"nfs-common", "open-iscsi"} <= set(plan("compute-1", openstack_service_volume_back_ends=given)["packages"])


def test_computes_have_what_opens_volumes_where_only_controllers_are_told_of_them() -> None:
    files = {"openstack_service_volume_back_ends": {"files": {"driver": "nfs", "shares": ["nas:/volumes"]}}}
    controller = {"host_addresses": {"management": "10.0.0.21"}, **files}
    hostvars = {"controller-1": controller, "compute-1": {"host_addresses": {"management": "10.0.0.31"}}}
    assert "nfs-common" in plan("compute-1", hostvars=hostvars)["packages"]
    assert "nfs-common" not in plan("compute-1")["packages"]
    masks = plan("compute-1", "__openstack_service_masks", hostvars=hostvars)
    assert masks == [
        {"path": f"/etc/systemd/system/rpcbind.{kind}", "link": "/dev/null"} for kind in ("service", "socket")
    ]
    # Other services have nothing to do with it.
    assert plan("compute-1", "__openstack_service_masks", services=["neutron"], hostvars=hostvars) == []
    assert plan("compute-1", "__openstack_service_masks") == []
    # What only controllers can work out, none else need.
    disks = {"driver": "lvm", "volume_group": "volumes", "target_address": as_templates("{{ known_to_controllers }}")}
    controller |= {"openstack_service_volume_back_ends": {"disks": disks}}
    assert "open-iscsi" in plan("compute-1", hostvars=hostvars)["packages"]
    own = {"openstack_service_ceph": True, "openstack_service_volume_back_ends": {"ceph": {"driver": "rbd"}}}
    without = {**GROUPS, "storage": []}
    assert plan("compute-1", hostvars={**hostvars, "controller-1": {**controller, **own}}, groups=without)["units"]


def test_services_of_ones_own_are_deployed_with_their_stage() -> None:
    deploy: Any = load(ROOT / "playbooks/deploy.yml")
    plays = {play["name"]: play.get("vars") for play in deploy}
    own: dict[str, Any] = {
        "agent": {"components": {"one": {"group": ["controller", "compute"], "packages": "{{ known_in_role }}"}}},
        "vault": {"stage": "storage", "components": {"api": {"group": "controller"}}},
    }

    def services(play: str, *tags: str) -> Any:
        told = {"ansible_run_tags": list(tags), "ansible_skip_tags": [], "openstack_service_extra": own}
        variables = as_templates(plays[play] | told)
        templar = Templar(loader=DataLoader(), variables=variables)
        return templar.template(trust_as_template("{{ openstack_service_services }}"))

    assert tuple(plays["Control services"]["deploy_services"]) == STAGES
    assert tuple(plays["Computes"]["deploy_services"]) == COMPUTE_STAGES
    ours = ["glance", "placement", "nova", "agent", "neutron", "cinder", "vault", "heat", "horizon"]
    assert services("Control services", "all") == ours
    assert services("Control services", "storage") == ["cinder", "vault"]
    assert services("Computes", "all") == ["nova", "agent", "neutron"]
    assert services("Computes", "network") == ["neutron"]


def test_ceph_has_the_pools_of_back_ends_and_cinder_may_use_them() -> None:
    variables: dict[str, Any] = {}
    for role, file in (("ceph", "vars"), ("ceph", "defaults"), ("doctor", "vars")):
        variables |= as_templates(load(COLLECTION / "roles" / role / file / "main.yml"))

    def made(**given: Any) -> tuple[list[str], list[str], dict[str, str]]:
        templar = Templar(loader=DataLoader(), variables={**variables, **given})
        expressions = ("ceph_pools + __ceph_more_pools", "__doctor_pools", "ceph_users['client.cinder']")
        pools, known, caps = [templar.template(trust_as_template("{{ " + one + " }}")) for one in expressions]
        return [pool["name"] for pool in pools], known, caps

    assert made() == (
        ["images", "vms", "volumes"],
        ["images", "vms", "volumes"],
        {
            "mon": "profile rbd",
            "mgr": "profile rbd pool=volumes",
            "osd": "profile rbd pool=volumes, profile rbd-read-only pool=images",
        },
    )
    back_ends = {"ceph": {"driver": "rbd"}, "fast": {"driver": "rbd", "pool": "fast"}}
    pools, known, caps = made(openstack_service_volume_back_ends=back_ends)
    assert (pools, known) == (["images", "vms", "volumes", "fast"], ["fast", "images", "vms", "volumes"])
    assert caps["osd"] == "profile rbd pool=volumes, profile rbd pool=fast, profile rbd-read-only pool=images"
    assert caps["mgr"] == "profile rbd pool=volumes, profile rbd pool=fast"
    own = [{"name": "fast", "device_class": "ssd"}]
    assert made(openstack_service_volume_back_ends=back_ends, ceph_pools=own)[0] == ["fast", "volumes"]
    assert made(openstack_service_volume_back_ends={}) == (["images", "vms"], ["images", "vms"], made()[2])


def test_a_controller_without_a_back_end_of_its_own_runs_no_volume_service() -> None:
    groups = {**GROUPS, "controller": ["controller-1", "controller-2"], "storage": []}
    given = {"disks": {"driver": "lvm", "volume_group": "volumes", "hosts": ["controller-2"]}}
    names = {"controller-1": {"host_addresses": {"management": "10.0.0.21"}}}
    hostvars = {**names, "controller-2": {"host_addresses": {"management": "10.0.0.22"}}}
    planned = plan("controller-1", groups=groups, hostvars=hostvars, openstack_service_volume_back_ends=given)
    units = [unit["name"] for unit in planned["units"] if unit["name"].startswith("cinder")]
    assert units == ["cinder-api.service", "cinder-scheduler.service"]
    assert "enabled_backends" not in render_sections("", sections(planned, "/etc/cinder/cinder.conf"))
    assert "cinder-volume.service" in planned["start_policy"]


def test_no_back_end_takes_the_place_of_a_section_of_the_volume_service(plans: dict[str, dict[str, Any]]) -> None:
    cinder = sections(plans["controller-1"], "/etc/cinder/cinder.conf")
    place = Place("controller-1", "10.0.0.21", "example", ["controller-1"], [], ceph=True, secret_uuid="")
    own = set(cinder) - set(cinder["DEFAULT"]["enabled_backends"])
    assert len(own) > 5
    for name in own:
        with pytest.raises(BackEndError, match=f"cannot be called {name}"):
            plan_back_ends({}, {name: {}}, place)


def test_a_back_end_on_disks_needs_the_device_mapper_of_its_hosts_alone() -> None:
    role = COLLECTION / "roles/host_check"
    variables = as_templates(load(role / "defaults/main.yml")) | as_templates(load(role / "vars/main.yml"))
    groups = {"controller": ["controller-1", "controller-2"], "compute": ["compute-1"], "storage": ["compute-1"]}
    variables |= {"groups": groups, "hostvars": {"controller-1": {}}}
    disks = {"driver": "lvm", "volume_group": "volumes", "hosts": ["controller-2"]}

    def needed(host: str, **given: Any) -> Any:
        host_is = {"inventory_hostname": host, "group_names": [host.removesuffix(host[-2:])]}
        templar = Templar(loader=DataLoader(), variables={**variables, **host_is, **given})
        return templar.template(trust_as_template("{{ __host_check_kernel }}"))

    assert [needed(host) for host in ("controller-1", "compute-1")] == [["tun"], ["tun"]]
    back_ends = {"openstack_service_volume_back_ends": {"ceph": {"driver": "rbd"}, "disks": disks}}
    assert needed("compute-1", hostvars={"controller-1": back_ends}) == ["iscsi", "tun"]
    assert needed("controller-1", **back_ends) == ["tun"]
    assert needed("controller-2", **back_ends) == ["device_mapper", "iscsi_target", "tun"]
    assert needed("compute-1", **back_ends) == ["iscsi", "tun"]


@pytest.mark.parametrize(
    ("ceph", "options", "expected"),
    [
        (True, {}, "rbd"),
        (False, {}, "default"),
        (True, {"nova.conf": None}, "default"),
        (True, {"nova.conf": "qcow2"}, "qcow2"),
        (False, {"nova.conf": "rbd"}, "rbd"),
        # Nova reads this file later.
        (True, {"nova-compute.conf": "flat"}, "flat"),
    ],
)
def test_where_nova_has_disks_of_guests_is_what_its_files_say(
    ceph: bool, options: dict[str, str | None], expected: str
) -> None:
    files = {f"/etc/nova/{name}": {"libvirt": {"images_type": value}} for name, value in options.items()}
    given = {"openstack_service_ceph": ceph, "openstack_service_overrides": {"nova": files}}
    assert plan("compute-1", "__openstack_service_images_type", services=["nova"], **given) == expected
