# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter, as a template calls it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.install_specifications import FilterModule

install_specifications = FilterModule().filters()["install_specifications"]

VARIABLES: dict[str, Any] = {
    "site_domain": "cloud.example.test",
    "site_networks": {"management": {"cidr": "10.20.0.0/24"}},
    "host_addresses": {"management": "10.20.0.11"},
    "host_interfaces": [{"name": "eno1", "mac": "52:54:00:aa:00:01", "network": "management"}],
}
IMAGES = {
    name: {"url": f"https://a/{name}", "sha256": "0" * 64, "size": 1, "raw_size": 2}
    for name in ("base-amd64", "base-arm64", "compute-amd64")
}
OPTIONS: dict[str, Any] = {
    "provision_image": "base",
    "provision_architecture": "amd64",
    "provision_root_disk": {"path": "/dev/vda"},
    "provision_disk_layout": "plain",
    "provision_authorized_keys": ["ssh-ed25519 AAAA operator"],
    "provision_console": "ttyS0",
    "provision_kernel_options": "",
    "provision_next": "reboot",
}


def test_the_host_says_otherwise() -> None:
    hostvars = {"a": VARIABLES, "b": {**VARIABLES, "provision_root_disk": {"serial": "S2"}, "provision_next": "kexec"}}
    made = install_specifications(hostvars, ["a", "b"], IMAGES, OPTIONS)
    assert made["a"]["disks"] == {"rule": {"path": "/dev/vda"}, "layout": "plain"}
    assert made["b"]["disks"]["rule"] == {"serial": "S2"}
    assert (made["a"]["boot"]["next"], made["b"]["boot"]["next"]) == ("reboot", "kexec")
    assert made["a"]["image"]["name"] == "base-amd64"


def test_a_host_has_the_image_of_its_profile_and_architecture() -> None:
    hostvars = {
        "a": {**VARIABLES, "provision_image": "compute"},
        "b": {**VARIABLES, "provision_architecture": "arm64"},
        "c": {**VARIABLES, "provision_image": "compute", "provision_architecture": "arm64"},
    }
    made = install_specifications(hostvars, ["a", "b"], IMAGES, OPTIONS)
    assert [made[host]["image"]["name"] for host in ("a", "b")] == ["compute-amd64", "base-arm64"]
    assert made["a"]["image"]["url"] == "https://a/compute-amd64"
    with pytest.raises(AnsibleFilterError, match=r"c: there is no image 'compute-arm64'; built are: base-amd64, "):
        install_specifications(hostvars, ["a", "b", "c"], IMAGES, OPTIONS)


def test_all_that_cannot_be_installed_are_named_at_once() -> None:
    bare = {key: value for key, value in VARIABLES.items() if key != "host_addresses"}
    hostvars = {"a": bare, "b": {**VARIABLES, "provision_image": "bse"}, "c": {**VARIABLES, "host_interfaces": []}}
    with pytest.raises(AnsibleFilterError) as told:
        install_specifications(hostvars, ["a", "b", "c"], IMAGES, OPTIONS)
    lines = str(told.value).splitlines()
    assert "cannot be installed" in lines[0]
    assert lines[1] == "a: it has no host_addresses."
    assert lines[2] == (
        "b: there is no image 'bse-amd64'; built are: base-amd64, base-arm64, compute-amd64. "
        "See host_image_profiles and host_image_architectures."
    )
    assert lines[3].startswith("c: no port of it serves")
