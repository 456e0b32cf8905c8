# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What actions are able to do that read files of the control node and change nothing."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of an action without a connection to a host."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and return the same result without modifying the target.
    support: full
  diff_mode:
    description: Returns details on what has changed when in diff mode.
    support: none
    details: Nothing changes.
  action:
    description: Has a corresponding action plug-in, so that it runs on the controller.
    support: full
  async:
    description: Can be used with C(async).
    support: none
"""
