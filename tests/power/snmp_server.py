# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""net-snmp's snmpd with the outlet tables of four makes: snmp_server.py PORT FOLDER USER PASSWORD-FILE COMMUNITY."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENTERPRISES = (318, 534, 13742, 4779, 99999)


def main() -> None:
    """Run the daemon until killed."""
    port, folder, user, password, community = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
    secret = Path(password).read_text()
    outlets = f"{sys.executable} {HERE / 'snmp_outlets.py'} {folder}"
    lines = [
        f"agentAddress udp:127.0.0.1:{port}",
        f'createUser {user} SHA-256 "{secret}" AES "{secret}x"',
        f'createUser reader SHA-256 "{secret}" AES "{secret}x"',
        f"rwuser {user} priv",
        "rouser reader priv",
        f"rwcommunity {community} 127.0.0.1",
        "sysDescr Example PDU 8 outlets",
        *(f"pass_persist .1.3.6.1.4.1.{number} {outlets}" for number in ENTERPRISES),
    ]
    conf = folder / "snmpd.conf"
    conf.touch(mode=0o600)
    conf.write_text("\n".join(lines) + "\n")
    (folder / "persistent").mkdir()
    daemon = subprocess.Popen(
        ["snmpd", "-f", "-Lo", "-C", "-c", conf, "-p", folder / "pid"],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SNMP_PERSISTENT_DIR": str(folder / "persistent"), "MIBS": ""},
    )

    def end(_signal: int, _frame: object) -> None:
        daemon.terminate()

    signal.signal(signal.SIGTERM, end)
    listening = f":{int(port):04X} "
    while daemon.poll() is None and listening not in Path("/proc/net/udp").read_text():
        time.sleep(0.05)
    (folder / "ready").touch()
    sys.exit(daemon.wait())


if __name__ == "__main__":
    main()
