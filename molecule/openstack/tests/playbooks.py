# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of the playbooks over the cloud of the lab."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tools.playbook_runs import ROOT, run_playbook

SITE = Path(os.environ.get("ACCENTOS_TEST_SITE", Path(__file__).parents[1] / "inventory"))
# A scenario with the other one has it here, since it has the same site.
NETWORK_DRIVER = os.environ.get("ACCENTOS_TEST_NETWORK_DRIVER", "ovn")
_RECAP = re.compile(r"(?m)^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=\d+\s+failed=\d+\s+skipped=(\d+)")


def told_secrets(output: str) -> list[str]:
    """Return the names of the site's secrets whose values are in OUTPUT."""
    lab = yaml.safe_load((SITE / "group_vars/all/lab.yml").read_text(encoding="utf-8"))["lab_name"]
    # A key has several lines, which a report may tell one by one or within another text.
    lines = {
        name: [line for line in value.splitlines() if not line.startswith("-----")]
        for name, value in SecretStore(ROOT / ".lab" / lab).read().items()
    }
    assert lines
    return sorted(name for name, parts in lines.items() if any(part in output for part in parts if len(part) >= 12))


@dataclass(frozen=True)
class Run:
    """How a run ended, and all that it said."""

    code: int
    output: str

    def changed(self) -> dict[str, int]:
        """Return how many tasks changed something on each host."""
        return {name: int(changed) for name, _ok, changed, _skipped in self._recap()}

    def tasks(self) -> dict[str, int]:
        """Return how many tasks there were for each host, with those that had nothing to do."""
        return {name: int(ok) + int(skipped) for name, ok, _changed, skipped in self._recap()}

    def _recap(self) -> list[tuple[str, ...]]:
        # The control node is no host of the cloud.
        return [row for row in _RECAP.findall(self.output) if row[0] != "localhost"]


def play(
    playbook: str,
    *options: str,
    variables: dict[str, Any] | None = None,
    callback: str = "ansible.builtin.default",
    **settings: str,
) -> Run:
    """Run a playbook by its name, with VARIABLES, shown by CALLBACK; SETTINGS are variables of its environment.

    It tells all that it ever tells, among which there must be no secret of the site.
    """
    given = ({} if NETWORK_DRIVER == "ovn" else {"site_network_driver": NETWORK_DRIVER}) | (variables or {})
    argv = ["-vvvv", f"--inventory={SITE}", *options, *([f"--extra-vars={json.dumps(given)}"] if given else [])]
    code, output = run_playbook(*argv, f"playbooks/{playbook}.yml", callback=callback, **settings)
    assert told_secrets(output) == []
    return Run(code, output)


def succeed(playbook: str, *options: str, variables: dict[str, Any] | None = None, **settings: str) -> Run:
    """Run a playbook, which must end well; see play()."""
    run = play(playbook, *options, variables=variables, **settings)
    assert run.code == 0, run.output
    return run
