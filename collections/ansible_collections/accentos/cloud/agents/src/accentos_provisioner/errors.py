# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way in which the service says no."""

from __future__ import annotations


class ServiceError(Exception):
    """An answer other than success: HTTP's ``status``, what is wrong, and what a person does next."""

    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.status = status
        self.remedy = remedy
