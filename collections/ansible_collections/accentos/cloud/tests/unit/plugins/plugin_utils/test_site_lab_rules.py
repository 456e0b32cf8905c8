# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the lab, on literals."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, Suggester
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_lab_rules import (
    LabDisks,
    RackMachine,
    find_disk_mistakes,
    find_other_proxy,
    find_rack_mistakes,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located


def at(line: int, text: str) -> Located:
    return Located(text, Place("f.yml", line, 1, "key"))


def problems(findings: list[Finding]) -> list[tuple[int, str]]:
    return [(finding.line, finding.problem) for finding in findings]


@pytest.mark.parametrize(
    ("proxy", "count"),
    [
        ("http://10.1.0.2:3142", 0),
        ("http://cache.example.test:3142", 0),
        ("http://10.1.0.3:3142", 1),
        ("http://[fd00::2]:3142", 1),
    ],
)
def test_the_proxy_is_the_cache(proxy: str, count: int) -> None:
    assert len(find_other_proxy(at(1, "10.1.0.2"), at(2, proxy))) == count


def test_a_proxy_elsewhere_is_told_with_the_cache() -> None:
    (finding,) = find_other_proxy(at(1, "10.1.0.2"), at(2, "http://10.1.0.3"))
    assert (finding.line, finding.problem) == (2, "is not at key (10.1.0.2) in f.yml:1")
    assert finding.value == '"http://10.1.0.3"'


def test_the_password_of_a_proxy_is_not_shown() -> None:
    (finding,) = find_other_proxy(at(1, "10.1.0.2"), at(2, "http://user:hunter2@10.1.0.3"))
    assert "hunter2" not in str(finding)


RACK = [
    RackMachine(at(1, "metal-1"), at(2, "10.5.0.1"), [at(3, "52:54:00:00:00:0A"), at(4, "52:54:00:00:00:02")]),
    RackMachine(at(11, "metal-2"), at(12, "10.5.0.2"), [at(13, "52:54:00:00:00:03")]),
]


def test_a_good_rack() -> None:
    assert find_rack_mistakes(RACK, at(9, "10.5.0.0/24")) == find_rack_mistakes([RackMachine()], None) == []


@pytest.mark.parametrize(("counts", "count"), [((2, 2), 0), ((2, 1), 1), ((1, 2), 1)])
def test_each_card_is_in_a_network(counts: tuple[int, int], count: int) -> None:
    machine = RackMachine(networks=at(5, "management"), counts=counts)
    assert [finding.line for finding in find_rack_mistakes([machine], None)] == [5] * count


def test_machines_have_nothing_in_common() -> None:
    more = RackMachine(at(21, "metal-2"), at(22, "10.5.0.1"), [at(23, "5254.0000.000a")])
    assert problems(find_rack_mistakes([*RACK, more], at(9, "10.5.0.0/24"))) == [
        (21, "entry 2 and entry 1 in f.yml:11 have the same name"),
        (23, "entry 2 and entry 0 in f.yml:3 have the same MAC address"),
        (22, "entry 2 and entry 0 in f.yml:2 have the same BMC address"),
    ]


def test_management_controllers_are_in_out_of_band() -> None:
    assert problems(find_rack_mistakes(RACK, at(9, "10.5.0.0/31"))) == [
        (12, "is outside network out_of_band (10.5.0.0/31)")
    ]
    assert problems(find_rack_mistakes(RACK, at(9, "10.5.0.2/32"))) == [
        (2, "is outside network out_of_band (10.5.0.2/32)")
    ]


def test_disks() -> None:
    disks = {
        "compute-1": LabDisks(at(1, "").place, [at(2, "a"), at(3, "b"), at(4, "a")]),
        "compute-3": LabDisks(at(5, "").place, [at(6, "a")]),
    }
    twice = (4, "a disk of compute-1 and a disk of compute-1 in f.yml:2 have the same name")
    found = find_disk_mistakes(disks, ["compute-1", "deploy-1"], Suggester())
    assert problems(found) == [twice, (5, "there is no such host")]
    assert found[1].suggestion == "compute-1"
    assert problems(find_disk_mistakes(disks, None, Suggester())) == [twice]
