# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reference site says all that its machines need to be installed and to become a cloud."""

from __future__ import annotations

from typing import Any

from tests.quality.tree import ROOT, load

SITE = ROOT / "inventories/reference"
GROUPS: Any = load(SITE / "hosts.yml")
ALL: Any = {**load(SITE / "group_vars/all/site.yml"), **load(SITE / "group_vars/all/machines.yml")}  # type: ignore[dict-item]


def hosts(*groups: str) -> dict[str, Any]:
    return {name: values for group in groups for name, values in GROUPS[group]["hosts"].items()}


def ways(host: dict[str, Any]) -> set[str]:
    """Return the networks that a host reaches by its ports."""
    return {name for port in host["host_interfaces"] for name in (port.get("network"), *port.get("tagged", ())) if name}


def test_every_machine_can_be_installed() -> None:
    machines = hosts(*(set(GROUPS) - {"deploy"}))
    assert {
        name for name, host in machines.items() if not host.get("host_bmc") or not host.get("host_interfaces")
    } == set()
    macs = [port["mac"] for host in machines.values() for port in host["host_interfaces"]]
    assert len(macs) == len(set(macs))
    assert ALL["provision_root_disk"]
    assert ALL["site_dns_servers"]


def test_every_host_reaches_the_networks_of_its_groups() -> None:
    wanted = {
        "controller": {"management", "tunnel", "storage", "external"},
        "compute": {"management", "tunnel", "storage"},
        "storage": {"management", "storage"},
    }
    missing = {
        name: sorted(networks - ways(host)) for group, networks in wanted.items() for name, host in hosts(group).items()
    }
    assert {name: networks for name, networks in missing.items() if networks} == {}


def test_there_are_disks_for_data_a_clock_and_somebody_who_becomes_root() -> None:
    storage: Any = load(SITE / "group_vars/storage.yml")
    assert storage["ceph_osd_disks"]
    assert ALL["site_ntp_servers"]
    assert [admin["name"] for admin in ALL["site_admins"] if admin.get("sudo")]
