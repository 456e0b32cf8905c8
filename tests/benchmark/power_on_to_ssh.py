# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares an installation with its floor: the same kernel, ramdisk and image in the same machine, piped by hand.

    .venv/bin/python tests/benchmark/power_on_to_ssh.py --inventory <site folder> [--machine metal-bios-1] [--runs 3]
        [--json FILE]

The site is a lab with a rack whose machines have been provisioned, such as that of the scenario "provision". The
machine is made blank and installed by playbooks/provision.yml; then it is made blank again, and the floor is run on it,
without firmware: QEMU loads the kernel. Both end when ssh answers at the machine's address, so both give the machine
the network that the site describes, with its bonds and VLANs. It is no test: no change is judged by it.
Of several runs that with the median ratio is shown: each floor follows its installation at once, so that a machine
whose speed drifts is as fast for both.

Firmware's own time is what passes until its network program asks for a kernel; the ratio leaves it out. Both start the
installed system by kexec: firmware runs once at most, and an emulator is slower in its second start than in its first.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark.catalogue import POWER_ON, judged
from tests.benchmark.figures import Figure, write

ROOT = Path(__file__).parents[2]
FLOOR = "/var/lib/rack/floor"
NETWORK = "network.tar"
CONSOLE = "ttyS0,115200n8"
# In the machine's serial log, in this order. What they begin is told by the text.
MARKS = (
    ("the firmware's network program asks for the kernel", r"http://[^ ]+/vmlinuz"),
    ("the deploy ramdisk runs", r"accentos: [0-9.]+ s: looking for devices"),
    ("the installation is done", r"stage finish done"),
    ("the installed kernel runs", r"Linux version"),
)
FLOOR_MARKS = (("the floor's installation is done", r"floor: done"),)
# Runs on the rack: prints a line of JSON for the power-on, for each mark, and for the answer of ssh.
WATCH = r"""
import json, pathlib, re, socket, subprocess, sys, time
machine, address, marks, limit = json.loads(sys.argv[1])
log, end = pathlib.Path("/var/log/rack") / f"{machine}.log", time.monotonic() + limit
def tell(what):
    print(json.dumps([what, time.monotonic()]), flush=True)
def running():
    done = subprocess.run(["virsh", "domstate", machine], capture_output=True, text=True)
    return done.stdout.strip() == "running"
print(json.dumps(["watching", time.monotonic()]), flush=True)
while not running():
    time.sleep(0.1)
    assert time.monotonic() < end, "it was never turned on"
tell("on")
place, waiting = 0, list(marks)
while time.monotonic() < end:
    text = log.read_text(errors="replace") if log.exists() else ""
    while waiting and (found := re.compile(waiting[0][1]).search(text, place)):
        place = found.end()
        tell(waiting.pop(0)[0])
    if not waiting:
        try:
            with socket.create_connection((address, 22), 0.5) as connection:
                connection.settimeout(2)
                if connection.recv(4) == b"SSH-":
                    tell("ssh answers")
                    sys.exit(0)
        except OSError:
            pass
    time.sleep(0.1)
sys.exit(f"{machine} did not come so far: {waiting}")
"""
# Runs on the rack: the machine as it is, but its kernel comes from QEMU.
BOOT = r"""
import json, sys, xml.etree.ElementTree as ET
import libvirt
machine, kernel, ramdisk, options = json.loads(sys.argv[1])
hypervisor = libvirt.open("qemu:///system")
domain = ET.fromstring(hypervisor.lookupByName(machine).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
domain.find("name").text = "floor"
domain.remove(domain.find("uuid"))
domain.find("description").text = "floor"
system = domain.find("os")
for child in list(system):
    if child.tag != "type":
        system.remove(child)
for tag, text in (("kernel", kernel), ("initrd", ramdisk), ("cmdline", options)):
    ET.SubElement(system, tag).text = text
for log in domain.iter("log"):
    log.set("file", "/var/log/rack/floor.log")
hypervisor.createXML(ET.tostring(domain, encoding="unicode"))
"""


