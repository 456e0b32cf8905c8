# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the error of one TLS connection from all others of its thread; Python imports this by its name when it starts.

OpenSSL keeps errors for each thread, and Python 3.13 neither takes them out when it has told of one nor clears them
before it uses the next connection: https://github.com/python/cpython/issues/148594. A process of OpenStack that found
its connection to RabbitMQ broken then took the next one that it waited for, to the database, for broken as well.
"""

from __future__ import annotations

import _ssl
import ctypes
import functools
import ssl
from collections.abc import Callable
from typing import Any

# In the libraries that the module ssl has loaded, whatever OpenSSL that is.
_clear_errors = ctypes.PyDLL(_ssl.__file__).ERR_clear_error
_clear_errors.restype = None


def _clearing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the METHOD so that an error it raises leaves nothing behind."""

    @functools.wraps(method)
    def call(*args: Any, **named: Any) -> Any:
        try:
            return method(*args, **named)
        except OSError:
            _clear_errors()
            raise

    return call


for _class in (ssl.SSLSocket, ssl.SSLObject):
    for _name in ("do_handshake", "read", "send", "unwrap", "write"):
        if _name in vars(_class):
            setattr(_class, _name, _clearing(vars(_class)[_name]))
