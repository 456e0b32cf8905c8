# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of machines that knew nothing, looked at from outside Ansible."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

from .machines import (
    COBBLER,
    LONGEST_START,
    MACHINES,
    NEW,
    NEW_ADDRESS,
    ROOT,
    SITE,
    STAGES,
    STATE,
    STRANGER,
    announced,
    ask,
    installation,
    playbook,
    rack,
    reach,
)


@pytest.mark.parametrize("name", MACHINES)
def test_the_machine_is_what_the_site_says(name: str) -> None:
    host = reach(MACHINES[name])
    # It answers before all of its file systems are mounted.
    host.run("systemctl is-system-running --wait")
    assert host.check_output("hostname --fqdn") == f"{name}.provision.example.test"
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    firmware = "uefi" if host.file("/sys/firmware/efi").exists else "bios"
    assert firmware == name.split("-")[1]
    disk = host.check_output("lsblk --noheadings --output PKNAME $(findmnt --noheadings --output SOURCE /)")
    wanted = f"{firmware.upper()}-1-ROOT"
    assert host.check_output(f"lsblk --nodeps --noheadings --output SERIAL /dev/{disk}") == wanted
    # However long its disk took: the boot loader's updates go there.
    assert host.check_output("findmnt --noheadings --output FSTYPE /boot/efi") == "vfat"
    assert host.run("passwd --status root").stdout.split()[1] != "P"


@pytest.mark.long
@pytest.mark.parametrize("name", MACHINES)
def test_the_machine_is_prepared(name: str) -> None:
    host = reach(MACHINES[name])
    assert host.service("chrony").is_running
    assert host.file("/etc/accentos/pki/host.crt").exists


def test_a_second_run_changes_nothing_and_installs_nothing() -> None:
    before = {name: installation(name) for name in MACHINES}
    said = playbook("playbooks/provision.yml", "--skip-tags", "prepare")
    assert "changed=" in said
    assert not re.search(r"changed=[1-9]", said), said
    assert "No machine was to be installed, 2 kept as they are." in said
    assert {name: installation(name) for name in MACHINES} == before


@pytest.mark.long
def test_a_second_run_that_prepares_the_machines_too_changes_nothing() -> None:
    said = playbook("playbooks/provision.yml")
    assert "changed=" in said
    assert not re.search(r"changed=[1-9]", said), said


def test_two_cards_of_a_machine_act_as_one() -> None:
    host = reach(MACHINES["metal-bios-1"])
    bond = json.loads(host.check_output("ip -json -details address show bond0"))[0]
    assert bond["linkinfo"]["info_data"]["mode"] == "active-backup"
    assert [address["local"] for address in bond["addr_info"] if address["family"] == "inet"] == ["10.93.0.31"]
    members = json.loads(host.check_output("ip -json link show master bond0"))
    assert {member.get("permaddr", member["address"]) for member in members} == {
        "52:54:00:93:00:31",
        "52:54:00:93:01:31",
    }
    vlans = json.loads(host.check_output("ip -json -details address show type vlan"))
    assert [vlan["addr_info"][0]["local"] for vlan in vlans] == ["10.93.1.31"]


def test_no_other_disk_was_touched() -> None:
    host = reach(MACHINES["metal-uefi-1"])
    data = host.check_output(
        "lsblk --nodeps --noheadings --output NAME,SERIAL | awk '$2 == \"UEFI-1-DATA\" {print $1}'"
    )
    assert data
    assert host.check_output(f"wipefs --no-act /dev/{data}") == ""
    assert host.check_output(f"head -c 16M /dev/{data} | tr -d '\\0' | wc -c") == "0"


def test_every_stage_was_reported_with_its_time(host: Host, record_property: Callable[[str, object], None]) -> None:
    for name in MACHINES:
        found = ask(host, f"/v1/machines/{name}")
        assert found["state"] == "deployed"
        stages = found["stages"]
        assert isinstance(stages, list)
        done = {stage["stage"]: stage["seconds"] for stage in stages if stage["status"] == "done"}
        assert list(done) == STAGES
        record_property(f"seconds of {name}", json.dumps(done))
        assert found["inventory"], "the machine shows what it is made of"


