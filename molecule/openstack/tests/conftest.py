# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several files of tests ask of the cloud, and which of them are about another cloud than the lab has."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from .administrator import Administrator
from .playbooks import NETWORK_DRIVER


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that are about the driver of networks that the lab does not have; pytest counts them."""
    others = [
        item for item in items if any(NETWORK_DRIVER not in one.args for one in item.iter_markers("network_driver"))
    ]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session")
def network_driver() -> str:
    """The driver of the lab's networks."""
    return NETWORK_DRIVER


@pytest.fixture(scope="module")
def administrator(host: Host) -> Administrator:
    """The administrator of the cloud, who works on the first controller."""
    return Administrator(host.backend.ssh_config)
