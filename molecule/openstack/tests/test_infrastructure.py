# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Database, messaging, cache and load balancer of a single controller, looked at from outside Ansible."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1"]

CA = "/etc/accentos/pki/ca.crt"
# Logs in over AMQP and prints what the server answers: connection.tune (10, 30) lets in.
AMQP = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/etc/accentos/pki/ca.crt")
name = socket.gethostname()
plain = socket.create_connection((socket.gethostbyname(name), 5671), 5)
server = context.wrap_socket(plain, server_hostname=name)
long = lambda data: len(data).to_bytes(4, "big") + data
short = lambda data: bytes([len(data)]) + data
server.send(b"AMQP\\0\\0\\x09\\x01")
assert server.recv(4096)[7:11] == bytes((0, 10, 0, 10))
login = b"\\0guest\\0guest"
body = bytes((0, 10, 0, 11)) + long(b"") + short(b"PLAIN") + long(login) + short(b"en_US")
server.send(b"\\x01\\0\\0" + long(body) + b"\\xce")
try:
    answer = server.recv(4096)
except OSError:
    answer = b""
print("in" if answer[7:11] == bytes((0, 10, 0, 30)) else "refused")
"""


def own_address(host: Host) -> str:
    """Return the controller's address in management."""
    return str(host.check_output("getent hosts $(hostname)").split()[0])


def api(host: Host) -> tuple[str, str]:
    """Return address and name at which the services are reached."""
    name = host.check_output("hostname --fqdn").replace("controller-1.", "api.", 1)
    return host.check_output(f"getent hosts {name}").split()[0], name


def listeners(host: Host, port: int) -> set[str]:
    """Return the addresses on which something listens at a port."""
    rows = host.check_output("ss --tcp --listening --numeric --no-header").splitlines()
    return {row.split()[3].rpartition(":")[0] for row in rows if row.split()[3].endswith(f":{port}")}


@pytest.mark.parametrize("unit", ["mariadb", "rabbitmq-server", "memcached", "haproxy", "keepalived"])
def test_services_run_and_start_at_boot(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_each_listens_where_it_should_and_nowhere_else(host: Host) -> None:
    address, _name = api(host)
    assert listeners(host, 3306) == {own_address(host), address}
    assert listeners(host, 5671) == {own_address(host)}
    assert listeners(host, 5672) == set()
    for port in (4369, 11211, 25672):
        assert listeners(host, port) == {"127.0.0.1"}, port


def test_the_controller_carries_the_address_of_the_services(host: Host) -> None:
    address, _name = api(host)
    assert address != own_address(host)
    assert f" {address}/32 " in host.check_output("ip -oneline address show")


@pytest.mark.parametrize("version", ["tls1_1", "tls1_2", "tls1_3"])
@pytest.mark.parametrize("service", ["database", "messaging"])
def test_servers_speak_new_tls_and_show_their_names(host: Host, service: str, version: str) -> None:
    address, name = api(host)
    port, where, known, start = (
        (3306, address, name, "-starttls mysql")
        if service == "database"
        else (5671, own_address(host), "controller-1", "")
    )
    done = host.run(
        f"openssl s_client -{version} {start} -connect {where}:{port} -CAfile {CA} -verify_return_error "
        f"-verify_hostname {known} -brief </dev/null"
    )
    assert (done.rc == 0) is (version != "tls1_1"), done.stdout + done.stderr


@pytest.mark.parametrize("options", ["--user=root", "--user=", "--user=keystone --skip-ssl"])
def test_the_database_lets_no_stranger_in(host: Host, options: str) -> None:
    done = host.run(f"mariadb --host={own_address(host)} --ssl-ca={CA} {options} --execute='SELECT 1'")
    assert done.rc != 0
    assert re.search("Access denied|insecure transport", done.stderr), done.stderr


def test_the_database_holds_nothing_that_nobody_asked_for(host: Host) -> None:
    ask = "mariadb --skip-column-names --execute=%s"
    strangers = "SELECT COUNT(*) FROM mysql.global_priv WHERE User = ''"
    assert host.check_output(ask, strangers).strip() == "0"
    assert "test" not in host.check_output(ask, "SHOW DATABASES").split()


def test_there_is_no_guest(host: Host) -> None:
    assert host.check_output("python3 -c %s", AMQP) == "refused"
    assert "guest" not in host.check_output("rabbitmqctl --quiet list_users").split()


def test_who_does_not_know_the_cookie_is_no_node(host: Host) -> None:
    known = SecretStore(Path(host.backend.ssh_config).parent).read()["rabbitmq_erlang_cookie"]
    cookie = host.file("/var/lib/rabbitmq/.erlang.cookie")
    assert (cookie.content_string.strip() == known, cookie.mode) == (True, 0o400)
    assert host.run("rabbitmqctl --quiet ping").rc == 0
    stranger = host.run("rabbitmqctl --quiet --erlang-cookie of-a-test ping")
    assert stranger.rc != 0
    assert "Failed to connect and authenticate" in stranger.stderr


def test_apis_keep_their_connections_to_messaging_while_they_have_no_calls(host: Host) -> None:
    # Else the server closes them after three minutes, which this scenario has let pass, and the next call fails.
    done = host.run("grep --before-context=1 'missed heartbeats' /var/log/rabbitmq/rabbitmq-server.log")
    assert done.rc in (0, 1), done.stderr
    assert re.findall(r"uwsgi:\d+", done.stdout) == []
