# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses are inside a network."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.addresses_within import FilterModule

addresses_within = FilterModule().filters()["addresses_within"]
NETWORK = "198.51.100.0/25"


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("198.51.100.7", True),
        ("198.51.100.127", True),
        ("::ffff:198.51.100.7", True),
        ("198.51.100.128", False),
        ("192.0.2.10", False),
        ("2001:db8::7", False),
        ("fe80::1%eth0", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_an_address_is_inside_or_not(address: str, inside: bool) -> None:
    assert addresses_within([address], NETWORK) == [address] * inside


def test_those_inside_keep_their_order() -> None:
    assert addresses_within(["198.51.100.9", "192.0.2.1", "198.51.100.8"], NETWORK) == ["198.51.100.9", "198.51.100.8"]
    assert addresses_within(["2001:db8::7"], "2001:db8::/64") == ["2001:db8::7"]
    assert addresses_within([], NETWORK) == []


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="does not appear to be an IPv4 or IPv6 network"):
        addresses_within(["198.51.100.7"], "198.51.100.7-9")
