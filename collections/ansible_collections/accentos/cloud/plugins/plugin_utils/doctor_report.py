# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turns what hosts found out about themselves into one report. Pure functions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from ansible_collections.accentos.cloud.plugins.filter.ceph_key import ceph_key
from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    EVERYWHERE,
    LAYERS,
    STATES,
    Check,
    Collected,
    Verdict,
    failure,
    finding,
    good,
    judge,
    warning,
    worst,
)
from ansible_collections.accentos.cloud.plugins.module_utils.health.judge_cloud import CLOUD_CHECKS
from ansible_collections.accentos.cloud.plugins.plugin_utils.clocks import LIMIT, LIMIT_OF_FOLLOWERS, limit_beside_us
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_wanted import (
    EXTERNAL,
    addresses_of,
    linked_networks,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import AddressError
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import HIDDEN, without_logins

_SHORTEST_LINE = 16
# The kind "hex" of secrets. Keys of Ceph are made from them.
_DIGITS = re.compile(r"[0-9a-f]{64}")
# Monitors of Ceph complain from there on; deployments refuse later.
_CLOCK_OFF = 0.05

UNREACHABLE = Check(
    "host answers",
    "host",
    "host",
    lambda _data, _wanted: good("it answers"),
    "the host answers and can be looked at",
    "Nothing is known of a host that does not answer, and nothing can be mended there.",
    "See whether it runs (layer power) and whether ssh reaches it from the control node; then run the doctor again.",
    answers=True,
)


def _offset(data: Mapping[str, float | None], _wanted: Mapping[str, Any]) -> Verdict:
    told, off = f"{data['offset']:+.2f} s", abs(data["offset"] or 0)
    followed = data["followed"]
    # Where chrony follows a source it has checks of its own.
    bearable = _CLOCK_OFF if followed is None else LIMIT
    return failure(told) if off > limit_beside_us(LIMIT, followed) else warning(told) if off > bearable else good(told)


def _address(data: Mapping[str, Sequence[str]], wanted: Mapping[str, Any]) -> Verdict:
    holders = sorted(host for host, addresses in data.items() if wanted["api_address"] in addresses)
    if len(holders) == 1:
        return good(f"{holders[0]} has {wanted['api_address']}")
    return failure(f"{', '.join(holders) or 'no controller'} has {wanted['api_address']}")


CLOCK = Check(
    "clock beside the control node's",
    "host",
    "offset",
    _offset,
    f"below {LIMIT} s, {LIMIT_OF_FOLLOWERS:.0f} s is a failure; where chrony follows no source below {_CLOCK_OFF} s, "
    f"{LIMIT} s is a failure",
    "Deployments refuse a host with a wrong clock, since no certificate and no token is valid there.",
    "See what the host's time comes from (chronyc -n sources); let it step (chronyc makestep). If all hosts are off "
    "by as "
    "much, the control node's own clock is wrong.",
    answers=True,
)
ADDRESS = Check(
    "address of the API",
    "network",
    "api",
    _address,
    "exactly one controller has it",
    "Without it nobody reaches the cloud; with two of them answers come from either by chance.",
    "Look at keepalived on the controllers: journalctl --unit keepalived; do they hear each other in the management "
    "network?",
    applies=lambda wanted: bool(wanted.get("api_address")),
    answers=True,
)
LOGIN = next(check for check in CLOUD_CHECKS if check.of == "login")
ACROSS_CHECKS = (ADDRESS,)
REPORT_CHECKS = (UNREACHABLE, CLOCK, *ACROSS_CHECKS)


def of_host(name: str, result: Mapping[str, Any], clock: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the findings of a host, from the results of the modules host_health and clock_check there."""
    if "findings" not in result:
        words = str(result.get("msg") or result.get("module_stderr") or "it was not looked at").strip()
        reason = "does not answer" if result.get("unreachable") else "cannot be looked at"
        return [finding(UNREACHABLE, name, failure(f"it {reason}: {words}"))]
    found = [finding(UNREACHABLE, name, good("it answers")), *result["findings"]]
    if "offset" in clock:
        found += judge(
            (CLOCK,), {"offset": Collected({"offset": clock["offset"], "followed": clock.get("followed")})}, {}, name
        )
    return found


def of_cloud(result: Mapping[str, Any], controllers: Sequence[str]) -> list[dict[str, str]]:
    """Return the findings of the cloud, from the result of the module cloud_health on one of its CONTROLLERS."""
    if "findings" in result:
        return list(result["findings"])
    if not controllers:
        return []
    words = str(result.get("msg") or "no controller could be looked at").strip()
    return [finding(LOGIN, EVERYWHERE, failure(f"nobody could ask: {words}"))]


def across(results: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return findings that only all controllers together give."""
    facts = {host: result["facts"] for host, result in results.items() if "facts" in result}
    controllers = {host: facts[host] for host in wanted.get("controllers", ()) if host in facts}
    if not controllers:
        return []
    collected = {"api": Collected({host: fact.get("addresses", ()) for host, fact in controllers.items()})}
    return judge(ACROSS_CHECKS, collected, wanted, EVERYWHERE)


def secret_texts(secrets: Iterable[str]) -> list[str]:
    """Return all forms in which secrets could stand in a text, the longest first so that none is left in part."""
    forms = set()
    for secret in secrets:
        forms |= {secret, secret.strip(), quote(secret, safe=""), quote(secret), quote_plus(secret)}
        # As programs show a text that they complain about.
        forms |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
        # A key in several lines is never quoted whole.
        forms |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
        if _DIGITS.fullmatch(secret):
            forms.add(ceph_key(secret))
    return sorted((form for form in forms if form), key=lambda form: (-len(form), form))


def redact(value: Any, forms: Sequence[str]) -> Any:
    """Return a value with all secrets and passwords in URLs replaced; ``forms`` are those of ``secret_texts``."""
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, HIDDEN)
        # A host may have another password than the store.
        return without_logins(value)
    if isinstance(value, Mapping):
        return {key: redact(inner, forms) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner, forms) for inner in value]
    return value


