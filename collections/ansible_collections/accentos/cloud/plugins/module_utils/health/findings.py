# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks as data: what each judges, and what a person is told. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# From below to above: what is wrong in one is often the cause of what is wrong in those after it.
LAYERS = (
    "power",
    "network",
    "host",
    "database",
    "messaging",
    "identity",
    "image",
    "compute",
    "network service",
    "block storage",
    "Ceph",
)
# Whose the findings are that are no single host's.
EVERYWHERE = "the cloud"
# From bad to good.
STATES = ("fail", "unknown", "warn", "ok")
_MOST = 8


@dataclass(frozen=True)
class Verdict:
    """What was found, and how bad it is (one of STATES)."""

    state: str
    found: str


@dataclass(frozen=True)
class Collected:
    """What a collector read, or why it could not."""

    data: Any = None
    error: str = ""


@dataclass(frozen=True)
class Check:
    """One check. ``judge`` gets what the collector ``of`` read, and what the site wants of the host.

    ``answers`` marks the one check of a collector that fails when nothing could be read at all; the others are then
    unknown. ``shared`` is for what all hosts see alike, of which one finding is enough. ``applies`` tells from what the
    site wants whether the host has what is judged.
    """

    name: str
    layer: str
    of: str
    judge: Callable[[Any, Mapping[str, Any]], Verdict]
    expected: str
    why: str
    remedy: str
    answers: bool = False
    shared: bool = False
    applies: Callable[[Mapping[str, Any]], bool] = lambda _wanted: True


def good(found: str) -> Verdict:
    """Tell that all is well."""
    return Verdict("ok", found)


def warning(found: str) -> Verdict:
    """Tell what is no failure yet."""
    return Verdict("warn", found)


def failure(found: str) -> Verdict:
    """Tell what does not work."""
    return Verdict("fail", found)


def listed(things: Iterable[str]) -> str:
    """Return things as a text; of very many only the first."""
    known = list(things)
    more = f" and {len(known) - _MOST} more" if len(known) > _MOST else ""
    return ", ".join(known[:_MOST]) + more


def judge_list(bad: Iterable[str], well: str, *, state: str = "fail") -> Verdict:
    """Return a verdict on a list of what is wrong: WELL if it is empty."""
    known = list(bad)
    return Verdict(state, listed(known)) if known else good(well)


def judge_share(things: Mapping[str, float], warn: float, fail: float, well: str = "") -> Verdict:
    """Judge percentages by name: from WARN on they are a warning, from FAIL on a failure."""
    high = {name: value for name, value in things.items() if value >= warn}
    told = listed(f"{name} {value:.0f} %" for name, value in sorted(high.items(), key=lambda pair: -pair[1]))
    if not high:
        most = max(things.values(), default=0.0)
        return good(well or f"at most {most:.0f} %")
    return Verdict("fail" if max(high.values()) >= fail else "warn", told)


def finding(check: Check, host: str, verdict: Verdict) -> dict[str, str]:
    """Return what is reported of a check on a host."""
    return {
        "layer": check.layer,
        "check": check.name,
        "host": host,
        "state": verdict.state,
        "found": verdict.found,
        "expected": check.expected,
        "why": check.why,
        "remedy": check.remedy,
    }


def judge(
    checks: Sequence[Check], collected: Mapping[str, Collected], wanted: Mapping[str, Any], host: str
) -> list[dict[str, str]]:
    """Return the findings of a host, of those checks whose collector ran there."""
    return [
        finding(check, EVERYWHERE if check.shared else host, _verdict(check, collected[check.of], wanted))
        for check in checks
        if check.of in collected and check.applies(wanted)
    ]


def _verdict(check: Check, collected: Collected, wanted: Mapping[str, Any]) -> Verdict:
    if collected.error:
        return Verdict("fail" if check.answers else "unknown", collected.error)
    try:
        return check.judge(collected.data, wanted)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # A release that answers in another form. One check less is no reason to lose all others.
        return Verdict("unknown", f"the answer is not understood: {type(error).__name__}: {error}")


def worst(states: Iterable[str]) -> str:
    """Return the worst of states; ok if there are none."""
    return min(states, key=STATES.index, default="ok")
