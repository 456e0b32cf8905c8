# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The specification is read strictly; what could reach a command or a file as something else is refused."""

from __future__ import annotations

from typing import Any

import pytest
from accentos_ramdisk.command_line import Orders, parse_command_line
from accentos_ramdisk.disk_rules import DiskRule
from accentos_ramdisk.errors import AgentError
from accentos_ramdisk.specification import (
    Bond,
    Boot,
    Image,
    Interface,
    Network,
    Specification,
    SpecificationError,
    Vlan,
    parse_specification,
)
from hypothesis import given
from hypothesis import strategies as st

from .samples import KEY, SPECIFICATION, specification

MAC1, MAC2 = "52:54:00:00:00:01", "52:54:00:00:00:02"


def test_the_sample_is_read() -> None:
    assert parse_specification(SPECIFICATION) == Specification(
        host="compute-1",
        fqdn="compute-1.example.test",
        image=Image("base-amd64", "https://10.0.0.10/images/base-amd64/root.img.zst", "0" * 64, 1000, 5000),
        rule=DiskRule(serial="S1"),
        layout="plain",
        network=Network(
            interfaces=(Interface("eth0", MAC1, ("10.0.0.11/24",), "10.0.0.1", 1500, False),), dns=("10.0.0.10",)
        ),
        authorized_keys=(KEY,),
        boot=Boot("ttyS0,115200n8", "", "reboot"),
    )


def test_bonds_and_vlans_are_read_and_defaults_filled_in() -> None:
    value = specification(
        network={
            "bonds": [{"name": "bond0", "mode": "802.3ad", "members": [MAC1, MAC2], "gateway": None}],
            "vlans": [{"name": "bond0.21", "link": "bond0", "id": 21, "addresses": ["fd00::1/64"], "dhcp": None}],
        }
    )
    del value["boot"]
    found = parse_specification(value)
    assert found.network == Network(
        bonds=(Bond("bond0", "802.3ad", (MAC1, MAC2)),), vlans=(Vlan("bond0.21", "bond0", 21, ("fd00::1/64",)),)
    )
    assert found.boot == Boot()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version: this ramdisk knows version 1 only"),
        ({"extra": 1}, "extra: is not known"),
        ({"image__extra": 1}, "image.extra: is not known"),
        ({"image": []}, "image: must be a mapping"),
        ({"image__url": "http://10.0.0.10/x"}, "image.url:"),
        ({"image__sha256": None}, "image.sha256: is missing"),
        ({"image__size": "1"}, "image.size: must be a whole number"),
        ({"image__size": True}, "image.size: must be a whole number"),
        ({"image__raw_size": None}, "image.raw_size: is missing"),
        ({"host": "a;touch /x"}, "host: 'a;touch /x' is not allowed"),
        ({"host": "a\n"}, "host:"),
        ({"disks__layout": "raid6"}, "disks.layout: must be one of"),
        ({"disks__rule": {}}, "disks.rule: names no property"),
        ({"disks__rule": {"path": "/dev/../etc/passwd"}}, "disks.rule.path:"),
        ({"disks__rule": {"rotational": "no"}}, "disks.rule.rotational: must be true or false"),
        ({"network__interfaces": {}}, "network.interfaces: must be a list"),
        ({"network__interfaces": []}, "network: has no interface"),
        ({"network__dns": [1]}, "network.dns[0]: 1 is no text"),
        ({"network__dns": ["x"]}, "network.dns[0]:"),
        ({"network__bonds": [{"name": "b", "mode": "802.3ad", "members": []}]}, "network.bonds[0]: has no members"),
        ({"network__bonds": [{"name": "b", "mode": "802.3ad", "members": [MAC1]}]}, "is a member of a bond"),
        ({"network__vlans": [{"name": "v", "link": "eth9", "id": 5}]}, "network.vlans v: its link eth9 is not defined"),
        ({"network__vlans": [{"name": "eth0", "link": "eth0", "id": 5}]}, "network: the name eth0 is there twice"),
        ({"network__interfaces": [{"name": "a", "mac": MAC1, "addresses": ["10.0.0.1"]}]}, "has no prefix length"),
        ({"network__interfaces": [{"name": "a", "mac": MAC1, "gateway": "here"}]}, "network.interfaces[0].gateway:"),
        ({"network__interfaces": [{"name": "../a", "mac": MAC1}]}, "network.interfaces[0].name:"),
        ({"ssh__authorized_keys": []}, "ssh.authorized_keys: is empty"),
        ({"ssh__authorized_keys": ["command=x ssh-ed25519 A"]}, "ssh.authorized_keys[0]:"),
        ({"boot__kernel_options": 'a"$(reboot)'}, "boot.kernel_options:"),
        ({"boot__console": "ttyS0 init=/bin/sh"}, "boot.console:"),
        ({"boot__next": "halt"}, "boot.next: must be one of"),
    ],
)
def test_mistakes_are_told_with_their_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        parse_specification(specification(**changes))
    assert message in str(caught.value)
    assert "arm it again" in caught.value.remedy


PLACES = st.sampled_from(
    ["host", "fqdn", "image__name", "image__url", "boot__console", "boot__kernel_options", "disks__rule"]
)


@given(PLACES, st.text(alphabet="\n\r\0$`\\;&|<>'\"(){}#!\x1b", min_size=1, max_size=5))
def test_no_character_of_a_shell_or_a_terminal_gets_through(place: str, evil: str) -> None:
    value: Any = {"path": f"/dev/{evil}"} if place == "disks__rule" else f"a{evil}"
    if place == "image__name" and evil.isprintable():
        return  # A name for people; it reaches reports and the log only.
    with pytest.raises(SpecificationError):
        parse_specification(specification(**{place: value}))


def test_the_command_line_is_read() -> None:
    text = "BOOT_IMAGE=/vmlinuz accentos.server=https://10.0.0.10:8443/ quiet accentos.token=abcdefghijklmnop_-9\n"
    assert parse_command_line(text) == Orders("https://10.0.0.10:8443", "abcdefghijklmnop_-9", verbose=False)
    assert parse_command_line("accentos.server=https://[fd00::1] accentos.verbose") == Orders(
        "https://[fd00::1]", None, verbose=True
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quiet", "no usable accentos.server"),
        ("accentos.server=http://10.0.0.10", "no usable accentos.server"),
        ("accentos.server=https://10.0.0.10/x", "no usable accentos.server"),
        ("accentos.server=https://a accentos.token=short", "accentos.token"),
    ],
)
def test_a_bad_command_line_is_refused(text: str, message: str) -> None:
    with pytest.raises(AgentError, match=message) as caught:
        parse_command_line(text)
    assert "boot again" in caught.value.remedy
