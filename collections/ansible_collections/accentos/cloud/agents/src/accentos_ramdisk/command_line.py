# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel command line says to the agent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import AgentError

_SERVER = re.compile(r"https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_REMEDY = "Mend the kernel options of the Cobbler profile or system, sync, and boot again."


@dataclass(frozen=True)
class Orders:
    """Address of the provisioner service (https, no path), one-time token or None (then enrol), verbosity."""

    server: str
    token: str | None
    verbose: bool


def parse_command_line(text: str) -> Orders:
    """Read the options ``accentos.*`` of a kernel command line; the last one wins. Raises AgentError."""
    options = {
        name: value
        for name, _equals, value in (word.partition("=") for word in text.split())
        if name.startswith("accentos.")
    }
    server = options.get("accentos.server", "").rstrip("/")
    if not _SERVER.fullmatch(server):
        raise AgentError(
            f"the kernel command line has no usable accentos.server (https address without path): {server!r}", _REMEDY
        )
    token = options.get("accentos.token")
    if token is not None and not _TOKEN.fullmatch(token):
        raise AgentError("accentos.token of the kernel command line is no token", _REMEDY)
    verbose = options.get("accentos.verbose", "0") not in ("0", "no", "false")
    return Orders(server=server, token=token, verbose=verbose)
