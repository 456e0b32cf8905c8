# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a new site is made of, with literals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.filter.site_draft import FilterModule
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_draft
from ansible_collections.accentos.cloud.plugins.plugin_utils.hardware_profiles import plan_enrolments
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_draft import NETWORKS, STRANGERS, host_numbers

ROLES = Path(site_draft.__file__).parents[2] / "roles"
DEFAULTS: Mapping[str, Any] = yaml.safe_load((ROLES / "init/defaults/main.yml").read_text())
MACS = {
    "controller-1": ["02:00:00:00:01:11", "02:00:00:00:02:11"],
    "compute-1": ["02:00:00:00:01:21"],
    "storage-1": ["02:00:00:00:01:31"],
}
SMALL: Mapping[str, Any] = {"init_computes": 1, "init_storage_hosts": 1}
MATCH: Mapping[str, Any] = {"storage": {"disks_min": 8}, "controller": {"vendor": "Example*"}, "compute": {}}


def draft(keys: Sequence[str] = ("ssh-ed25519 AAAA me",), **answers: Any) -> dict[str, Any]:
    known = [*DEFAULTS, "init_folder"]
    made: dict[str, Any] = FilterModule().filters()["site_draft"]({**DEFAULTS, **answers}, known, keys)  # type: ignore[assignment]
    return made


def problems(**answers: Any) -> list[str]:
    found: list[str] = draft(**answers)["problems"]
    return found


@pytest.mark.parametrize(
    ("counts", "first"),
    [
        ((1, 1, 1), (11, 21, 31)),
        ((3, 10, 2), (11, 21, 31)),
        ((5, 11, 2), (11, 21, 41)),
        ((1, 20, 2), (11, 21, 41)),
        ((1, 21, 2), (11, 21, 51)),
    ],
)
def test_each_group_begins_in_a_decade_of_its_own(counts: tuple[int, int, int], first: tuple[int, int, int]) -> None:
    wanted = dict(zip(site_draft.COUNTS, counts, strict=True))
    numbers = host_numbers(wanted)
    assert numbers.pop("deploy") == range(10, 11)
    assert {group: range_[0] for group, range_ in numbers.items()} == dict(zip(wanted, first, strict=True))
    assert {group: len(range_) for group, range_ in numbers.items()} == wanted


def test_without_answers_hosts_have_their_addresses_only() -> None:
    made = draft()
    assert (made["problems"], made["kind"], made["profiles"]) == ([], "installed", [])
    assert made["networks"] == NETWORKS
    assert (made["api_address"], made["deploy_address"], made["gateway"]) == ("10.20.0.5", "10.20.0.10", "10.20.0.1")
    assert {group: list(hosts) for group, hosts in made["groups"].items()} == {
        "deploy": ["deploy-1"],
        "controller": ["controller-1"],
        "compute": ["compute-1", "compute-2"],
        "storage": ["storage-1", "storage-2", "storage-3"],
    }
    assert made["groups"]["storage"]["storage-3"] == {"host_addresses": {"management": "10.20.0.33"}}
    assert made["admins"] == [{"name": "operator", "sudo": True, "ssh_keys": ["ssh-ed25519 AAAA me"]}]


def test_a_site_may_be_without_storage_hosts() -> None:
    groups = draft(init_storage_hosts=0)["groups"]
    assert {group: list(hosts) for group, hosts in groups.items()} == {
        "deploy": ["deploy-1"],
        "controller": ["controller-1"],
        "compute": ["compute-1", "compute-2"],
    }
    small: dict[str, Any] = {"init_computes": 1, "init_storage_hosts": 0}
    made = draft(**small, init_match={"controller": {"vendor": "Example*"}, "compute": {}})
    assert ([one["name"] for one in made["profiles"]], made["problems"]) == (["controller", "compute"], [])
    assert list(made["groups"]) == ["deploy", "controller", "compute"]
    (problem,) = problems(**small, init_match=MATCH)
    assert problem.startswith("init_match.storage: unknown; expected one of compute, controller")
    macs = {name: given for name, given in MACS.items() if name != "storage-1"}
    assert draft(**small, init_macs=macs)["problems"] == []
    (problem,) = problems(**small, init_macs=MACS)
    assert problem.startswith("init_macs.storage-1: unknown")


def test_machines_with_macs_are_described() -> None:
    made = draft(
        **SMALL, init_macs=MACS, init_bmc_driver="ipmi", init_networks={"out_of_band": {"cidr": "10.9.0.0/24"}}
    )
    assert made["problems"] == []
    assert made["groups"]["controller"]["controller-1"] == {
        "host_addresses": {"management": "10.20.0.11"},
        "host_interfaces": [
            {"name": "eno1", "mac": MACS["controller-1"][0], "network": "management", "tagged": ["tunnel", "storage"]},
            {"name": "eno2", "mac": MACS["controller-1"][1], "network": "external"},
        ],
        "host_bmc": {"driver": "ipmi", "address": "10.9.0.11"},
    }
    assert made["groups"]["deploy"]["deploy-1"] == {"host_addresses": {"management": "10.20.0.10"}}


