# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role openstack_service leaves on a controller, looked at from outside Ansible."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore
from testinfra.host import Host

from .administrator import Administrator

testinfra_hosts = ["ssh://controller-1"]

ADDRESS = "10.94.0.21"
API = "api.openstack.example.test"
# Port and path of each API, and the codes that it answers with.
APIS = {
    5000: ("/v3", "200"),
    8004: ("/", "300"),
    8774: ("/", "200"),
    8775: ("/", "200"),
    8776: ("/", "300"),
    8778: ("/", "200"),
    9292: ("/healthcheck", "200"),
    9696: ("/", "200"),
}
UNITS = [
    "accentos-dashboard",
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
    "glance-api",
    "heat-api",
    "heat-engine",
    "keystone",
    "neutron-api",
    "neutron-periodic-workers",
    "neutron-rpc-server",
    "nova-api",
    "nova-api-metadata",
    "nova-conductor",
    "nova-novncproxy",
    "nova-scheduler",
    "placement-api",
]
UNITS_OF_DRIVER = {
    "openvswitch": [
        "neutron-dhcp-agent",
        "neutron-l3-agent",
        "neutron-metadata-agent",
        "neutron-openvswitch-agent",
    ],
    "ovn": ["neutron-ovn-maintenance-worker"],
}
# Makes a stack and removes it; prints what came of it.
STACK = """
import json, sys

stack = cloud.orchestration.create_stack(name="accentos-test", template=json.loads(sys.argv[2]))
try:
    made = cloud.orchestration.wait_for_status(stack, "CREATE_COMPLETE", ["CREATE_FAILED"], wait=120)
    made = cloud.orchestration.get_stack(made.id)
    name = made.outputs[0]["output_value"]
    networks = len(list(cloud.network.networks(name=name)))
finally:
    cloud.orchestration.delete_stack(stack)
    cloud.orchestration.wait_for_delete(stack, wait=120)
after = len(list(cloud.network.networks(name=name)))
print(json.dumps({"status": made.status, "name": name, "networks": networks, "after": after}))
"""
# Takes passwords by user over standard input. Prints the answers to eleven wrong ones of each and then to the right.
LOGINS = """
import json, ssl, sys, urllib.error, urllib.request

context = ssl.create_default_context(cafile="/etc/accentos/pki/ca.crt")

def log_in(name, password):
    user = {"name": name, "domain": {"name": "Default"}, "password": password}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    request = urllib.request.Request(
        sys.argv[1] + "/auth/tokens", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        return urllib.request.urlopen(request, context=context).status
    except urllib.error.HTTPError as error:
        return error.code

right = json.load(sys.stdin)
print(json.dumps({name: [log_in(name, word) for word in ["wrong"] * 11 + [right[name]]] for name in right}))
"""
PYTHON_PATH = "/usr/lib/accentos/openstack"
# Has two TLS connections in one thread, breaks one, and prints how looks into the other end, on which nothing comes.
SPOILED = """
import contextlib, os, socket, ssl, struct, threading, time

served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
served.load_cert_chain("/etc/accentos/pki/host.crt", "/etc/accentos/pki/host.key")
asked = ssl.create_default_context(cafile="/etc/accentos/pki/ca.crt")
asked.check_hostname = False

def connect():
    listener, server = socket.create_server(("127.0.0.1", 0)), []
    accept = lambda: server.append(served.wrap_socket(listener.accept()[0], server_side=True))
    thread = threading.Thread(target=accept)
    thread.start()
    client = asked.wrap_socket(socket.create_connection(listener.getsockname()))
    thread.join()
    return client, server[0]

def look(client):
    try:
        client.recv(1)
    except OSError as error:
        return type(error).__name__

broken, end = connect()
whole, other = connect()
whole.setblocking(False)
# Takes in the session tickets with which TLS 1.3 begins.
look(whole)
end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
os.close(end.detach())
time.sleep(0.5)
seen = set()
for _ in range(5):
    with contextlib.suppress(OSError):
        broken.send(b"x")
    seen.add(look(whole))
print(*sorted(seen))
"""
SECRET_FILES = [
    "/etc/cinder/cinder.conf",
    "/etc/glance/glance-api.conf",
    "/etc/heat/heat.conf",
    "/etc/keystone/keystone.conf",
    "/etc/keystone/fernet-keys/1",
    "/etc/neutron/neutron.conf",
    "/etc/nova/nova.conf",
    "/etc/placement/placement.conf",
]


@pytest.fixture
def units(network_driver: str) -> list[str]:
    """The units of a controller."""
    return [*UNITS, *UNITS_OF_DRIVER[network_driver]]


