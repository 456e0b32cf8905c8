# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists that belong to the tags of a run."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.filter.tagged import FilterModule

LISTS = {"image": ["glance"], "compute": ["placement", "nova"], "network": ["neutron", "nova"]}


@pytest.mark.parametrize(
    ("run", "skip", "expected"),
    [
        (["all"], [], ["glance", "placement", "nova", "neutron"]),
        (["tagged"], ["image"], ["placement", "nova", "neutron"]),
        (["network", "image"], [], ["glance", "neutron", "nova"]),
        (["image"], ["image"], []),
        (["all"], ["all"], []),
        (["identity"], [], []),
    ],
)
def test_the_lists_of_the_tags_that_run(run: list[str], skip: list[str], expected: list[str]) -> None:
    assert FilterModule().filters()["tagged"](LISTS, run, skip) == expected
