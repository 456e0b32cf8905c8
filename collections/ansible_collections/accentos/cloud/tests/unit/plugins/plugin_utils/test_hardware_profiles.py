# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Machines that nobody described, matched and named, from literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.hardware_profiles import (
    ProfileError,
    address_range,
    misfit,
    plan_enrolments,
    ports_of,
)


def card(name: str, last: str, *, carrier: bool = True) -> dict[str, Any]:
    return {"name": name, "mac": f"52:54:00:aa:00:{last}" if last else "", "carrier": carrier}


INVENTORY: dict[str, Any] = {
    "system": {"vendor": "Example Inc.", "product": "Server R1", "serial": "SN1"},
    "cpu": {"model": "Fast CPU 9000", "sockets": 2, "threads": 64},
    "firmware": "uefi",
    # What a kernel shows of 256 GiB.
    "memory_mib": 257_600,
    "disks": [{"path": "/dev/sda"}, {"path": "/dev/sdb"}],
    "cards": [card("eno2", "02"), card("eno10", "10"), card("eno1", "01", carrier=False), card("dummy0", "")],
    "boot_mac": "52:54:00:aa:00:10",
}
PROFILE: dict[str, Any] = {
    "name": "r1",
    "match": {"vendor": "example*", "cpu_threads_min": 64, "memory_gib_min": 256},
    "groups": ["compute"],
    "names": "compute-[10:12]",
    "addresses": "10.20.0.100-10.20.0.102",
    "root_disk": {"path": "/dev/sda"},
    "ports": [{"network": "tunnel", "tagged": []}],
    "approve": "automatic",
}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, ""),
        ({"vendor": "EXAMPLE*", "product": None, "firmware": "uefi"}, ""),
        ({"cpu_model": "Slow*"}, "cpu_model is Fast CPU 9000, not Slow*"),
        # The kernel keeps a part for itself, so 256 GiB count as such.
        ({"memory_gib_min": 256}, ""),
        ({"memory_gib_min": 512}, "memory_gib: it has 264.8, needed are 512"),
        ({"disks_min": 3}, "disks: it has 2, needed are 3"),
        ({"cpu_sockets_min": 2, "cards_min": 4}, ""),
    ],
)
def test_misfit(wanted: dict[str, Any], words: str) -> None:
    assert misfit(wanted, INVENTORY) == words


def test_the_card_that_booted_serves_management() -> None:
    assert ports_of(PROFILE, INVENTORY) == [
        {"name": "eno10", "mac": "52:54:00:aa:00:10", "network": "management"},
        {"name": "eno2", "mac": "52:54:00:aa:00:02", "network": "tunnel"},
        {"name": "eno1", "mac": "52:54:00:aa:00:01"},
    ]
    with pytest.raises(ProfileError, match="no network card"):
        ports_of(PROFILE, {**INVENTORY, "cards": []})


def test_names_and_addresses_are_the_next_free_ones() -> None:
    first, second = plan_enrolments(
        [{"id": "a", "inventory": INVENTORY}, {"id": "b", "inventory": INVENTORY}],
        [{**PROFILE, "match": {"vendor": "other*"}, "name": "r0"}, PROFILE],
        {"compute-10"},
        {"10.20.0.100"},
    )
    assert (first.action, first.profile, first.identifier) == ("approve", "r1", "a")
    assert first.host["name"] == "compute-11"
    assert first.host["host_addresses"] == {"management": "10.20.0.101"}
    assert first.host["groups"] == ["compute"]
    assert first.host["host_serial"] == "SN1"
    assert first.host["provision_root_disk"] == {"path": "/dev/sda"}
    assert not {"provision_image", "provision_architecture"} & set(first.host)
    assert (second.host["name"], second.host["host_addresses"]["management"]) == ("compute-12", "10.20.0.102")


def test_a_profile_names_image_and_architecture() -> None:
    profile = {**PROFILE, "image": "compute", "architecture": "arm64"}
    (verdict,) = plan_enrolments([{"id": "a", "inventory": INVENTORY}], [profile], (), ())
    assert (verdict.host["provision_image"], verdict.host["provision_architecture"]) == ("compute", "arm64")


def test_a_person_approves_unless_the_profile_does() -> None:
    (verdict,) = plan_enrolments([{"id": "a", "inventory": INVENTORY}], [{**PROFILE, "approve": "manual"}], (), ())
    assert verdict.action == "ask"


def test_what_fits_nowhere_stays_in_quarantine() -> None:
    profiles = [{**PROFILE, "match": {"disks_min": 9}}, {**PROFILE, "name": "r2", "match": {"firmware": "bios"}}]
    (verdict,) = plan_enrolments([{"id": "a", "inventory": INVENTORY}], profiles, (), ())
    assert verdict.action == "keep"
    assert verdict.reason == "r1: disks: it has 2, needed are 9; r2: firmware is uefi, not bios"
    (verdict,) = plan_enrolments([{"id": "a", "inventory": INVENTORY}], [], (), ())
    assert verdict.reason == "the site has no provision_profiles"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": "compute-[2:1]"}, "names: .* ends before it begins"),
        ({"names": "compute-1"}, "has no name left: all of compute-1 are used"),
        ({"addresses": "10.20.0.1"}, r"has no address left: all of 10\.20\.0\.1 are used"),
        ({"addresses": "10.20.0.9-10.20.0.1"}, "is no range of addresses"),
        ({"addresses": "10.20.0.9-fe80::1"}, "is no range of addresses"),
        ({"addresses": "many"}, "is no range of addresses"),
    ],
)
def test_profiles_that_cannot_be_used(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ProfileError, match=words):
        plan_enrolments([{"id": "a", "inventory": INVENTORY}], [PROFILE | change], {"compute-1"}, {"10.20.0.1"})


def test_address_range() -> None:
    assert address_range("10.0.0.254 - 10.0.1.1") == ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]
