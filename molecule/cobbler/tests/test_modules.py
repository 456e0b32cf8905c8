# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules for Cobbler against the real cobblerd: modules.yml is run once, and each play of it is a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tools.playbook_runs import run_playbook

from .conftest import Site

SCENARIO = Path(__file__).resolve().parents[1]
PLAYBOOK = SCENARIO / "modules.yml"
PLAYS = [play["name"] for play in yaml.safe_load(PLAYBOOK.read_text(encoding="utf-8"))]
_PLAY = re.compile(r"^PLAY \[([^]]+)\]", re.MULTILINE)
# In seconds; the run takes about 80 on two busy cores.
_TIMEOUT = 600


@dataclass
class Run:
    """Exit code of the run, and the output of each play that began, by name and in their order."""

    code: int
    outputs: dict[str, str]

    @property
    def ended(self) -> str | None:
        """Return the name of the play that ended the run before its time, "" if that was none of them."""
        return None if self.code == 0 else next(reversed(self.outputs), "")


@pytest.fixture(scope="module")
def run(site: Site) -> Iterator[Run]:
    """Run the playbook beside the objects of the other tests; what a broken run leaves is removed."""
    code, output = run_playbook(f"--inventory={SCENARIO}/inventory", "--diff", PLAYBOOK, timeout=_TIMEOUT)
    # What comes before the first play, such as a mistake in the playbook, is shown with it.
    head, *parts = _PLAY.split(output)
    outputs = dict(zip(parts[::2], parts[1::2], strict=True)) or {"": head}
    yield Run(code, outputs)
    site.direct(
        """
for kind, field in (("system", "name"), ("profile", "depth"), ("distro", "name")):
    for item in sorted(getattr(server, f"get_{kind}s")(), key=lambda item: item[field], reverse=True):
        if item["name"].startswith("modules-test"):
            getattr(server, f"remove_{kind}")(item["name"], token)
for kind in ("template", "snippet"):
    for name in getattr(server, f"get_autoinstall_{kind}s")():
        if name.startswith("modules-test"):
            getattr(server, f"remove_autoinstall_{kind}")(name, token)
"""
    )
    site.sh("deploy-1", "rm -rf /srv/accentos/boot/modules-test")


@pytest.mark.parametrize("play", PLAYS)
def test_modules(run: Run, play: str) -> None:
    told = run.outputs.get(play)
    if told is None:
        ended = run.ended or ""
        pytest.fail(f"The play {ended!r} ended the run before this one:\n{run.outputs.get(ended, '')}", pytrace=False)
    # A play whose hosts are missing does nothing and is no failure for Ansible.
    if play == run.ended or not re.search(r"^(ok|changed): \[deploy-1\]", told, re.MULTILINE):
        pytest.fail(told, pytrace=False)
