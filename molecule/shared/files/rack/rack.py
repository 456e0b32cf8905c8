# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bare machines of the lab's rack: libvirt domains, their disks, and the settings of their BMCs.

  rack apply            make the machines that standard input describes, remove all others, print what changed
  rack log MACHINE      print what the machine wrote to its serial console
  rack blank MACHINE    turn the machine off and make it new: empty disks, empty log, factory settings of the firmware

Standard input is JSON: {"acceleration": "kvm" or "tcg", "machines": lab_rack_machines of the site, "secrets":
{"bmc_<machine>_user": "...", "bmc_<machine>_password": "..."}}, names of machines there with "_" for "-".
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import io
import json
import os
import shutil
import sys
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import bcrypt
import libvirt

DISKS = Path("/var/lib/rack/disks")
NVRAM = Path("/var/lib/rack/nvram")
LOGS = Path("/var/log/rack")
MEDIA = Path("/var/lib/rack/media")
VBMC = Path("/var/lib/rack/vbmc")
REDFISH = Path("/etc/rack/redfish")
# Its bridge reaches whoever installs machines.
MANAGEMENT = "management"
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
NAMESPACE = uuid.UUID("7c2c1a0e-3f0c-4d0e-9a54-6f6d8d0f1c11")
URI = "qemu:///system"
# With these features a processor says that one instruction copies or clears memory fast. An emulator takes that byte by
# byte: pages are cleared 25 times faster without them, and memory is copied 5 times faster (QEMU 10.0).
SLOW_WHEN_EMULATED = ("erms", "fsrm", "fsrs", "fzrm")


def system_id(name: str) -> str:
    """Return the UUID of a machine, the same in every lab; in Redfish it is the name of the system."""
    return str(uuid.uuid5(NAMESPACE, name))


def disk_path(name: str, serial: str) -> Path:
    """Return the file that is a disk of a machine."""
    return DISKS / f"{name}.{serial}.img"


def element(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Add an element to its parent."""
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def describe(machine: dict[str, Any], acceleration: str) -> tuple[str, str]:
    """Return libvirt's description of a machine, and the line in it by which it is known again.

    Like a server as it is delivered it tries its disk first and its network card after that.
    """
    name = machine["name"]
    domain = ET.Element("domain", type="kvm" if acceleration == "kvm" else "qemu")
    element(domain, "name", name)
    element(domain, "uuid", system_id(name))
    element(domain, "memory", str(machine.get("memory_mib", 2048)), unit="MiB")
    # Emulated, two processors now and then lose a timer of each other, and the kernel stalls for ever.
    element(domain, "vcpu", str(machine.get("cpus", 1)))
    system = element(domain, "os")
    element(system, "type", "hvm", arch="x86_64", machine="q35")
    if machine["firmware"] == "uefi":
        element(system, "loader", OVMF_CODE, readonly="yes", type="pflash")
        element(system, "nvram", str(NVRAM / f"{name}.fd"), template=str(OVMF_VARS))
    else:
        # What the firmware says is in the log; UEFI does so by itself.
        element(system, "bios", useserial="yes")
    element(system, "boot", dev="hd")
    element(system, "boot", dev="network")
    features = element(domain, "features")
    element(features, "acpi")
    cpu = element(domain, "cpu", mode="host-passthrough" if acceleration == "kvm" else "maximum")
    for feature in SLOW_WHEN_EMULATED if acceleration != "kvm" else ():
        element(cpu, "feature", policy="disable", name=feature)
    element(domain, "on_reboot", "restart")
    element(domain, "on_crash", "restart")
    devices = element(domain, "devices")
    element(devices, "emulator", "/usr/bin/qemu-system-x86_64")
    for number, disk in enumerate(machine["disks"]):
        item = element(devices, "disk", type="file", device="disk")
        element(item, "driver", name="qemu", type="raw", cache="unsafe", discard="unmap")
        element(item, "source", file=str(disk_path(name, disk["serial"])))
        element(item, "target", dev=f"vd{chr(ord('a') + number)}", bus="virtio")
        element(item, "serial", disk["serial"])
    networks = machine.get("networks") or [MANAGEMENT] * len(machine["macs"])
    for mac, network in zip(machine["macs"], networks, strict=True):
        port = element(devices, "interface", type="bridge")
        element(port, "mac", address=mac)
        element(port, "source", bridge=f"br-{network}")
        element(port, "model", type="virtio")
    for kind in ("serial", "console"):
        item = element(devices, kind, type="pty")
        element(item, "log", file=str(LOGS / f"{name}.log"), append="on")
        element(item, "target", **({"port": "0"} if kind == "serial" else {"type": "serial", "port": "0"}))
    element(element(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
    element(devices, "memballoon", model="none")
    recipe = f"rack {hashlib.sha256(ET.tostring(domain)).hexdigest()}"
    element(domain, "description", recipe)
    return ET.tostring(domain, encoding="unicode"), recipe


def description(domain: libvirt.virDomain) -> ET.Element:
    """Return libvirt's description of a machine as it will be at its next power-on."""
    return ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))  # noqa: S314 - libvirt wrote it