@dataclass(frozen=True)
class Site:
    """The lab: how its hosts are reached, and the machine that is measured."""

    inventory: str
    machine: str
    address: str
    state: Path

    def ssh(self, host: str, *words: str) -> list[str]:
        """Return the command that runs WORDS on HOST."""
        return ["ssh", "-F", str(self.state / "ssh_config"), host, *words]

    def run(self, host: str, script: str, given: bytes | None = None) -> str:
        """Run a shell SCRIPT on HOST. Raises SystemExit."""
        done = subprocess.run(self.ssh(host, script), input=given, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{host}: {script}\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def python(self, host: str, program: str, argument: object) -> list[str]:
        """Return the command that runs a Python PROGRAM on HOST with one ARGUMENT of JSON."""
        return self.ssh(host, "python3", "-c", quoted(program), quoted(json.dumps(argument)))


def quoted(text: str) -> str:
    """Quote TEXT for the shell at the other end of ssh."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def watch(site: Site, machine: str, marks: Iterable[tuple[str, str]], limit: float) -> subprocess.Popen[str]:
    """Start to watch MACHINE, which is off."""
    watching = subprocess.Popen(
        site.python("rack-1", WATCH, [machine, site.address, list(marks), limit]), stdout=subprocess.PIPE, text=True
    )
    assert watching.stdout is not None
    watching.stdout.readline()
    return watching


def seen(watching: subprocess.Popen[str]) -> dict[str, float]:
    """Return the seconds from the power-on to each mark, once the last one was seen. Raises SystemExit."""
    out, _err = watching.communicate()
    if watching.returncode:
        sys.exit(out)
    times = dict(json.loads(line) for line in out.splitlines())
    return {what: at - times["on"] for what, at in times.items()}


def read_site(inventory: str, machine: str) -> Site:
    """Ask the inventory for what is needed."""
    listed = subprocess.run(
        [str(ROOT / ".venv/bin/ansible-inventory"), "-i", inventory, "--list"],
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    hosts = json.loads(listed.stdout)["_meta"]["hostvars"]
    state = ROOT / ".lab" / hosts["rack-1"]["lab_name"]
    return Site(inventory, machine, hosts[machine]["host_addresses"]["management"], state)


def install(site: Site) -> dict[str, float]:
    """Install the machine as an operator does; return the seconds to each mark."""
    site.run("rack-1", f"rack blank {site.machine}")
    watching = watch(site, site.machine, MARKS, 1200)
    names = json.dumps({"provision_reinstall": [site.machine]})
    command = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", site.inventory, "-e", names]
    # What comes after the first answer of ssh is not measured, and takes an emulated machine many minutes.
    command += ["--limit", f"localhost,deploy,{site.machine}", "--skip-tags", "prepare"]
    command += [str(ROOT / "playbooks/provision.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return seen(watching)


def prepare_floor(site: Site) -> None:
    """Bring kernel, ramdisk and image to the rack; the ramdisk with another first process."""
    site.run("rack-1", "DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet cpio zstd")
    network = subprocess.run(
        site.ssh(site.machine, "tar -c -C /etc/systemd/network ."), capture_output=True, check=True
    ).stdout
    # The last one's log stays until here: it tells why a floor did not come to its end.
    site.run("rack-1", f"rm -rf {FLOOR} /var/log/rack/floor.log; mkdir -p {FLOOR}/overlay; rack blank {site.machine}")
    site.run("rack-1", f"cat >{FLOOR}/{NETWORK}", network)
    files = site.run("deploy-1", "ls -d /srv/accentos/boot/amd64/* /srv/accentos/images/*-amd64/root.img.zst").split()
    for file in files:
        data = subprocess.run(site.ssh("deploy-1", "cat", file), capture_output=True, check=True).stdout
        site.run("rack-1", f"cat >{FLOOR}/{Path(file).name}", data)
    site.run("rack-1", f"cat >{FLOOR}/overlay/floor_init", (Path(__file__).parent / "floor_init").read_bytes())
    site.run(
        "rack-1",
        f"set -e; cd {FLOOR}/overlay; chmod 755 floor_init; echo floor_init | cpio -o -H newc --quiet >../floor.cpio; "
        "cd ..; zstd -q floor.cpio; cat ramdisk.img floor.cpio.zst >floor.img",
    )


def floor(site: Site) -> dict[str, float]:
    """Do the same by hand, without firmware; return the seconds to the end of the installation and to the answer.

    The machine must be installed: its network files are taken from it before it is made blank.
    """
    prepare_floor(site)
    rack = site.run("rack-1", "ip -brief -4 address show br-management").split()[2].partition("/")[0]
    key = base64.b64encode((site.state / "id_ed25519.pub").read_bytes()).decode()
    options = (
        f"console={CONSOLE} rdinit=/floor_init floor.address={site.address}/24 floor.key={key} floor.console={CONSOLE}"
    )
    options += "".join(
        f" floor.{what}=http://{rack}:8099/{file}" for what, file in (("image", "root.img.zst"), ("network", NETWORK))
    )
    # It ends with its standard input; the end of ssh alone would leave it there.
    serve = f"cd {FLOOR}; python3 -m http.server --bind {rack} 8099 & cat; kill $!"
    server = subprocess.Popen(site.ssh("rack-1", serve), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2)
        watching = watch(site, "floor", FLOOR_MARKS, 600)
        argument = [site.machine, f"{FLOOR}/vmlinuz", f"{FLOOR}/floor.img", options]
        subprocess.run(site.python("rack-1", BOOT, argument), check=True)
        times = seen(watching)
        return {"floor: installed": times[FLOOR_MARKS[0][0]], "floor": times["ssh answers"]}
    finally:
        server.communicate()
        site.run("rack-1", f"virsh destroy floor; rm -rf {FLOOR}; rack blank {site.machine}")


def ratio(marks: dict[str, float], by_hand: dict[str, float]) -> float:
    """Return the share that an installation without firmware's own time has of its floor."""
    return (marks["ssh answers"] - marks[MARKS[0][0]]) / by_hand["floor"]


def middle(runs: Sequence[tuple[dict[str, float], dict[str, float]]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return that of RUNS, pairs of an installation and its floor, which has the median ratio; of two the greater."""
    return sorted(runs, key=lambda run: ratio(*run))[len(runs) // 2]


def table(marks: dict[str, float], by_hand: dict[str, float]) -> str:
    """Return the comparison as lines of text."""
    lines, before = [f"{'seconds from power-on':55}     at    each"], 0.0
    for what, at in marks.items():
        if what not in ("watching", "on"):
            lines.append(f"{what:55}{at:7.1f} {at - before:7.1f}")
            before = at
    firmware, whole = marks[MARKS[0][0]], marks["ssh answers"]
    lines += [
        f"{'without firmware':55}{whole - firmware:7.1f}",
        *(f"{what:55}{seconds:7.1f}" for what, seconds in by_hand.items()),
        f"{'ratio':55}{ratio(marks, by_hand):7.2f}",
    ]
    return "\n".join(lines)


def results(marks: dict[str, float], by_hand: dict[str, float]) -> list[Figure]:
    """Return the comparison as figures in the common form."""
    firmware, whole = marks[MARKS[0][0]], marks["ssh answers"]
    rows = [
        Figure(POWER_ON, whole - firmware, "s", ("floor", by_hand["floor"])),
        Figure("power-on to ssh", whole, "s"),
        Figure("firmware", firmware, "s"),
    ]
    return judged("power_on_to_ssh", rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--machine", default="metal-bios-1")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for machines, too")
    arguments = parser.parse_args()
    site = read_site(arguments.inventory, arguments.machine)
    runs = []
    for run in range(arguments.runs):
        runs.append((install(site), floor(site)))
        sys.stderr.write(f"run {run + 1}: {json.dumps(runs[-1])}\n")
    shown = middle(runs)
    sys.stdout.write(table(*shown) + "\n")
    if arguments.json:
        write(arguments.json, results(*shown), [{"marks": marks, "floor": floor} for marks, floor in runs])


if __name__ == "__main__":
    main()
