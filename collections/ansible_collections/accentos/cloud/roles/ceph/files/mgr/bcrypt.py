# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for the library bcrypt inside ceph-mgr.

The manager runs each of its modules in a Python interpreter of its own within one process, and the library, made with
PyO3, loads in the first of them only. All modules import it, and hardly any uses it, so all but one would fail. This
one asks the library in a process of its own.
"""

from __future__ import annotations

import json
import subprocess

_PYTHON = "/usr/bin/python3"
_PROGRAM = """\
import bcrypt, json, sys
name, *values = json.load(sys.stdin)
print(getattr(bcrypt, name)(*(value.encode() if isinstance(value, str) else value for value in values)).decode())
"""


def _ask(name: str, *values: str | int) -> bytes:
    result = subprocess.run(  # noqa: S603  no argument comes from outside
        [_PYTHON, "-I", "-c", _PROGRAM],
        input=json.dumps([name, *values]),
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip().encode()


def gensalt(rounds: int = 12) -> bytes:
    """Return a new salt."""
    return _ask("gensalt", rounds)


def hashpw(password: bytes, salt: bytes) -> bytes:
    """Return the hash of a password."""
    return _ask("hashpw", password.decode(), salt.decode())


def checkpw(password: bytes, hashed: bytes) -> bool:
    """Tell whether a hash is that of a password."""
    return hashpw(password, hashed) == hashed
