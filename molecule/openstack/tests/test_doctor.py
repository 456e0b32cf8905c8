# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor over a cloud: quiet where all is well, and it names each thing that is broken on purpose."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from .administrator import DOMAIN, Administrator
from .playbooks import play

testinfra_hosts = ["ssh://controller-1"]

CLOUD = "the cloud"
CONTROLLER, COMPUTE, OTHER = "controller-1", "compute-1", "compute-2"
# Seconds in which everything comes back after the last break, each doctor's run among them.
RECOVERY = 420
# The machine carries all hosts of the lab: how busy or full it is, is not the cloud's affair.
OF_THE_MACHINE = {"disk space", "files on disks", "login", "memory", "processors", "swap"}
# The site names no servers of time and has no deploy host that would keep it; its containers have the machine's clock.
EXPLAINED = {"time", "time sources"}
PKI = "/etc/accentos/pki"
SAY = "broken by a test"
_SELF_SIGNED = f"openssl req -x509 -key {PKI}/libvirt.key -subj /CN=stranger -out {PKI}/libvirt.crt"
_KEEP_CERTIFICATE = f"cp --archive {PKI}/libvirt.crt {PKI}/libvirt.kept"
_MEND_CERTIFICATE = f"mv {PKI}/libvirt.kept {PKI}/libvirt.crt"
_SOCKETS = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd-tls.socket"
# Others are started once somebody can log in again.
_UNTIL_IDENTITY = f"until curl --silent --fail --cacert {PKI}/ca.crt https://api.{DOMAIN}:5000/v3; do sleep 1; done"
_BALANCER = """
import socket
with socket.socket(socket.AF_UNIX) as door:
    door.connect("/run/haproxy/admin.sock")
    door.sendall(b"set server %s/controller-1 state %s\\n")
    print(door.recv(1000).decode())
"""
_MESSAGES = """
import amqp, configparser, ssl, urllib.parse
options = configparser.RawConfigParser(strict=False)
options.read("/etc/nova/nova.conf")
place = urllib.parse.urlsplit(options["DEFAULT"]["transport_url"])
connection = amqp.Connection(
    host=f"{place.hostname}:{place.port}", userid=place.username, password=place.password, login_method="PLAIN",
    ssl={"ca_certs": "/etc/accentos/pki/ca.crt", "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": place.hostname},
)
connection.connect()
channel = connection.channel()
channel.queue_declare("doctor-test", durable=True, auto_delete=False)
for _number in range(3):
    channel.basic_publish(amqp.Message("text"), routing_key="doctor-test")
connection.close()
"""
# Servers count the messages of a quorum queue every five seconds.
_UNTIL_COUNTED = "until rabbitmqctl --quiet list_queues name messages | grep --quiet 'doctor-test.*3'; do sleep 1; done"
_PACKAGE = """
mkdir --parents /tmp/doctor-test/DEBIAN &&
printf 'Package: doctor-test\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b.test>\\nDescription: a test\\n' \
    >/tmp/doctor-test/DEBIAN/control &&
dpkg-deb --build /tmp/doctor-test /tmp/doctor-test.deb && dpkg --unpack /tmp/doctor-test.deb
"""
_DISABLE = f"""
(service,) = cloud.compute.services(binary="nova-compute", host="{COMPUTE}")
cloud.compute.disable_service(service, disabled_reason="{SAY}")
"""
_ENABLE = f"""
(service,) = cloud.compute.services(binary="nova-compute", host="{COMPUTE}")
cloud.compute.enable_service(service)
"""
_MOVE_ENDPOINT = """
service = next(one for one in cloud.identity.services() if one.name == "heat")
(endpoint,) = cloud.identity.endpoints(service_id=service.id, interface="internal")
cloud.identity.update_endpoint(endpoint, url=endpoint.url.replace("//{0}.", "//{1}."))
"""
_USER = 'cloud.identity.update_user(cloud.identity.find_user("heat", ignore_missing=False), is_enabled={0})'


def python(program: str) -> str:
    """Return the command that runs a program on a host."""
    return f"python3 -c {shlex.quote(program)}"


def sql(statement: str) -> str:
    """Return the command that gives the database a statement."""
    return f"mariadb --execute {shlex.quote(statement)}"


def stopped(name: str, host: str, layer: str, unit: str) -> Break:
    """Return a break that is a unit which was stopped."""
    words = f"{unit}.service is inactive"
    return Break(name, host, f"systemctl stop {unit}", started(unit), f"units of the layer {layer}", words)


