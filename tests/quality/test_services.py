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

from tests.quality.tree import COLLECTION, load

ROLE = COLLECTION / "roles/openstack_service"
GROUPS = {"controller": ["controller-1"], "compute": ["compute-1"], "storage": ["storage-1"]}
# Options whose value must be a secret of the site, and so never a text in the tree.
SECRET = re.compile(r"password|secret|transport_url|connection$")
PLAIN = re.compile(r"(ssl|tcp|unix):.*|ovn_.*|password_hash_algorithm")


def as_templates(value: Any) -> Any:
    """Return a value whose texts are templates, as those of a role are."""
    if isinstance(value, dict):
        return {key: as_templates(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_templates(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


def plan(host: str) -> dict[str, Any]:
    """Return what the role plans for a host and all of its services."""
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
        # A service that needs an answer of the operator to be whole.
        "openstack_service_cinder_back_ends": {"ceph": {"rbd_pool": "volumes", "rbd_user": "cinder"}},
        "site_domain": "example.test",
        "site_name": "example",
        "site_networks": {"management": {"cidr": "10.0.0.0/24"}},
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    names = list(templar.template(trust_as_template("{{ __openstack_service_known | list }}")))
    assert {"keystone", "glance", "nova"} <= set(names)
    variables["openstack_service_services"] = names
    templar = Templar(loader=DataLoader(), variables=variables)
    found: dict[str, Any] = templar.template(trust_as_template("{{ __openstack_service_plan }}"))
    return found


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


def test_a_back_end_of_volumes_is_named_and_belongs_to_the_site(plans: dict[str, dict[str, Any]]) -> None:
    (file,) = [file for file in plans["controller-1"]["files"] if file["path"] == "/etc/cinder/cinder.conf"]
    assert file["sections"]["DEFAULT"]["enabled_backends"] == ["ceph"]
    assert file["sections"]["ceph"] == {"backend_host": "example", "rbd_pool": "volumes", "rbd_user": "cinder"}
    assert "cinder-volume.service" in [unit["name"] for unit in plans["controller-1"]["units"]]
