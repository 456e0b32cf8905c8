# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role openstack_service leaves on a controller, looked at from outside Ansible."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1"]

ADDRESS = "10.94.0.21"
API = "api.openstack.example.test"
# Port and path of each API, and the codes that it answers with.
APIS = {
    5000: ("/v3", "200"),
    8774: ("/", "200"),
    8775: ("/", "200"),
    8778: ("/", "200"),
    9292: ("/healthcheck", "200"),
    9696: ("/", "200"),
}
UNITS = [
    "glance-api",
    "keystone",
    "neutron-api",
    "neutron-ovn-maintenance-worker",
    "neutron-periodic-workers",
    "neutron-rpc-server",
    "nova-api",
    "nova-api-metadata",
    "nova-conductor",
    "nova-novncproxy",
    "nova-scheduler",
    "placement-api",
]
SECRET_FILES = [
    "/etc/glance/glance-api.conf",
    "/etc/keystone/keystone.conf",
    "/etc/keystone/fernet-keys/1",
    "/etc/neutron/neutron.conf",
    "/etc/nova/nova.conf",
    "/etc/placement/placement.conf",
]


def test_units_run_and_start_at_boot(host: Host) -> None:
    for unit in UNITS:
        service = host.service(unit)
        assert (unit, service.is_running, service.is_enabled) == (unit, True, True)


@pytest.mark.parametrize("port", sorted(APIS))
def test_an_api_speaks_tls_only_and_nothing_old(host: Host, port: int) -> None:
    path, code = APIS[port]
    ask = "curl --silent --output /dev/null --write-out %{http_code} --cacert /etc/accentos/pki/ca.crt"
    assert host.check_output(f"{ask} https://{ADDRESS}:{port}{path}") == code
    assert host.run(f"{ask} http://{ADDRESS}:{port}{path}").stdout == "000"
    assert host.run(f"{ask} --tls-max 1.1 https://{ADDRESS}:{port}{path}").stdout == "000"
    assert not host.run(f"ss --listening --numeric --tcp --no-header src 127.0.0.1:{port}").stdout


def test_the_load_balancer_answers_for_the_identity_service(host: Host) -> None:
    found = json.loads(host.check_output(f"curl --silent --cacert /etc/accentos/pki/ca.crt https://{API}:5000/v3"))
    assert found["version"]["links"][0]["href"] == f"https://{API}:5000/v3/"


def test_files_with_secrets_are_closed(host: Host) -> None:
    for path in SECRET_FILES:
        assert (path, host.file(path).mode & 0o007) == (path, 0)


def test_no_password_is_in_the_arguments_or_environment_of_a_process(host: Host) -> None:
    conf = host.file("/etc/nova/nova.conf").content_string
    passwords = {line.partition(" = ")[2] for line in conf.splitlines() if line.startswith("password = ")}
    assert passwords
    for password in passwords:
        found = host.run(f"grep --recursive --text --files-with-matches {password} /proc/[0-9]*/environ")
        assert found.stdout == ""
        assert password not in host.check_output("ps -e -o args").replace(f"matches {password}", "")


def test_the_database_holds_no_password_of_a_cell(host: Host) -> None:
    cells = host.check_output(
        "mariadb --batch --skip-column-names --execute "
        "'select name, transport_url, database_connection from nova_api.cell_mappings order by name'"
    )
    assert [line.split("\t")[0] for line in cells.splitlines()] == ["cell0", "cell1"]
    assert "{password}" in cells
    assert cells.count("{scheme}") == 3
