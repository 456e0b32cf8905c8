# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What playbooks/plan.yml says is what playbooks/apply.yml then does, for one line of one service."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
INVENTORY = Path(__file__).parents[1] / "inventory"
CONF = "/etc/glance/glance-api.conf"
# Another one each time, so that the test can be repeated on the same cloud.
QUOTA = 1000 + secrets.randbelow(10**6)
LINE = {"openstack_service_overrides": {"glance": {CONF: {"DEFAULT": {"image_member_quota": QUOTA}}}}}
# Neither the commands for the database, which read other sections of the file, nor any other unit.
EXPECTED = {
    ("controller-1", "file", "change", CONF, ""),
    ("controller-1", "unit", "restart", "glance-api.service", CONF),
}


class Cloud:
    def __init__(self, folder: Path) -> None:
        self._changes = folder / "changes.json"

    def run(self, playbook: str, *options: str, variables: dict[str, Any]) -> set[tuple[str, ...]]:
        """Run a playbook for the image service; return host, kind, verb, thing and reason of each change."""
        argv = [sys.executable, "-m", "ansible", "playbook", f"--inventory={INVENTORY}", "--tags=image"]
        argv += [f"--extra-vars={json.dumps(variables)}", *options, f"playbooks/{playbook}.yml"]
        # Molecule asks for Ansible's own callback, which writes no changes.
        settings = {"ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages", "ACCENTOS_STAGES_PLAN_PATH": str(self._changes)}
        done = subprocess.run(argv, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        plan = json.loads(self._changes.read_text(encoding="utf-8"))
        found = [(host, one) for host, known in plan["hosts"].items() for one in known["changes"]]
        found += [(row["host"], row["change"]) for row in plan["cloud"]]
        return {(host, *(one[name] for name in ("kind", "verb", "thing", "why"))) for host, one in found}


def test_a_plan_says_what_the_run_then_does(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    saved = tmp_path / "site.plan"
    planned = cloud.run("plan", "--check", "--diff", variables={**LINE, "site_plan_file": str(saved)})
    assert planned == EXPECTED
    # The same, since it is asked again before; and then that is done.
    assert cloud.run("apply", variables={**LINE, "site_plan_file": str(saved)}) == planned
    assert cloud.run("deploy", variables=LINE) == set()
