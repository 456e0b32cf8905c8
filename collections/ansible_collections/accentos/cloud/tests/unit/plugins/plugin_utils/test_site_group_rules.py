# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the groups of a site, on literals."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Place
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_group_rules import find_even_controllers

PLACE = Place("hosts.yml", 7, 3, "controller")


@pytest.mark.parametrize("count", [0, 1, 3, 5, 7])
def test_a_number_of_controllers_with_a_majority_is_right(count: int) -> None:
    assert find_even_controllers(range(count), PLACE) == []


@pytest.mark.parametrize(("count", "better"), [(2, "1 or 3"), (4, "3 or 5"), (6, "5 or 7")])
def test_an_even_number_of_controllers_is_told_with_those_that_are_better(count: int, better: str) -> None:
    (finding,) = find_even_controllers(range(count), PLACE)
    assert (finding.file, finding.line, finding.column, finding.key) == ("hosts.yml", 7, 3, "controller")
    assert finding.problem.startswith(f"has {count} hosts")
    assert finding.expected == f"an odd number of controllers: {better}"