def test_nothing_secret_is_where_machines_and_strangers_read(host: Host) -> None:
    secrets = SecretStore(STATE).read()
    wanted = [value for name, value in secrets.items() if name.startswith(("bmc_", "cobbler_"))]
    assert len(wanted) > 6
    for value in wanted:
        found = host.run("grep -rlsF -e %s /srv /var/lib/cobbler /var/lib/accentos /var/log /etc/cobbler", value)
        assert found.stdout == ""
    # A token is in Cobbler only for as long as it can be used.
    assert (
        host.run("grep -rlsF accentos.token /srv/accentos/netboot/current/ /var/lib/cobbler/collections").stdout == ""
    )


def test_a_specification_is_for_its_machine_only(host: Host) -> None:
    question = json.dumps({"token": "0" * 64, "macs": ["52:54:00:93:00:31"]})
    answer = host.run(
        "curl -sS --cacert /etc/accentos/pki/ca.crt --data %s --write-out '\\n%%{http_code}' "
        "https://10.93.0.11:8443/v1/specification",
        question,
    )
    assert answer.stdout.splitlines()[-1] == "403"
    assert "ssh-ed25519" not in answer.stdout


@pytest.mark.long
def test_an_installed_machine_that_boots_from_the_network_starts_from_its_disk(host: Host) -> None:
    before = {name: installation(name) for name in MACHINES}
    stages = {name: ask(host, f"/v1/machines/{name}")["stages"] for name in MACHINES}
    for name in MACHINES:
        rack("virsh", "destroy", name)
    for name in MACHINES:
        rack("virsh", "start", name)
    after = {name: installation(name) for name in MACHINES}
    assert after == before
    assert {name: ask(host, f"/v1/machines/{name}")["stages"] for name in MACHINES} == stages
    # It asked the network first, and Cobbler sent it to its disk.
    assert "pxelinux.cfg/01-52-54-00-93-00-31" in rack("cat", "/var/log/rack/metal-bios-1.log").rpartition("SeaBIOS")[2]


@pytest.mark.long
def test_a_clock_that_is_off_by_an_hour_is_told() -> None:
    name = "metal-uefi-1"
    host = reach(MACHINES[name])
    words = ("adhoc", name, f"--inventory={SITE}", "--module-name=accentos.cloud.clock_check")
    command = [sys.executable, "-m", "ansible", *words]
    host.check_output("systemctl stop chrony && date --set '+1 hour'")
    try:
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        host.check_output("date --set '-1 hour' && systemctl start chrony")
    assert told.returncode == 2, told.stdout
    assert "ahead of that of the control node" in told.stdout
    assert "chronyc makestep" in told.stdout
    # It has been an hour off for moments, and chrony may have something left to put right.
    patient = [*command, "--args=patience=60"]
    right = subprocess.run(patient, cwd=ROOT, capture_output=True, text=True, check=False)
    assert right.returncode == 0, right.stdout


def inventory_of_cobbler() -> dict[str, Any]:
    """Return what ansible-inventory says by Cobbler alone."""
    command = [sys.executable, "-m", "ansible", "inventory", f"--inventory={COBBLER}", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Ansible marks what it will never run as a template.
    listed: dict[str, Any] = json.loads(done.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value))
    return listed


def check_hardware(hardware: dict[str, Any], firmware: str, macs: set[str], serials: set[str]) -> None:
    """See that what a machine reported of itself is what the rack gave it."""
    assert hardware["cpu"]["model"]
    assert min(hardware["cpu"][name] for name in ("flags", "sockets", "cores", "threads")) > 0
    # The rack gives each 2 GiB, of which its kernel keeps a share.
    assert 1700 < hardware["memory_mib"] <= 2048
    assert 1700 < sum(cell["memory_mib"] for cell in hardware["numa"]) <= 2048
    assert {card["mac"] for card in hardware["cards"]} == macs
    assert {disk["serial"] for disk in hardware["disks"]} == serials
    assert min(disk["size"] for disk in hardware["disks"]) >= 3 * 2**30
    assert hardware["firmware"] == firmware
    # Small enough for a thousand machines in one answer of Cobbler.
    assert len(json.dumps(hardware)) < 4096


