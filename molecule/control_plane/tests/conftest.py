# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several files of tests ask of the controllers."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from .cluster import Cluster


@pytest.fixture(scope="module")
def cluster(host: Host) -> Cluster:
    """The three controllers."""
    return Cluster(host.backend.ssh_config)
