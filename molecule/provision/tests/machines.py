# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the tests reach the machines, their rack, and the playbooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import testinfra
from testinfra.host import Host

from tools.playbook_runs import ROOT, run_playbook

STATE = ROOT / ".lab/provision"
SITE = ROOT / "molecule/provision/inventory"
COBBLER = ROOT / "molecule/provision/enrolled/machines.cobbler.yml"
MACHINES = {"metal-bios-1": "10.93.0.31", "metal-uefi-1": "10.93.0.32"}
STRANGER, NEW, NEW_ADDRESS = "stranger-1", "metal-new-1", "10.93.0.101"
STAGES = ["specification", "disks", "image", "configuration", "boot_loader", "finish"]
LONGEST_START = 300


def machine(address: str) -> Host:
    """Return an installed machine, reached as an operator reaches it: by key, and known by the key that it reported."""
    extra = f"-o UserKnownHostsFile={STATE}/.known_hosts -o StrictHostKeyChecking=yes -o BindAddress=10.93.0.1"
    return testinfra.get_host(
        f"ssh://root@{address}", ssh_identity_file=str(STATE / "id_ed25519"), ssh_extra_args=extra
    )


def reach(address: str) -> Host:
    """Return a machine once it answers."""
    end = time.monotonic() + LONGEST_START
    while True:
        host = machine(address)
        try:
            if host.run("true").rc == 0:
                return host
        except RuntimeError:
            # testinfra raises it when ssh itself fails.
            pass
        assert time.monotonic() < end, f"{address} does not answer"
        time.sleep(2)


def installation(name: str) -> str:
    """Return what the installation of a machine made and no other one has: a host key.

    The machine-id will not do: systemd takes that of a virtual machine from its firmware, each time the same.
    """
    return reach(MACHINES[name]).check_output("cat /etc/ssh/ssh_host_ed25519_key.pub")


def ask(host: Host, path: str) -> dict[str, object]:
    """Ask the provisioner's own socket."""
    found = json.loads(
        host.check_output(f"curl -fsS --unix-socket /run/accentos-provisioner/admin.sock http://x{path}")
    )
    assert isinstance(found, dict)
    return found


def rack(*words: str) -> str:
    """Do something in the room where the machines stand."""
    command = ["podman", "exec", "accentos-provision-rack-1", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextmanager
def announced(interface: str, switch: str, port: str) -> Iterator[None]:
    """Let the rack announce by LLDP to the machines at its INTERFACE that they are connected to PORT of SWITCH."""
    sender = (ROOT / "molecule/shared/files/rack/announce.py").read_bytes()
    # The sender outlives a podman that is killed, so it is ended in the rack; an hour at most.
    words = ["python3", "-", interface, switch, port, "3600"]
    command = ["podman", "exec", "--interactive", "accentos-provision-rack-1", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        running.stdin.write(sender)
        running.stdin.close()
        try:
            yield
        finally:
            assert running.poll() is None, "the rack does not announce anything"
            rack("pkill", "-f", f"[p]ython3 - {interface} {switch}")


def start_playbook(*words: str, site: Path = SITE) -> subprocess.Popen[str]:
    """Start a playbook over the SITE."""
    command = [sys.executable, "-m", "ansible", "playbook", f"--inventory={site}", *words]
    settings = os.environ | {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        # Molecule asks for colours, which stand between the words that the tests look for.
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def playbook(*words: str, code: int = 0, site: Path = SITE) -> str:
    """Run a playbook over the SITE, which must end with CODE; return what it said."""
    ended, out = run_playbook(f"--inventory={site}", *words)
    assert ended == code, out
    return out


def wait_until(what: str, holds: Callable[[], bool], longest: float = LONGEST_START) -> None:
    """Wait until WHAT HOLDS."""
    end = time.monotonic() + longest
    while not holds():
        assert time.monotonic() < end, f"not within {longest:.0f} s: {what}"
        time.sleep(1)
