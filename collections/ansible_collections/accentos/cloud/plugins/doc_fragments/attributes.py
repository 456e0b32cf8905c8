# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What most modules are able to do."""

from __future__ import annotations


class ModuleDocFragment:
    """Check mode and idempotence. A module says itself what its diff mode shows, and where it is able to do less."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and tells what it would do without doing it.
    support: full
  idempotence:
    description: A second run with the same options changes nothing.
    support: full
"""
