# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parsers of the inventory with output as programs and kernel give it, and a whole machine as a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accentos_ramdisk import inventory
from accentos_ramdisk.inventory import (
    firmware,
    macs,
    parse_cpuinfo,
    parse_host_interface,
    parse_ipmi_lan,
    parse_memory,
    read_bmc,
    take_inventory,
)

from .test_disks import machine, write

# Linux 6.12 on a machine with two sockets, one core of two threads each; shortened.
CPUINFO = "\n\n".join(
    f"processor\t: {thread}\nmodel name\t: Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz\nphysical id\t: {thread // 2}\n"
    f"core id\t\t: 0\nflags\t\t: vmx fpu sse2"
    for thread in range(4)
)
CPUINFO_ARM = (
    "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n"
    "processor\t: 1\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"
)
# ipmitool 1.8.19, lan print; shortened.
LAN = (
    "Set in Progress         : Set Complete\nIP Address Source       : Static Address\n"
    "IP Address              : 10.9.0.17\nSubnet Mask             : 255.255.255.0\n"
    "MAC Address             : 0C:C4:7A:00:00:01\n"
)


def test_processors_of_two_sockets() -> None:
    assert parse_cpuinfo(CPUINFO) == {
        "model": "Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz",
        "flags": ["fpu", "sse2", "vmx"],
        "sockets": 2,
        "cores": 2,
        "threads": 4,
    }


def test_processors_without_a_name() -> None:
    assert parse_cpuinfo(CPUINFO_ARM) == {
        "model": "implementer 0x41 part 0xd0c",
        "flags": ["asimd", "fp"],
        "sockets": 1,
        "cores": 2,
        "threads": 2,
    }
    assert parse_cpuinfo("")["threads"] == 0


def test_memory() -> None:
    assert parse_memory("MemTotal:       65718924 kB\nMemFree: 1 kB") == 64178
    assert parse_memory("Node 0 MemTotal:       32859462 kB\n") == 32089
    assert parse_memory("") == 0


def test_the_address_of_the_bmc() -> None:
    assert parse_ipmi_lan(LAN) == {"address": "10.9.0.17", "mac": "0c:c4:7a:00:00:01"}
    assert parse_ipmi_lan("IP Address : 0.0.0.0\nMAC Address : 00:00:00:00:00:00\n") == {}


def host_interface(kind: int = 4, address_format: int = 1, length: int = 91) -> bytes:
    data = bytearray(length)
    data[53] = address_format
    data[54:58] = bytes([169, 254, 0, 17])
    return bytes([42, 0, 0, 0, 0x40, 2, 0, 0, 1, kind, length]) + bytes(data)


def test_the_redfish_address_in_the_firmware_tables() -> None:
    assert parse_host_interface(host_interface()) == "169.254.0.17"
    assert parse_host_interface(host_interface(kind=3)) == ""
    assert parse_host_interface(host_interface(address_format=2)) == ""
    assert parse_host_interface(b"\x2a\x00\x00\x00\x40\xff\x00") == ""
    assert parse_host_interface(b"\x26") == ""


def whole(root: Path) -> Path:
    machine(root)
    write(root / "proc/cpuinfo", CPUINFO)
    write(root / "proc/meminfo", "MemTotal:       2097152 kB\n")
    write(root / "sys/devices/system/node/node0/cpulist", "0-3\n")
    write(root / "sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       2097152 kB\n")
    for name, content in (
        ("sys_vendor", "Example"),
        ("product_name", "X1"),
        ("product_serial", "SN-1 "),
        ("product_uuid", "AB-1"),
    ):
        write(root / "sys/class/dmi/id" / name, f"{content}\n")
    for name, mac, speed, carrier in (
        ("eth0", "52:54:00:00:00:0A", "10000", "1"),
        ("eth1", "52:54:00:00:00:0b", "-1", ""),
    ):
        card = root / "sys/class/net" / name
        write(card / "address", f"{mac}\n")
        write(card / "speed", f"{speed}\n")
        write(card / "carrier", carrier)
        (card / "device").mkdir()
    (root / "sys/class/net/eth0/device/driver").symlink_to("../../../bus/pci/drivers/ixgbe")
    (root / "sys/class/net/lo").mkdir()
    return root


def test_a_whole_machine(tmp_path: Path) -> None:
    found = take_inventory(whole(tmp_path / "root"))
    assert found["version"] == 1
    assert found["numa"] == [{"id": 0, "cpus": "0-3", "memory_mib": 2048}]
    assert (found["memory_mib"], found["firmware"], found["bmc"]) == (2048, "bios", None)
    assert found["system"] == {"vendor": "Example", "product": "X1", "serial": "SN-1", "uuid": "ab-1"}
    assert found["cards"] == [
        {
            "name": "eth0",
            "mac": "52:54:00:00:00:0a",
            "driver": "ixgbe",
            "speed": 10000,
            "carrier": True,
            "lldp": None,
        },
        {"name": "eth1", "mac": "52:54:00:00:00:0b", "driver": "", "speed": None, "carrier": False, "lldp": None},
    ]
    assert isinstance(found["disks"], list)
    assert [disk["path"] for disk in found["disks"]] == ["/dev/nvme0n1", "/dev/sda", "/dev/sdb", "/dev/sdc"]
    assert macs(found) == ["52:54:00:00:00:0a", "52:54:00:00:00:0b"]
    json.dumps(found)


def test_firmware_is_told(tmp_path: Path) -> None:
    (tmp_path / "sys/firmware/efi").mkdir(parents=True)
    assert firmware(tmp_path) == "uefi"


def test_the_kinds_of_bmc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    root = tmp_path / "root"
    entries = root / "sys/firmware/dmi/entries"
    assert read_bmc(root) is None
    write(root / "dev/mei0")
    assert read_bmc(root) == {"type": "amt"}
    write(root / "dev/ipmi0")
    assert read_bmc(root) == {"type": "ipmi"}
    write(programs / "ipmitool", f"#!/bin/sh\nprintf '%s' '{LAN}'\n")
    (programs / "ipmitool").chmod(0o755)
    assert read_bmc(root) == {"type": "ipmi", "address": "10.9.0.17", "mac": "0c:c4:7a:00:00:01"}
    (entries / "42-1/raw").mkdir(parents=True)
    write(entries / "42-0/raw", host_interface())
    write(programs / "ipmitool", "#!/bin/sh\nexit 1\n")
    assert read_bmc(root) == {"type": "redfish", "address": "169.254.0.17"}
    assert inventory.VERSION == 1
