#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the back ends of a host's volume service work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_services
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: See to it that the back ends of a host's volume service work
description:
  - Waits until each back end in C(cinder.conf) of the host has told the scheduler of its room since the service was
    started. Cinder itself counts a back end as up for a minute after each start, whether its driver came up or not.
  - A driver that does not come up is not tried again. So a service that has run for a while and has a back end of
    which nothing is heard is restarted, once, with what was mended meanwhile, and its other back ends with it.
  - Fails with the errors in the log of the service if a back end does not work. Those that are disabled or frozen are
    left alone.
  - Where several hosts have a back end together, each speaks to the scheduler for all. That the driver of one of them
    did not come up is told by its log, up to two minutes after the start.
options:
  configuration:
    description: The configuration of the service.
    type: path
    default: /etc/cinder/cinder.conf
  unit:
    description: Its unit.
    type: str
    default: cinder-volume.service
  timeout:
    description: Seconds to wait for the back ends.
    type: int
    default: 180
  patience:
    description: Seconds since its start in which a service is not restarted, since its drivers may still come up.
    type: int
    default: 120
extends_documentation_fragment: [accentos.cloud.attributes, accentos.cloud.cloud_login]
attributes:
  check_mode:
    description: >-
      Can run in check mode and tells whether the service would be restarted. It tells nothing where the service does
      not run or the cloud cannot be asked, since an earlier task would see to that.
    support: full
  diff_mode:
    description: Shows the command that it gives to systemd.
    support: full
"""

EXAMPLES = r"""
- name: See to it that volumes can be made
  accentos.cloud.volume_services:
    auth:
      url: https://api.example.test:5000/v3
      password: "{{ lookup('accentos.cloud.secret', 'keystone_admin_password') }}"
    ca_file: /etc/accentos/pki/ca.crt
"""

RETURN = r"""
back_ends:
  description: The back ends of the host, and what cinder calls the service of each.
  returned: success
  type: dict
  sample: {ceph: [example@ceph], disks: [controller-1@disks]}
commands:
  description: The commands given to systemd, in check mode those that would be given.
  returned: success
  type: list
  elements: str
  sample: [restart cinder-volume.service]
reasons:
  description: Why the unit is restarted, by its name.
  returned: success
  type: dict
  sample: {cinder-volume.service: nothing is heard of disks}
seconds:
  description: Seconds that it waited.
  returned: success
  type: float
