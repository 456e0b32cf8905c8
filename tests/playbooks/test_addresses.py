# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Addresses that other machines have are refused (row F16): kernels in namespaces answer, on a wire of their own."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.runs import HERE, write_play
from tools.playbook_runs import run_playbook

OTHER, KNOWN = "02:00:00:00:00:0b", "02:00:00:00:00:0c"
# This host is in management and in storage; two others have addresses there, one of them in both.
WIRE = f"""
mount -t tmpfs none /run
ip link set lo up
for network in management storage; do
    ip link add $network type bridge
    ip link set $network up
done
join() {{
    ip link add "p$4" type veth peer name $2 address $3 netns $1
    ip link set "p$4" master $2 up
    ip -n $1 link set $2 up
    ip -n $1 address add $4/24 dev $2
}}
ip netns add stranger
ip netns add known
join stranger management {OTHER} 192.0.2.22
join known management {KNOWN} 192.0.2.23
join known storage {KNOWN} 198.51.100.24
ip address add 192.0.2.10/24 dev management
ip address add 198.51.100.10/24 dev storage
exec "$@"
"""


def specification(last: int, mac: str) -> dict[str, Any]:
    port = {"name": "eno1", "mac": mac, "addresses": [f"192.0.2.{last}/24"]}
    tagged = {"name": "eno1.21", "link": "eno1", "addresses": [f"198.51.100.{last}/24"]}
    away = {"name": "eno1.22", "link": "eno1", "addresses": [f"203.0.113.{last}/24"]}
    return {"network": {"interfaces": [port], "bonds": [], "vlans": [tagged, away]}}


def ask(
    folder: Path, machines: dict[str, dict[str, Any]], *options: str, stays: str = "", **values: Any
) -> tuple[int, str]:
    """Run the piece of role provision for MACHINES to install but the one that STAYS; return exit code and output."""
    steps = [{"host": host, "action": "nothing" if host == stays else "arm", "reason": "so"} for host in machines]
    play = {
        "hosts": "deploy",
        "gather_facts": False,
        "vars": {
            "__provision_specifications": machines,
            "__provision_claimants": steps,
            "__provision_claimants_known": {stays: {"state": "deployed", "inventory": None}} if stays else {},
            **values,
        },
        "tasks": [
            {
                "ansible.builtin.import_role": {
                    "name": "accentos.cloud.provision",
                    "tasks_from": "addresses.yml",
                    "rolespec_validate": False,
                }
            }
        ],
    }
    arguments = write_play(folder, play, {"deploy": {"hosts": {"deploy-1": HERE}}})
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    wire = [shutil.which("unshare") or "unshare", *user, "--net", "--mount", "bash", "-euc", WIRE, "wire"]
    return run_playbook(*options, *arguments, before=wire)


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_an_address_that_another_machine_has_is_refused_with_the_names_of_both(
    tmp_path: Path, options: list[str]
) -> None:
    machines = {f"compute-{last}": specification(20 + last, f"02:00:00:00:01:0{last}") for last in range(1, 5)}
    machines["known-1"] = specification(30, KNOWN)
    code, output = ask(tmp_path, machines, *options, stays="known-1")
    assert code != 0
    said = " ".join(re.findall(r"\S+", output))
    for refused in (
        f"192.0.2.22 is to be an address of compute-2, and the machine with the MAC {OTHER} has it on management",
        f"192.0.2.23 is to be an address of compute-3, and known-1 ({KNOWN}) has it on management",
        f"198.51.100.24 is to be an address of compute-4, and known-1 ({KNOWN}) has it on storage",
    ):
        assert refused in said, output
    assert said.count("is to be an address of") == 3 * said.count("of compute-2, and"), output
    assert "give the host another one in host_addresses" in said


def test_free_addresses_and_those_of_the_machine_itself_are_not_refused(tmp_path: Path) -> None:
    machines = {"compute-1": specification(21, "02:00:00:00:01:01"), "known-1": specification(23, KNOWN)}
    code, output = ask(tmp_path, machines, "-v")
    assert code == 0, output
    assert '"asked": {"management": 2, "storage": 2}' in output, output
    assert '"unasked": ["203.0.113.0/24"]' in output


def test_what_machines_have_that_are_started_anew_is_not_refused(tmp_path: Path) -> None:
    # The MACs of two machines were mixed up in the site folder, and each got what is the other's.
    machines = {"compute-3": specification(23, "02:00:00:00:01:03"), "known-1": specification(30, KNOWN)}
    assert ask(tmp_path, machines)[0] == 0
    assert ask(tmp_path, machines, stays="known-1")[0] != 0


def test_a_network_with_proxy_arp_need_not_be_asked(tmp_path: Path) -> None:
    machines = {"compute-2": specification(22, "02:00:00:00:01:02")}
    code, output = ask(tmp_path, machines, provision_ask_addresses=False)
    assert (code, "skipped=1" in output) == (0, True), output


@pytest.mark.parametrize(
    ("verb", "later"), [("provision", "Describe the deploy ramdisk"), ("enrol", "Describe the machines")]
)
def test_an_installation_asks_before_anything_is_touched(verb: str, later: str) -> None:
    code, output = run_playbook("--list-tasks", "--inventory=inventories/reference", f"playbooks/{verb}.yml")
    assert code == 0, output
    assert 0 < output.find(": Refuse addresses that other machines have") < output.find(f": {later}"), output
