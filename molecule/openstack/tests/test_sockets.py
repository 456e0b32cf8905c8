# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing on any host of the cloud can be spoken to in plain text from another host, but for what has a reason."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ssh://controller-1", "ssh://compute-1", "ssh://compute-2"]

# Sockets without TLS, and why each may be there. Anything else that listens off loopback has to show a certificate of
# the site.
ENCRYPTED_OTHERWISE = {
    ("tcp", 22): "SSH has its own encryption",
    **{("tcp", port): "Ceph's messenger 2 in mode secure, see test_ceph.py" for port in (3300, *range(6800, 7569))},
}
# By the driver of networks: what guests send to each other; the tunnel network is the site's own.
UNENCRYPTED = {
    "openvswitch": {("udp", 4789): "vxlan"},
    "ovn": {("udp", 6081): "Geneve"},
}
# Handshakes that begin in plain text by their protocol.
STARTTLS = {3306: "mysql"}
# Prints [[protocol, address, port, what the handshake said], ...] of all sockets that are open to other hosts.
PROBE = """
import json, ipaddress, subprocess, sys
starttls = json.loads(sys.argv[1])
rows = []
for line in subprocess.check_output(["ss", "-H", "-lntu"], text=True).splitlines():
    protocol, _state, _received, _sent, local = line.split()[:5]
    address, _, port = local.rpartition(":")
    address = address.split("%")[0].strip("[]")
    wild = address in ("*", "0.0.0.0", "::")
    if not wild and ipaddress.ip_address(address).is_loopback:
        continue
    said = ""
    if protocol == "tcp":
        target = "127.0.0.1" if wild else address
        argv = ["openssl", "s_client", "-connect", f"{target}:{port}", "-CAfile", "/etc/accentos/pki/ca.crt"]
        # Without a certificate it says that verification was fine, so the certificate itself is looked for.
        argv += ["-starttls", starttls[port]] if port in starttls else []
        try:
            said = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10).stdout
        except subprocess.TimeoutExpired:
            said = "no answer"
    rows.append([protocol, address, int(port), "BEGIN CERTIFICATE" in said and "Verify return code: 0 (ok)" in said])
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def sockets(host: Host) -> list[list[Any]]:
    """Rows of protocol, address, port, and whether a certificate of the site was shown."""
    arguments = shlex.quote(json.dumps({str(port): name for port, name in STARTTLS.items()}))
    rows: list[list[Any]] = json.loads(host.check_output(f"python3 -c {shlex.quote(PROBE)} {arguments}"))
    return rows


def test_every_socket_that_others_reach_speaks_tls(sockets: list[list[Any]], network_driver: str) -> None:
    allowed = ENCRYPTED_OTHERWISE | UNENCRYPTED[network_driver]
    assert [row for row in sockets if not row[3] and (row[0], row[2]) not in allowed] == []


def test_the_probe_looked_where_something_listens(host: Host, sockets: list[list[Any]], network_driver: str) -> None:
    services = {16514} if "compute" in host.backend.hostname else {3306, 5000, 5671, 8774, 9292, 9696}
    if network_driver == "ovn" and "controller" in host.backend.hostname:
        services |= {6641}
    assert services | {22} <= {port for _, _, port, _ in sockets}
