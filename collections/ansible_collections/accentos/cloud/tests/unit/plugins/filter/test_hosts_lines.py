# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter, as a template calls it."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar, trust_as_template
from ansible_collections.accentos.cloud.plugins.filter.hosts_lines import FilterModule

HOSTVARS = {
    "control2": {"host_addresses": {"management": "10.20.0.12", "tunnel": "10.21.0.12"}},
    "control1": {"host_addresses": {"management": "10.20.0.11"}},
    "compute1": {"host_addresses": {"management": "fd00:1::21", "tunnel": "10.21.0.21"}},
}
hosts_lines = FilterModule().filters()["hosts_lines"]


@pytest.mark.parametrize(
    ("hosts", "network", "expected"),
    [
        (
            ["control2", "control1", "compute1"],
            "management",
            [
                "fd00:1::21 compute1.example.test compute1",
                "10.20.0.11 control1.example.test control1",
                "10.20.0.12 control2.example.test control2",
            ],
        ),
        # Only the hosts that are asked for.
        (["control2"], "management", ["10.20.0.12 control2.example.test control2"]),
        # A host without an address in the network has no line.
        (
            ["control2", "control1", "compute1"],
            "tunnel",
            ["10.21.0.21 compute1.example.test compute1", "10.21.0.12 control2.example.test control2"],
        ),
        (["control1"], "storage", []),
        ([], "management", []),
    ],
)
def test_lines(hosts: list[str], network: str, expected: list[str]) -> None:
    assert hosts_lines(HOSTVARS, hosts, network, "example.test") == expected


def test_the_order_of_the_hosts_does_not_matter() -> None:
    forward = hosts_lines(HOSTVARS, ["control1", "control2"], "management", "example.test")
    assert forward == hosts_lines(HOSTVARS, ["control2", "control1"], "management", "example.test")


def test_a_template_finds_the_filter_by_its_full_name() -> None:
    assert filter_loader.get("accentos.cloud.hosts_lines") is not None
    templar = Templar(loader=DataLoader(), variables={"known": HOSTVARS})
    source = "{{ known | accentos.cloud.hosts_lines(['control1'], 'management', 'example.com') }}"
    assert templar.template(trust_as_template(source)) == ["10.20.0.11 control1.example.com control1"]
