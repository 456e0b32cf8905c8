# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role provision refuses before it asks or touches anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.playbooks.runs import HERE, run_playbook, write_play


def test_a_boot_medium_is_refused_where_no_controller_could_insert_it(tmp_path: Path) -> None:
    drivers = {"compute-1": "redfish", "compute-2": "ipmi", "compute-3": "snmp", "compute-4": "amt"}
    hosts: dict[str, dict[str, Any]] = {
        name: {"host_bmc": {"driver": driver, "address": "192.0.2.1"}} for name, driver in drivers.items()
    }
    hosts["compute-4"] |= {"provision_boot": "network"}
    groups = {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": hosts}}
    role = {"name": "accentos.cloud.provision", "tasks_from": "plan.yml", "rolespec_validate": False}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        # Of a host that does not say otherwise.
        "vars": {"provision_boot": "virtual_media"},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    code, output = run_playbook(*write_play(tmp_path, play, groups))
    assert code != 0
    assert "provision_boot is virtual_media for compute-2, compute-3, whose host_bmc" in output, output
    assert "Nothing was touched" in output
    assert "TASK [accentos.cloud.provision : Say what" not in output


def test_a_plan_ends_at_a_new_deploy_host_that_has_neither_images_nor_a_provisioner(tmp_path: Path) -> None:
    machine = {"host_bmc": {"driver": "ipmi", "address": "192.0.2.1"}}
    groups = {"deploy": {"hosts": {"deploy-1": HERE}}, "compute": {"hosts": {"compute-1": machine}}}
    role = {"name": "accentos.cloud.provision", "tasks_from": "plan.yml", "rolespec_validate": False}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        "vars": {"host_image_result": {"images": []}},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    code, output = run_playbook("--check", *write_play(tmp_path, play, groups))
    assert code == 0, output
    assert "TASK [accentos.cloud.provision : Say what" not in output
