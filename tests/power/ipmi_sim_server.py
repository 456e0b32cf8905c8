# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenIPMI's ipmi_sim as a controller with bad habits: ipmi_sim_server.py PORT FOLDER."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

LAN = """\
name "vulnerable"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "root" "calvin" admin 10 none md2 md5 straight
"""
EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
mc_enable 0x20
"""


def main() -> None:
    """Run the simulator until killed."""
    port, folder = sys.argv[1], Path(sys.argv[2])
    (folder / "lan.conf").write_text(LAN.format(port=port))
    (folder / "sim.emu").write_text(EMULATION)
    simulator = subprocess.Popen(
        ["ipmi_sim", "-c", folder / "lan.conf", "-f", folder / "sim.emu", "-s", folder / "state", "-n"]
    )

    def end(_signal: int, _frame: object) -> None:
        simulator.terminate()

    signal.signal(signal.SIGTERM, end)
    listening = f":{int(port):04X} "
    while simulator.poll() is None and listening not in Path("/proc/net/udp").read_text():
        time.sleep(0.05)
    (folder / "ready").touch()
    sys.exit(simulator.wait())


if __name__ == "__main__":
    main()
