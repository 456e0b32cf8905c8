# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges how a host is connected, and what the load balancer hands on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    Check,
    Verdict,
    failure,
    good,
    judge_list,
    judge_share,
)

_ERRORS_OF_A_MILLION = 100
_FEW_PACKETS = 1000
_MANY, _TOO_MANY = 80, 95


def own_addresses(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the host has its addresses."""
    missing = (
        f"{address} of {network}" for network, address in wanted.get("addresses", {}).items() if address not in data
    )
    return judge_list(missing, f"{len(wanted['addresses'])} addresses are there")


def devices_up(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge the devices of the host's addresses. Bridges and tunnels do not tell their state."""
    down = (
        f"{data[address]['device']} ({network}) is {data[address]['state']}"
        for network, address in wanted.get("addresses", {}).items()
        if address in data and data[address]["state"] not in ("UP", "UNKNOWN")
    )
    return judge_list(down, "all of them are up")


def device_errors(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many packets devices lost to errors, of all that passed."""
    bad = []
    for name, counts in data["counters"].items():
        passed = counts["rx_packets"] + counts["tx_packets"]
        errors = counts["rx_errors"] + counts["tx_errors"]
        if passed >= _FEW_PACKETS and errors * 1_000_000 > passed * _ERRORS_OF_A_MILLION:
            bad.append(f"{name} {errors} of {passed} packets")
    return judge_list(bad, "hardly any", state="warn")


def bonds(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the members of bonds."""
    down = (
        f"{member} of {bond} is {state}"
        for bond, members in data["bonds"].items()
        for member, state in members.items()
        if state != "up"
    )
    return judge_list(down, f"{len(data['bonds'])} bonds, all members up")


def tracked(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the kernel's table of connections."""
    return judge_share({"of the table in use": data["tracked"]}, _MANY, _TOO_MANY)


def peers(data: Sequence[Mapping[str, str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge which other hosts are reached."""
    lost = (f"{one['host']} in {one['network']} ({one['address']}): {one['problem']}" for one in data if one["problem"])
    return judge_list(lost, f"{len(data)} answer")


def names(data: Mapping[str, Sequence[str]], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether names lead to the addresses that they stand for."""
    wrong = (
        f"{name} is {', '.join(data[name]) or 'unknown'} instead of {address}"
        for name, address in wanted["names"].items()
        if address not in data[name]
    )
    return judge_list(wrong, f"{len(data)} names are right")


def _servers(data: Sequence[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in data:
        if row["svname"] not in ("FRONTEND", "BACKEND"):
            found[row["pxname"]][row["svname"]] = row["status"]
    return found


def services_served(data: Sequence[Mapping[str, str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether each service behind the load balancer has a server that works."""
    known = _servers(data)
    if not known:
        return failure("it hands on nothing")
    dead = (name for name, servers in known.items() if not any(state.startswith("UP") for state in servers.values()))
    return judge_list(sorted(dead), f"{len(known)} services have a server")


def servers_up(data: Sequence[Mapping[str, str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether all servers of each service work."""
    down = (
        f"{name} on {server} is {state}"
        for name, servers in sorted(_servers(data).items())
        for server, state in sorted(servers.items())
        if not state.startswith("UP")
    )
    return judge_list(down, "all servers are up", state="warn")


def sessions(data: Sequence[Mapping[str, str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many clients are connected, of those that may be."""
    shares = {
        row["pxname"]: 100.0 * int(row["scur"] or 0) / int(row["slim"])
        for row in data
        if row["svname"] == "FRONTEND" and int(row["slim"] or 0)
    }
    return judge_share(shares, _MANY, _TOO_MANY) if shares else good("no limit is set")


NETWORK_CHECKS = (
    Check(
        "addresses",
        "network",
        "addresses",
        own_addresses,
        "the host has its address in each of its networks",
        "Others look for it there.",
        "See ip address and the configuration of the network; was a device renamed or a cable moved?",
        answers=True,
    ),
    Check(
        "devices",
        "network",
        "addresses",
        devices_up,
        "the devices of these addresses are up",
        "Without a carrier no packet leaves.",
        "Look at cable, port of the switch and ip -details link.",
    ),
    Check(
        "errors of devices",
        "network",
        "devices",
        device_errors,
        f"less than {_ERRORS_OF_A_MILLION} of a million packets",
        "A bad cable or port makes everything slow and nothing fail.",
        "See ip -statistics -statistics link and ethtool -S DEVICE, change cable or port.",
        answers=True,
    ),
    Check(
        "bonds",
        "network",
        "devices",
        bonds,
        "all members of bonds are up",
        "With the next cable the host is gone.",
        "See /proc/net/bonding, cable and port of the switch.",
    ),
    Check(
        "tracked connections",
        "network",
        "devices",
        tracked,
        f"below {_MANY} % of the kernel's table",
        "When the table is full new connections are dropped, those of guests too.",
        "Raise net.netfilter.nf_conntrack_max in base_sysctl_extra, and find who opens so many.",
    ),
    Check(
        "other hosts",
        "network",
        "peers",
        peers,
        "controllers and deploy hosts answer in every network that both are in",
        "What is cut in one network only is mistaken for a dead service.",
        "From this host: ip route get ADDRESS, ping, tracepath; look at VLANs of the switch ports and at firewalls.",
        answers=True,
        applies=lambda wanted: bool(wanted.get("peers")),
    ),
    Check(
        "names",
        "network",
        "names",
        names,
        "names of hosts and of the API lead to their addresses",
        "Certificates hold names, and services find each other by them.",
        "Run prepare.yml --tags base, which writes /etc/hosts; look for a name server that says otherwise.",
        answers=True,
        applies=lambda wanted: bool(wanted.get("names")),
    ),
    Check(
        "services behind the load balancer",
        "network",
        "balancer",
        services_served,
        "each has at least one server that works",
        "Nobody reaches a service without a server.",
        "Look at the service's layer on the controllers; what haproxy thinks: journalctl --unit haproxy.",
        answers=True,
    ),
    Check(
        "servers behind the load balancer",
        "network",
        "balancer",
        servers_up,
        "all servers work",
        "The others carry the load, and with the last one the service is gone.",
        "Look at the service on the host named, at its certificate and its health path.",
    ),
    Check(
        "clients of the load balancer",
        "network",
        "balancer",
        sessions,
        f"below {_MANY} % of those that may connect",
        "At the limit further clients wait.",
        "Find who connects so often, or raise load_balancer_connections.",
    ),
)
