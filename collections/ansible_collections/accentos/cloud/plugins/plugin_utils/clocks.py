# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far clocks may be from one another, in seconds."""

from __future__ import annotations

# Two hosts that each differ by no more differ by no more than half a second.
LIMIT = 0.25
# Hosts that follow a source of time agree by it. How far they are from a control node, which may be somebody's laptop,
# matters for the first minutes of a certificate only.
LIMIT_OF_FOLLOWERS = 30.0


def limit_beside_us(limit: float, followed: float | None) -> float:
    """Return how far a clock may be from the control node's.

    FOLLOWED is by how much chrony there sees it differ from its source, None where it follows none and we are all there
    is to compare with.
    """
    return limit if followed is None else max(limit, LIMIT_OF_FOLLOWERS)
