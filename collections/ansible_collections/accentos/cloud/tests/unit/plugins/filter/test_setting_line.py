# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the site as lines of a configuration file."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.accentos.cloud.plugins.filter.setting_line import FilterModule

setting_line = FilterModule().filters()["setting_line"]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("vm.swappiness", 10, "vm.swappiness = 10"),
        ("net.ipv4.conf.*.rp_filter", "2", "net.ipv4.conf.*.rp_filter = 2"),
        ("net.ipv4.tcp_rmem", "4096\t131072", "net.ipv4.tcp_rmem = 4096\t131072"),
        ("osd max backfills", 1.5, "osd max backfills = 1.5"),
        ("mon_allow_pool_delete", False, "mon_allow_pool_delete = false"),
        ("empty", "", "empty = "),
    ],
)
def test_a_setting_is_one_line(name: str, value: object, line: str) -> None:
    assert setting_line(name, value) == line


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("a", "1\nb = 2", "setting a has a line break"),
        ("a", "1\n", "setting a has a line break"),
        ("a", "1\r", "setting a has a line break"),
        ("a", "1\u2028b", "setting a has a line break"),
        ("a", "1\0", "setting a has a line break or another control character"),
        ("a", [1], "setting a is neither text nor a number"),
        ("a", None, "setting a is neither text nor a number"),
        ("a; rm", 1, "'a; rm' cannot be the name"),
        ("a\nb", 1, "cannot be the name"),
        ("", 1, "cannot be the name"),
        (5, 1, "5 cannot be the name"),
    ],
)
def test_what_would_be_more_than_a_line_is_refused(name: object, value: object, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        setting_line(name, value)
