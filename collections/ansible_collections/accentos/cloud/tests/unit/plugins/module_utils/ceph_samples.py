# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Samples of Ceph 18.2.7: the label of an OSD, and what monitors answer. Keys are replaced."""

from __future__ import annotations

import json
import struct
from typing import Any

CLUSTER = "bb8fcde7-2cd6-ebc7-39f9-2752cbdf1c85"
UUID = "4912807d-2507-468c-8d48-a2f9b185f3a0"
KEY = "AQ" + "A" * 36 + "=="

# The first bytes of /dev/loop1, an OSD of 4 GiB.
LABEL = (
    b"bluestore block device\n4912807d-2507-468c-8d48-a2f9b185f3a0\n"
    b"\x02\x01<\x02\x00\x00I\x12\x80}%\x07F\x8c\x8dH\xa2\xf9\xb1\x85\xf3\xa0\x00\x00\x00\x00\x01\x00\x00\x00"
    b"\xf9E\x06k\xf9$e\t\x04\x00\x00\x00main\x0f\x00\x00\x00\n\x00\x00\x00bfm_blocks\x07\x00\x00\x001048576"
    b"\x12\x00\x00\x00bfm_blocks_per_key\x03\x00\x00\x00128\x13\x00\x00\x00bfm_bytes_per_block\x04\x00\x00\x004096"
    b"\x08\x00\x00\x00bfm_size\n\x00\x00\x004294967296\x06\x00\x00\x00bluefs\x01\x00\x00\x001"
    b"\t\x00\x00\x00ceph_fsid$\x00\x00\x00bb8fcde7-2cd6-ebc7-39f9-2752cbdf1c85"
    b"\x19\x00\x00\x00ceph_version_when_createdL\x00\x00\x00"
    b"ceph version 18.2.7 (6b0e988052ec84cf2d4a54ff9bbbc5e720b621ad) reef (stable)"
    b"\n\x00\x00\x00created_at\x1b\x00\x00\x002026-11-25T02:20:42.873192Z\n\x00\x00\x00kv_backend\x07\x00\x00\x00rocksdb"
    b"\x05\x00\x00\x00magic\x14\x00\x00\x00ceph osd volume v026\t\x00\x00\x00mkfs_done\x03\x00\x00\x00yes"
    b"\x07\x00\x00\x00osd_key(\x00\x00\x00AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\x05\x00\x00\x00ready\x05\x00\x00\x00ready"
    b"\x13\x00\x00\x00require_osd_release\x02\x00\x00\x0018\x06\x00\x00\x00whoami\x01\x00\x00\x001\xb1F\x8f\x14"
)


def make_label(uuid: str, **values: str) -> bytes:
    """Return a label with other values, in the same form."""
    known = b"".join(
        struct.pack(f"<I{len(name)}sI{len(value)}s", len(name), name.encode(), len(value), value.encode())
        for name, value in values.items()
    )
    head = struct.pack("<BBI16sQQI4s", 2, 1, 0, bytes(16), 2**32, 0, 4, b"main")
    text = b"bluestore block device\n" + uuid.encode() + b"\n" + head + struct.pack("<I", len(values)) + known
    return text.ljust(4096, b"\0")


USERS: dict[str, Any] = {
    "auth_dump": [
        {
            "entity": "client.bootstrap-osd",
            "key": KEY,
            "caps": {"mon": "allow profile bootstrap-osd"},
        },
        {
            "entity": "client.glance",
            "key": KEY,
            "caps": {"mgr": "profile rbd pool=images", "mon": "profile rbd", "osd": "profile rbd pool=images"},
        },
    ]
}
RULES: list[dict[str, Any]] = [
    {"rule_id": 0, "rule_name": "replicated_rule", "type": 1, "steps": []},
    {"rule_id": 1, "rule_name": "replicated-osd", "type": 1, "steps": []},
]
OSDS: dict[str, Any] = json.loads(
    '{"epoch": 40, "pools": [{"pool": 1, "pool_name": "images", "type": 1, "size": 2, "min_size": 1, "crush_rule": 1,'
    ' "pg_autoscale_mode": "on", "pg_num": 32, "application_metadata": {"rbd": {}}}]}'
)
