# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges are counted from either end and hold no host."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.dhcp_range import FilterModule

dhcp_range = FilterModule().filters()["dhcp_range"]


@pytest.mark.parametrize(
    ("cidr", "numbers", "expected"),
    [
        ("10.20.0.0/24", [-40, -11], ("10.20.0.216", "10.20.0.245", "255.255.255.0")),
        ("10.20.0.0/30", [1, -2], ("10.20.0.1", "10.20.0.2", "255.255.255.252")),
    ],
)
def test_range(cidr: str, numbers: list[int], expected: tuple[str, str, str]) -> None:
    assert dhcp_range(cidr, numbers, ["10.20.0.11"]) == dict(zip(("first", "last", "netmask"), expected, strict=True))


@pytest.mark.parametrize(
    ("cidr", "numbers", "taken", "told"),
    [
        ("fd00::/64", [1, 2], [], "DHCP needs an IPv4 network"),
        ("10.20.0.1/24", [1, 2], [], "without host bits"),
        ("10.20.0.0/24", [1], [], "are not two numbers"),
        ("10.20.0.0/24", ["1", "2"], [], "are not two numbers"),
        ("10.20.0.0/24", [0, 2], [], "no range of hosts within"),
        ("10.20.0.0/24", [5, 4], [], "no range of hosts within"),
        ("10.20.0.0/24", [5, -1], [], "no range of hosts within"),
        ("10.20.0.0/24", [5, 20], ["10.20.0.11", "10.20.0.30"], "holds 10.20.0.11, which"),
    ],
)
def test_errors(cidr: str, numbers: list[int], taken: list[str], told: str) -> None:
    with pytest.raises(AnsibleFilterError, match=told):
        dhcp_range(cidr, numbers, taken)
