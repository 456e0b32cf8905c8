# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The images that settings ask for."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.filter.host_image_orders import FilterModule

SETTINGS = {
    "folder": "/srv/example",
    "profiles": ["base", "storage"],
    "baked": {"base": ["chrony"], "storage": ["ceph-osd", "chrony"]},
    "everybody": ["chrony"],
    "profile_packages": {"storage": ["sdparm", "sudo"]},
    "packages": ["sudo"],
    "ramdisk_packages": ["udev", "busybox"],
    "firmware": ["firmware-example"],
    "modules": ["drivers/net/*", "fs/ext4/*"],
    "kernel": "linux-image-cloud-",
    "architectures": {
        "amd64": {"root": ["grub-pc-bin"], "ramdisk": ["dmidecode"]},
        "arm64": {"root": ["grub-efi-arm64-bin"], "ramdisk": []},
    },
    "environment": {"SUITE": "trixie"},
    "root_files": {"build-root": "true"},
    "ramdisk_files": {"build-ramdisk": "false"},
    "space_mib": 4096,
}


def test_ramdisk_and_root_images() -> None:
    orders = FilterModule().filters()["host_image_orders"](["amd64", "arm64"], SETTINGS)
    assert [(order["folder"], order["name"]) for order in orders] == [
        ("/srv/example/boot", "amd64"),
        ("/srv/example/images", "base-amd64"),
        ("/srv/example/images", "storage-amd64"),
        ("/srv/example/boot", "arm64"),
        ("/srv/example/images", "base-arm64"),
        ("/srv/example/images", "storage-arm64"),
    ]
    assert orders[0] == {
        "folder": "/srv/example/boot",
        "name": "amd64",
        "architecture": "amd64",
        "program": "build-ramdisk",
        "files": {"build-ramdisk": "false"},
        "environment": {
            "SUITE": "trixie",
            "PACKAGES": "busybox,dmidecode,firmware-example,linux-image-cloud-amd64,udev",
            "MODULES": "drivers/net/* fs/ext4/*",
        },
        "outputs": ["ramdisk.img", "vmlinuz"],
        "space_mib": 1024,
    }
    assert orders[2] == {
        "folder": "/srv/example/images",
        "name": "storage-amd64",
        "architecture": "amd64",
        "program": "build-root",
        "files": {"build-root": "true"},
        "environment": {
            "SUITE": "trixie",
            "PACKAGES": "ceph-osd,chrony,firmware-example,grub-pc-bin,linux-image-cloud-amd64,sdparm,sudo",
            "HELD": "ceph-osd",
        },
        "outputs": ["root.img.zst"],
        "space_mib": 4096,
        "executes": True,
    }
    assert orders[1]["environment"]["HELD"] == ""
    assert "linux-image-cloud-arm64" in orders[4]["environment"]["PACKAGES"].split(",")
