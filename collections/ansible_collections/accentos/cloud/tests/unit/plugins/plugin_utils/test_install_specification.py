# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine is to become, from literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.install_specification import (
    SpecificationError,
    install_specification,
    network_of,
    vlan_name,
)

SITE: dict[str, Any] = {
    "domain": "cloud.example.test",
    "networks": {
        "management": {"cidr": "10.20.0.0/24", "gateway": "10.20.0.1", "mtu": 1500},
        "tunnel": {"cidr": "10.21.0.0/24", "gateway": "10.21.0.1", "vlan": 21, "mtu": 9000},
        "storage": {"cidr": "10.22.0.0/23", "vlan": 22},
    },
    "dns": ["10.20.0.2"],
}
PORTS: list[dict[str, Any]] = [
    {"name": "eno1", "mac": "52:54:00:AA:00:01", "network": "management"},
    {"name": "eno2", "mac": "52:54:00:aa:00:02", "tagged": ["tunnel", "storage"]},
]
HOST: dict[str, Any] = {
    "name": "compute-1",
    "addresses": {"management": "10.20.0.11"},
    "interfaces": PORTS,
    "bonds": [],
}
IMAGE = {
    "name": "base",
    "url": "https://10.20.0.10/images/base/root.img.zst",
    "sha256": "0" * 64,
    "size": 1,
    "raw_size": 2,
}
OPTIONS: dict[str, Any] = {
    "root_disk": {"serial": "S1"},
    "layout": "plain",
    "authorized_keys": ["ssh-ed25519 AAAA operator"],
    "console": "ttyS0,115200n8",
    "kernel_options": "",
    "next": "kexec",
    "image": "base",
}


def test_specification() -> None:
    made = install_specification(HOST, SITE, {**IMAGE, "packages": 300}, OPTIONS)
    assert made["version"] == 1
    assert (made["host"], made["fqdn"]) == ("compute-1", "compute-1.cloud.example.test")
    assert made["image"] == IMAGE
    assert made["disks"] == {"rule": {"serial": "S1"}, "layout": "plain"}
    assert made["ssh"] == {"authorized_keys": ["ssh-ed25519 AAAA operator"]}
    assert made["boot"] == {"console": "ttyS0,115200n8", "kernel_options": "", "next": "kexec"}


def test_ports_and_vlans() -> None:
    assert network_of(HOST, SITE) == {
        "interfaces": [
            {
                "name": "eno1",
                "mac": "52:54:00:aa:00:01",
                "dhcp": False,
                "addresses": ["10.20.0.11/24"],
                "gateway": "10.20.0.1",
                "mtu": 1500,
            },
            {
                "name": "eno2",
                "mac": "52:54:00:aa:00:02",
                "dhcp": False,
                "addresses": [],
                "gateway": None,
                "mtu": None,
            },
        ],
        "bonds": [],
        "vlans": [
            {
                "name": "eno2.21",
                "link": "eno2",
                "id": 21,
                "addresses": ["10.21.0.11/24"],
                # Only the management network is a way out.
                "gateway": None,
                "mtu": 9000,
            },
            {
                "name": "eno2.22",
                "link": "eno2",
                "id": 22,
                "addresses": ["10.22.0.11/23"],
                "gateway": None,
                "mtu": None,
            },
        ],
        "dns": ["10.20.0.2"],
    }


def test_bond() -> None:
    ports = [
        {"name": "eno1", "mac": "52:54:00:aa:00:01", "bond": "bond0"},
        {"name": "eno2", "mac": "52:54:00:AA:00:02", "bond": "bond0"},
    ]
    bonds = [{"name": "bond0", "network": "management", "tagged": ["tunnel"]}]
    made = network_of({**HOST, "interfaces": ports, "bonds": bonds}, SITE)
    assert [port["addresses"] for port in made["interfaces"]] == [[], []]
    (bond,) = made["bonds"]
    assert bond["mode"] == "802.3ad"
    assert bond["members"] == ["52:54:00:aa:00:01", "52:54:00:aa:00:02"]
    assert bond["addresses"] == ["10.20.0.11/24"]
    assert bond["gateway"] == "10.20.0.1"
    assert [vlan["name"] for vlan in made["vlans"]] == ["bond0.21"]


@pytest.mark.parametrize(
    ("ports", "bonds", "words"),
    [
        ([], [], "no port of it serves the network management"),
        (
            [*PORTS, {"name": "eno3", "mac": "52:54:00:aa:00:03", "network": "tunnel"}],
            [],
            "more than one port .* tunnel",
        ),
        ([{**PORTS[0], "tagged": ["management"]}], [], "more than one port"),
        ([*PORTS, {"name": "eno3", "mac": "52:54:00:aa:00:03", "bond": "bond7"}], [], "bond7, which host_bonds"),
        (PORTS, [{"name": "bond0"}], "no port belongs to bond0"),
        (
            [{**PORTS[0], "bond": "bond0"}],
            [{"name": "bond0", "tagged": ["management"]}],
            "eno1 is inside a bond",
        ),
        (
            [{"name": "eno1", "mac": "52:54:00:aa:00:01", "tagged": ["management"]}],
            [],
            "management is tagged but has no",
        ),
    ],
)
def test_misfits(ports: list[dict[str, Any]], bonds: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        network_of({**HOST, "interfaces": ports, "bonds": bonds}, SITE)


def test_address_outside_its_network() -> None:
    with pytest.raises(SpecificationError, match=r"host_addresses\.management: 10\.9\.0\.1 is outside"):
        network_of({**HOST, "addresses": {"management": "10.9.0.1"}}, SITE)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"root_disk": {}}, "no rule names its root disk"), ({"authorized_keys": []}, "nobody could log in")],
)
def test_refusals(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        install_specification(HOST, SITE, IMAGE, OPTIONS | change)


def test_long_interface_names() -> None:
    assert vlan_name("enp94s0f0np", 210) == "enp94s0f0np.210"
    assert vlan_name("enp194s0f0np", 2100) == "vlan2100"
