# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the drivers over HTTPS have in common: whom they trust, and what a failed connection means."""

from __future__ import annotations

import ssl
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import (
    Connection,
    PowerError,
    UnreachableError,
    UntrustedError,
)

UNVERIFIED = "the certificate is not verified: whoever answers gets the password"
_DEBIAN_STORE = "/etc/ssl/certs/ca-certificates.crt"


def trusted(connection: Connection) -> str | bool:
    """Return the file of certificates that count, or False if any does.

    By default they are those that the host trusts and not a list of the library, so that the site's authority counts.
    """
    if not connection.verify:
        return False
    if connection.ca:
        return connection.ca
    store = ssl.get_default_verify_paths().cafile or _DEBIAN_STORE
    return store if Path(store).is_file() else True


def connection_error(address: str, text: str) -> PowerError:
    """Return the error that the TEXT of a library stands for."""
    if "certificate verify failed" in text or "doesn't match" in text:
        reason = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "wrong name"
        return UntrustedError(
            f"the certificate of {address} is not to be trusted: {reason}",
            "Give the controller a certificate of an authority that `ca` names, for its own name or address; "
            "`verify: false` accepts any and hands it the password.",
        )
    # The libraries put their errors into each other; the end is what happened.
    words = ("Connection refused", "timed out", "No route to host", "Name or service not known")
    told = next((word for word in words if word in text), text[-200:])
    return UnreachableError(
        f"the controller {address} does not answer: {told}",
        "Look at the address, the network out_of_band and whether the controller is up.",
    )
