# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter, as a template calls it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.host_addresses import FilterModule

NETWORKS = {"management": {"cidr": "10.20.0.0/24"}, "tunnel": {"cidr": "10.21.0.0/24"}}
host_addresses = FilterModule().filters()["host_addresses"]


def test_addresses() -> None:
    assert host_addresses(NETWORKS, {"management": "10.20.0.11"}) == {
        "management": "10.20.0.11",
        "tunnel": "10.21.0.11",
    }


@pytest.mark.parametrize(
    ("networks", "addresses", "words"),
    [
        ("x", {}, "site_networks must be a mapping, not str"),
        (NETWORKS, None, "host_addresses must be a mapping, not NoneType"),
        (NETWORKS, {}, "host_addresses has no 'management'"),
    ],
)
def test_errors(networks: object, addresses: object, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        host_addresses(networks, addresses)
