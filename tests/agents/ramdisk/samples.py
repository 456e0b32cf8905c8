# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A specification as the service sends it, to be varied by the tests."""

from __future__ import annotations

import copy
from typing import Any

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExample deploy"
SPECIFICATION: dict[str, Any] = {
    "version": 1,
    "host": "compute-1",
    "fqdn": "compute-1.example.test",
    "image": {
        "name": "base-amd64",
        "url": "https://10.0.0.10/images/base-amd64/root.img.zst",
        "sha256": "0" * 64,
        "size": 1000,
        "raw_size": 5000,
    },
    "disks": {"rule": {"serial": "S1"}, "layout": "plain"},
    "network": {
        "interfaces": [
            {
                "name": "eth0",
                "mac": "52:54:00:00:00:01",
                "addresses": ["10.0.0.11/24"],
                "gateway": "10.0.0.1",
                "mtu": 1500,
                "dhcp": False,
            }
        ],
        "bonds": [],
        "vlans": [],
        "dns": ["10.0.0.10"],
    },
    "ssh": {"authorized_keys": [KEY]},
    "boot": {"console": "ttyS0,115200n8", "kernel_options": "", "next": "reboot"},
}


def specification(**changes: Any) -> dict[str, Any]:
    """Return the sample; a change names its place with __ between keys (disks__layout="raid1")."""
    made = copy.deepcopy(SPECIFICATION)
    for path, value in changes.items():
        place = made
        *folders, last = path.split("__")
        for folder in folders:
            place = place[folder]
        place[last] = value
    return made
