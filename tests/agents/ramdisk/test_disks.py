# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rule means exactly the right disks or nothing is touched; the layout is a list of commands."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from accentos_ramdisk.block_devices import parse_vpd_serial, read_disks
from accentos_ramdisk.disk_rules import GIB, Disk, DiskRule, Holder, matches, parse_mounts
from accentos_ramdisk.disks import (
    check_sizes,
    describe_disks,
    free_name,
    partition,
    partition_table,
    plan_layout,
    select_disks,
)
from accentos_ramdisk.errors import AgentError

SDA = Disk("/dev/sda", 480 * GIB, "SAMSUNG MZ7", "S1", rotational=False, links=("/dev/disk/by-id/wwn-0x1",))
SDB = Disk("/dev/sdb", 480 * GIB, "SAMSUNG MZ7", "S2")
HDD = Disk("/dev/sdc", 4000 * GIB, "ST4000", "S3", rotational=True)
DISKS = [SDA, SDB, HDD]
MDADM = "mdadm --create /dev/md/root --run --level=1 --metadata=1.2 --bitmap=internal"
IDS = [uuid.UUID(int=number << 96 | number) for number in range(1, 12)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (DiskRule(path="/dev/sda"), [SDA]),
        (DiskRule(path="/dev/disk/by-id/wwn-0x1"), [SDA]),
        (DiskRule(serial=" S2 "), [SDB]),
        (DiskRule(serial="S"), []),
        (DiskRule(model="SAMSUNG MZ7"), [SDA, SDB]),
        (DiskRule(model="SAMSUNG"), []),
        (DiskRule(size_min_gib=480), DISKS),
        (DiskRule(size_min_gib=481), [HDD]),
        (DiskRule(size_max_gib=480), [SDA, SDB]),
        (DiskRule(size_max_gib=479), []),
        (DiskRule(rotational=True), [HDD]),
        (DiskRule(rotational=False), [SDA, SDB]),
        (DiskRule(rotational=False, serial="S2"), [SDB]),
    ],
)
def test_every_property_of_the_rule_must_hold(rule: DiskRule, expected: list[Disk]) -> None:
    assert [disk for disk in DISKS if matches(disk, rule)] == expected


def test_exactly_one_disk_is_selected_and_two_for_raid1() -> None:
    assert select_disks(DISKS, DiskRule(serial="S1"), "plain") == (SDA,)
    assert select_disks([SDB, HDD, SDA], DiskRule(rotational=False), "raid1") == (SDA, SDB)
    assert select_disks(DISKS, DiskRule(rotational=True), "lvm") == (HDD,)


@pytest.mark.parametrize(
    ("rule", "layout", "count"),
    [
        (DiskRule(serial="S9"), "plain", 0),
        (DiskRule(rotational=False), "plain", 2),
        (DiskRule(rotational=False), "lvm", 2),
        (DiskRule(serial="S1"), "raid1", 1),
        (DiskRule(size_min_gib=1), "raid1+lvm", 3),
    ],
)
def test_any_other_number_is_an_error_that_lists_all_disks(rule: DiskRule, layout: str, count: int) -> None:
    with pytest.raises(AgentError) as caught:
        select_disks(DISKS, rule, layout)
    text = str(caught.value)
    assert f"matches {count} disks" in text
    assert "no disk was touched" in text
    assert "/dev/sda: 480.0 GiB, not rotational, model SAMSUNG MZ7, serial S1" in text
    assert "/dev/sdc: 4000.0 GiB, rotational, model ST4000, serial S3" in text


def test_a_machine_without_disks_says_so() -> None:
    with pytest.raises(AgentError, match="the machine has no disk"):
        select_disks([], DiskRule(serial="S1"), "plain")


def test_a_disk_in_use_is_refused() -> None:
    mounted = Disk("/dev/sda", GIB, serial="S1", mounted=("/data",))
    with pytest.raises(AgentError, match=r"/dev/sda is in use \(mounted at /data\)"):
        select_disks([mounted], DiskRule(serial="S1"), "plain")
    foreign = Disk("/dev/sda", GIB, serial="S1", holders=(Holder("md0", frozenset({"/dev/sda", "/dev/sdb"})),))
    with pytest.raises(AgentError, match="part of md0 together with other disks"):
        select_disks([foreign], DiskRule(serial="S1"), "plain")


def test_an_image_that_does_not_fit_is_refused() -> None:
    check_sizes([SDA], 400 * GIB)
    with pytest.raises(AgentError, match=r"the image needs 480\.27 GiB; no disk was touched"):
        check_sizes([SDA], 480 * GIB)


def test_partitions_are_named_as_the_kernel_does() -> None:
    assert [partition(disk, 3) for disk in ("/dev/sda", "/dev/nvme0n1", "/dev/loop7")] == [
        "/dev/sda3",
        "/dev/nvme0n1p3",
        "/dev/loop7p3",
    ]


