# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing on any host of the cloud can be spoken to in plain text from another host, but for what has a reason."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from tools.open_sockets import ENCRYPTED_OTHERWISE, UNENCRYPTED, Socket, open_sockets, plain

testinfra_hosts = ["ssh://controller-1", "ssh://compute-1", "ssh://compute-2"]


@pytest.fixture(scope="module")
def sockets(host: Host) -> list[Socket]:
    """What others reach on the host."""
    return open_sockets(host.check_output)


def test_every_socket_that_others_reach_speaks_tls(sockets: list[Socket], network_driver: str) -> None:
    assert plain(sockets, ENCRYPTED_OTHERWISE | UNENCRYPTED[network_driver]) == []


def test_the_probe_looked_where_something_listens(host: Host, sockets: list[Socket], network_driver: str) -> None:
    services = {16514} if "compute" in host.backend.hostname else {3306, 5000, 5671, 8774, 9292, 9696}
    if network_driver == "ovn" and "controller" in host.backend.hostname:
        services |= {6641}
    assert services | {22} <= {one.port for one in sockets}
