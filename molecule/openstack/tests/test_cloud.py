# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cloud does what it is for: playbooks/verify.yml says so, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tools.playbook_runs import read_checks

from .playbooks import succeed

CHECKS = {
    *("services", "image", "network", "guests", "address by DHCP", "metadata", "floating address", "ssh"),
    *("guest to guest", "volume", "console", "live migration", "cleaning up"),
}


def verify(*options: str, **variables: Any) -> str:
    """Run playbooks/verify.yml, which must succeed, and return what it says, in tables."""
    return succeed("verify", *options, variables=variables, callback="accentos.cloud.stages").output


def test_every_check_of_verify_passes() -> None:
    rows = read_checks(verify())
    assert set(rows) == CHECKS
    assert {name: row for name, row in rows.items() if row[0] != "ok"} == {}


@pytest.mark.parametrize(
    ("tests", "fewest"), [("api", 190), pytest.param("guests", 11, marks=pytest.mark.long)], ids=["api", "guests"]
)
def test_the_cloud_passes_tests_of_tempest(
    tests: str, fewest: int, record_property: Callable[[str, object], None]
) -> None:
    said = verify("--tags=tempest", tempest_lists=[tests])
    found = re.search(r"(\d+) of (\d+) tests passed, (\d+) failed, (\d+) were skipped", said)
    assert found, said
    passed, wanted, failed, skipped = map(int, found.groups())
    record_property(f"tests of Tempest, {tests}", found[0])
    # Those that are skipped have a reason beside their names in the role, or they would count as failed.
    assert (passed >= fewest, failed, passed + skipped) == (True, 0, wanted)
