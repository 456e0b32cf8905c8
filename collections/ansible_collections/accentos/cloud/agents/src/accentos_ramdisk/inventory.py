# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the machine is made of, read from /sys, /proc and ipmitool where it is; the parsers are pure."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from .block_devices import read_disks, text
from .disks import describe_disks
from .errors import AgentError
from .programs import Command, run

VERSION = 1
_IPMI_DEVICE = 38
_HOST_INTERFACE = 42


def parse_cpuinfo(content: str) -> dict[str, object]:
    """Return model, sorted flags, sockets, cores and threads from /proc/cpuinfo of x86 or arm64."""
    processors = [
        {key.strip(): value.strip() for key, _colon, value in (line.partition(":") for line in block.splitlines())}
        for block in content.strip().split("\n\n")
    ]
    processors = [processor for processor in processors if "processor" in processor]
    first = processors[0] if processors else {}
    arm = " ".join(
        f"{name} {first[key]}"
        for key, name in (("CPU implementer", "implementer"), ("CPU part", "part"))
        if key in first
    )
    sockets = {processor.get("physical id", "0") for processor in processors}
    cores = {(p.get("physical id", "0"), p.get("core id", p["processor"])) for p in processors}
    return {
        "model": first.get("model name") or first.get("Model") or arm,
        "flags": sorted((first.get("flags") or first.get("Features") or "").split()),
        "sockets": len(sockets),
        "cores": len(cores),
        "threads": len(processors),
    }


def parse_memory(meminfo: str) -> int:
    """Return MemTotal of /proc/meminfo, or of a NUMA node's meminfo, in MiB."""
    found = re.search(r"MemTotal:\s+([0-9]+) kB", meminfo)
    return int(found[1]) // 1024 if found else 0


def parse_ipmi_lan(content: str) -> dict[str, str]:
    """Return address and mac of the BMC from ``ipmitool lan print``; a value that says nothing is left out."""
    rows = {key.strip(): value.strip() for key, _colon, value in (line.partition(":") for line in content.splitlines())}
    found = {"address": rows.get("IP Address", ""), "mac": rows.get("MAC Address", "").lower()}
    return {name: value for name, value in found.items() if value not in ("", "0.0.0.0", "00:00:00:00:00:00")}  # noqa: S104  compared, not listened on


def parse_host_interface(record: bytes) -> str:
    """Return the Redfish service's IPv4 address in a DMI record of type 42 (DSP0270), or nothing."""
    if len(record) < 7 or record[0] != _HOST_INTERFACE:  # noqa: PLR2004  header and two counters
        return ""
    start = 6 + record[5]
    for _number in range(record[start] if start < len(record) else 0):
        kind, length = record[start + 1], record[start + 2]
        data = record[start + 3 : start + 3 + length]
        # Protocol 4 is Redfish over IP; its service address follows 48 bytes of UUID, host address, mask and formats.
        if kind == 4 and len(data) >= 72 and data[53] == 1:  # noqa: PLR2004
            return ".".join(str(byte) for byte in data[54:58])
        start += 2 + length
    return ""


def _run_if_there(*argv: str) -> str:
    """Return what a program says, or nothing when it is missing or unwell: inventory takes what it gets."""
    if not shutil.which(argv[0]):
        return ""
    try:
        return run(Command(argv))
    except AgentError:
        return ""


def read_cards(root: Path) -> list[dict[str, object]]:
    """Return the network cards below ROOT's /sys. Speed in Mbit/s, None without a carrier; nothing is heard yet."""
    found: list[dict[str, object]] = []
    for card in sorted((root / "sys/class/net").glob("*")):
        if not (card / "device").exists():
            continue
        speed = text(card / "speed")
        driver = card / "device/driver"
        found.append(
            {
                "name": card.name,
                "mac": text(card / "address").lower(),
                "driver": driver.readlink().name if driver.is_symlink() else "",
                "speed": int(speed) if speed.isdigit() and int(speed) > 0 else None,
                "carrier": text(card / "carrier") == "1",
                "lldp": None,
            }
        )
    return found


def read_numa(root: Path) -> list[dict[str, object]]:
    """Return the NUMA cells below ROOT's /sys: id, cpus as the kernel lists them, memory in MiB."""
    folder = root / "sys/devices/system/node"
    nodes = sorted(folder.glob("node[0-9]*"), key=lambda node: int(node.name.removeprefix("node")))
    return [
        {
            "id": int(node.name.removeprefix("node")),
            "cpus": text(node / "cpulist"),
            "memory_mib": parse_memory((node / "meminfo").read_text()),
        }
        for node in nodes
    ]


