# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rack of the lab: bare machines that are turned on over the network and boot from it."""

from __future__ import annotations

import json
import os
import random
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from .conftest import CREATE, DESTROY, PREPARE, ROOT, Lab

# The rack is the laboratory's own equipment, and the scenario "provision" turns its machines on and off each time.
pytestmark = pytest.mark.long

# The scenario "provision" may be running on its own lab meanwhile: name and networks of another one.
SCENARIO = ROOT / "molecule/provision/inventory"
ELSEWHERE = (("lab_name: provision", "lab_name: rack"), ("10.93.", "10.99."))
RACK = "molecule/shared/rack.yml"
HOSTS = ("--limit", "localhost,deploy,lab_rack")
BIOS, UEFI = "metal-bios-1", "metal-uefi-1"
SEED = int(os.environ.get("ACCENTOS_TEST_SEED", "0")) or secrets.randbelow(10**6) + 1

# Listens where a DHCP server would, without answering. Prints for each machine, once, its MAC address, the processor
# architecture that it asks a boot program for (option 93) and its vendor class (option 60).
_LISTEN = r"""
import json, socket, sys, time
wanted, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
server.bind(("", 67))
print("listening", flush=True)
seen = {}
while len(seen) < wanted and (left := end - time.monotonic()) > 0:
    server.settimeout(left)
    try:
        message = server.recv(2000)
    except TimeoutError:
        break
    options, place = {}, 240
    while place < len(message) and message[place] != 255:
        if message[place] == 0:
            place += 1
            continue
        length = message[place + 1]
        options[message[place]] = message[place + 2 : place + 2 + length]
        place += 2 + length
    if options.get(53) == b"\x01":
        seen[message[28:34].hex(":")] = [int.from_bytes(options[93], "big"), options[60].decode()]
print(json.dumps(seen))
"""


def site_elsewhere(site: Path) -> Path:
    """Write the site of the scenario "provision" to SITE, with another name and other networks."""
    shutil.copytree(SCENARIO, site)
    for file in site.rglob("*.yml"):
        text = file.read_text(encoding="utf-8")
        for old, new in ELSEWHERE:
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    return site


class Rack(Lab):
    """A lab like that of the site "provision", with ways to speak to its BMCs."""

    def __init__(self, scratch: Path) -> None:
        site = site_elsewhere(scratch / "site")
        listed = subprocess.run(
            [f"{ROOT}/.venv/bin/ansible-inventory", "-i", str(site), "--host", "rack-1"],
            capture_output=True,
            check=True,
            cwd=ROOT,
        )
        variables = json.loads(listed.stdout)
        self.name = variables["lab_name"]
        self.machines = {machine["name"]: machine for machine in variables["lab_rack_machines"]}
        super().__init__(scratch, site, ROOT / ".lab" / self.name)

    def credentials(self, machine: str) -> tuple[str, str]:
        """Return user and password of a machine's BMC."""
        known = SecretStore(self.state).read()
        name = machine.replace("-", "_")
        return known[f"bmc_{name}_user"], known[f"bmc_{name}_password"]

    def ipmi(self, machine: str, command: str, password: str | None = None) -> str:
        """Give a command to a BMC with ipmitool, from the deploy host."""
        user, known = self.credentials(machine)
        address = self.machines[machine]["bmc"]["address"]
        return self.sh(
            "deploy-1",
            "read -r user; umask 077; cat >/run/ipmi; "
            f'ipmitool -I lanplus -C 3 -N 2 -R 2 -H {address} -U "$user" -f /run/ipmi {command} 2>&1',
            given=f"{user}\n{password or known}",
        )

    def redfish(self, machine: str, path: str, method: str = "GET", body: object = None, login: bool = True) -> str:
        """Send a request to a BMC from the deploy host, its certificate checked; returns status, line end, body."""
        user, password = self.credentials(machine)
        address = self.machines[machine]["bmc"]["address"]
        data = f"-H 'Content-Type: application/json' --data {shlex.quote(json.dumps(body))}" if body else ""
        return self.sh(
            "deploy-1",
            f"curl --silent --show-error --cacert /etc/accentos/pki/ca.crt --config - --request {method} {data} "
            f"--output /run/answer --write-out '%{{http_code}}\\n' https://{address}{path}; cat /run/answer",
            given=f'user = "{user}:{password}"\n' if login else "",
        )

    def system(self, machine: str) -> str:
        """Return the path of a machine in its BMC, which knows no other."""
        _status, _end, body = self.redfish(machine, "/redfish/v1/Systems").partition("\n")
        (member,) = json.loads(body)["Members"]
        return str(member["@odata.id"])

    def state_of(self, machine: str) -> str:
        """Return what libvirt says of a machine."""
        return self.sh("rack-1", f"virsh domstate {machine}").strip()


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rack]:
    """Give a fresh rack, and remove it afterwards."""
    rack = Rack(tmp_path_factory.mktemp("rack"))
    rack.succeed(DESTROY)
    rack.succeed(CREATE)
    rack.succeed(PREPARE, *HOSTS)
    rack.succeed(RACK)
    rack.sh("deploy-1", "DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet ipmitool curl")
    yield rack
    rack.remove(request)


