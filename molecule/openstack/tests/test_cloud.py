# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cloud does what it is for: playbooks/verify.yml says so, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[3]
INVENTORY = Path(__file__).parents[1] / "inventory"
CHECKS = {
    *("services", "image", "network", "guests", "address by DHCP", "metadata", "floating address", "ssh"),
    *("guest to guest", "volume", "console", "live migration", "cleaning up"),
}


def verify(*options: str) -> str:
    """Run playbooks/verify.yml, which must succeed, and return what it says."""
    argv = [sys.executable, "-m", "ansible", "playbook", f"--inventory={INVENTORY}", *options, "playbooks/verify.yml"]
    # Molecule asks for Ansible's own callback, which has no table.
    settings = os.environ | {
        "ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }
    done = subprocess.run(argv, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_check_of_verify_passes() -> None:
    rows = dict(re.findall(r"(?m)^\s*(\S.*?)\s{2,}(ok|failed|left out)\s+\d+\.\d\s", verify()))
    assert set(rows) == CHECKS
    assert {name: result for name, result in rows.items() if result != "ok"} == {}


def test_the_apis_pass_the_tests_of_tempest(record_property: Callable[[str, object], None]) -> None:
    said = verify("--tags=tempest", '--extra-vars={"tempest_lists": ["api"]}')
    found = re.search(r"(\d+) of (\d+) tests passed, (\d+) failed, (\d+) were skipped", said)
    assert found, said
    passed, wanted, failed, skipped = map(int, found.groups())
    record_property("tests of Tempest", found[0])
    # Those that are skipped have a reason beside their names in the role, or they would count as failed.
    assert (passed >= 190, failed, passed + skipped) == (True, 0, wanted)
