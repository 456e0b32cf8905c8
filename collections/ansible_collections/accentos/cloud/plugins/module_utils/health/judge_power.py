# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what management controllers say of machines, as the module power_info returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    EVERYWHERE,
    Check,
    Collected,
    Verdict,
    failure,
    finding,
    good,
    judge,
    warning,
)


def controller_answers(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the controller that answered."""
    known = data.get("connection") or {}
    return good(" ".join(str(known[name]) for name in ("product", "protocol") if known.get(name)) or "it answers")


def power_state(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge the power of a machine, beside whether its host answers."""
    power = str(data["power"])
    if wanted["answers"] and power != "on":
        return warning(f"{power}, although the host answers")
    return good(power) if power == "on" else failure(power)


def next_start(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what the machine starts from next: an installed host that starts from the network may be installed anew."""
    boot = data.get("boot") or {}
    device = str(boot.get("device") or "")
    if device == "pxe":
        return warning(f"from the network{', always' if boot.get('persistent') else ', once'}")
    return good(device or "not told")


def weaknesses(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what an audit of the controller found."""
    found = data.get("findings") or ()
    told = "; ".join(str(one["problem"]) for one in found)
    if any(one["severity"] == "critical" for one in found):
        return failure(told)
    return warning(told) if found else good("none")


POWER_CHECKS = (
    Check(
        "management controller",
        "power",
        "power",
        controller_answers,
        "it answers and lets the site in",
        "Without it a lost host cannot be proved dead, and its guests cannot be taken over.",
        "Look at its address, network out_of_band, and the login in the secrets of the site (bmc_HOST_user, "
        "_password).",
        answers=True,
    ),
    Check(
        "power",
        "power",
        "power",
        power_state,
        "on",
        "A machine that is off carries nothing.",
        "Find out who turned it off, then turn it on: accentos.cloud.power, state on. If its host answers, the "
        "address of "
        "the controller is that of another machine: mend host_bmc before anything is fenced.",
    ),
    Check(
        "next start",
        "power",
        "power",
        next_start,
        "not from the network",
        "A host that starts from the network could be installed anew.",
        "Set it back: accentos.cloud.power with boot_device disk; see docs/bare_metal.md.",
    ),
    Check(
        "weaknesses of the controller",
        "power",
        "power",
        weaknesses,
        "none",
        "Who controls the power of a host controls the host.",
        "Run harden_bmcs.yml.",
    ),
)


def of_machines(
    result: Mapping[str, Any], machines: Sequence[str], answering: Mapping[str, bool]
) -> list[dict[str, str]]:
    """Return findings of MACHINES from the result of module power_info; ``answering`` tells which hosts answer."""
    if not machines:
        return []
    if "machines" not in result:
        words = str(result.get("msg") or "no deploy host could be looked at").strip()
        return [finding(POWER_CHECKS[0], EVERYWHERE, failure(f"nobody could ask: {words}"))]
    found = []
    for name in machines:
        row = result["machines"].get(name) or {"problem": "it was not asked"}
        problem = " ".join(str(row[key]) for key in ("problem", "remedy") if row.get(key))
        collected = Collected(error=problem) if problem else Collected(row)
        found += judge(POWER_CHECKS, {"power": collected}, {"answers": answering.get(name, False)}, name)
    return found
