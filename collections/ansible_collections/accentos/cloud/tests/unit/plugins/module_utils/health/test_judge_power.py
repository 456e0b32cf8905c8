# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What management controllers say, judged on literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_power import POWER_CHECKS, of_machines

ROW: dict[str, Any] = {
    "power": "on",
    "boot": {"device": "none", "persistent": False},
    "connection": {"protocol": "redfish", "product": "Example"},
    "findings": [],
}


def states(row: dict[str, Any], *, answers: bool = True) -> dict[str, tuple[str, str]]:
    found = of_machines({"machines": {"a": row}}, ["a"], {"a": answers})
    return {one["check"]: (one["state"], one["found"]) for one in found}


def test_a_machine_that_is_well() -> None:
    assert states(ROW) == {
        "management controller": ("ok", "Example redfish"),
        "power": ("ok", "on"),
        "next start": ("ok", "none"),
        "weaknesses of the controller": ("ok", "none"),
    }
    assert [check.layer for check in POWER_CHECKS] == ["power"] * len(POWER_CHECKS)


@pytest.mark.parametrize(
    ("check", "row", "answers", "verdict"),
    [
        ("power", {"power": "off"}, False, ("fail", "off")),
        ("power", {"power": "off"}, True, ("warn", "off, although the host answers")),
        ("next start", {"boot": {"device": "pxe", "persistent": True}}, True, ("warn", "from the network, always")),
        ("next start", {"boot": {"device": "pxe", "persistent": False}}, True, ("warn", "from the network, once")),
        (
            "weaknesses of the controller",
            {
                "findings": [
                    {"severity": "critical", "problem": "cipher suite 0"},
                    {"severity": "warning", "problem": "b"},
                ]
            },
            True,
            ("fail", "cipher suite 0; b"),
        ),
        (
            "weaknesses of the controller",
            {"findings": [{"severity": "warning", "problem": "IPMI 1.5"}]},
            True,
            ("warn", "IPMI 1.5"),
        ),
    ],
)
def test_what_is_not_well(check: str, row: dict[str, Any], answers: bool, verdict: tuple[str, str]) -> None:
    assert states({**ROW, **row}, answers=answers)[check] == verdict


def test_controllers_that_do_not_answer() -> None:
    silent = {"power": "unknown", "boot": None, "problem": "no answer", "remedy": "Look at its cable."}
    assert states(silent)["management controller"] == ("fail", "no answer Look at its cable.")
    assert states(silent)["power"][0] == "unknown"
    assert of_machines({}, [], {}) == []
    (lost,) = of_machines({"failed": True, "msg": "no library"}, ["a"], {})
    assert (lost["host"], lost["found"]) == ("the cloud", "nobody could ask: no library")
    assert of_machines({"machines": {}}, ["a"], {})[0]["found"] == "it was not asked"
