# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way in which something goes wrong on purpose."""

from __future__ import annotations


class AgentError(Exception):
    """Says what went wrong and why; ``remedy`` says what a person does next."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy
