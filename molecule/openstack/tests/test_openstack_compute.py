# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role openstack_service leaves on a compute, looked at from outside Ansible."""

from __future__ import annotations

from testinfra.host import Host

testinfra_hosts = ["ssh://compute-1", "ssh://compute-2"]

UNITS_OF_DRIVER = {
    "openvswitch": ("neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent"),
    "ovn": ("neutron-ovn-metadata-agent",),
}


def test_units_run_and_start_at_boot(host: Host, network_driver: str) -> None:
    for unit in (*UNITS_OF_DRIVER[network_driver], "nova-compute"):
        service = host.service(unit)
        assert (unit, service.is_running, service.is_enabled) == (unit, True, True)


def test_a_compute_has_no_password_of_a_database(host: Host) -> None:
    conf = host.file("/etc/nova/nova.conf")
    assert conf.mode & 0o007 == 0
    assert "password = " in conf.content_string
    assert "mysql" not in conf.content_string
