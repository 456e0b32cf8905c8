# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What collectors make of the answers of programs, sockets, files and APIs."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    Authority,
    dump_key,
    make_key,
    make_request,
    sign_request,
)
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.health import (
    read_cloud,
    read_host,
    read_network,
    read_services,
)
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError
from ansible_collections.accentos.cloud.plugins.modules.host_health import PARTS, collectors
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

SWITCH = Path(__file__).parents[1] / "fixtures/ovs_vsctl_3_5_0.txt"
CLUSTER = """\
9a7b
Name: OVN_Northbound
Status: cluster member
Role: leader
Leader: self
Entries not yet committed: 0
Servers:
    9a7b (9a7b at ssl:10.0.0.1:6643) (self)
    e53e (e53e at ssl:10.0.0.2:6643)
"""
ANSWERS = {
    "systemctl show": "Id=a.service\nActiveState=active\n\nId=b.service\nActiveState=failed\n",
    "systemctl list-units": "c.service loaded failed failed text\n",
    "journalctl --unit": "first\nlast\n",
    "dpkg --audit": "\n",
    "chronyc -c -n tracking": "7F,10.0.0.1,3,1.0,-0.0002,0,0,0,0,0,0,0,64,Normal\n",
    "chronyc -c -n sources": "^,*,10.0.0.1,2,6,377,5,0,0,0\n^,?,10.0.0.2,0,6,0,5,0,0,0\n",
    "ip -json": json.dumps(
        [{"ifname": "eth0", "operstate": "UP", "mtu": 1500, "addr_info": [{"local": "10.0.0.1"}]}, {}]
    ),
    "ovs-appctl": CLUSTER,
    "ovn-sbctl": json.dumps({"data": [["b"], ["a"]]}),
    "ovn-appctl --timeout=10 -t ovn-northd": "Status: active\n",
    "ovn-appctl --timeout=10 -t ovn-controller": "connected\n",
    "virsh --connect qemu:///system": "Domain: 'instance-1'\n  state.state=3\n  state.reason=5\n\n",
    "virsh --connect qemu+tls://a/system": "a\n",
    "rabbitmqctl": json.dumps([{"name": "q"}]),
    "ceph --admin-daemon /run/ceph/ceph-mon": json.dumps({"state": "peon"}),
    "ceph --admin-daemon /run/ceph/ceph-osd.0": json.dumps({"state": "active"}),
}


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let programs answer as they do on a host."""

    def run(argv: Sequence[str], *, timeout: float, codes: Sequence[int] = (0,)) -> str:
        line = " ".join(argv)
        if line.startswith("ovs-vsctl"):
            return SWITCH.read_text()
        for begin, answer in ANSWERS.items():
            if line.startswith(begin):
                return answer
        raise ProbeError(f"{argv[0]} cannot run")

    for module in (read_host, read_network, read_services):
        monkeypatch.setattr(module, "run", run)


def serve(answer: bytes, listener: socket.socket) -> None:
    """Answer the first that connects."""

    def work() -> None:
        connection, _peer = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(answer)

    listener.listen()
    threading.Thread(target=work, daemon=True).start()


def test_units_and_their_journals() -> None:
    found = read_host.units({"units": [{"name": "a.service"}, {"name": "b.service"}]})
    assert found["states"]["b.service"]["ActiveState"] == "failed"
    assert found["failed"] == ["c.service"]
    assert found["journals"] == {"b.service": "first / last", "c.service": "first / last"}


def test_files_that_differ_from_what_a_unit_was_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_host, "MARKER_FOLDER", tmp_path)
    (tmp_path / "a.conf").write_text("new")
    (tmp_path / "a.service~service").write_text(json.dumps({f"{tmp_path}/a.conf": "old", "package a": "1"}))
    units = [
        {"name": "a.service", "inputs": [f"{tmp_path}/a.conf"]},
        {"name": "b.service", "inputs": ["/x"]},
        {"name": "c"},
    ]
    assert read_host.configuration({"units": units}) == {"a.service": [f"{tmp_path}/a.conf"]}


def test_files_with_secrets_are_known_by_what_they_hold(tmp_path: Path) -> None:
    texts = {
        "url.conf": "[DEFAULT]\ntransport_url = rabbit://a:b@c/\n",
        "option.conf": "admin_password=x\n",
        "ceph.keyring": "[client.a]\n\tkey = AQAAAA==\n",
        "none.conf": "# password = x\n# connection = mysql://a:b@c\nurl = https://a:5000/@\npassword =\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o640)
    (tmp_path / "url.conf").chmod(0o644)
    units = [
        {"name": "a", "inputs": [str(tmp_path / name) for name in ("url.conf", "option.conf", "none.conf", "gone")]},
        {"name": "b", "inputs": [str(tmp_path)]},
    ]
    found = read_host.secrets({"units": units}, f"{tmp_path}/*.keyring")
    assert {Path(one["path"]).name: (one["mode"], one["open"]) for one in found} == {
        "ceph.keyring": (0o640, False),
        "option.conf": (0o640, False),
        "url.conf": (0o644, True),
    }


def test_what_is_in_memory_fills_too_unless_it_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("tmpfs /run tmpfs rw,nosuid 0 0\ntmpfs /proc tmpfs ro 0 0\nproc /sys sysfs rw 0 0\n")
    monkeypatch.setattr(read_host, "_MOUNTS", mounts)
    assert [(one["path"], one["read_only"]) for one in read_host.filesystems()] == [("/run", False)]


def test_the_system_of_this_machine_is_read() -> None:
    assert all(0 <= one["used"] <= 100 for one in read_host.filesystems())
    found = read_host.load()
    assert found["memory"]["MemTotal"] > found["memory"]["MemAvailable"] > 0
    assert found["memory_errors"]["uncorrected"] >= 0
    assert isinstance(read_host.arrays(), dict)
    assert read_host.system()["packages"] == ""
    assert "lo" in read_network.devices()["counters"]


def test_time() -> None:
    found = read_host.clock()
    assert (found["leap"], found["stratum"], found["offset"]) == ("Normal", 3, -0.0002)
    assert [source["reach"] for source in found["sources"]] == [255, 0]


def test_addresses_names_and_other_hosts() -> None:
    assert read_network.addresses() == {"10.0.0.1": {"device": "eth0", "state": "UP", "mtu": 1500}}
    assert read_network.names({"localhost": "127.0.0.1", "nowhere.invalid": "x"})["nowhere.invalid"] == []
    assert read_network.peers([]) == []


def test_the_load_balancer(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        serve(b"# pxname,svname,status\nnova-api,a,UP\n", listener)
        assert read_network.balancer(path) == [{"pxname": "nova-api", "svname": "a", "status": "UP"}]
    with pytest.raises(ProbeError, match="haproxy does not answer"):
        read_network.balancer(str(tmp_path / "none"))


def test_the_cache() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = listener.getsockname()
        serve(b"STAT version 1.6\r\nSTAT odd\r\nEND\r\n", listener)
        assert read_services.cache(address) == {"version": "1.6"}
    with pytest.raises(ProbeError, match="memcached does not answer"):
        read_services.cache(address)


def test_the_overlay_network() -> None:
    found = read_services.overlay_databases()["OVN_Northbound"]
    assert (found["Leader"], found["Status"], found["members"]) == ("self", "cluster member", "2")
    assert read_services.overlay() == {"northd": "active", "chassis": ["a", "b"]}
    assert read_services.switch()["connection"] == "connected"


def test_a_switch_is_read_without_its_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ANSWERS, "ovn-appctl --timeout=10 -t ovn-controller")
    found = read_services.switch()
    assert found["connection"] == "ovn-appctl cannot run"
    assert found["bridges"]


def test_libvirt_and_messaging() -> None:
    assert read_services.hypervisor()["guests"] == {"instance-1": {"state": 3, "reason": 5}}
    assert read_services.hypervisor_tls("a") == "a"
    assert read_services.queues() == [{"name": "q"}]
    assert read_services.messaging()["users"] == [{"name": "q"}]


def test_ceph(tmp_path: Path) -> None:
    for number in (0, 1):
        (tmp_path / f"ceph-{number}").mkdir()
    assert read_services.osds(str(tmp_path)) == {"0": "active", "1": "ceph cannot run"}
    assert read_services.monitor("a") == {"state": "peon"}


def test_each_part_has_collectors() -> None:
    parameters = {"wanted": {"apis": [{}]}, "parts": [], "pki_folder": "/x", "balancer_socket": "/x", "host": "a"}
    few = set(collectors(parameters))
    assert "apis" in few
    for part in PARTS:
        assert set(collectors({**parameters, "parts": [part]})) > few


class FakeCloud:
    """Answers like the services of a cloud with one thing of each kind."""

    def has(self, service: str) -> bool:
        return service != "volume"

    def get(self, service: str, path: str, **query: Any) -> Any:
        if service == "network":
            raise CloudError("no answer")
        kind = path.strip("/").replace("/detail", "").split("/")[-1].replace("os-services", "services")
        endpoint = {"service_id": "1", "interface": "public", "url": "https://a"}
        row = {"id": "1", "name": "nova", "uuid": "1", "status": "ok"}
        return {kind: {"VCPU": 1} if kind in ("usages", "inventories") else [endpoint if kind == "endpoints" else row]}


def test_apis() -> None:
    cloud: Any = FakeCloud()
    readers: dict[str, Callable[[], Any]] = read_cloud.readers(cloud)
    assert sorted(readers) == ["compute_api", "identity_api", "image_api", "network_api"]
    assert readers["identity_api"]() == {
        "services": [{"name": "nova", "enabled": True, "urls": {"public": "https://a"}}],
        "users": {"nova": True},
    }
    assert readers["image_api"]()[0]["status"] == "ok"
    assert readers["compute_api"]()["providers"]["nova"]["usages"] == {"VCPU": 1}
    with pytest.raises(ProbeError, match="no answer"):
        readers["network_api"]()


def test_certificates(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    keys = {name: make_key() for name in ("ca", "nova", "other")}
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    authority = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(keys["ca"].public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=100))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys["ca"].public_key()), critical=False)
        .sign(keys["ca"], hashes.SHA256())
    )
    (tmp_path / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    signed = sign_request(
        make_request(keys["nova"], "nova", []),
        "nova",
        [],
        Authority(authority, keys["ca"], timedelta(days=10)),
        now=now,
    )
    for file, key in (("fits", keys["nova"]), ("strange", keys["other"])):
        (tmp_path / f"{file}.crt").write_text(signed)
        (tmp_path / f"{file}.key").write_bytes(dump_key(key))
        (tmp_path / f"{file}.key").chmod(0o640)
    (tmp_path / "alone.crt").write_text(signed)
    (tmp_path / "cut.crt").write_text(signed[:100])
    found = {one["name"]: one for one in read_host.certificates(str(tmp_path))["certificates"]}
    assert {name: one.get("key") for name, one in found.items()} == {
        "ca": None,
        "alone": "missing",
        "cut": None,
        "fits": "fits",
        "strange": "other",
    }
    assert (found["fits"]["issuer_known"], found["fits"]["mode"], found["cut"]["readable"]) == (True, 0o640, False)
    assert 9 < found["fits"]["left"] <= 10
