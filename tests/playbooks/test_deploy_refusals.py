# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What deploy.yml refuses before it does anything: options that cannot be, another driver, a Ceph without disks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import remember
from ansible_collections.accentos.cloud.plugins.module_utils.units import marker_name
from ansible_collections.accentos.cloud.plugins.modules import units

from tests.playbooks.runs import HERE, LOST, write_play
from tests.quality.test_services import plan
from tools.playbook_runs import ROOT, run_playbook

UNITS = {"ovn": "ovn-controller.service", "openvswitch": "neutron-openvswitch-agent.service"}
# As the modules name them that start these units: unit in the role openvswitch, units in the role openstack_service.
MARKS = {driver: marker_name(unit, {"openvswitch": units._PURPOSE}.get(driver, "")) for driver, unit in UNITS.items()}


def play_of_deploy(name: str) -> dict[str, Any]:
    plays = yaml.safe_load((ROOT / "playbooks/deploy.yml").read_text(encoding="utf-8"))
    (play,) = [one for one in plays if one["name"] == name]
    assert isinstance(play, dict)
    return play


def deploy_begins(folder: Path, driver: str, *arguments: str, external: str = "eno2") -> tuple[int, str]:
    """Run the refusals of deploy.yml, where FOLDER has the marks of units; return exit code and output.

    EXTERNAL is the device of the gateway, the only controller, for the external network.
    """
    play = play_of_deploy("Network driver")
    gateway = {**HERE, "openvswitch_external_interface": external}
    groups = {"controller": {"hosts": {"controller-1": gateway}}, "compute": {"hosts": {"compute-1": HERE}}}
    extra = {"site_network_driver": driver, "__openvswitch_marks": str(folder / "units")}
    files = write_play(folder, play, groups)
    code, output = run_playbook(*files, f"--extra-vars={json.dumps(extra)}", *arguments)
    return code, re.sub(r"\s+", " ", output)


@pytest.mark.parametrize(("before", "driver"), [("ovn", "openvswitch"), ("openvswitch", "ovn")])
def test_the_driver_of_a_cloud_stays(tmp_path: Path, before: str, driver: str) -> None:
    (tmp_path / "units").mkdir()
    assert deploy_begins(tmp_path, driver)[0] == 0
    (tmp_path / "units" / MARKS[before]).touch()
    assert deploy_begins(tmp_path, before)[0] == 0
    # Also when only a compute is deployed, on which nothing is yet.
    for arguments in ((), ("--limit=compute-1",), ("--check",)):
        code, told = deploy_begins(tmp_path, driver, *arguments)
        assert (code, f"Set site_network_driver back to {before}" in told) == (2, True), told


def test_a_gateway_from_which_nothing_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "units").mkdir()
    code, told = deploy_begins(tmp_path, "ovn", external="")
    assert (code, "controller-1 is a gateway to the external network, and none of its devices leads there" in told) == (
        2,
        True,
    ), told
    assert deploy_begins(tmp_path, "ovn", "--limit=compute-1", external="")[0] == 0


FILES = ("/etc/glance/glance-api.conf", "/usr/lib/accentos/openstack/sitecustomize.py")
# What Glance was last started with, by the kind of its storage.
STARTED = {"files": FILES, "Ceph": (*FILES, "/etc/ceph/ceph.conf", "/etc/ceph/ceph.client.glance.keyring")}
# The group storage, by the kind of storage that it stands for.
GROUP: dict[str, dict[str, Any]] = {"files": {}, "Ceph": {"storage-1": HERE}}


def cloud_begins(folder: Path, kind: str, *arguments: str, **site: Any) -> tuple[int, str]:
    """Run the refusal of another kind of storage than KIND, where FOLDER has the marks; return code and output.

    SITE are variables of the controller.
    """
    groups = {
        "controller": {"hosts": {"controller-1": {**HERE, **site}}},
        "compute": {"hosts": {"compute-1": HERE}},
        "storage": {"hosts": GROUP[kind]},
    }
    files = write_play(folder, play_of_deploy("Kind of storage"), groups)
    extra = json.dumps({"__openstack_service_marks": str(folder / "units")})
    code, output = run_playbook(*files, f"--extra-vars={extra}", *arguments)
    return code, re.sub(r"\s+", " ", output)


def mark(folder: Path, unit: str, *inputs: str) -> None:
    """Leave the mark that the module units leaves of a unit which was started with INPUTS."""
    remember(folder / "units" / marker_name(unit, units._PURPOSE), dict.fromkeys(inputs, "0" * 64))


