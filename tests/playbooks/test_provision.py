# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role provision refuses before it asks or touches anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def test_a_boot_medium_is_refused_where_no_controller_could_insert_it(tmp_path: Path) -> None:
    drivers = {"compute-1": "redfish", "compute-2": "ipmi", "compute-3": "snmp", "compute-4": "amt"}
    hosts: dict[str, dict[str, Any]] = {
        name: {"host_bmc": {"driver": driver, "address": "192.0.2.1"}} for name, driver in drivers.items()
    }
    hosts["compute-4"] |= {"provision_boot": "network"}
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory = {"deploy": {"hosts": {"deploy-1": here}}, "compute": {"hosts": hosts}}
    (tmp_path / "hosts.yml").write_text(json.dumps(inventory))
    role = {"name": "accentos.cloud.provision", "tasks_from": "plan.yml", "rolespec_validate": False}
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        # Of a host that does not say otherwise.
        "vars": {"provision_boot": "virtual_media"},
        "tasks": [{"ansible.builtin.import_role": role}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", f"--inventory={tmp_path}/hosts.yml", f"{tmp_path}/play.yml"],
        cwd=ROOT,
        env=os.environ
        | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "provision_boot is virtual_media for compute-2, compute-3, whose host_bmc" in done.stdout, done.stdout
    assert "Nothing was touched" in done.stdout
    assert "TASK [accentos.cloud.provision : Say what" not in done.stdout
