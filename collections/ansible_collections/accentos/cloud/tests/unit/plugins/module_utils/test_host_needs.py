# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host lacks, on literals."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.host_needs import (
    FEATURES,
    Kernel,
    Need,
    Room,
    failure,
    find_lacks,
    find_missing,
    most,
    parse_modules,
    parse_names,
)

ROOT, VAR = Need("/", 1024, 20000), Need("/var", 2048, 10000)
LISTING = "kernel/drivers/net/tun.ko.xz: kernel/a.ko.xz\nkernel/drivers/md/dm-mod.ko:\nkernel/fs/xfs/xfs.ko.zst:\n"


@pytest.mark.parametrize(
    ("rooms", "told"),
    [
        # Two file systems, each with just enough.
        ({"/": Room("/", 1024, 20000), "/var": Room("/var", 2048, 10000)}, []),
        (
            {"/": Room("/", 1024, 20000), "/var": Room("/var", 2000, 10000)},
            ["/var has 2000 MiB free and needs 2048: 48"],
        ),
        # One file system for both.
        ({"/": Room("/", 3072, 30000), "/var": Room("/", 3072, 30000)}, []),
        (
            {"/": Room("/", 3000, 29999), "/var": Room("/", 3000, 29999)},
            [
                "/ and /var (file system /) has 3000 MiB free and needs 3072: 72 MiB are missing",
                "/ and /var (file system /) has 29999 inodes free and needs 30000: 1 inodes are missing",
            ],
        ),
        # Some make inodes as they need them.
        ({"/": Room("/", 9999, None), "/var": Room("/", 9999, None)}, []),
        ({"/": Room("/", 9999, 0), "/var": Room("/var", 9999, None)}, ["/ has 0 inodes free and needs 20000: 20000"]),
    ],
)
def test_room(rooms: dict[str, Room], told: list[str]) -> None:
    found = find_lacks([ROOT, VAR], rooms)
    assert len(found) == len(told)
    assert all(words in text for words, text in zip(told, found, strict=True)), found


def test_of_the_needs_of_several_groups_the_greatest_counts() -> None:
    assert most([ROOT, Need("/", 512, 30000), VAR]) == [Need("/", 1024, 30000), VAR]


def test_a_kernel_has_what_it_lists_or_can_load() -> None:
    assert parse_modules(LISTING) == {"tun", "dm_mod", "xfs"}
    assert parse_names("Character devices:\n 10 misc\n200 tun\nnodev\tnfs4\n") >= {"tun", "nfs4"}
    bare = Kernel("6.1", {"misc", "tun"}, set())
    assert find_missing(["tun", "device_mapper", "nfs", "nfs"], bare) == ["device_mapper", "nfs"]
    assert find_missing(FEATURES, Kernel("6.1", set(), parse_modules(LISTING))) == sorted(
        set(FEATURES) - {"tun", "device_mapper", "xfs"}
    )
    # What only a module brings is not there because some line is empty.
    assert find_missing(["openvswitch"], Kernel("6.1", {""}, set())) == ["openvswitch"]


def test_one_message_tells_all_with_what_helps() -> None:
    message, remedy = failure(["/ has 1 MiB"], ["device_mapper"], Kernel("6.1-test", set(), set()))
    assert "/ has 1 MiB; the kernel 6.1-test neither has nor can load device_mapper. Nothing was changed." in message
    assert "host_check_folders" in remedy
    assert "dm_mod" in remedy
    assert "kernel" not in failure(["/ has 1 MiB"], [], Kernel("6.1", set(), set()))[1]