def test_machines_are_there_and_off(rack: Rack) -> None:
    assert rack.succeed(RACK).changed == 0
    assert {name: rack.state_of(name) for name in rack.machines} == dict.fromkeys(rack.machines, "shut off")
    assert rack.sh("rack-1", "find /var/lib/rack/disks -type f -size +0 -printf '%b\\n' | sort -u") == "0\n"


def test_ipmi_turns_a_machine_on_and_off(rack: Rack, record_property: Callable[[str, object], None]) -> None:
    start = time.monotonic()
    assert "Power is off" in rack.ipmi(BIOS, "power status")
    record_property("seconds for a command", round(time.monotonic() - start, 2))
    assert "Force PXE" not in rack.ipmi(BIOS, "chassis bootparam get 5")
    rack.ipmi(BIOS, "chassis bootdev pxe")
    assert "Force PXE" in rack.ipmi(BIOS, "chassis bootparam get 5")
    # The disk stays in the list: a machine that gets nothing from the network still starts what is on it.
    assert rack.sh("rack-1", f"virsh dumpxml {BIOS} | grep -o 'boot dev=.*/'").split("\n")[:2] == [
        "boot dev='network'/",
        "boot dev='hd'/",
    ]
    rack.ipmi(BIOS, "power on")
    assert "Power is on" in rack.ipmi(BIOS, "power status")
    assert rack.state_of(BIOS) == "running"
    rack.ipmi(BIOS, "power off")
    assert "Power is off" in rack.ipmi(BIOS, "power status")
    assert rack.state_of(BIOS) == "shut off"


def test_ipmi_refuses_another_password(rack: Rack) -> None:
    with pytest.raises(AssertionError, match="Unable to establish"):
        rack.ipmi(BIOS, "power on", password="x" * 16)
    assert rack.state_of(BIOS) == "shut off"


def test_redfish_turns_a_machine_on_and_off(rack: Rack) -> None:
    assert rack.redfish(UEFI, "/redfish/v1/Systems", login=False).startswith("401\n")
    system = rack.system(UEFI)
    assert '"PowerState": "Off"' in rack.redfish(UEFI, system)
    boot = {"Boot": {"BootSourceOverrideTarget": "Pxe", "BootSourceOverrideEnabled": "Once"}}
    assert rack.redfish(UEFI, system, "PATCH", boot).startswith("204\n")
    assert '"BootSourceOverrideTarget": "Pxe"' in rack.redfish(UEFI, system)
    for kind, state in (("On", "running"), ("ForceOff", "shut off")):
        answer = rack.redfish(UEFI, f"{system}/Actions/ComputerSystem.Reset", "POST", {"ResetType": kind})
        assert answer.startswith("204\n"), answer
        assert rack.state_of(UEFI) == state


