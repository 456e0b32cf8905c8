# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster is created by whom it is allowed, joined by the others, and left alone by its members."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.ovn import Kind, OvnError, plan_file

DATABASE: dict[str, Any] = {
    "name": "OVN_Northbound",
    "path": "/var/lib/ovn/ovnnb_db.db",
    "schema": "/usr/share/ovn/ovn-nb.ovsschema",
    "local": "ssl:192.0.2.22:6643",
    "members": ["ssl:192.0.2.21:6643", "ssl:192.0.2.22:6643", "ssl:192.0.2.23:6643"],
    "create": False,
}
CREATE = ["--election-timer=4000", "create-cluster", "{file}", "/usr/share/ovn/ovn-nb.ovsschema", "ssl:192.0.2.22:6643"]
JOIN = [
    "join-cluster",
    "{file}",
    "OVN_Northbound",
    "ssl:192.0.2.22:6643",
    "ssl:192.0.2.21:6643",
    "ssl:192.0.2.23:6643",
]


@pytest.mark.parametrize(
    ("kind", "create", "expected"),
    [
        (Kind.ABSENT, True, CREATE),
        (Kind.ABSENT, False, JOIN),
        (Kind.JOINING, True, CREATE),
        (Kind.JOINING, False, []),
        (Kind.MEMBER, True, []),
        (Kind.MEMBER, False, []),
    ],
)
def test_plan(kind: Kind, create: bool, expected: list[str]) -> None:
    assert plan_file(kind, {**DATABASE, "create": create}) == expected


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(OvnError, match="in no cluster"):
        plan_file(Kind.STANDALONE, {**DATABASE, "create": True})
    with pytest.raises(OvnError, match="no other member to join"):
        plan_file(Kind.ABSENT, {**DATABASE, "members": ["ssl:192.0.2.22:6643"]})
