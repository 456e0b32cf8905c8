# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Chooses the code for the version of Cobbler that answers. Another version is added here and in a file of its own."""

from __future__ import annotations

from . import v3_3
from .client import Client, UnreachableError


def version_text(version: tuple[int, ...]) -> str:
    """Return a version as it is written."""
    return ".".join(str(part) for part in version)


def read_version(client: Client) -> tuple[int, ...]:
    """Ask cobblerd for its version, such as ``(3, 3, 10)``."""
    answer = client.read("extended_version")
    return tuple(int(part) for part in answer["version_tuple"])


def open_cobbler(client: Client) -> v3_3.Cobbler:
    """Return the operations of the Cobbler that answers. Raises UnreachableError for a version that is not known."""
    version = read_version(client)
    if v3_3.OLDEST <= version < v3_3.NEWEST:
        return v3_3.Cobbler(client)
    raise UnreachableError(
        f"Cobbler {version_text(version)} is not supported.",
        f"Use {version_text(v3_3.OLDEST)} or a newer one below {version_text(v3_3.NEWEST)}; "
        "older ones let anybody in (CVE-2024-47533) or have other faults.",
    )