@pytest.mark.parametrize(("before", "wanted"), [("files", "Ceph"), ("Ceph", "files")])
def test_the_kind_of_storage_of_a_cloud_stays(tmp_path: Path, before: str, wanted: str) -> None:
    mark(tmp_path, "glance-api.service", *STARTED[before])
    code, told = cloud_begins(tmp_path, before)
    assert code == 0, told
    # Also when other hosts are deployed only, or one of the stages.
    for argument in ("--check", "--limit=compute-1", "--tags=compute", "--skip-tags=storage"):
        code, told = cloud_begins(tmp_path, wanted, argument)
        assert (code, f"This cloud keeps images and disks of guests in {before}, as {tmp_path}" in told) == (2, True)
        assert f"the site wants them in {wanted}" in told
        assert "Put the group storage back as it was" in told
    # What has nothing to do with storage needs no answer of the first controller.
    assert cloud_begins(tmp_path, wanted, "--tags=identity")[0] == 0
    assert cloud_begins(tmp_path, "Ceph", "--limit=storage-1")[0] == (0 if before == "Ceph" else 2)


def test_a_deployment_that_ended_before_there_could_be_images_is_gone_on_with(tmp_path: Path) -> None:
    for kind in GROUP:
        code, told = cloud_begins(tmp_path, kind)
        assert (code, "WARNING" in told) == (0, False), told
    # Ceph was there, and Glance had not run; then the group was emptied, and the deployment done with files.
    mark(tmp_path, "ceph-mon@controller-1.service", "/etc/ceph/ceph.conf")
    mark(tmp_path, "keystone.service", "/etc/keystone/keystone.conf")
    assert [cloud_begins(tmp_path, kind)[0] for kind in GROUP] == [0, 0]
    mark(tmp_path, "glance-api.service", *STARTED["files"])
    assert cloud_begins(tmp_path, "files")[0] == 0
    # Nobody knows what a damaged mark has said.
    (tmp_path / "units" / marker_name("glance-api.service", units._PURPOSE)).write_text("")
    assert [cloud_begins(tmp_path, kind)[0] for kind in GROUP] == [0, 0]


def test_what_the_site_says_of_the_storage_counts_more_than_the_group(tmp_path: Path) -> None:
    mark(tmp_path, "glance-api.service", *STARTED["files"])
    assert cloud_begins(tmp_path, "Ceph", openstack_service_ceph=False)[0] == 0
    assert cloud_begins(tmp_path, "files", openstack_service_ceph=True)[0] == 2


def test_no_refusal_sends_a_cloud_to_another_kind_of_storage(tmp_path: Path) -> None:
    told = storage_begins(tmp_path)[1]
    assert "Only a cloud that is still to be made may do without" in told


def storage_begins(folder: Path, *arguments: str, **rules: list[dict[str, Any]]) -> tuple[int, str]:
    """Run the refusal of disks for two storage hosts; those named in RULES have these. Return code and output."""
    hosts = {
        name: {**HERE, **({"ceph_osd_disks": rules[key]} if key in rules else {})}
        for key, name in (("first", "storage-1"), ("second", "storage-2"))
    }
    files = write_play(folder, play_of_deploy("Disk rules"), {"storage": {"hosts": hosts}})
    code, output = run_playbook(*files, *arguments)
    return code, re.sub(r"\s+", " ", output)


def test_a_ceph_without_any_disk_is_refused(tmp_path: Path) -> None:
    rule = {"size_min_gib": 900}
    without: list[dict[str, list[dict[str, Any]]]] = [{}, {"first": [], "second": []}]
    for rules in without:
        code, told = storage_begins(tmp_path, **rules)
        assert (code, "No host of the group storage has a rule in ceph_osd_disks" in told) == (2, True), told
    assert storage_begins(tmp_path, first=[rule])[0] == 0
    # Those that are not part of the run count as well.
    assert storage_begins(tmp_path, "--limit=storage-2", first=[rule])[0] == 0


def services_begin(
    folder: Path, options: Any, *arguments: str, compute: dict[str, Any] | None = None
) -> tuple[int, str]:
    """Run the refusal of options of services; all hosts have OPTIONS, a compute the variables COMPUTE besides."""
    addresses = {"controller-1": "10.0.0.5", "compute-1": "10.0.0.6"}
    hosts = {name: {**LOST, "host_addresses": {"management": address}} for name, address in addresses.items()}
    hosts["compute-1"] |= compute or {}
    groups = {
        "controller": {"hosts": {"controller-1": hosts["controller-1"]}},
        "compute": {"hosts": {"compute-1": hosts["compute-1"]}},
        "all": {
            "vars": {
                "site_domain": "example.test",
                "site_name": "example",
                "site_networks": {"management": {"cidr": "10.0.0.0/24"}, "tunnel": {"cidr": "10.0.1.0/24"}},
                **({} if options is None else {"openstack_service_overrides": options}),
            }
        },
    }
    files = write_play(folder, play_of_deploy("Options of services"), groups)
    code, output = run_playbook(*files, *arguments)
    return code, re.sub(r"\s+", " ", output)


