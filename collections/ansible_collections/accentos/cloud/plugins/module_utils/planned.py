# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode says in the place of what only the run itself can make, so that each plan says the same of it."""

from __future__ import annotations

MADE_BY_RUN = "(made by the run)"
# Of an owner that a package of the run brings.
STILL_TO_BE_MADE = "which is still to be made"
# Stands for an identity that the run makes, where only a valid one is read.
NO_IDENTITY = "00000000-0000-0000-0000-000000000000"
