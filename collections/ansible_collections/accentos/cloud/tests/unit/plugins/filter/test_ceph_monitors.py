# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where monitors listen."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.ceph_monitors import FilterModule

ceph_monitors = FilterModule().filters()["ceph_monitors"]
NETWORKS = {"management": {"cidr": "10.20.0.0/24"}, "storage": {"cidr": "10.22.0.0/24"}, "six": {"cidr": "fd00:6::/64"}}


def host(**addresses: str) -> dict[str, Any]:
    return {"site_networks": NETWORKS, "host_addresses": addresses}


HOSTVARS = {"two": host(management="10.20.0.12", storage="10.22.0.92"), "one": host(management="10.20.0.11")}


def test_addresses_by_name_with_the_second_messenger_only() -> None:
    found = ceph_monitors(HOSTVARS, ["two", "one"], "storage")
    assert list(found.items()) == [("one", "[v2:10.22.0.11:3300]"), ("two", "[v2:10.22.0.92:3300]")]
    assert ceph_monitors(HOSTVARS, ["one"], "six") == {"one": "[v2:[fd00:6::b]:3300]"}
    assert ceph_monitors(HOSTVARS, [], "storage") == {}


@pytest.mark.parametrize(
    ("hostvars", "network"),
    [
        (HOSTVARS, "nowhere"),
        ({"one": {"site_networks": NETWORKS}}, "storage"),
        ({"one": host(storage="10.22.0.1")}, "storage"),
    ],
)
def test_a_host_without_an_address_is_named(hostvars: dict[str, Any], network: str) -> None:
    with pytest.raises(AnsibleFilterError, match="one has no address in the network"):
        ceph_monitors(hostvars, ["one"], network)