def write(path: Path, text: str, mode: int = 0o600) -> bool:
    """Replace a file in one step if its content is another; tell whether."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
    return True


def vbmc_config(machine: dict[str, Any]) -> str:
    """Return VirtualBMC's settings for a machine."""
    parser = configparser.ConfigParser(interpolation=None)
    parser["VirtualBMC"] = {
        "domain_name": machine["name"],
        "username": machine["user"],
        "password": machine["password"],
        "address": machine["bmc"]["address"],
        "port": "623",
        "libvirt_uri": URI,
        "active": "True",
    }
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def redfish_config(machine: dict[str, Any]) -> str:
    """Return sushy-emulator's settings for a machine: Python, as it wants them."""
    name = machine["name"]
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": machine["bmc"]["address"],
        "SUSHY_EMULATOR_LISTEN_PORT": 443,
        "SUSHY_EMULATOR_SSL_CERT": f"/etc/accentos/pki/bmc-{name}.crt",
        "SUSHY_EMULATOR_SSL_KEY": f"/etc/accentos/pki/bmc-{name}.key",
        "SUSHY_EMULATOR_AUTH_FILE": str(REDFISH / f"{name}.htpasswd"),
        "SUSHY_EMULATOR_LIBVIRT_URI": URI,
        "SUSHY_EMULATOR_ALLOWED_INSTANCES": [system_id(name)],
        "SUSHY_EMULATOR_STATE_DIR": f"/var/lib/rack/redfish/{name}",
        "SUSHY_EMULATOR_BOOT_LOADER_MAP": {"UEFI": {"x86_64": OVMF_CODE}, "Legacy": {"x86_64": None}},
        "SUSHY_EMULATOR_SECURE_BOOT_DISABLED_NVRAM": str(OVMF_VARS),
    }
    return "".join(f"{key} = {value!r}\n" for key, value in settings.items())


def known_password(file: Path, user: str, password: str) -> bool:
    """Tell whether an htpasswd file holds exactly this user with this password."""
    if not file.exists():
        return False
    name, _colon, digest = file.read_text(encoding="utf-8").strip().partition(":")
    return name == user and digest.startswith("$2") and bcrypt.checkpw(password.encode(), digest.encode())


def apply_bmc(machine: dict[str, Any]) -> list[str]:
    """Write the settings of a machine's BMC; return what changed."""
    name = machine["name"]
    if machine["bmc"]["driver"] == "ipmi":
        return [f"BMC of {name}"] if write(VBMC / name / "config", vbmc_config(machine)) else []
    Path(f"/var/lib/rack/redfish/{name}").mkdir(mode=0o700, parents=True, exist_ok=True)
    changed = [f"BMC of {name}"] if write(REDFISH / f"{name}.py", redfish_config(machine)) else []
    passwords = REDFISH / f"{name}.htpasswd"
    if not known_password(passwords, machine["user"], machine["password"]):
        digest = bcrypt.hashpw(machine["password"].encode(), bcrypt.gensalt(prefix=b"2b", rounds=5)).decode()
        write(passwords, f"{machine['user']}:{digest}\n")
        changed.append(f"password of the BMC of {name}")
    return changed


def make_disk(path: Path, size_gib: int, *, blank: bool = False) -> bool:
    """Make the file of a disk, empty and sparse; tell whether it was made."""
    size = size_gib << 30
    if not blank and path.exists() and path.stat().st_size == size:
        return False
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.truncate(size)
    new.replace(path)
    return True