def started(unit: str) -> str:
    """Return the command that starts a unit, though what it needs only comes back; its restarts are forgotten."""
    start = f"until systemctl start {unit}; do sleep 3; done; systemctl reset-failed {unit}"
    return f"timeout 120 sh -c {shlex.quote(start)}"


@dataclass(frozen=True)
class Break:
    """Something that is broken on purpose.

    ``breaking`` and ``mending`` are commands for the host, or programs of the administrator where it is the cloud.
    ``mending`` also mends what was broken in part. ``check`` has to tell ``words`` of the host, or of ``told_of``.
    """

    name: str
    host: str
    breaking: str
    mending: str
    check: str
    words: str
    told_of: str = ""
    driver: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """Check and host that have to tell it."""
        return self.check, self.told_of or self.host


# Settings and accounts: all services go on, as far as they have what they need.
ACCOUNTS = (
    Break("a compute is disabled", CLOUD, _DISABLE, _ENABLE, "disabled computes", f"{COMPUTE}: {SAY}"),
    Break(
        "an endpoint leads elsewhere",
        CLOUD,
        _MOVE_ENDPOINT.format("api", "elsewhere"),
        _MOVE_ENDPOINT.format("elsewhere", "api"),
        "catalogue",
        f"the internal endpoint of heat is https://elsewhere.{DOMAIN}",
    ),
    Break(
        "the user of a service is disabled",
        CLOUD,
        _USER.format("False"),
        _USER.format("True"),
        "users of services",
        "heat is disabled",
    ),
    Break(
        "Ceph does not take lost OSDs out",
        CONTROLLER,
        "ceph osd set noout",
        "ceph osd unset noout",
        "flags of Ceph",
        "noout",
        told_of=CLOUD,
    ),
    Break(
        "a pool has no application",
        CONTROLLER,
        "ceph osd pool application disable images rbd --yes-i-really-mean-it",
        "ceph osd pool application enable images rbd",
        "pools",
        "images is of no application",
        told_of=CLOUD,
    ),
    Break(
        "a user of the database is gone",
        CONTROLLER,
        sql("RENAME USER heat@'%' TO heat_gone@'%'"),
        sql("RENAME USER heat_gone@'%' TO heat@'%'"),
        "database users",
        "heat",
    ),
    Break(
        "the database takes plain connections",
        CONTROLLER,
        sql("SET GLOBAL require_secure_transport = OFF"),
        sql("SET GLOBAL require_secure_transport = ON"),
        "database over TLS",
        "require_secure_transport is OFF",
    ),
    Break(
        "the database lets in somebody without a name",
        CONTROLLER,
        sql("CREATE USER ''@'nowhere.invalid'"),
        sql("DROP USER IF EXISTS ''@'nowhere.invalid'"),
        "anonymous database user",
        "there is one",
    ),
    Break(
        "the messaging has a user guest",
        CONTROLLER,
        "rabbitmqctl add_user guest of-a-test",
        "rabbitmqctl delete_user guest",
        "messaging user guest",
        "it is there",
    ),
    Break(
        "the messaging knows another password",
        CONTROLLER,
        "rabbitmqctl change_password cinder of-a-test",
        # Not as an argument, which the journal would keep with whatever the program says.
        "sed --quiet 's|^transport_url = rabbit://cinder:\\([^@]*\\)@.*|\\1|p' /etc/cinder/cinder.conf | "
        "rabbitmqctl change_password cinder",
        "logins at the messaging",
        "cinder of /etc/cinder/cinder.conf: ",
    ),
    Break(
        "a file has another password for the messaging",
        OTHER,
        "sed --in-place=.kept 's|//nova:[^@]*@|//nova:of-a-test@|' /etc/nova/nova.conf",
        "mv /etc/nova/nova.conf.kept /etc/nova/nova.conf",
        "logins at the messaging",
        "nova of /etc/nova/nova.conf: ",
    ),
    Break(
        "a file has another password for the identity service",
        CONTROLLER,
        "sed --in-place=.kept 's|^password = .*|password = of-a-test|' /etc/placement/placement.conf",
        "mv /etc/placement/placement.conf.kept /etc/placement/placement.conf",
        "logins at the identity service",
        "placement of /etc/placement/placement.conf: ",
    ),
    Break(
        "a file has another password for the database",
        CONTROLLER,
        "sed --in-place=.kept 's|//glance:[^@]*@api|//glance:of-a-test@api|' /etc/glance/glance-api.conf",
        "mv /etc/glance/glance-api.conf.kept /etc/glance/glance-api.conf",
        "logins at the database",
        "glance of /etc/glance/glance-api.conf: ",
    ),
    Break(
        "nobody reads a queue",
        CONTROLLER,
        f"{python(_MESSAGES)} && {_UNTIL_COUNTED}",
        "rabbitmqctl delete_queue doctor-test",
        "waiting messages",
        "doctor-test: 3 and nobody reads",
    ),
)
# Hosts and their files: services do not feel it before they are started again.
HOSTS = (
    Break(
        "everybody may read passwords",
        CONTROLLER,
        "chmod o+r /etc/cinder/cinder.conf",
        "chmod o-r /etc/cinder/cinder.conf",
        "files with secrets",
        "/etc/cinder/cinder.conf (0644)",
    ),
    Break(
        "everybody may read a private key",
        CONTROLLER,
        f"chmod o+r {PKI}/nova.key",
        f"chmod o-r {PKI}/nova.key",
        "private keys",
        "nova (0",
    ),
    Break(
        "a key is not the certificate's",
        CONTROLLER,
        f"cp --archive {PKI}/heat.key {PKI}/heat.kept && "
        f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {PKI}/heat.key",
        f"mv {PKI}/heat.kept {PKI}/heat.key",
        "certificates and keys",
        "heat is for another key",
    ),
    Break(
        "a certificate has ended",
        OTHER,
        f"{_KEEP_CERTIFICATE} && {_SELF_SIGNED} -not_before 20260101000000Z -not_after 20260201000000Z",
        _MEND_CERTIFICATE,
        "certificates last",
        "libvirt ended ",
    ),
    Break(
        "another authority signed a certificate",
        COMPUTE,
        f"{_KEEP_CERTIFICATE} && {_SELF_SIGNED} -days 90",
        _MEND_CERTIFICATE,
        "certificates' authority",
        "libvirt",
    ),
    Break(
        "a file system is full",
        COMPUTE,
        "mkdir /srv/doctor-test && mount -t tmpfs -o size=4M tmpfs /srv/doctor-test && "
        "fallocate --length 4M /srv/doctor-test/full",
        "umount /srv/doctor-test && rmdir /srv/doctor-test",
        "disk space",
        "/srv/doctor-test 100 %",
    ),
    Break(
        "a host does not know a name",
        OTHER,
        f"sed --in-place=.kept '/api.{DOMAIN}/d' /etc/hosts",
        "mv /etc/hosts.kept /etc/hosts",
        "names",
        f"api.{DOMAIN} is unknown",
    ),
    Break(
        "another host is not reached in one network",
        OTHER,
        "ip route add unreachable 10.94.2.21/32",
        "ip route delete unreachable 10.94.2.21/32",
        "other hosts",
        f"{CONTROLLER} in storage (10.94.2.21): ",
    ),
    Break(
        "a package is installed in part",
        COMPUTE,
        _PACKAGE,
        "dpkg --purge doctor-test && rm --recursive /tmp/doctor-test /tmp/doctor-test.deb",
        "packages",
        "doctor-test",
    ),
    Break(
        "a unit is masked",
        CONTROLLER,
        "systemctl mask neutron-periodic-workers.service",
        "systemctl unmask neutron-periodic-workers.service",
        "units at boot",
        "neutron-periodic-workers.service",
    ),
    Break(
        "a unit does not start at boot",
        COMPUTE,
        "systemctl disable nova-compute.service",
        "systemctl enable nova-compute.service",
        "units at boot",
        "nova-compute.service",
    ),
    Break(
        "a unit has failed",
        COMPUTE,
        "systemd-run --unit=doctor-test sh -c 'echo it was asked to fail; exit 3'",
        "systemctl reset-failed doctor-test.service",
        "failed units",
        "doctor-test.service: ",
    ),
    Break(
        "systemd has not read a file of a unit",
        OTHER,
        "mkdir --parents /run/systemd/system/nova-compute.service.d && "
        "printf '[Service]\\nNice=1\\n' >/run/systemd/system/nova-compute.service.d/doctor-test.conf",
        "rm --recursive /run/systemd/system/nova-compute.service.d && systemctl daemon-reload",
        "unit files",
        "nova-compute.service",
    ),
    Break(
        "a stranger is in the overlay network",
        CONTROLLER,
        "ovn-sbctl chassis-add doctor-test geneve 10.94.1.250 -- set Chassis doctor-test hostname=stranger",
        "ovn-sbctl chassis-del doctor-test",
        "strange chassis",
        "stranger",
        driver="ovn",
    ),
    Break(
        "northd is paused",
        CONTROLLER,
        "ovn-appctl -t ovn-northd pause",
        "ovn-appctl -t ovn-northd resume",
        "northd",
        "paused",
        driver="ovn",
    ),
    Break(
        "the bridge of the external network is gone",
        CONTROLLER,
        "ovs-vsctl set Open_vSwitch . external_ids:ovn-bridge-mappings=external:br-gone",
        "ovs-vsctl set Open_vSwitch . external_ids:ovn-bridge-mappings=external:br-ex",
        "bridges",
        "br-gone",
        driver="ovn",
    ),
    Break(
        "tunnels have another address",
        COMPUTE,
        "ovs-vsctl set Open_vSwitch . external_ids:ovn-encap-ip=10.94.1.99",
        "ovs-vsctl set Open_vSwitch . external_ids:ovn-encap-ip=10.94.1.31",
        "address of tunnels",
        "10.94.1.99 instead of 10.94.1.31",
        driver="ovn",
    ),
    Break(
        "a port of the switch has no device",
        OTHER,
        "ovs-vsctl --no-wait add-port br-int doctor-test",
        "ovs-vsctl del-port br-int doctor-test",
        "ports of the switch",
        "doctor-test: ",
    ),
)
# Daemons that are not there. The address of the services is last: without it nobody is asked through the APIs.
DAEMONS = (
    stopped("time service", OTHER, "host", "chrony"),
    stopped("nova-compute", OTHER, "compute", "nova-compute"),
    Break(
        "libvirt is off, its sockets too",
        COMPUTE,
        f"systemctl stop libvirtd.service {_SOCKETS}",
        f"systemctl start {_SOCKETS} libvirtd.service",
        "guests of libvirt",
        "virsh --connect qemu:///system",
    ),
    Break(
        "the cache was killed",
        CONTROLLER,
        # It is not started again by itself while it is masked.
        "systemctl mask --runtime memcached && systemctl kill --signal=KILL memcached",
        "systemctl unmask --runtime memcached && systemctl reset-failed memcached; systemctl start memcached",
        "cache",
        "memcached does not answer",
    ),
    Break(
        "ovn-controller is off",
        OTHER,
        "systemctl stop ovn-controller",
        "systemctl start ovn-controller",
        "ovn-controller",
        "ovn-appctl",
        driver="ovn",
    ),
    Break(
        "an OSD is down",
        COMPUTE,
        "set -- /var/lib/ceph/osd/ceph-* && systemctl stop ceph-osd@${1##*-}",
        "for folder in /var/lib/ceph/osd/ceph-*; do systemctl start ceph-osd@${folder##*-} || exit; done",
        "OSDs",
        " is down",
        told_of=CLOUD,
    ),
    stopped("manager of Ceph", CONTROLLER, "Ceph", f"ceph-mgr@{CONTROLLER}"),
    Break(
        "the load balancer hands nothing on",
        CONTROLLER,
        python(_BALANCER % ("cinder-api", "maint")),
        python(_BALANCER % ("cinder-api", "ready")),
        "services behind the load balancer",
        "cinder",
    ),
    Break(
        "an API is off",
        CONTROLLER,
        "systemctl stop heat-api",
        started("heat-api"),
        "APIs of the layer compute",
        ":8004/: ",
    ),
    Break(
        "no controller has the address of the services",
        CONTROLLER,
        "systemctl stop keepalived",
        f"systemctl start keepalived && timeout 60 sh -c {shlex.quote(_UNTIL_IDENTITY)}",
        "address of the API",
        "no controller has ",
        told_of=CLOUD,
    ),
)
BATCHES = {"accounts": ACCOUNTS, "hosts": HOSTS, "daemons": DAEMONS}