def read_bmc(root: Path) -> dict[str, str] | None:
    """Return the BMC's type (ipmi, redfish, amt), and address and mac where known; None without one."""
    entries = root / "sys/firmware/dmi/entries"
    redfish = ""
    for record in sorted(entries.glob(f"{_HOST_INTERFACE}-*/raw")):
        try:
            redfish = redfish or parse_host_interface(record.read_bytes())
        except OSError:
            continue
    ipmi = any((root / "dev").glob("ipmi*")) or any(entries.glob(f"{_IPMI_DEVICE}-*"))
    lan = parse_ipmi_lan(_run_if_there("ipmitool", "lan", "print")) if ipmi else {}
    if redfish:
        return {"type": "redfish", "address": redfish, **lan}
    if ipmi:
        return {"type": "ipmi", **lan}
    if any((root / "dev").glob("mei[0-9]*")):
        return {"type": "amt"}
    return None


def read_system(root: Path) -> dict[str, str]:
    """Return vendor, product, serial number and UUID from DMI, or model and serial number from a device tree."""
    dmi = root / "sys/class/dmi/id"
    tree = root / "proc/device-tree"
    return {
        "vendor": text(dmi / "sys_vendor"),
        "product": text(dmi / "product_name") or text(tree / "model"),
        "serial": text(dmi / "product_serial") or text(tree / "serial-number"),
        "uuid": text(dmi / "product_uuid").lower(),
    }


def firmware(root: Path = Path("/")) -> str:
    """Return bios or uefi: how this machine was started."""
    return "uefi" if (root / "sys/firmware/efi").is_dir() else "bios"


def take_inventory(root: Path = Path("/")) -> dict[str, object]:
    """Return the inventory of the machine below ROOT, ready for JSON. Sizes of disks in bytes. Raises OSError."""
    return {
        "version": VERSION,
        "cpu": parse_cpuinfo((root / "proc/cpuinfo").read_text()),
        "numa": read_numa(root),
        "memory_mib": parse_memory((root / "proc/meminfo").read_text()),
        "disks": describe_disks(read_disks(root)),
        "cards": read_cards(root),
        "bmc": read_bmc(root),
        "firmware": firmware(root),
        "system": read_system(root),
    }


def _cards(inventory: Mapping[str, object]) -> list[dict[str, object]]:
    cards = inventory["cards"]
    return cards if isinstance(cards, list) else []


def carriers(inventory: Mapping[str, object]) -> dict[str, bool]:
    """Return of each card in INVENTORY whether it has a carrier."""
    return {str(card["name"]): bool(card["carrier"]) for card in _cards(inventory)}


def with_neighbours(inventory: Mapping[str, object], neighbours: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
    """Return INVENTORY with what neighbours.listen heard, as "lldp" of each card."""
    cards = [{**card, "lldp": neighbours.get(str(card["name"]))} for card in _cards(inventory)]
    return {**inventory, "cards": cards}


def refuse_other_cards(described: Mapping[str, str], present: Collection[str], inventory: Mapping[str, object]) -> None:
    """Raise AgentError if a card that is DESCRIBED, MAC to name, is not among the MACs PRESENT.

    Without it a network of the host would be dead, or this is another machine than the site takes it for. INVENTORY
    tells the names of the cards that there are.
    """
    missing = {mac: name for mac, name in described.items() if mac not in present}
    if not missing:
        return
    named = {str(card["mac"]): str(card["name"]) for card in _cards(inventory)}
    others = {mac: named.get(mac, "a card") for mac in sorted(present) if mac not in described}
    raise AgentError(
        f"the site describes {_listed(missing)}, and this machine has {_listed(others) or 'nothing'} instead",
        "See whether this is the machine that the site means, and mend the MACs in its host_interfaces; or, if its "
        "driver or firmware is not in the ramdisk, add it to host_image_firmware / host_image_ramdisk_modules.",
    )


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({mac})" for mac, name in names.items())


def macs(inventory: Mapping[str, object]) -> list[str]:
    """Return the MACs of all cards in INVENTORY."""
    return [str(card["mac"]) for card in _cards(inventory) if card["mac"]]
