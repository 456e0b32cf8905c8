# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What our own units may do on the hosts of a cloud."""

from __future__ import annotations

import re

from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1", "ssh://compute-1", "ssh://compute-2"]

# Of ten, as systemd judges it.
EXPOSURE = 2.0
# One at least that is on every such host.
KNOWN = {"controller": "accentos-dashboard.service", "compute": "accentos-bridge-addresses.service"}


def test_our_own_units_may_do_little(host: Host) -> None:
    listed = host.check_output("systemctl list-units --all --plain --no-legend 'accentos-*.service'")
    units = sorted(line.split()[0] for line in listed.splitlines())
    assert KNOWN[host.backend.hostname.partition("-")[0]] in units
    told = host.check_output(f"systemd-analyze security --no-pager {' '.join(units)}")
    found = re.findall(r"Overall exposure level for (\S+): (\d+\.\d+)", told)
    assert sorted(name for name, _exposure in found) == units
    assert {name: exposure for name, exposure in found if float(exposure) > EXPOSURE} == {}
