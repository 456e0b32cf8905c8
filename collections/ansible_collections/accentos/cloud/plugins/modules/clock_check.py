#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells what time a host has, to the action plug-in of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: clock_check
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Compare the clock of a host with that of the control node
description:
  - Fails for a host whose clock is wrong. To it certificates would not be valid yet, or not any more, others would
    refuse its tokens, monitors of Ceph would not agree with it, and its logs would be of no use.
  - A host whose chrony follows a source of time is compared with that, which is exact however slow the host is. It may
    then be half a minute from the control node, which need not follow the same source.
  - A host that follows none is compared with the control node, less what the time that the question takes may hide. So
    one that is behind and slow to answer may pass.
options:
  limit:
    description: >-
      Seconds that the clocks may differ by. Two hosts that each differ by no more than the default differ by no more
      than half a second.
    type: float
    default: 0.25
  patience:
    description: >-
      Seconds in which a host whose clock is off by a minute at most is asked again, since chrony may just be putting it
      right, such as after the start of the host.
    type: float
    default: 0
attributes:
  check_mode:
    description: Can run in check mode and return the same result without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details: Nothing changes.
  action:
    description: Has a corresponding action plug-in, which looks at the control node's clock before and after it.
    support: full
  async:
    description: Can be used with C(async).
    support: none
"""

EXAMPLES = r"""
- name: Refuse a host whose clock is wrong
  accentos.cloud.clock_check:

- name: Refuse a host whose clock is off by more than a day
  accentos.cloud.clock_check:
    limit: 86400
"""

RETURN = r"""
offset:
  description: >-
    Seconds that the clock of the host is ahead of the control node's, negative if it is behind; 0 if the control node
    had the host's time while it asked.
  returned: always
  type: float
  sample: -3600.2
followed:
  description: >-
    Seconds by which chrony sees the clock differ from the source that it follows, without a sign; C(null) if it follows
    none, or does not run.
  returned: always
  type: float
  sample: 0.00012
"""

import time

from ansible.module_utils.basic import AnsibleModule

# Their places in what chronyc tells.
_LEAP = 13
_OFFSET = 4


def followed(tracking: str) -> float | None:
    """Return by how many seconds chrony sees the clock differ from its source, from C(chronyc -c tracking), or None."""
    fields = tracking.strip().split(",")
    if len(fields) <= _LEAP or fields[_LEAP] == "Not synchronised":
        return None
    return abs(float(fields[_OFFSET]))


def main() -> None:
    """Tell the time. The options are for the action plug-in."""
    options = {"limit": {"type": "float", "default": 0.25}, "patience": {"type": "float", "default": 0}}
    module = AnsibleModule(options, supports_check_mode=True)
    chronyc, seen = module.get_bin_path("chronyc"), None
    if chronyc:
        code, out, _err = module.run_command([chronyc, "-c", "-n", "tracking"])
        seen = followed(out) if code == 0 else None
    # Last of all, since what is left of the round trip is then short.
    module.exit_json(changed=False, followed=seen, time=time.time())


if __name__ == "__main__":
    main()