def test_units_run_and_start_at_boot(host: Host, units: list[str]) -> None:
    for unit in units:
        service = host.service(unit)
        assert (unit, service.is_running, service.is_enabled) == (unit, True, True)


def test_a_unit_that_stops_leaves_the_others_their_folders(host: Host, units: list[str]) -> None:
    settings = host.check_output(f"systemctl show --property=RuntimeDirectoryPreserve {' '.join(units)}").split()
    assert settings == ["RuntimeDirectoryPreserve=yes"] * len(units)
    # All units of nova have these two. Made anew they would be others, and a unit that starts meanwhile would fail.
    look = "stat --format=%i /run/nova /run/lock/nova"
    before = host.check_output(look)
    host.check_output("systemctl restart nova-novncproxy")
    assert host.check_output(look) == before


def test_a_broken_connection_spoils_no_other_one_of_its_thread(host: Host, units: list[str]) -> None:
    assert host.check_output(f"PYTHONPATH={PYTHON_PATH} python3 -c %s", SPOILED) == "SSLWantReadError"
    settings = host.check_output(f"systemctl show --property=Environment {' '.join(units)}").split("\n\n")
    assert [unit for unit, line in zip(units, settings, strict=True) if f"PYTHONPATH={PYTHON_PATH}" not in line] == []
    # Units tell what they will start with, processes what they have.
    for unit in ("keystone", "nova-api", "nova-conductor"):
        process = host.check_output("systemctl show --property=MainPID --value %s", unit)
        environment = host.check_output(f"tr '\\0' '\\n' </proc/{process}/environ").split("\n")
        assert (unit, f"PYTHONPATH={PYTHON_PATH}" in environment) == (unit, True)


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


def test_wrong_passwords_lock_out_neither_the_administrator_nor_a_service(host: Host) -> None:
    secrets = SecretStore(Path(host.backend.ssh_config).parent).read()
    right = {"admin": secrets["keystone_admin_password"], "nova": secrets["nova_identity_password"]}
    program = f"python3 -c {shlex.quote(LOGINS)} https://{API}:5000/v3"
    ssh = ["ssh", "-F", host.backend.ssh_config, "controller-1", program]
    done = subprocess.run(ssh, input=json.dumps(right), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == dict.fromkeys(right, [401] * 11 + [201])


def test_files_with_secrets_are_closed(host: Host) -> None:
    for path in SECRET_FILES:
        assert (path, host.file(path).mode & 0o007) == (path, 0)


@pytest.fixture(scope="module")
def passwords(host: Host) -> set[str]:
    """The passwords in the files of options, those within URLs too."""
    text = "\n".join(host.file(path).content_string for path in SECRET_FILES)
    found = set(re.findall(r"(?m)^\w*password = (\w{16,})$|://\w+:(\w{16,})@", text))
    return {one or other for one, other in found}


def test_no_password_is_in_the_arguments_or_environment_of_a_process(host: Host, passwords: set[str]) -> None:
    assert len(passwords) > 5
    arguments = host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true")
    environments = host.check_output("cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '; true")
    assert "uwsgi" in arguments
    assert [one for one in passwords if one in arguments + environments] == []


def test_no_password_is_in_a_log_or_was_left_behind(host: Host, passwords: set[str]) -> None:
    journal = host.check_output("journalctl --no-pager")
    # Each run of a module is noted there.
    assert "accentos.cloud.openstack_config" in journal
    assert [one for one in passwords if one in journal] == []
    folders = "/var/log /tmp /var/tmp /root/.ansible /var/lib/accentos"
    for one in passwords:
        assert host.run(f"grep --recursive --text --files-with-matches {one} {folders}").stdout == ""


def test_the_database_holds_no_password_of_a_cell(host: Host) -> None:
    cells = host.check_output(
        "mariadb --batch --skip-column-names --execute "
        "'select name, transport_url, database_connection from nova_api.cell_mappings order by name'"
    )
    assert [line.split("\t")[0] for line in cells.splitlines()] == ["cell0", "cell1"]
    assert "{password}" in cells
    assert cells.count("{scheme}") == 3


def test_a_stack_is_made_and_removed(administrator: Administrator) -> None:
    template = {
        "heat_template_version": "2021-04-16",
        "resources": {
            "text": {"type": "OS::Heat::RandomString", "properties": {"length": 7}},
            # Made by another service, as the user who made the stack.
            "network": {"type": "OS::Neutron::Net", "properties": {"name": {"get_attr": ["text", "value"]}}},
        },
        "outputs": {"name": {"value": {"get_attr": ["network", "name"]}}},
    }
    found = administrator(STACK, json.dumps(template))
    assert found["status"] == "CREATE_COMPLETE"
    assert len(found["name"]) == 7
    assert (found["networks"], found["after"]) == (1, 0)
