# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about the disks of Ceph: what is on one is given up only by a name that no other disk has later.

Pure functions over values that are well-formed on their own. The module ceph_osds refuses the same, on the host.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ansible_collections.accentos.cloud.plugins.module_utils.ceph_osds import LASTING, is_lasting
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Finding, Place, report, short_value
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located


@dataclasses.dataclass(frozen=True, slots=True)
class Overwrite:
    """A rule of ceph_osd_disks, without a serial number, that says overwrite: where it does, and its path if any."""

    place: Place
    path: Located | None = None


def find_loose_overwrites(rules: Iterable[Overwrite]) -> list[Finding]:
    """Return the findings for rules by which a disk could lose its content that nobody meant."""
    expected = f"serial, or a path below {LASTING}"
    findings = []
    for rule in rules:
        if rule.path is None:
            findings.append(report(rule.place, "would overwrite disks that the rule does not name", expected=expected))
        elif not is_lasting(rule.path.text):
            problem = f"may be another disk's name later, which would lose its content by overwrite ({rule.place.key})"
            findings.append(report(rule.path.place, problem, value=short_value(rule.path.text), expected=expected))
    return findings
