# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How remove_compute.yml comes to know whether guests may be evacuated, on this machine as all hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbooks.runs import HERE, LOST
from tools.playbook_runs import ROOT, run_playbook

SITE = {
    "site_domain": "example.test",
    "site_name": "example",
    "site_networks": {"management": {"cidr": "10.0.0.0/24"}},
    "compute_removed": ["compute-1", "compute-2"],
}
FILES = {"nova": {"/etc/nova/nova.conf": {"libvirt": {"images_type": None}}}}
# Shows the default of the role after the plays of the playbook that come before it is needed.
SHOW = {
    "hosts": "controller[0]",
    "gather_facts": False,
    "tasks": [
        {"ansible.builtin.import_role": {"name": "accentos.cloud.compute", "tasks_from": "leaving"}},
        {"ansible.builtin.debug": {"msg": "shared={{ compute_shared_storage }}."}},
    ],
}


def shared(folder: Path, *, storage: bool = True, first: dict[str, Any] | None = None, **site: Any) -> str:
    """Return whether disks of guests count as shared; FIRST are variables of the first compute, SITE those of all."""
    plays = yaml.safe_load((ROOT / "playbooks/remove_compute.yml").read_text(encoding="utf-8"))
    names = ("Computes that leave", "Their answer")
    (folder / "play.yml").write_text(json.dumps([*(one for one in plays if one["name"] in names), SHOW]))
    addresses = {"host_addresses": {"management": "10.0.0.31"}}
    groups: dict[str, Any] = {
        "controller": {"hosts": {"controller-1": {**HERE, **addresses}}},
        "compute": {"hosts": {"compute-1": {**HERE, **addresses, **(first or {})}, "compute-2": {**LOST, **addresses}}},
        "storage": {"hosts": {"storage-1": {**HERE, **addresses}} if storage else {}},
        "all": {"vars": {**SITE, **site}},
    }
    (folder / "hosts.yml").write_text(json.dumps(groups))
    code, output = run_playbook(f"--inventory={folder}/hosts.yml", f"{folder}/play.yml")
    assert code == 0, output
    found = [line.partition("shared=")[2].partition(".")[0] for line in output.splitlines() if "shared=" in line]
    assert len(found) == 1, output
    return found[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "True"),
        ({"storage": False}, "False"),
        ({"openstack_service_overrides": FILES}, "False"),
        ({"first": {"openstack_service_overrides": FILES}}, "False"),
        # One that leaves has its own way; the cloud has Ceph all the same.
        ({"first": {"openstack_service_ceph": False}}, "False"),
        ({"openstack_service_overrides": FILES, "compute_shared_storage": True}, "True"),
    ],
)
def test_guests_are_evacuated_only_where_nova_has_their_disks_in_ceph(
    tmp_path: Path, given: dict[str, Any], expected: str
) -> None:
    assert shared(tmp_path, **given) == expected
