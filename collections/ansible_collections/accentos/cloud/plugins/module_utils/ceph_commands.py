# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that talks to a Ceph cluster: commands to its monitors, over librados in this process.

Secrets go as input of a command, never as an argument of a process.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

try:
    import rados
except ImportError:
    rados = None

CONFIGURATION = "/etc/ceph/ceph.conf"


class CephError(Exception):
    """The cluster does not answer, or refuses a command; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Cluster:
    """An open connection."""

    def __init__(self, connection: Any, timeout: int) -> None:
        self._connection = connection
        self._timeout = timeout

    def run(self, command: Mapping[str, Any], data: str = "") -> bytes:
        """Give a command to the monitors and return what they answer. Raises CephError."""
        code, out, words = self._connection.mon_command(json.dumps(command), data.encode(), self._timeout)
        if code:
            raise CephError(
                f"{command['prefix']}: {words or f'error {-code}'}",
                "See to the state of the cluster: ceph --status on a monitor's host, journalctl --unit 'ceph-mon@*'.",
            )
        answer: bytes = out
        return answer

    def ask(self, command: Mapping[str, Any], data: str = "") -> Any:
        """Give a command and return its answer, which is JSON. Raises CephError."""
        return json.loads(self.run({**command, "format": "json"}, data))


@contextlib.contextmanager
def connected(name: str, keyring: str, timeout: int) -> Iterator[Cluster]:
    """Yield a connection as a user such as ``client.admin``. Raises CephError, after TIMEOUT seconds at the latest.

    Ceph takes whole seconds only.
    """
    if rados is None:
        raise CephError(
            "Python's library rados is missing.", "Install python3-rados; the role ceph does so before it asks."
        )
    limit = str(max(1, timeout))
    settings = {"keyring": keyring, "client_mount_timeout": limit, "rados_mon_op_timeout": limit}
    try:
        connection = rados.Rados(name=name, conffile=CONFIGURATION, conf=settings)
        connection.connect(timeout=timeout)
    except rados.Error as error:
        raise CephError(
            f"The monitors do not let {name} in: {error}",
            "See whether a majority of them runs (systemctl status 'ceph-mon@*', port 3300 in the storage network) and "
            f"whether {keyring} holds the key that they know.",
        ) from error
    try:
        yield Cluster(connection, timeout)
    finally:
        connection.shutdown()