def make_media_pool(hypervisor: libvirt.virConnect) -> bool:
    """Make the place where Redfish controllers keep the virtual media inserted into them; tell whether it was made."""
    name = "default"  # sushy-emulator's own choice
    present = {pool.name(): pool for pool in hypervisor.listAllStoragePools()}
    if name not in present:
        pool = ET.Element("pool", type="dir")
        element(pool, "name", name)
        element(element(pool, "target"), "path", str(MEDIA))
        present[name] = hypervisor.storagePoolDefineXML(ET.tostring(pool, encoding="unicode"))
    ready = present[name].isActive() and present[name].autostart()
    present[name].setAutostart(1)
    if not present[name].isActive():
        present[name].create()
    return not ready


def apply(wanted: dict[str, Any], hypervisor: libvirt.virConnect) -> list[str]:
    """Make the machines as wanted and remove all others; return what changed."""
    for folder in (DISKS, NVRAM, LOGS, MEDIA, VBMC, REDFISH):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    changed = ["pool of virtual media"] if make_media_pool(hypervisor) else []
    names = {machine["name"] for machine in wanted["machines"]}
    present = {domain.name(): domain for domain in hypervisor.listAllDomains()}
    for name in sorted(set(present) - names):
        remove(present.pop(name))
        changed.append(f"{name} removed")
    for hardware in wanted["machines"]:
        name = hardware["name"]
        secret = f"bmc_{name.replace('-', '_')}"
        machine = hardware | {part: wanted["secrets"][f"{secret}_{part}"] for part in ("user", "password")}
        for disk in machine["disks"]:
            if make_disk(disk_path(name, disk["serial"]), disk["size_gib"]):
                changed.append(f"disk {disk['serial']} of {name}")
        domain, recipe = describe(machine, wanted["acceleration"])
        # The BMC changes the order of boot devices in the domain, so the text itself cannot be compared.
        if name not in present or description(present[name]).findtext("description") != recipe:
            hypervisor.defineXML(domain)
            changed.append(name)
        changed += apply_bmc(machine)
    for driver, entries in (("ipmi", VBMC.iterdir()), ("redfish", REDFISH.iterdir())):
        kept = {machine["name"] for machine in wanted["machines"] if machine["bmc"]["driver"] == driver}
        for entry in list(entries):
            if entry.is_dir() and entry.name not in kept:
                shutil.rmtree(entry)
            elif entry.is_file() and driver == "redfish" and entry.stem not in kept:
                entry.unlink()
    return changed


def remove(domain: libvirt.virDomain) -> None:
    """Take a machine out of the rack, with all that is on it."""
    name = domain.name()
    if domain.isActive():
        domain.destroy()
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    for file in [*DISKS.glob(f"{name}.*.img"), LOGS / f"{name}.log"]:
        file.unlink(missing_ok=True)


def blank(domain: libvirt.virDomain) -> None:
    """Turn a machine off and make it new. Its BMC keeps the boot device, as a real one does."""
    if domain.isActive():
        domain.destroy()
    # Not the virtual media, which are files of other folders.
    for path in DISKS.glob(f"{domain.name()}.*.img"):
        make_disk(path, path.stat().st_size >> 30, blank=True)
    for file in (NVRAM / f"{domain.name()}.fd", LOGS / f"{domain.name()}.log"):
        file.unlink(missing_ok=True)


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["apply", "log", "blank"])
    parser.add_argument("machine", nargs="?", default="", help="name of a machine; not for apply")
    arguments = parser.parse_args()
    hypervisor = libvirt.open(URI)
    if arguments.command == "apply":
        sys.stdout.writelines(f"{line}\n" for line in apply(json.load(sys.stdin), hypervisor))
        return 0
    names = sorted(domain.name() for domain in hypervisor.listAllDomains())
    if arguments.machine not in names:
        parser.error(f"there is no machine {arguments.machine!r} in this rack; it has {', '.join(names)}")
    if arguments.command == "blank":
        blank(hypervisor.lookupByName(arguments.machine))
        return 0
    log = LOGS / f"{arguments.machine}.log"
    if log.exists():
        sys.stdout.buffer.write(log.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
