# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several files of tests ask of the cloud."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from .administrator import Administrator


@pytest.fixture(scope="module")
def administrator(host: Host) -> Administrator:
    """The administrator of the cloud, who works on the first controller."""
    return Administrator(host.backend.ssh_config)