def test_the_table_has_both_boot_partitions() -> None:
    assert partition_table("KIND", ["a-1", "b-2", "c-3", "d-4"]) == (
        "label: gpt\nlabel-id: A-1\nfirst-lba: 2048\n"
        "size=1MiB, type=21686148-6449-6E6F-744E-656564454649, uuid=B-2, name=bios-boot\n"
        "size=256MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=C-3, name=esp\n"
        "type=KIND, uuid=D-4, name=root\n"
    )


def test_the_plain_layout() -> None:
    old = Disk("/dev/sda", 10 * GIB, partitions=("/dev/sda1", "/dev/sda2"))
    layout = plan_layout([old], "plain", "compute-1", [], IDS)
    assert [str(command) for command in layout.commands] == [
        "wipefs --all /dev/sda1",
        "wipefs --all /dev/sda2",
        "wipefs --all /dev/sda",
        "sfdisk --quiet --wipe always --wipe-partitions always /dev/sda",
        "udevadm settle --timeout=30",
        "mkfs.vfat -F 32 -n ESP -i 00000006 /dev/sda2",
        "udevadm settle --timeout=30",
    ]
    assert layout.commands[3].stdin.startswith("label: gpt\nlabel-id: 00000002-")
    assert "0FC63DAF-8483-4772-8E79-3D69D8477DE4" in layout.commands[3].stdin
    assert (layout.root, layout.root_uuid) == ("/dev/sda3", str(IDS[0]))
    assert layout.esps == (("/dev/sda2", "0000-0006"),)
    assert (layout.boot_disks, layout.array, layout.volume_group) == (("/dev/sda",), None, None)


def test_raid1_with_lvm_uses_both_disks_and_a_free_name() -> None:
    layout = plan_layout([SDA, SDB], "raid1+lvm", "compute-1", ["system", "data"], IDS)
    commands = [str(command) for command in layout.commands]
    assert [line for line in commands if not line.startswith(("wipefs", "sfdisk", "udevadm", "mkfs"))] == [
        f"{MDADM} --homehost=compute-1 --raid-devices=2 /dev/sda3 /dev/sdb3",
        "lvm pvcreate --yes -ff --devices /dev/md/root /dev/md/root",
        "lvm vgcreate --yes --devices /dev/md/root system2 /dev/md/root",
        "lvm lvcreate --yes --wipesignatures y --zero y --devices /dev/md/root --extents 100%FREE -n root system2",
    ]
    assert [
        command.stdin.count("A19D880F-05FC-4D3B-A006-743F0F84911E") for command in layout.commands if command.stdin
    ] == [1, 1]
    assert layout.esps == (("/dev/sda2", "0000-0006"), ("/dev/sdb2", "0000-000B"))
    assert (layout.root, layout.array, layout.volume_group) == ("/dev/system2/root", "/dev/md/root", "system2")
    assert layout.boot_disks == ("/dev/sda", "/dev/sdb")


def test_lvm_and_raid1_alone() -> None:
    lvm = plan_layout([SDA], "lvm", "a", [], IDS)
    assert (lvm.root, lvm.array, lvm.volume_group) == ("/dev/system/root", None, "system")
    assert any("E6D6D379-F507-44C2-A23C-238F2A3DF928" in command.stdin for command in lvm.commands)
    raid = plan_layout([SDA, SDB], "raid1", "a", [], IDS)
    assert (raid.root, raid.array, raid.volume_group) == ("/dev/md/root", "/dev/md/root", None)


def test_no_command_names_a_disk_that_was_not_selected() -> None:
    for layout in ("plain", "lvm"):
        for command in plan_layout([SDB], layout, "a", [], IDS).commands:
            assert "/dev/sda" not in f"{command} {command.stdin}"


def test_what_an_earlier_system_assembled_is_stopped_first() -> None:
    both = frozenset({"/dev/sda", "/dev/sdb"})
    holders = (Holder("dm-0", both), Holder("md127", both))
    disks = [Disk("/dev/sda", GIB, holders=holders), Disk("/dev/sdb", GIB, holders=holders)]
    assert [str(command) for command in plan_layout(disks, "raid1", "a", [], IDS).commands][:2] == [
        "dmsetup remove --retry /dev/dm-0",
        "mdadm --stop /dev/md127",
    ]


def test_free_names() -> None:
    assert [free_name("a", taken) for taken in ([], ["b"], ["a"], ["a", "a2"])] == ["a", "a", "a2", "a3"]


def test_mounts_and_swaps_are_read() -> None:
    mounts = "29 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 29 8:2 / /a\\040b rw - ext4 x rw\n\n"
    swaps = "Filename Type Size Used Priority\n/dev/sdb2 partition 1 0 -2\n"
    assert parse_mounts(mounts, swaps) == {"8:1": ["/"], "8:2": ["/a b"], "/dev/sdb2": ["swap"]}


