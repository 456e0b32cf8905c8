# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the virtual environment. It is built in place, because its programs carry its path, and has a stamp last.

The engine removes the stamp before the action and writes it after success: an interrupted one is thrown away.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from .engine import Job, Step

ENVIRONMENT = ".venv"
BIN = f"{ENVIRONMENT}/bin"
PYTHON = f"{BIN}/python"
STAMP = f"{ENVIRONMENT}/.complete"
LOCK = "tools/requirements/development.txt"


def remove(path: Path) -> None:
    """Remove PATH, be it a folder, a link or nothing. Raises OSError."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def build(job: Job) -> None:
    """Make the environment anew and put exactly the locked packages into it."""
    remove(job.root / ENVIRONMENT)
    job.call(sys.executable, "-m", "venv", ENVIRONMENT)
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")
    # Most of the modules are never imported; compiling them all takes longer than installing them. The lock is
    # complete, so nothing is left to resolve: the pip of Debian 12 would look for versions outside it when a package
    # asks for an extra of another one. What "pip check" says afterwards proves that the lock is complete.
    job.call(*pip, "install", "--no-compile", "--no-deps", "--require-hashes", "--progress-bar", "off", "-r", LOCK)
    job.call(*pip, "check")


def step() -> Step:
    """Return the step that makes the environment unless it is there, complete and of the same lock and Python."""
    return Step(
        name="python packages",
        why="Ansible and the test tools run from a virtual environment of pinned, hashed packages.",
        action=build,
        inputs=(LOCK,),
        facts=(platform.python_version(), sys.executable),
        stamp=STAMP,
        timeout=1800,
        essential=True,
        remedy="Look at pip's error above. Without a connection, point pip's own configuration at a mirror you reach.",
    )
