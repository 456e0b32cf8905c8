# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks whether a service answers over HTTP as it should."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any


class _KeepRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        """Follow nothing: what the service itself says counts."""


def ask(check: Mapping[str, Any], context: ssl.SSLContext, timeout: float) -> str:
    """Ask once; return an empty text if the answer is right, and otherwise what is wrong."""
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _KeepRedirect)
    try:
        with opener.open(check["url"], timeout=timeout) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    return "" if status in check["status"] else f"it answers with status {status}"
