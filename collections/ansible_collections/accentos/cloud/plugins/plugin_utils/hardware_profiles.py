# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Matches machines that nobody has described to hardware profiles, and gives each a name, addresses and ports.

Pure: inventories as docs/provisioning_protocol.md describes them and the profiles of the site go in, a plan comes out.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import BASE
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_inventory import RangeError, expand_range

_MIB_PER_GIB = 1024
# What a kernel keeps for itself: a machine with 64 GiB shows less.
_KERNEL_SHARE = 0.95
# What a profile may say of the installation, as the variables provision_* of a host do.
_PROVISION = ("root_disk", "disk_layout", "image", "architecture")


class ProfileError(ValueError):
    """A profile cannot be used. The text says why and what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one machine in quarantine.

    ``action`` is ``approve`` (profile says so), ``ask`` (a person approves) or ``keep`` (no profile fits).
    """

    identifier: str
    action: str
    reason: str
    profile: str = ""
    host: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def misfit(wanted: Mapping[str, Any], inventory: Mapping[str, Any]) -> str:
    """Say in which first point an inventory differs from what a profile wants; an empty string when it fits.

    Texts are compared as shell patterns, without regard to case; numbers are the least that the machine must have.
    """
    system, cpu = inventory["system"], inventory["cpu"]
    texts = {
        "vendor": system["vendor"],
        "product": system["product"],
        "serial": system["serial"],
        "cpu_model": cpu["model"],
        "firmware": inventory["firmware"],
    }
    numbers = {
        "cpu_sockets_min": cpu["sockets"],
        "cpu_threads_min": cpu["threads"],
        "memory_gib_min": round(inventory["memory_mib"] / _MIB_PER_GIB / _KERNEL_SHARE, 1),
        "disks_min": len(inventory["disks"]),
        "cards_min": len(inventory["cards"]),
    }
    for key, value in wanted.items():
        if value is None:
            continue
        if key in texts and not fnmatch.fnmatchcase(texts[key].lower(), str(value).lower()):
            return f"{key} is {texts[key] or 'unknown'}, not {value}"
        if key in numbers and numbers[key] < value:
            return f"{key.removesuffix('_min')}: it has {numbers[key]}, needed are {value}"
    return ""


def address_range(text: str) -> list[str]:
    """Return the addresses of a range such as 10.20.0.100-10.20.0.199.

    :raises ProfileError: the text is no range, or one of more than ten thousand addresses.
    """
    first, dash, last = (part.strip() for part in text.partition("-"))
    try:
        begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last if dash else first)
        count = int(end) - int(begin) + 1
        if begin.version != end.version or not 0 < count <= 10_000:  # noqa: PLR2004 - as many hosts as a site may have
            raise ValueError
    except ValueError:
        raise ProfileError(
            f"{text!r} is no range of addresses: expected two of one kind such as 10.20.0.100-10.20.0.199"
        ) from None
    return [str(begin + offset) for offset in range(count)]


def _free(candidates: Iterable[str], used: Collection[str]) -> Iterator[str]:
    return (candidate for candidate in candidates if candidate not in used)


def ports_of(profile: Mapping[str, Any], inventory: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return host_interfaces: the card that the machine booted from serves management, the others follow the profile.

    :raises ProfileError: the machine has no network card.
    """
    cards = sorted(
        (card for card in inventory["cards"] if card["mac"]),
        key=lambda card: (card["mac"] != inventory.get("boot_mac"), not card["carrier"], _natural(card["name"])),
    )
    if not cards:
        raise ProfileError("the machine shows no network card")
    plan: Sequence[Mapping[str, Any]] = [{"network": BASE}, *profile.get("ports", [])]
    return [
        {"name": card["name"], "mac": card["mac"], **{key: value for key, value in port.items() if value}}
        for card, port in zip(cards, [*plan, *({} for _card in cards)], strict=False)
    ]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def plan_enrolments(
    enrolments: Sequence[Mapping[str, Any]],
    profiles: Sequence[Mapping[str, Any]],
    used_names: Collection[str],
    used_addresses: Collection[str],
) -> list[Verdict]:
    """Return a verdict for each machine in quarantine, in order. The first profile that fits is taken.

    :param enrolments: each with ``id`` and ``inventory``.
    :param profiles: see the option ``provision_profiles``.
    :raises ProfileError: a profile is malformed, or has no name or address left.
    """
    names, addresses = set(used_names), set(used_addresses)
    verdicts = []
    for enrolment in enrolments:
        misfits = []
        for profile in profiles:
            reason = misfit(profile.get("match", {}), enrolment["inventory"])
            if reason:
                misfits.append(f"{profile['name']}: {reason}")
                continue
            host = _host(profile, enrolment["inventory"], names, addresses)
            names.add(host["name"])
            addresses.add(host["host_addresses"][BASE])
            action = "approve" if profile.get("approve") == "automatic" else "ask"
            verdicts.append(Verdict(enrolment["id"], action, "it fits", profile["name"], host))
            break
        else:
            reason = "; ".join(misfits) or "the site has no provision_profiles"
            verdicts.append(Verdict(enrolment["id"], "keep", reason))
    return verdicts


def _host(
    profile: Mapping[str, Any], inventory: Mapping[str, Any], names: Collection[str], addresses: Collection[str]
) -> dict[str, Any]:
    try:
        pattern = expand_range(profile["names"])
    except RangeError as error:
        raise ProfileError(f"profile {profile['name']}, names: {profile['names']!r} {error}") from None
    name = next(_free(pattern, names), None)
    address = next(_free(address_range(profile["addresses"]), addresses), None)
    if name is None or address is None:
        raise ProfileError(
            f"profile {profile['name']} has no {'name' if name is None else 'address'} left: all of "
            f"{profile['names'] if name is None else profile['addresses']} are used. Widen it"
        )
    return {
        "name": name,
        "groups": list(profile["groups"]),
        "host_addresses": {BASE: address},
        "host_interfaces": ports_of(profile, inventory),
        **({"host_serial": inventory["system"]["serial"]} if inventory["system"]["serial"] else {}),
        **{f"provision_{key}": profile[key] for key in _PROVISION if profile.get(key)},
    }
