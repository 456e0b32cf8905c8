# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds the labs that a checkout has on this machine by their containers and networks, whatever became of its files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

OWNER = "accentos_owner"
# Every lab has a network of management, made first, and a package cache, whose container is started before any host.
NAMED = re.compile(r"accentos-([a-z0-9-]+)-(?:cache|management)")


def labelled(containers: str, networks: str) -> list[tuple[str, str]]:
    """Return name and owner of what labs made, from what podman lists as JSON."""
    rows = [(names, row.get("Labels")) for row in json.loads(containers) for names in row["Names"]]
    rows += [(row["name"], row.get("labels")) for row in json.loads(networks)]
    return [(name, labels[OWNER]) for name, labels in rows if labels and OWNER in labels]


def labs_below(root: Path, owned: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the owner of each lab, by its name, whose site folder is below ROOT; OWNED are names with their owners."""
    return {
        found[1]: owner
        for name, owner in owned
        if (found := NAMED.fullmatch(name)) and Path(owner).is_relative_to(root.resolve())
    }


def find_labs(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the owner of each lab of checkout ROOT by its name; none where there is no podman. Raises OSError.

    Only root sees them.
    """
    podman = shutil.which("podman", path=environ.get("PATH", os.defpath))
    if podman is None:
        return {}
    listed = []
    for argv in (("ps", "--all", "--format=json"), ("network", "ls", "--format=json")):
        done = subprocess.run([podman, *argv], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(
                f"podman does not say which labs there are: {done.stderr.strip()}. Mend that, then run this again."
            )
        listed.append(done.stdout)
    return labs_below(root, labelled(*listed))