def test_options_of_services_that_there_are_not_are_refused(tmp_path: Path) -> None:
    conf = "/etc/nova/nova.conf"
    wrong = {
        "novaa": {conf: {}},
        "nova": {"/etc/nova.conf": {}, conf: {"debug": True}},
        # Another driver of networks has this one.
        "neutron": {"/etc/neutron/l3_agent.ini": {}},
        "horizon": "text",
    }
    code, told = services_begin(tmp_path, wrong)
    assert code == 2, told
    for words in (
        "names novaa, and there is no such service. Did you mean nova?",
        "names /etc/nova.conf of nova, which the service does not have. Did you mean /etc/nova/nova.conf?",
        f"debug of {conf} of nova is true or false",
        "names /etc/neutron/l3_agent.ini of neutron",
        "horizon is text",
        "Nothing of the cloud was changed.",
    ):
        assert words in told
    agents = "--extra-vars=site_network_driver=openvswitch"
    assert services_begin(tmp_path, {"neutron": wrong["neutron"]}, agents)[0] == 0
    assert services_begin(tmp_path, {"neutron": {"/etc/neutron/neutron_ovn_metadata_agent.ini": {}}}, agents)[0] == 2
    # Whoever gives them, for whichever host.
    extra = json.dumps({"openstack_service_overrides": {"novaa": {}}})
    assert services_begin(tmp_path, None)[0] == 0
    assert services_begin(tmp_path, None, f"--extra-vars={extra}", "--check")[0] == 2
    own: dict[str, Any] = {"openstack_service_overrides": {"cinder": {"/etc/cinder.conf": {}}}}
    code, told = services_begin(tmp_path, None, compute=own)
    assert (code, "names /etc/cinder.conf of cinder" in told) == (2, True), told
    assert services_begin(tmp_path, None, "--limit=controller-1", compute=own)[0] == 0


def test_options_that_are_templates_are_not_refused_for_what_is_known_later(tmp_path: Path) -> None:
    conf = "/etc/nova/nova.conf"
    options = {
        "nova": {
            conf: {
                # The role's own, what a task finds out, and what fails when it is worked out too soon.
                "DEFAULT": {"my_ip": "{{ openstack_service_address }}", "workers": "{{ found_later.cpus }}"},
                "libvirt": "{{ {'virt_type': found_later.type} }}",
                "vnc": "{{ openstack_service_api_url | urlsplit | dict2items }}",
                "empty": None,
            },
            "/etc/nova/nova-compute.conf": "{{ our_compute }}",
        },
        "glance": "{{ found_later.glance }}",
        "cinder": None,
    }
    given = {"our_compute": {"libvirt": {"cpu_mode": "host-model"}}}
    code, told = services_begin(tmp_path, options, f"--extra-vars={json.dumps(given)}")
    assert code == 0, told
    # What a template says is judged.
    code, told = services_begin(tmp_path, options, '--extra-vars={"our_compute": [1]}')
    assert (code, "/etc/nova/nova-compute.conf of nova is a list" in told) == (2, True), told
    # A group may have services of its own.
    agent = {"agent": {"components": {"one": {"group": "compute", "files": {"/etc/agent": {}}}}}}
    compute = {"openstack_service_extra": agent, "openstack_service_overrides": {"agent": {"/etc/agent": {}}}}
    code, told = services_begin(tmp_path, None, compute=compute)
    assert code == 0, told


def test_the_refusal_comes_before_anything_is_changed() -> None:
    names = [one["name"] for one in yaml.safe_load((ROOT / "playbooks/deploy.yml").read_text(encoding="utf-8"))]
    first = ["Check", "Options of services", "Hosts that are fit", "Network driver", "Kind of storage", "Disk rules"]
    assert names[:6] == first
    whole = [one["name"] for one in yaml.safe_load((ROOT / "playbooks/apply.yml").read_text(encoding="utf-8"))]
    assert whole[:4] == ["Check", "Basis", "Options of services", "Machines"]


def test_the_marks_are_of_units_that_the_roles_start() -> None:
    roles = ROOT / "collections/ansible_collections/accentos/cloud/roles"
    assert f"name: {UNITS['ovn']}\n" in (roles / "openvswitch/tasks/main.yml").read_text(encoding="utf-8")
    services = (roles / "openstack_service/vars/main/neutron_openvswitch.yml").read_text(encoding="utf-8")
    assert f"units: [{UNITS['openvswitch']}]\n" in services


@pytest.mark.parametrize("kind", STARTED)
def test_glance_is_started_with_the_files_that_tell_its_storage(kind: str) -> None:
    (unit,) = [
        one
        for one in plan("controller-1", openstack_service_ceph=kind == "Ceph")["units"]
        if one["name"] == "glance-api.service"
    ]
    assert set(STARTED[kind]) <= set(unit["inputs"])
    assert ("/etc/ceph/ceph.client.glance.keyring" in unit["inputs"]) == (kind == "Ceph")
