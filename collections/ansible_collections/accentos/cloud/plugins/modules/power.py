#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: machines are on or off, and start from the right device."""

from __future__ import annotations

DOCUMENTATION = r"""
module: power
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Turn machines on and off through their management controllers
description:
  - Brings one machine or many at once to a power state, and sets from what they start next.
  - Nothing counts but what the controller says afterwards. A command without effect is sent again; C(off) is believed
    after three readings in a row; a refusal because the machine is there already is looked into; a time-out is a
    failure and says nothing about the machine.
  - It runs on the host that reaches the controllers.
extends_documentation_fragment: [accentos.cloud.bmc]
options:
  state:
    description:
      - What to bring the machine to. C(soft_off) asks the operating system to shut down. C(cycle) is off, seen to be
        off, and on again. C(reset) and C(cycle) always change something and turn on a machine that is off.
    type: str
    choices: ["on", "off", "soft_off", "reset", "cycle"]
  boot_device:
    description:
      - From what the machine starts next. C(none) is the order of its firmware. Set before O(state).
      - C(virtual_media) is the drive with the image of O(virtual_media). Only driver C(redfish) has it.
    type: str
    choices: [none, pxe, disk, cdrom, virtual_media, bios_setup]
  boot_persistent:
    description: Whether O(boot_device) holds for every start and not for the next one only.
    type: bool
    default: false
  boot_firmware:
    description: Firmware that O(boot_device) is meant for. Without it, it stays as it is.
    type: str
    choices: [bios, uefi]
  virtual_media:
    description:
      - The image that the controller shows to the machine as an optical drive. Set before O(boot_device). Only driver
        C(redfish) has it.
      - What counts is what the drive holds afterwards, for which a third of O(timeout) is waited.
    type: dict
    suboptions:
      image:
        description:
          - Address of the image, with http or https. The controller fetches it by itself.
          - Needed to insert it. With C(ejected), images from elsewhere stay where they are; without it, all go.
        type: str
      state:
        description: Whether it is inserted. It is the only one then; others, such as one that got stuck, are ejected.
        type: str
        choices: [inserted, ejected]
        default: inserted
  timeout:
    description:
      - Seconds that one machine has to get to O(state). A system that shuts down in order may need several hundred.
    type: float
    default: 120
  interval:
    description: Seconds between two readings.
    type: float
    default: 2
  insist:
    description:
      - Send C(off) once even if the controller says that the machine is off, as fencing needs where a controller may
        lie.
    type: bool
    default: false
  pause:
    description: Seconds between the starts of two machines, so that a rack does not draw its inrush current at once.
    type: float
    default: 0
attributes:
  check_mode:
    description: Can run in check mode; it reads and tells what it would do without doing it.
    support: full
  diff_mode:
    description: Shows power state, virtual media and boot device before and after.
    support: full
  idempotence:
    description:
      - A second run changes nothing, but for C(reset) and C(cycle), which start the machine anew each time, and for
        O(boot_device) with AMT, which does not tell what it is set to.
    support: partial
"""

EXAMPLES = r"""
- name: Let a machine start from the network once
  accentos.cloud.power:
    bmc: "{{ lookup('accentos.cloud.bmc') }}"
    boot_device: pxe
    state: cycle
  delegate_to: deploy-1

- name: Let a machine start once from an image that its controller fetches
  accentos.cloud.power:
    bmc: "{{ lookup('accentos.cloud.bmc') }}"
    virtual_media: {image: http://192.0.2.10/netboot/boot.iso}
    boot_device: virtual_media
    state: cycle
  delegate_to: deploy-1

- name: Turn a rack on, one machine every two seconds
  accentos.cloud.power:
    machines: "{{ lookup('accentos.cloud.bmc', *groups['compute'], wantlist=true) }}"
    state: "on"
    pause: 2
  delegate_to: deploy-1
  run_once: true
"""

RETURN = r"""
power:
  description: The state of the machine, of several in RV(machines).
  returned: when O(bmc) and O(state) are given
  type: str
  sample: "on"
boot:
  description: What the machine starts from next.
  returned: when O(bmc) and O(boot_device) are given
  type: dict
  sample: {device: pxe, persistent: false, firmware: uefi}
virtual_media:
  description: The images in the virtual drives by the names of the drives, nothing for an empty one.
  returned: when O(bmc) and O(virtual_media) are given
  type: dict
  sample: {Cd: "http://192.0.2.10/netboot/boot.iso"}
commands:
  description: The commands sent, in check mode those that would be.
  returned: when O(bmc) and O(state) are given
  type: list
  elements: str
  sample: ["off", "on"]
connection:
  description: How the controller was reached.
  returned: when O(bmc) is given
  type: dict
  sample: {protocol: ipmi, protection: cipher suite 17, product: Dell product 256 firmware 2.85}
machines:
  description: The same for each machine by its name, or C(failed), C(msg) and C(remedy).
  returned: when O(machines) is given
  type: dict
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.power.driver import DEVICES, Boot
from ansible_collections.accentos.cloud.plugins.module_utils.power.options import (
    ALONE,
    ONE_OF,
    SHARED,
    VIRTUAL_MEDIA,
    OptionError,
    connections_or_fail,
    finish,
    media,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.runner import (
    Wish,
    change,
    longest,
    run_all,
    with_driver,
)
from ansible_collections.accentos.cloud.plugins.module_utils.power.states import Goal, Limits


def wish(params: dict[str, Any], *, dry: bool) -> Wish:
    """Return what the options ask for. Raises OptionError."""
    boot = None
    if params["boot_device"]:
        boot = Boot(params["boot_device"], params["boot_persistent"], params["boot_firmware"])
    limits = Limits(timeout=params["timeout"], interval=params["interval"], insist=params["insist"])
    return Wish(Goal(params["state"]) if params["state"] else None, boot, media(params["virtual_media"]), limits, dry)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **SHARED,
            "state": {"type": "str", "choices": [goal.value for goal in Goal]},
            "boot_device": {"type": "str", "choices": list(DEVICES)},
            "boot_persistent": {"type": "bool", "default": False},
            "boot_firmware": {"type": "str", "choices": ["bios", "uefi"]},
            "virtual_media": VIRTUAL_MEDIA,
            "timeout": {"type": "float", "default": 120},
            "interval": {"type": "float", "default": 2},
            "insist": {"type": "bool", "default": False},
            "pause": {"type": "float", "default": 0},
        },
        required_one_of=[*ONE_OF, ["state", "boot_device", "virtual_media"]],
        mutually_exclusive=ONE_OF,
        supports_check_mode=True,
    )
    found = connections_or_fail(module)
    try:
        wanted = wish(module.params, dry=module.check_mode)
    except OptionError as error:
        module.fail_json(msg=error.problem, remedy=error.remedy)
    # State and virtual media.
    seconds = module.params["timeout"] * (2 if wanted.media else 1)
    results = run_all(
        {name: with_driver(connection, partial(change, wish=wanted)) for name, connection in found.items()},
        deadline=longest(seconds, module.params["answer_timeout"]),
        at_once=module.params["at_once"],
        pause=module.params["pause"],
    )
    finish(module, results, alone=ALONE in results)


if __name__ == "__main__":
    main()