Places = dict[tuple[str, str], dict[str, Any]]


class Doctor:
    """Runs the doctor, and breaks and mends what it looks at."""

    def __init__(self, host: Host, administrator: Administrator, folder: Path) -> None:
        self._host, self._administrator, self._folder = host, administrator, folder

    def look(self) -> tuple[int, str, Places]:
        """Run the doctor; return its exit code, what it printed, and its findings by check and host."""
        run = play("doctor", variables={"doctor_report_folder": str(self._folder)})
        report = json.loads((self._folder / "report.json").read_text(encoding="utf-8"))
        findings = {(one["check"], host): one for one in report["findings"] for host in one["hosts"]}
        return run.code, run.output, findings

    def _do(self, where: str, what: str) -> None:
        if where == CLOUD:
            self._administrator(f"{what}\nprint('null')")
            return
        there = Host.get_host(f"ssh://{where}", ssh_config=self._host.backend.ssh_config)
        done = there.run(what)
        assert done.rc == 0, f"{where}: {what}\n{done.stdout}{done.stderr}"

    @contextlib.contextmanager
    def broken(self, breaks: Sequence[Break]) -> Iterator[None]:
        """Break several things at once; whatever happens all of them are mended, in the opposite order."""
        with contextlib.ExitStack() as mending:
            for one in breaks:
                mending.callback(self._do, one.host, one.mending)
                self._do(one.host, one.breaking)
            yield


