# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small correct site, and a way to write variations of it to disk."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_check import SiteReport, check_site

ROLES = Path(__file__).parent / "fixtures" / "site_roles"
HOSTS = "hosts.yml"
SITE = "group_vars/all/site.yml"
CONTROLLER = "group_vars/controller.yml"
COMPUTE = "host_vars/compute-1.yml"

GOOD_SITE: Mapping[str, str] = {
    HOSTS: """\
---
deploy:
  hosts:
    deploy-1:
      host_addresses: {management: 10.1.0.10}
controller:
  hosts:
    controller-1:
      host_addresses: {management: 10.1.0.11}
      host_serial: SN-11
    controller-2:
      host_addresses:
        management: 10.1.0.12
        storage: 10.3.0.112
compute:
  children:
    compute_rack:
compute_rack:
  hosts:
    compute-1:
storage:
  hosts:
    storage-1:
      host_addresses: {management: 10.1.0.31}
monitoring:
  hosts:
    deploy-1:
all:
  children: {controller: {hosts: {controller-3: {host_addresses: {management: 10.1.0.13}}}}}
""",
    SITE: """\
---
site_name: test
site_domain: cloud.example.test
site_networks:
  management:
    cidr: 10.1.0.0/24
    gateway: 10.1.0.1
  tunnel:
    cidr: 10.2.0.0/24
    mtu: 9000
    vlan: 20
  storage: {cidr: 10.3.0.0/24}
  external: {cidr: 203.0.113.0/24, gateway: 203.0.113.1}
  out_of_band: {cidr: 10.5.0.0/24}
site_admins:
  - name: operator
    ssh_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f operator
    sudo: true
site_dns_servers: [192.0.2.53]
site_ntp_servers: [ntp.example.test]
site_timezone: Europe/Berlin
site_apt_mirror: http://deb.example.test/debian
x_note: {anything: [1, true, 2025-01-01]}
site_api_address: 10.1.0.5
""",
    CONTROLLER: """\
---
keystone_workers: 4
keystone_admin_password: !vault sealed
keystone_endpoints:
  - name: public
    port: 5000
    tls: true
keystone_config:
  token:
    provider: fernet
keystone_release: "10.0"
keystone_log_level: info
ansible_port: 22
""",
    COMPUTE: """\
---
host_addresses:
  management: 10.1.0.21
host_interfaces:
  - name: eno1
    mac: "52:54:00:00:00:21"
    network: management
  - name: eno2
    mac: 52-54-00-00-01-21
host_bmc:
  address: 10.5.0.121
  driver: redfish
  mac: 5254.0000.0221
host_serial: SN-21
host_power_outlets:
  outlets:
    - {address: 10.5.0.190, outlet: 3, table: apc}
    - {address: 10.5.0.191, outlet: "1.3", table: raritan}
  snmp_auth: sha
host_watchdog: {armed: true, timeout: 60}
""",
}


def write_site(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """Write the good site with some files replaced, added or (None) left out."""
    files: dict[str, str | bytes | None] = {**GOOD_SITE, **(changes or {})}
    for name, content in files.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def check(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> SiteReport:
    """Check a variation of the good site."""
    return check_site(write_site(folder, changes), ROLES)


def lines(outcome: SiteReport) -> list[str]:
    """Return the findings as the operator sees them."""
    return [str(finding) for finding in outcome.findings]


# A core that does other work beside is up to three times slower at a step, and nobody can tell how much slower at this
# one. What the tests guard against, work that grows with the square of its input, takes hundreds of times longer.
SLOWEST_CORE = 5


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail when the block, which takes less than so many seconds of a quiet core, takes those of the slowest core.

    Processor time counts. Coverage, which would make the block several times slower, does not look at it.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    started = time.process_time()
    try:
        yield
    finally:
        taken = time.process_time() - started
        sys.settrace(tracer)
    assert taken < seconds * SLOWEST_CORE, f"{taken:.2f} s; a quiet core needs less than {seconds:.2f} s"