def test_the_machines_are_in_the_inventory_of_cobbler() -> None:
    site = yaml.safe_load((SITE / "hosts.yml").read_text(encoding="utf-8"))
    described = site["all"]["children"]["compute"]["children"]["bare_metal"]["hosts"]
    serials = {"metal-bios-1": {"BIOS-1-ROOT"}, "metal-uefi-1": {"UEFI-1-ROOT", "UEFI-1-DATA"}}
    listed = inventory_of_cobbler()
    assert set(MACHINES) <= set(listed["compute"]["hosts"])
    for name, address in MACHINES.items():
        cards = listed["_meta"]["hostvars"][name]["cobbler_interfaces"].values()
        assert address in [card["ip_address"] for card in cards]
        assert f"52:54:00:93:00:{address[-2:]}" in [card["mac_address"] for card in cards]
        macs = {port["mac"] for port in described[name]["host_interfaces"]}
        hardware = listed["_meta"]["hostvars"][name]["host_hardware"]
        check_hardware(hardware, name.split("-")[1], macs, serials[name])


# Both of its tests take the fixture: pytest puts tests with it before others, and this one comes first.
def test_a_machine_that_nobody_described_becomes_a_host(host: Host) -> None:
    with announced("br-management", "leaf-1", "Ethernet7"):
        rack("virsh", "start", STRANGER)
        end = time.monotonic() + LONGEST_START
        while "metal-new-1" not in (told := playbook("playbooks/enrol.yml")):
            assert "No machine is waiting" in told
            assert time.monotonic() < end, rack("tail", "-c", "3000", f"/var/log/rack/{STRANGER}.log")
            time.sleep(5)
    known: dict[str, Any] = ask(host, f"/v1/machines/{NEW}")
    assert known["state"] == "deployed"
    # It told which port of which switch it is connected to.
    (switch,) = [card["lldp"] for card in known["inventory"]["cards"]]
    assert (switch["switch"], switch["port"]) == ("leaf-1", "Ethernet7")
    new = reach(NEW_ADDRESS)
    assert new.check_output("hostname") == NEW
    # Its hardware profile asks for a mirror.
    members = new.check_output(
        "lsblk --inverse --noheadings --list --output SERIAL $(findmnt --noheadings --output SOURCE /)"
    )
    assert set(members.split()) == {"STRANGER-1", "STRANGER-2"}
    listed = inventory_of_cobbler()
    facts = listed["_meta"]["hostvars"][NEW]
    assert facts["ansible_host"] == NEW_ADDRESS
    assert facts["host_addresses"] == {"management": NEW_ADDRESS}
    assert facts["host_interfaces"][0]["mac"] == "52:54:00:93:00:99"
    firmware = "uefi" if new.file("/sys/firmware/efi").exists else "bios"
    check_hardware(facts["host_hardware"], firmware, {"52:54:00:93:00:99"}, {"STRANGER-1", "STRANGER-2"})
    assert NEW in listed["compute"]["hosts"]
    assert set(MACHINES) <= set(listed["compute"]["hosts"])
    # Nobody waits any more, and nothing is done twice: what it boots from is written, too.
    assert "No machine is waiting" in (again := playbook("playbooks/enrol.yml"))
    assert not re.search(r"changed=[1-9]", again), again
    said = playbook("playbooks/provision.yml", "--skip-tags", "prepare")
    assert not re.search(r"changed=[1-9]", said), said


def test_an_enrolled_machine_is_forgotten_once(host: Host) -> None:
    words = ("playbooks/enrol.yml", "--extra-vars", json.dumps({"provision_forgotten": [NEW]}))
    rack("virsh", "destroy", STRANGER)
    assert re.search(r"deploy-1 .*changed=2 ", playbook(*words, "--check"))
    assert ask(host, f"/v1/machines/{NEW}")["state"] == "deployed"
    playbook(*words)
    assert NEW not in str(ask(host, "/v1/machines"))
    assert NEW not in str(ask(host, "/v1/enrolments"))
    assert host.run(f"grep -rls {NEW} /var/lib/cobbler/collections").stdout == ""
    assert NEW not in (STATE / ".known_hosts").read_text()
    assert not re.search(r"changed=[1-9]", playbook(*words))
    said = playbook("playbooks/provision.yml", "--skip-tags", "prepare")
    assert not re.search(r"changed=[1-9]", said), said
    # One that stands in the site folder is no stranger.
    names = json.dumps({"provision_forgotten": list(MACHINES)})
    assert "stand in the site folder" in playbook("playbooks/enrol.yml", "--extra-vars", names, code=2)
    assert all(ask(host, f"/v1/machines/{name}")["state"] == "deployed" for name in MACHINES)