def unwell(findings: Places, states: Sequence[str] = ("fail", "unknown", "warn")) -> dict[tuple[str, str], str]:
    """Return what is not well and is the cloud's own affair."""
    return {
        place: f"{one['state']}: {one['found']}"
        for place, one in findings.items()
        if one["state"] in states and place[0] not in OF_THE_MACHINE
    }


@pytest.fixture(scope="module")
def doctor(host: Host, administrator: Administrator, tmp_path_factory: pytest.TempPathFactory) -> Doctor:
    """The doctor of the lab's cloud."""
    return Doctor(host, administrator, tmp_path_factory.mktemp("doctor"))


@pytest.fixture(scope="module")
def healthy(doctor: Doctor) -> tuple[int, str, Places]:
    """What the doctor says while nothing is broken."""
    return doctor.look()


def named(
    doctor: Doctor, breaks: Sequence[Break], before: Places, record_property: Callable[[str, object], None]
) -> None:
    """Break things, and see that each is named by its own check, at its host and in its words."""
    for one in breaks:
        assert one.words not in before[one.place]["found"], one.name
    with doctor.broken(breaks):
        code, output, findings = doctor.look()
    missed = []
    for one in breaks:
        finding = findings.get(one.place, {"state": "no such finding", "found": ""})
        record_property(one.name, f"{one.place}: {finding['state']}, {finding['found']}")
        if finding["state"] not in ("fail", "warn") or one.words not in finding["found"]:
            missed.append(f"{one.name} {one.place}: {finding['state']}, {finding['found']}")
        # What is told on the terminal is what the report has.
        elif finding["found"][:60] not in output.replace('\\"', '"'):
            missed.append(f"{one.name}: not on the terminal: {finding['found']}")
    assert missed == []
    assert code == 2


