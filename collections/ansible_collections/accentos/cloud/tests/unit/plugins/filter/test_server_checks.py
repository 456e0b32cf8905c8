# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections are cut where another server can take them."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.filter.server_checks import FilterModule

server_checks = FilterModule().filters()["server_checks"]


@pytest.mark.parametrize("backup", [False, True])
def test_an_only_server_keeps_its_connections_and_has_time(backup: bool) -> None:
    assert server_checks(["one"], backup=backup) == {
        "timeout": "20s",
        "servers": "check inter 5s downinter 2s fall 5 rise 1",
    }


@pytest.mark.parametrize("hosts", [["one", "two"], ["one", "two", "three"]])
def test_one_of_several_is_left_quickly(hosts: list[str]) -> None:
    quickly = "check inter 2s fastinter 500ms fall 2 rise 2 on-marked-down shutdown-sessions"
    assert server_checks(hosts) == {"timeout": "5s", "servers": quickly}
    assert server_checks(hosts, backup=True) == {
        "timeout": "5s",
        "servers": f"{quickly} observe layer4 error-limit 1 on-error mark-down",
    }
