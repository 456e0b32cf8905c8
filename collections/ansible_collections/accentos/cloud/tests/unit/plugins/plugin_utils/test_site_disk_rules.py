# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the disks of Ceph, on literals and in a site."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import check_site
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_disk_rules import Overwrite, find_loose_overwrites
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Place
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import write_site

PLACES = ["group_vars/storage.yml", "group_vars/all/ceph.yml", "host_vars/compute-1.yml", "hosts.yml"]
OVERWRITE = Place("f.yml", 1, 9, "ceph_osd_disks.0.overwrite")


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/dev/disk/by-id/wwn-0x5000c500a1b2c3d4", True),
        ("/dev/sdb", False),
        ("/dev/nvme0n1", False),
        ("/dev/disk/by-path/pci-0000:00:1f.2-ata-2", False),
        ("/dev/disk/by-diskseq/3", False),
    ],
)
def test_a_name_by_which_a_disk_is_given_up_is_its_own(path: str, good: bool) -> None:
    located = Located(path, Place("f.yml", 1, 2, "ceph_osd_disks.0.path"))
    findings = find_loose_overwrites([Overwrite(OVERWRITE, located)])
    assert [(one.column, one.value) for one in findings] == ([] if good else [(2, f'"{path}"')])


def test_no_name_is_none() -> None:
    (finding,) = find_loose_overwrites([Overwrite(OVERWRITE)])
    assert str(finding).startswith("f.yml:1:9: ceph_osd_disks.0.overwrite: would overwrite disks that the rule does")


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        ("{path: /dev/sdb, overwrite: true}", [12]),
        ("{rotational: true, overwrite: true}", [35]),
        ("{path: /dev/disk/by-id/x, overwrite: true}", []),
        ("{path: /dev/sdb, serial: S1, overwrite: true}", []),
        ("{path: /dev/sdb, overwrite: false}", []),
        ("{path: /dev/sdb}", []),
        ("{path: '{{ x_disk }}', overwrite: true}", []),
        # One mistake has one finding.
        ("{serail: S1, overwrite: true}", [6]),
    ],
)
@pytest.mark.parametrize("file", PLACES)
def test_each_rule_of_a_site_is_looked_at_wherever_it_stands(
    tmp_path: Path, file: str, rule: str, columns: list[int]
) -> None:
    write_site(tmp_path)
    # The good site has services of its own.
    (tmp_path / "group_vars/controller.yml").unlink()
    path = tmp_path / file
    before = path.read_text() if path.exists() else "---\n"
    text = f"ceph_osd_disks:\n  - {rule}\n"
    if file == "hosts.yml":
        # The good site ends with what all hosts have.
        text = "".join(f"  {line}\n" for line in ("vars:", "  ceph_osd_disks:", f"    - {rule}"))
        columns = [column + 4 for column in columns]
    path.write_text(before + text)
    outcome = check_site(tmp_path)
    found = [(one.file, one.column) for one in outcome.findings]
    assert found == [(file, column) for column in columns], outcome.findings