def test_a_healthy_cloud_is_told_to_be_well(healthy: tuple[int, str, Places]) -> None:
    code, output, findings = healthy
    bad = unwell(findings, ("fail", "unknown"))
    assert {place: told for place, told in bad.items() if place[0] not in EXPLAINED} == {}
    assert len(findings) > 100
    assert code == (2 if any(one["state"] in ("fail", "unknown") for one in findings.values()) else 0), output


# Until the services of the last batch are back takes minutes.
@pytest.mark.parametrize("batch", ["accounts", "hosts", pytest.param("daemons", marks=pytest.mark.long)])
def test_everything_that_is_broken_is_named(
    doctor: Doctor,
    healthy: tuple[int, str, Places],
    network_driver: str,
    batch: str,
    record_property: Callable[[str, object], None],
) -> None:
    breaks = [one for one in BATCHES[batch] if one.driver in ("", network_driver)]
    named(doctor, breaks, healthy[2], record_property)


def test_after_all_of_it_the_cloud_is_as_healthy_as_before(
    doctor: Doctor, healthy: tuple[int, str, Places], record_property: Callable[[str, object], None]
) -> None:
    before, started = unwell(healthy[2]).keys(), time.monotonic()
    left: dict[tuple[str, str], str] = {}
    while time.monotonic() - started < RECOVERY:
        _code, _output, findings = doctor.look()
        left = {place: told for place, told in unwell(findings).items() if place not in before}
        if not left:
            break
    record_property("seconds until all is well again", round(time.monotonic() - started))
    assert left == {}


def test_there_are_enough_breaks_and_each_has_a_name_of_its_own() -> None:
    known = [one for batch in BATCHES.values() for one in batch]
    assert len({one.name for one in known}) == len(known) >= 20
    assert len(ACCOUNTS) + len(HOSTS) >= 20
    for batch in BATCHES.values():
        # Two breaks of a batch must not be told by the same words of the same check.
        assert len({(*one.place, one.words) for one in batch}) == len(batch)
