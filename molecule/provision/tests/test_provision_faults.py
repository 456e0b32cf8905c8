# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong while a machine is installed: it is told, nothing else is harmed, and the next run makes it good."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host

from .machines import MACHINES, SITE, STAGES, ask, installation, playbook, rack, reach, start_playbook, wait_until

NAME = "metal-bios-1"
# Of the two it is the one that stays deployed: who failed and was disarmed claims nothing any more.
OTHER, OTHER_MAC = "metal-uefi-1", "52:54:00:93:00:32"
DISK = f"/var/lib/rack/disks/{NAME}.BIOS-1-ROOT.img"
IMAGE = "/srv/accentos/images/base-amd64/root.img.zst"
MEDIUM = "http://10.93.0.11/netboot/boot.iso"
# Other tests see hosts prepared, which takes an emulated machine minutes.
PROVISION = ("playbooks/provision.yml", "--limit", f"localhost,deploy,{NAME}", "--skip-tags", "prepare")
SEED = int(os.environ.get("ACCENTOS_TEST_SEED", "0")) or secrets.randbelow(10**6) + 1


def again(**variables: object) -> tuple[str, ...]:
    """Return the words that install the machine anew, with further variables."""
    return (*PROVISION, "--extra-vars", json.dumps({"provision_reinstall": [NAME], **variables}))


def digest() -> str:
    """Return a digest of the whole disk of the machine, which is off or leaves it alone."""
    return rack("sha256sum", DISK).split()[0]


def begun(host: Host, stage: str) -> bool:
    """Tell whether the machine has reported a stage. Before it is armed nothing is known of it."""
    machines = ask(host, "/v1/machines")["machines"]
    assert isinstance(machines, list)
    return any(machine["host"] == NAME and stage in str(machine["stages"]) for machine in machines)


def test_a_rule_that_fits_no_disk_touches_none() -> None:
    rack("virsh", "destroy", NAME)
    before = digest()
    rule = {"serial": "ELSEWHERE"}
    said = playbook(*again(provision_root_disk=rule, provision_attempts=1), code=2)
    # The rule, and what the machine has instead.
    assert "ELSEWHERE" in said
    assert "BIOS-1-ROOT" in said
    assert re.search(rf"{NAME} +failed +\d", said)
    assert f"{NAME}: failed in disks: " in said
    assert digest() == before
    # A shell waits on its console, and without orders it starts from its disk again.
    assert "A shell waits on each console" in rack("rack", "log", NAME)


def test_a_corrupt_image_is_not_booted(host: Host) -> None:
    middle = int(host.check_output(f"stat --format %s {IMAGE}")) // 2
    flip = (
        "import sys; file = open(sys.argv[1], 'r+b'); file.seek(int(sys.argv[2])); byte = file.read(1); "
        "file.seek(-1, 1); file.write(bytes([byte[0] ^ 1]))"
    )
    try:
        host.check_output(f'python3 -c "{flip}" {IMAGE} {middle}')
        said = playbook(*again(provision_attempts=1), code=2)
    finally:
        host.check_output(f'python3 -c "{flip}" {IMAGE} {middle}')
    assert "image" in said
    assert "role host_image" in said
    assert f"{NAME}: failed in image: " in said