def test_machines_ask_the_deploy_host_for_a_boot_program(
    rack: Rack, record_property: Callable[[str, object], None]
) -> None:
    command = ["ssh", "-F", str(rack.state / "ssh_config"), "deploy-1", f"python3 -c {shlex.quote(_LISTEN)} 2 120"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout
        assert listener.stdout.readline() == "listening\n"
        start = time.monotonic()
        rack.ipmi(BIOS, "power on")
        rack.redfish(UEFI, f"{rack.system(UEFI)}/Actions/ComputerSystem.Reset", "POST", {"ResetType": "On"})
        seen = json.loads(listener.stdout.read())
    record_property("seconds from power on to DHCP, two machines", round(time.monotonic() - start, 1))
    assert seen == {
        rack.machines[BIOS]["macs"][0]: [0, "PXEClient:Arch:00000:UNDI:002001"],
        rack.machines[UEFI]["macs"][0]: [7, "PXEClient:Arch:00007:UNDI:003001"],
    }
    assert "iPXE" in rack.sh("rack-1", f"rack log {BIOS}")
    assert "Start PXE over IPv4" in rack.sh("rack-1", f"rack log {UEFI}")


def test_blank_machine_is_like_new(rack: Rack) -> None:
    disk = f"/var/lib/rack/disks/{UEFI}.{rack.machines[UEFI]['disks'][0]['serial']}.img"
    rack.sh("rack-1", f"virsh start {UEFI} 2>/dev/null || true; printf used | dd of={disk} conv=notrunc status=none")
    assert rack.sh("rack-1", f"head -c 4 {disk}") == "used"
    size = rack.sh("rack-1", f"stat -c %s {disk}")
    rack.sh("rack-1", f"rack blank {UEFI}; rack blank {BIOS}")
    assert rack.state_of(UEFI) == "shut off"
    assert rack.sh("rack-1", f"stat -c '%s %b' {disk}") == f"{size.strip()} 0\n"
    assert rack.sh("rack-1", f"rack log {UEFI}; ls /var/lib/rack/nvram") == ""
    assert rack.succeed(RACK).changed == 0


def test_rack_comes_back_after_a_restart(rack: Rack) -> None:
    subprocess.run(["podman", "restart", "--time=0", f"accentos-{rack.name}-rack-1"], capture_output=True, check=True)
    end = time.monotonic() + 60
    while (answered := rack_answers(rack)) is False and time.monotonic() < end:
        time.sleep(1)
    assert answered, rack.sh("rack-1", "systemctl --failed; journalctl --boot --lines=50")
    assert '"PowerState": "Off"' in rack.redfish(UEFI, rack.system(UEFI))
    assert rack.succeed(RACK).changed == 0


def rack_answers(rack: Rack) -> bool:
    """Tell whether the IPMI controller of the BIOS machine answers and says Off."""
    try:
        return "Power is off" in rack.ipmi(BIOS, "power status")
    except AssertionError:
        return False


def test_killed_run_is_completed_by_the_next(rack: Rack, record_property: Callable[[str, object], None]) -> None:
    rack.sh("rack-1", f"rm -r /opt/rack /etc/rack; systemctl stop vbmcd; virsh undefine --nvram {UEFI}")
    # Only chooses where to kill; the seed makes a choice repeatable.
    count = random.Random(SEED).randrange(6, 24)  # noqa: S311
    record_property("killed at", f"seed {SEED}: {rack.kill_at_task(RACK, count)}")
    rack.succeed(RACK)
    assert rack.succeed(RACK).changed == 0
    assert "Power is off" in rack.ipmi(BIOS, "power status")
    assert '"PowerState": "Off"' in rack.redfish(UEFI, rack.system(UEFI))


def test_passwords_are_in_private_files_only(rack: Rack) -> None:
    names = {name: rack.credentials(name)[1] for name in rack.machines}
    for name, password in names.items():
        found = rack.sh(
            "rack-1",
            "cat >/run/needle; grep -rlsIF -f /run/needle /etc /var /root /home /tmp /usr/local /opt | sort; "
            "cat /proc/[0-9]*/cmdline | grep -cF -f /run/needle || true; rm /run/needle",
            given=password,
        )
        ipmi = rack.machines[name]["bmc"]["driver"] == "ipmi"
        # Redfish's own file has only a digest.
        assert found.split() == ([f"/var/lib/rack/vbmc/{name}/config"] if ipmi else []) + ["0"]
    private = rack.sh("rack-1", "stat -c '%a %U' /var/lib/rack/vbmc/*/config /etc/rack/redfish/*.htpasswd")
    assert set(private.splitlines()) == {"600 root"}
