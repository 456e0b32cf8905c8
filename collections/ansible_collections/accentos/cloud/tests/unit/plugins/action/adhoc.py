# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One task, run by Ansible itself on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.action import site_check

COLLECTIONS = Path(site_check.__file__).parents[5]


def adhoc(folder: Path, module: str, *options: str) -> dict[str, Any]:
    """Run MODULE of the collection with OPTIONS of ansible's, with FOLDER for a home; return its result."""
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", f"accentos.cloud.{module}", *options],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "=> {" in done.stdout, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout[done.stdout.index("=> {") + 3 :])
    return result
