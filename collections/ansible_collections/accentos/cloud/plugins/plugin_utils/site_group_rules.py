# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the groups of a site: how many hosts they may have.

Pure functions over values that are well-formed on their own.
"""

from __future__ import annotations

from collections.abc import Sized

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, report


def find_even_controllers(controllers: Sized, place: Place) -> list[Finding]:
    """Return a finding if the controllers are an even number; none at all are no cloud.

    Galera, RabbitMQ and OVN work as long as more than half of their members do. So two controllers stand still when
    either fails, and four endure no more than three.

    :param place: where the group is.
    """
    count = len(controllers)
    if count == 0 or count % 2:
        return []
    problem = f"has {count} hosts, and a cluster of {count} endures the loss of no more hosts than one of {count - 1}"
    expected = f"an odd number of controllers: {count - 1} or {count + 1}"
    return [report(place, problem, expected=expected)]