def test_two_machines_with_one_mac_are_refused(host: Host, tmp_path: Path) -> None:
    before = ask(host, "/v1/machines")
    # In the site: told before any host is touched.
    double = {"host_addresses": {"management": "10.93.0.77"}, "provision_root_disk": {"size_max_gib": 7}}
    double |= {"host_interfaces": [{"name": "eth0", "mac": OTHER_MAC, "network": "management"}]}
    double |= {"host_bmc": {"driver": "ipmi", "address": "10.93.4.77"}}
    site = tmp_path / "site"
    shutil.copytree(SITE, site)
    hosts = yaml.safe_load((site / "hosts.yml").read_text(encoding="utf-8"))
    hosts["all"]["children"]["compute"]["children"]["bare_metal"]["hosts"]["metal-double-1"] = double
    (site / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    said = playbook("playbooks/provision.yml", code=2, site=site)
    assert OTHER_MAC in said
    assert "metal-double-1" in said
    assert "Reach the hosts" not in said
    # Past the site: the service gives nobody a token for a MAC that another host has.
    order = json.dumps({"macs": [OTHER_MAC]})
    answer = host.check_output(
        "curl -sS --unix-socket /run/accentos-provisioner/admin.sock --request PUT --data %s "
        "--write-out ' %%{http_code}' http://x/v1/installs/metal-double-1",
        order,
    )
    assert f"metal-double-1 and {OTHER} both claim the MAC {OTHER_MAC}" in answer
    assert answer.endswith(" 409")
    assert ask(host, "/v1/machines") == before


@pytest.mark.long
def test_power_and_playbook_end_in_the_middle(host: Host, record_property: Callable[[str, object], None]) -> None:
    stage = random.Random(SEED).choice(STAGES[1:-1])  # noqa: S311 - not a secret
    record_property("seed", SEED)
    record_property("power cut in stage", stage)
    running = start_playbook(*PROVISION)
    wait_until(f"stage {stage} begins", lambda: running.poll() is not None or begun(host, stage))
    rack("virsh", "destroy", NAME)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert ask(host, f"/v1/machines/{NAME}")["state"] in ("installing", "failed")
    # For all that the next run knows the machine goes on by itself, so it waits for a stage before it starts it again.
    patience = {"boot": 240} | dict.fromkeys(STAGES, 90)
    said = playbook(*PROVISION, "--extra-vars", json.dumps({"provision_timeouts": patience}))
    assert NAME in said
    assert ask(host, f"/v1/machines/{NAME}")["state"] == "deployed"
    assert reach(MACHINES[NAME]).check_output("hostname") == NAME
    assert not re.search(r"changed=[1-9]", playbook(*PROVISION))


@pytest.mark.long
def test_a_machine_is_installed_from_the_boot_medium_that_its_controller_inserts(host: Host) -> None:
    before = installation(OTHER)
    since = host.check_output("date '+%F %T'")
    variables = {"provision_boot": "virtual_media", "provision_hosts": [OTHER]}
    words = ("playbooks/provision.yml", "--limit", f"localhost,deploy,{OTHER}", "--skip-tags", "prepare", "--diff")
    said = playbook(*words, "--extra-vars", json.dumps({**variables, "provision_reinstall": [OTHER]}))
    assert ask(host, f"/v1/machines/{OTHER}")["state"] == "deployed"
    assert installation(OTHER) != before
    # Inserted, and ejected at the end.
    assert [line.split()[0] for line in said.splitlines() if MEDIUM in line and line[:1] in "+-"] == ["+", "-"]
    assert "cdrom" not in rack("virsh", "domblklist", "--details", "--inactive", OTHER)
    # Its firmware loaded nothing from the network.
    log = host.check_output("journalctl --unit accentos-dhcp.service --output cat --since %s", since)
    assert OTHER_MAC in log
    assert f"snponly.efi to {MACHINES[OTHER]}" not in log
    assert not re.search(r"changed=[1-9]", playbook(*words, "--extra-vars", json.dumps(variables)))
    # With an empty drive it starts from its disk.
    rack("virsh", "destroy", OTHER)
    rack("virsh", "start", OTHER)
    assert reach(MACHINES[OTHER]).check_output("hostname") == OTHER


def test_the_command_line_of_a_cloud_does_not_keep_cobbler_from_starting(host: Host) -> None:
    # It brings psutil, see test_openstack_client. cobblerd uses that where it is, and must do so in its sandbox.
    assert host.package("python3-psutil").is_installed
    host.check_output("systemctl restart cobblerd.service")
    assert host.service("cobblerd").is_running
