# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VirtualBMC's daemon whose boot device is that of the next start, the others after it, as a real BMC has it.

VirtualBMC leaves the named device alone in the list, and a machine told to boot from the network once could then never
boot from its disk. And it reads from the machine that runs, which hides what was set meanwhile.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import libvirt
from virtualbmc import utils, vbmc
from virtualbmc.cmd import vbmcd

IPMI_INVALID_DATA = 0xCC


def get_boot_device(self: vbmc.VirtualBMC) -> int:
    """Return IPMI's number of the first device in the boot order of the next start, 0 for none."""
    with utils.libvirt_open(readonly=True, **self._conn_args) as hypervisor:
        domain = utils.get_libvirt_domain(hypervisor, self.domain_name)
        description = ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))  # noqa: S314 - libvirt wrote it
    first = description.find("os/boot")
    return vbmc.GET_BOOT_DEVICES_MAP.get(None if first is None else first.get("dev"), 0)


def set_boot_device(self: vbmc.VirtualBMC, bootdevice: str) -> int | None:
    """Put a device at the front of the boot order; the return value is IPMI's completion code, None for success."""
    device = vbmc.SET_BOOT_DEVICES_MAP.get(bootdevice)
    if device is None:
        return IPMI_INVALID_DATA
    with utils.libvirt_open(**self._conn_args) as hypervisor:
        domain = utils.get_libvirt_domain(hypervisor, self.domain_name)
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        description = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt wrote it
        system = description.find("os")
        present = system.findall("boot")
        for boot in present:
            system.remove(boot)
        for name in dict.fromkeys([device, *(boot.get("dev") for boot in present)]):
            ET.SubElement(system, "boot", dev=name)
        hypervisor.defineXML(ET.tostring(description, encoding="unicode"))
    return None


vbmc.VirtualBMC.get_boot_device = get_boot_device
vbmc.VirtualBMC.set_boot_device = set_boot_device

if __name__ == "__main__":
    sys.exit(vbmcd.main(["--foreground"]))
