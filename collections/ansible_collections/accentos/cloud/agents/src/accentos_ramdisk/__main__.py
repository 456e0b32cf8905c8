# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python3 -m accentos_ramdisk``: runs as root in the deploy ramdisk, started by its init script.

Exit code 0: the machine is about to restart, which this program has asked the kernel for. 2: something failed, the
reason is on the console and with the service; the init script gives a shell on the console.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from .client import AUTHORITY, Client, settle_clock, trust
from .command_line import parse_command_line
from .enrolment import enrol
from .errors import AgentError
from .inventory import carriers, firmware, macs, take_inventory, with_neighbours
from .neighbours import listen
from .stages import Machine, install

log = logging.getLogger("accentos_ramdisk")

FAILED = 2
# reboot(2): RB_AUTOBOOT and RB_KEXEC.
_RESTART = {"reboot": 0x01234567, "kexec": 0x45584543}


def restart(how: str, library: Callable[[int], int] | None = None) -> None:
    """Restart the machine by reboot or kexec. Raises AgentError if the kernel does not follow."""
    call = library or ctypes.CDLL(None, use_errno=True).reboot
    os.sync()
    if how == "kexec" and call(_RESTART["kexec"]) != 0:
        log.warning("the kernel does not kexec: %s", os.strerror(ctypes.get_errno()))
    if call(_RESTART["reboot"]) != 0:
        raise AgentError(
            f"the kernel does not restart: {os.strerror(ctypes.get_errno())}",
            "The machine is installed; reset it by its BMC.",
        )


def work(root: Path, authority: Path, machine: Machine) -> None:
    """Do what the kernel command line below ROOT orders. Raises AgentError and OSError."""
    orders = parse_command_line((root / "proc/cmdline").read_text())
    if orders.verbose:
        logging.getLogger().setLevel(logging.DEBUG)
    if settle_clock(authority):
        log.warning("the clock stood before the making of this ramdisk and was set")
    client = Client(orders.server, trust(authority))
    inventory = take_inventory(root)
    if not orders.token:
        # Only for a machine that nobody knows: an installation waits for no switch.
        inventory = with_neighbours(inventory, listen(carriers(inventory)))
    token = orders.token or enrol(client, inventory)
    install(client, token, macs(inventory), machine, inventory)


def main(root: Path = Path("/"), authority: Path = AUTHORITY, machine: Machine | None = None) -> int:
    """Run the agent and return its exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="accentos %(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        work(root, authority, machine or Machine(uefi=firmware(root) == "uefi", restart=restart))
    except AgentError as error:
        log.error("FAILED: %s", error)
        log.error("Remedy: %s", error.remedy)
        return FAILED
    except OSError as error:
        log.error("FAILED: %s", error)
        log.error("Remedy: look at the kernel's messages (dmesg) and at what this agent logged above.")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
