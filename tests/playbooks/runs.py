# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sites and plays that tests give to runs of ansible-playbook."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.playbook_runs import ROOT

# Connection variables of a host that is this machine, and of one that nobody reaches.
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
LOST = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


def write_play(folder: Path, play: Mapping[str, Any], groups: Mapping[str, Any]) -> tuple[str, str]:
    """Write PLAY and an inventory of GROUPS into FOLDER; return the arguments of ansible-playbook that name both."""
    (folder / "hosts.yml").write_text(json.dumps(groups))
    (folder / "play.yml").write_text(json.dumps([play]))
    return f"--inventory={folder}/hosts.yml", f"{folder}/play.yml"


def lost_lab(folder: Path) -> Path:
    """Copy the lab's site to FOLDER, which must not exist, with hosts that nobody reaches; return FOLDER."""
    shutil.copytree(ROOT / "inventories/lab", folder)
    (folder / "group_vars/all/connection.yml").write_text(json.dumps(LOST))
    return folder
