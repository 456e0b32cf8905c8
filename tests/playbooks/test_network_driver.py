# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud keeps the driver of networks that it was made with: deploy.yml refuses another before it does anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MARKS = {"ovn": "ovn-controller.service", "openvswitch": "neutron-openvswitch-agent.service"}


def deploy_begins(folder: Path, driver: str, *arguments: str) -> tuple[int, str]:
    """Run the refusal of deploy.yml, where FOLDER has the marks of units; return exit code and output."""
    (play,) = [
        one
        for one in yaml.safe_load((ROOT / "playbooks/deploy.yml").read_text(encoding="utf-8"))
        if one["name"] == "Network driver"
    ]
    (folder / "play.yml").write_text(json.dumps([play]))
    (folder / "hosts").write_text("[controller]\ncontroller-1\n[compute]\ncompute-1\n")
    extra = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "site_network_driver": driver,
        "__openvswitch_marks": str(folder / "units"),
    }
    argv = [sys.executable, "-m", "ansible", "playbook", f"--inventory={folder / 'hosts'}"]
    argv += [f"--extra-vars={json.dumps(extra)}", *arguments, str(folder / "play.yml")]
    settings = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


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


def test_the_refusal_comes_before_anything_is_changed() -> None:
    names = [one["name"] for one in yaml.safe_load((ROOT / "playbooks/deploy.yml").read_text(encoding="utf-8"))]
    assert names[:3] == ["Check", "Hosts that are fit", "Network driver"]


def test_the_marks_are_of_units_that_the_roles_start() -> None:
    roles = ROOT / "collections/ansible_collections/accentos/cloud/roles"
    assert f"name: {MARKS['ovn']}\n" in (roles / "openvswitch/tasks/main.yml").read_text(encoding="utf-8")
    services = (roles / "openstack_service/vars/main/neutron_openvswitch.yml").read_text(encoding="utf-8")
    assert f"units: [{MARKS['openvswitch']}]\n" in services
