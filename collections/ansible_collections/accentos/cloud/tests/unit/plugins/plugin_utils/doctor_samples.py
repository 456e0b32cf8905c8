# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site of two networks, a host of it, something that was found on it, and the doctor's report of those."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_report import make_report

NETWORKS = {"management": "10.0.0.0/24", "tunnel": "10.0.1.0/24"}
HOST: dict[str, Any] = {
    "name": "a",
    "groups": ["controller"],
    "addresses": {"management": "10.0.0.1", "tunnel": "10.0.1.1"},
    "networks": ["management", "tunnel"],
}
FINDING = {
    "layer": "host",
    "check": "memory",
    "host": "a",
    "state": "ok",
    "found": "much",
    "expected": "some",
    "why": "needed",
    "remedy": "add.",
}
MADE = "2026-01-01 10:00:00+00:00"


def report(findings: list[dict[str, str]], hosts: list[dict[str, Any]], secrets: Iterable[str] = ()) -> dict[str, Any]:
    """Return the report of FINDINGS on HOSTS."""
    return make_report({"name": "example", "networks": NETWORKS}, hosts, findings, tuple(secrets), MADE)