def test_serial_numbers_of_scsi_disks_are_read() -> None:
    assert parse_vpd_serial(b"\x00\x80\x00\x08  WD-123") == "WD-123"
    assert parse_vpd_serial(b"\x00\x83\x00\x02ab") == ""
    assert parse_vpd_serial(b"") == ""


def write(path: Path, content: str | bytes = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def machine(root: Path) -> Path:
    """A machine with a SCSI disk of two partitions, an NVMe disk, a pair in an array with LVM, and what is no disk."""
    block = root / "sys/block"
    write(root / "proc/self/mountinfo", "1 0 8:2 / /data rw - ext4 /dev/sda2 rw\n2 0 0:5 / / rw - tmpfs x rw\n")
    write(root / "proc/swaps", "Filename\n/dev/nvme0n1p1 partition 1 0 -2\n")
    rows = {
        "sda": ("1953525168", "8:0", "1"),
        "nvme0n1": ("1000", "259:0", "0"),
        "sdb": ("2048", "8:16", "0"),
        "sdc": ("2048", "8:32", "0"),
        "md127": ("2000", "9:127", "0"),
        "dm-0": ("2000", "253:0", "0"),
        "sr0": ("100", "11:0", "1"),
        "sdz": ("100", "65:0", "0"),
        "loop0": ("100", "7:0", "0"),
        "sdy": ("0", "66:0", "0"),
    }
    for name, (size, number, rotational) in rows.items():
        write(block / name / "size", f"{size}\n")
        write(block / name / "dev", f"{number}\n")
        write(block / name / "queue/rotational", f"{rotational}\n")
        if name not in ("md127", "dm-0", "loop0"):
            (block / name / "device").mkdir()
    for disk, part, number in (("sda", "sda1", "8:1"), ("sda", "sda2", "8:2"), ("nvme0n1", "nvme0n1p1", "259:1")):
        write(block / disk / part / "partition", "1\n")
        write(block / disk / part / "dev", f"{number}\n")
    for disk, part in (("sdb", "sdb3"), ("sdc", "sdc3")):
        write(block / disk / part / "partition", "3\n")
        (block / disk / part / "holders/md127").mkdir(parents=True)
        (block / "md127/slaves" / part).mkdir(parents=True)
    (block / "md127/holders/dm-0").mkdir(parents=True)
    (block / "dm-0/slaves/md127").mkdir(parents=True)
    write(block / "sda/device/model", "ST1000\x1b[2J  \n")
    write(block / "sda/device/vpd_pg80", b"\x00\x80\x00\x04WD-1")
    write(block / "sda/device/wwid", "naa.5000\n")
    write(block / "nvme0n1/device/serial", "  NV1 \n")
    write(block / "nvme0n1/wwid", "eui.01\n")
    write(block / "sdz/removable", "1\n")
    links = root / "dev/disk/by-id"
    links.mkdir(parents=True)
    (links / "ata-ST1000_WD-1").symlink_to("../../sda")
    (links / "other").symlink_to("../../sdb")
    return root


def test_disks_are_read_from_the_kernel(tmp_path: Path) -> None:
    holders = (
        Holder("dm-0", frozenset({"/dev/sdb", "/dev/sdc"})),
        Holder("md127", frozenset({"/dev/sdb", "/dev/sdc"})),
    )
    found = read_disks(machine(tmp_path))
    assert found == [
        Disk("/dev/nvme0n1", 512000, "", "NV1", "eui.01", False, (), ("/dev/nvme0n1p1",), ("swap",)),
        Disk(
            "/dev/sda",
            1953525168 * 512,
            "ST1000[2J",
            "WD-1",
            "naa.5000",
            True,
            ("/dev/disk/by-id/ata-ST1000_WD-1",),
            ("/dev/sda1", "/dev/sda2"),
            ("/data",),
        ),
        Disk("/dev/sdb", 2**20, links=("/dev/disk/by-id/other",), partitions=("/dev/sdb3",), holders=holders),
        Disk("/dev/sdc", 2**20, partitions=("/dev/sdc3",), holders=holders),
    ]
    assert describe_disks(found[:1]) == [
        {"path": "/dev/nvme0n1", "size": 512000, "model": "", "serial": "NV1", "wwn": "eui.01", "rotational": False}
    ]


def test_a_file_system_on_an_array_makes_its_disks_used(tmp_path: Path) -> None:
    write(machine(tmp_path) / "proc/self/mountinfo", "1 0 253:0 / /old rw - ext4 x rw\n")
    assert [disk.mounted for disk in read_disks(tmp_path) if disk.path == "/dev/sdc"] == [("/old",)]


def test_further_devices_count_as_disks_where_they_are_named(tmp_path: Path) -> None:
    (machine(tmp_path) / "proc/swaps").unlink()
    assert "/dev/loop0" in [disk.path for disk in read_disks(tmp_path, extra={"loop0"})]
