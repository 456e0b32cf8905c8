# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which sockets of a host others can reach, which of them show a certificate of the site, and which need not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Socket:
    """A socket that is open to other hosts; ``verified`` tells whether it showed a certificate of the site."""

    protocol: str
    address: str
    port: int
    verified: bool


def open_sockets(run: Callable[[str], str]) -> list[Socket]:
    """Return all sockets of a host that others reach; RUN runs a command there and returns what it prints."""
    arguments = shlex.quote(json.dumps({str(port): name for port, name in STARTTLS.items()}))
    rows = json.loads(run(f"python3 -c {shlex.quote(PROBE)} {arguments}"))
    return [Socket(*row) for row in rows]


def plain(sockets: Collection[Socket], allowed: Collection[tuple[str, int]]) -> list[Socket]:
    """Return those that show no certificate and are not among the ALLOWED, by protocol and port."""
    return [one for one in sockets if not one.verified and (one.protocol, one.port) not in allowed]
