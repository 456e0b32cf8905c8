# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters install_orders and install_images, as templates call them."""

from __future__ import annotations

from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.install_images import FilterModule as ImagesModule
from ansible_collections.accentos.cloud.plugins.filter.install_orders import FilterModule

install_orders = FilterModule().filters()["install_orders"]
install_images = ImagesModule().filters()["install_images"]


def port(name: str, last: str, *addresses: str) -> dict[str, Any]:
    return {"name": name, "mac": f"52:54:00:aa:00:{last}", "addresses": list(addresses)}


def test_orders() -> None:
    one = {"network": {"interfaces": [port("eno1", "01", "10.2.0.11/24"), port("eno2", "02")], "bonds": []}}
    two = {
        "network": {"interfaces": [port("eno1", "03", "10.2.0.12/24"), port("eno2", "04", "10.3.0.12/24")], "bonds": []}
    }
    assert install_orders({"b": two, "a": one}, 60) == [
        {
            "host": "a",
            "macs": ["52:54:00:aa:00:01", "52:54:00:aa:00:02"],
            "lifetime": 60,
            "address": "10.2.0.11",
        },
        # Which of its ports it boots by is not known.
        {"host": "b", "macs": ["52:54:00:aa:00:03", "52:54:00:aa:00:04"], "lifetime": 60},
    ]


def test_images() -> None:
    files: dict[str, Any] = {"root.img.zst": {}}
    image = {"name": "base-amd64", "version": "v", "sha256": "0" * 64, "size": 1, "raw_size": 2, "files": files}
    ramdisk = {**image, "name": "amd64", "files": {"ramdisk.img": {}}}
    # In check mode it is not built yet.
    planned = {"name": "gpu-amd64", "version": "v", "architecture": "amd64", "files": files}
    assert install_images([image, ramdisk, planned], "https://a/images") == {
        "base-amd64": {
            "url": "https://a/images/base-amd64/root.img.zst",
            "sha256": "0" * 64,
            "size": 1,
            "raw_size": 2,
        },
        "gpu-amd64": {"url": "https://a/images/gpu-amd64/root.img.zst", "sha256": "", "size": 0, "raw_size": 0},
    }