def ordered(findings: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return findings by layer, the worst of each first; of one that several hosts tell alike only the worst."""
    known: dict[tuple[str, str, str], dict[str, str]] = {}
    for one in findings:
        place = (one["layer"], one["check"], one["host"])
        if place not in known or STATES.index(one["state"]) < STATES.index(known[place]["state"]):
            known[place] = dict(one)
    return sorted(
        known.values(),
        key=lambda one: (LAYERS.index(one["layer"]), STATES.index(one["state"]), one["check"], one["host"]),
    )


def joined(findings: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return findings with ``hosts`` instead of ``host``: what several hosts tell in the same words is one of them."""
    known: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in findings:
        words = tuple(value for name, value in one.items() if name != "host")
        row = {"hosts" if name == "host" else name: [] if name == "host" else value for name, value in one.items()}
        known.setdefault(words, row)["hosts"].append(one["host"])
    return list(known.values())


def layer_rows(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each layer that was looked at: its state and how many findings came to which."""
    rows = []
    for layer in LAYERS:
        states = Counter(one["state"] for one in findings if one["layer"] == layer)
        if states:
            rows.append(
                {"layer": layer, "state": worst(states), **{state: states[state] for state in reversed(STATES)}}
            )
    return rows


def problem_lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is told of each finding of ``joined`` that is not well."""
    lines = []
    for one in findings:
        if one["state"] != "ok":
            lines += [
                f"{one['state'].upper()}  {one['layer']}: {one['check']}, {', '.join(one['hosts'])}",
                f"    found     {one['found']}",
                f"    expected  {one['expected']}",
                f"    why       {one['why']}",
                f"    remedy    {one['remedy']}",
            ]
    return lines


def drawn_hosts(names: Iterable[str], site: Mapping[str, Any], described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return hosts as a picture shows them: name, groups, addresses by network, and the networks that they are in.

    A gateway's device in the external network has no address. That of a management controller is not the host's own.

    :param site: groups and networks.
    :param described: by host ``addresses``, those of host_addresses, ``devices``, its network ports and bonds, and
        ``external_devices``, the names of those that lead to the external network, where they are not described.
    """
    groups = {name: hosts for name, hosts in site.get("groups", {}).items() if name not in ("all", "ungrouped")}
    found = []
    for host in names:
        devices = described.get("devices", {}).get(host, ())
        variables = {
            "host_addresses": described.get("addresses", {}).get(host),
            "host_interfaces": devices,
        }
        try:
            own = addresses_of(host, groups, site["networks"], variables)
        except AddressError:
            # The check of the site tells it better.
            own = {}
        outside = EXTERNAL in linked_networks(devices) or described.get("external_devices", {}).get(host)
        found.append(
            {
                "name": host,
                "groups": [name for name, hosts in groups.items() if host in hosts],
                "addresses": own,
                "networks": [*own, *([EXTERNAL] if outside and EXTERNAL in site["networks"] else [])],
            }
        )
    return found


def host_rows(hosts: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the hosts, each with what ``drawn_hosts`` tells, and the worst state that was found on it."""
    return [
        {**host, "state": worst(one["state"] for one in findings if host["name"] in one["hosts"])} for host in hosts
    ]


def make_report(
    site: Mapping[str, Any],
    hosts: Sequence[Mapping[str, Any]],
    findings: Iterable[Mapping[str, str]],
    secrets: Iterable[str],
    made: str,
) -> dict[str, Any]:
    """Return the whole report without secrets. ``site`` has name and networks, ``made`` is the time."""
    forms = secret_texts(secrets)
    known = joined(
        # Layer and state are words of ours: a secret that happens to be one of them must not take them away.
        {**redact(one, forms), "layer": one["layer"], "state": one["state"]}
        for one in ordered(findings)
    )
    counts = Counter(one["state"] for one in known)
    clean_hosts = redact([dict(host) for host in hosts], forms)
    return {
        "made": made,
        "site": redact(dict(site), forms),
        "state": worst(counts),
        "counts": {state: counts[state] for state in reversed(STATES)},
        "layers": layer_rows(known),
        "hosts": host_rows(clean_hosts, known),
        "findings": known,
    }