def test_machines_that_enrol_become_what_was_asked_for() -> None:
    """The profiles are those of enrolment, so it is enrolment that judges them."""
    made = draft(**SMALL, init_macs={}, init_match=MATCH)
    assert made["problems"] == []
    assert [name for hosts in made["groups"].values() for name in hosts] == ["deploy-1"]

    def machine(number: int, vendor: str, disks: int) -> dict[str, Any]:
        cards = [{"name": f"eno{card}", "mac": f"02:00:00:00:0{card}:0{number}", "carrier": True} for card in (1, 2, 3)]
        return {
            "id": str(number),
            "inventory": {
                "system": {"vendor": vendor, "product": "", "serial": ""},
                "cpu": {"model": "", "sockets": 1, "threads": 8},
                "firmware": "uefi",
                "memory_mib": 1024,
                "disks": [{}] * disks,
                "cards": cards,
                "boot_mac": cards[0]["mac"],
            },
        }

    waiting = [machine(1, "Other", 1), machine(2, "Example Inc.", 2), machine(3, "Example Inc.", 8)]
    verdicts = plan_enrolments(waiting, made["profiles"], ["deploy-1"], ["10.20.0.10"])
    assert [verdict.action for verdict in verdicts] == ["ask"] * 3
    hosts = {verdict.host["name"]: verdict.host for verdict in verdicts}
    assert {name: host["host_addresses"]["management"] for name, host in hosts.items()} == {
        "compute-1": "10.20.0.21",
        "controller-1": "10.20.0.11",
        "storage-1": "10.20.0.31",
    }
    assert [port.get("network", port.get("tagged")) for port in hosts["controller-1"]["host_interfaces"]] == [
        "management",
        ["tunnel", "storage"],
        "external",
    ]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"init_domian": "x"}, 'init_domian: unknown; expected one of .*; did you mean "init_domain"\\?'),
        ({"init_macs": "{}"}, "init_macs: is text; expected it in a file, -e @answers.yml, or as JSON"),
        ({"init_computes": 0}, "init_computes: is too small, found 0; expected a number from 1 to 9999"),
        ({"init_computes": 10_000}, "init_computes: is too large, found 10000"),
        ({"init_storage_hosts": "-3"}, "init_storage_hosts: is too small, found -3; expected a number from 0 to"),
        ({"init_macs": MACS, "init_match": MATCH}, "init_match: init_macs describes all machines already"),
        ({"init_match": {"compute": {}, "storage": {}}}, "init_match.controller: is missing"),
        ({"init_match": {**MATCH, "computes": {}}}, 'init_match.computes: unknown; .*; did you mean "compute"'),
        (
            {**SMALL, "init_macs": {**MACS, "compute-1": []}},
            "init_macs.compute-1: has 0; expected a list of 1 MAC addresses, for management/tunnel/storage",
        ),
        (
            {**SMALL, "init_macs": {**MACS, "controller-1": "02:00:00:00:01:11"}},
            "init_macs.controller-1: is no list; expected a list of 2 MAC addresses, for .*, external",
        ),
        ({"init_storage_hosts": 1, "init_macs": MACS}, "init_macs.compute-2: is missing"),
        ({**SMALL, "init_macs": {**MACS, "compute-9": []}}, "init_macs.compute-9: unknown; expected one of"),
        (
            {"init_networks": {"management": {"cidr": "10.20.0.0/26", "gateway": "10.20.0.1"}}},
            "management.cidr: has no room for all hosts, found 10.20.0.0/26; .* 74 addresses, such as 10.20.0.0/25",
        ),
        ({"init_networks": {"external": {"cidr": "203.0.113.0/27"}}}, "external.cidr: .* 35 addresses, such as .*/26"),
        (
            {**SMALL, "init_macs": MACS, "init_networks": {"tunnel": {"cidr": "10.21.0.0/24"}}},
            "init_networks.tunnel.vlan: is missing; expected its number",
        ),
    ],
)
def test_answers_that_do_not_fit_together_are_told(answers: dict[str, Any], told: str) -> None:
    (problem,) = problems(**answers)
    assert re.search(told, problem)


def test_somebody_must_be_able_to_log_in() -> None:
    (problem,) = draft(keys=())["problems"]
    assert problem.startswith("init_admins: nobody could log in")
    admin = {"name": "jane", "ssh_keys": ["ssh-ed25519 AAAA jane"]}
    assert draft(keys=(), init_admins=[admin])["admins"] == [admin]


@pytest.mark.parametrize("management", ["10.20.0.0/24", {}, {"cidr": "10.20.0.1/24"}, {"cidr": "fd00::/64"}, None])
def test_a_network_that_is_none_is_left_to_the_check(management: Any) -> None:
    made = draft(**SMALL, init_macs=MACS, init_networks={"management": management})
    assert made["problems"] == []
    assert made["networks"]["management"] == management
    # It has nothing to say about hosts then.
    assert made["groups"]["deploy"] == {"deploy-1": {"host_addresses": {"management": "10.0.0.10"}}}


def test_hosts_keep_out_of_the_addresses_for_strangers() -> None:
    defaults = yaml.safe_load((ROLES / "cobbler/defaults/main.yml").read_text())
    assert tuple(defaults["cobbler_dhcp_strangers"]) == STRANGERS
    # 10.20.0.0/25: strangers begin at 88.
    fits: dict[str, Any] = {
        "init_networks": {"management": {"cidr": "10.20.0.0/25", "gateway": "10.20.0.1"}},
        "init_computes": 50,
    }
    assert draft(**fits, init_storage_hosts=17)["groups"]["storage"]["storage-17"] == {
        "host_addresses": {"management": "10.20.0.87"}
    }
    assert len(problems(**fits, init_storage_hosts=18)) == 1