"""

import configparser
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import Cloud, CloudError
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_login import LOGIN_OPTIONS
from ansible_collections.accentos.cloud.plugins.module_utils.systemctl import describe, give, journal_of
from ansible_collections.accentos.cloud.plugins.module_utils.volume_services import (
    Look,
    VolumeHost,
    parse_start,
    read_configuration,
)

_PAUSE = 1.0
# For one answer.
_ANSWER_SECONDS = 60
_LOG_BYTES = 500_000
# How often one is asked that seems not to work before it is restarted: any scheduler may answer, and one that has just
# started knows nothing yet.
_LOOKS = 10


class Host:
    """The volume service of this host, as the module asks for it."""

    def __init__(self, module: AnsibleModule, described: VolumeHost) -> None:
        """Take the module with its options, and what cinder.conf says."""
        self._module, self._described = module, described
        self._cloud: Cloud | None = None

    def look(self) -> Look | None:
        """Look at the service and ask the cloud; None if it does not run. Raises CloudError."""
        options = self._module.params
        argv = ["systemctl", "show", "--timestamp=us+utc", "--property=ActiveState,ActiveEnterTimestamp"]
        _code, out, _err = self._module.run_command([*argv, options["unit"]], check_rc=True)
        shown = dict(line.partition("=")[::2] for line in out.splitlines())
        if shown.get("ActiveState") != "active":
            return None
        if self._cloud is None:
            self._cloud = Cloud(options["auth"], ca_file=options["ca_file"], timeout=_ANSWER_SECONDS)
        services = self._cloud.get("volume", "/os-services", binary="cinder-volume")["services"]
        pools = self._cloud.get("volume", "/scheduler-stats/get_pools", detail="true")["pools"]
        started = parse_start(shown["ActiveEnterTimestamp"])
        return Look(datetime.now(UTC), started, services, pools, self._log())

    def _log(self) -> str:
        try:
            with Path(self._described.log).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _LOG_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def needs_restart(self) -> list[str]:
        """Return the back ends that nothing was heard of for long, whoever is asked. Raises CloudError."""
        silent: list[str] = []
        for _look in range(_LOOKS):
            look = self.look()
            patience = timedelta(seconds=self._module.params["patience"])
            silent = look.silent(self._described) if look and look.now - look.started > patience else []
            if not silent:
                break
            time.sleep(_PAUSE)
        return silent

    def wait(self) -> tuple[list[str], Look | None]:
        """Wait until all back ends work; return those that do not, and what was seen last. Raises CloudError."""
        end = time.monotonic() + self._module.params["timeout"]
        while True:
            late = time.monotonic() >= end
            try:
                look = self.look()
            except CloudError:
                if late:
                    raise
                look = None
            silent = look.silent(self._described) if look else list(self._described.services)
            if not silent or late or (look and look.failed().issuperset(silent)):
                return silent, look
            time.sleep(_PAUSE)

    def told(self, look: Look | None) -> str:
        """Return what the service complained about last."""
        found = look.complaints() if look else []
        if not found:
            return journal_of(self._module, self._module.params["unit"])
        return "\n".join([f"The last errors in {self._described.log}:", *found])


def see_to_it(module: AnsibleModule, described: VolumeHost) -> dict[str, Any]:
    """Let all back ends work and return what the module returns. Raises CloudError."""
    host, unit = Host(module, described), module.params["unit"]
    begin = time.monotonic()
    try:
        silent = host.needs_restart()
    except CloudError:
        # Those who wait for it will say so.
        silent = []
    commands = [["restart", unit]] if silent else []
    why = f"nothing is heard of {', '.join(silent)}"
    if not module.check_mode:
        give(module, commands)
        broken, look = host.wait()
        if broken:
            module.fail_json(
                msg=f"{', '.join(broken)}: no volume can be made there. The scheduler of volumes has heard nothing of"
                f" it since {unit} was started, or its driver did not come up.\n{host.told(look)}",
                remedy="Mend what is complained about, then run again; the service is restarted then. A back end that"
                f" must wait is left alone once it is disabled: openstack volume service set --disable"
                f" {described.services[broken[0]][0]} cinder-volume",
            )
    seconds = round(time.monotonic() - begin, 1)
    services = {name: list(names) for name, names in described.services.items()}
    return {**describe(commands, {unit: why} if commands else {}), "back_ends": services, "seconds": seconds}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **LOGIN_OPTIONS,
            "configuration": {"type": "path", "default": "/etc/cinder/cinder.conf"},
            "unit": {"type": "str", "default": "cinder-volume.service"},
            "timeout": {"type": "int", "default": 180},
            "patience": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["configuration"])
    try:
        described = read_configuration(path.read_text(encoding="utf-8"), socket.gethostname())
    except FileNotFoundError:
        # An earlier task would write it.
        described = VolumeHost({}, "")
        if not module.check_mode:
            module.fail_json(msg=f"{path} is not there.", remedy="Deploy the volume service first: --tags storage")
    except (OSError, UnicodeError, configparser.Error) as error:
        module.fail_json(msg=f"{path} cannot be read: {error}", remedy="Deploy the service again: --tags storage")
    if not described.services:
        module.exit_json(**describe([]), back_ends={}, seconds=0.0)
    try:
        module.exit_json(**see_to_it(module, described))
    except CloudError as error:
        module.fail_json(
            msg=f"Nobody can tell whether volumes can be made: {error}.",
            remedy="See whether the service runs: journalctl --unit cinder-api, /var/log/cinder. Then run again.",
        )


if __name__ == "__main__":
    main()
