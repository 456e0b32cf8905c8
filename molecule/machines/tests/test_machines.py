# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cloud of machines keeps volumes in Ceph, in LVM over iSCSI and on NFS, side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from tools.playbook_runs import read_checks, run_playbook

testinfra_hosts = ["ssh://controller-1"]
# Machines that are emulated take long to become a cloud.
pytestmark = pytest.mark.long

SITE = Path(__file__).parents[1] / "inventory"
BACK_ENDS = ("ceph", "disks", "files")


@pytest.fixture(scope="module")
def verified() -> dict[str, tuple[str, str]]:
    """Run playbooks/verify.yml; return result and detail of each check."""
    code, output = run_playbook(f"--inventory={SITE}", "playbooks/verify.yml", callback="accentos.cloud.stages")
    assert code == 0, output
    return read_checks(output)


def test_every_check_of_verify_passes(verified: dict[str, tuple[str, str]]) -> None:
    assert len(verified) == 13
    assert {name: row for name, row in verified.items() if row[0] != "ok"} == {}


def test_guests_write_and_read_volumes_on_each_back_end(verified: dict[str, tuple[str, str]]) -> None:
    assert verified["volume"][1].endswith(f"of each of the types {', '.join(BACK_ENDS)}")


def test_no_volume_is_left(host: Host, verified: dict[str, tuple[str, str]]) -> None:
    assert verified["cleaning up"][0] == "ok"
    # Cinder keeps a thin pool in the group.
    assert "volume-" not in host.check_output("lvs --noheadings --options lv_name volumes")
    assert host.check_output("find /srv/volumes -name 'volume-*'") == ""
    assert host.check_output("rbd --pool volumes ls") == ""
