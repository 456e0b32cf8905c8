# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads how a host is connected: addresses, devices, other hosts, names, the load balancer, APIs."""

from __future__ import annotations

import concurrent.futures
import csv
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError, run
from ansible_collections.accentos.cloud.plugins.module_utils.http_answers import ask

_SECONDS = 20.0
_CONNECT_SECONDS = 3.0
_AT_ONCE = 16
# Every host answers there, or refuses: both prove that packets go to and fro.
_PORT = 22
_STATISTICS = ("rx_packets", "tx_packets", "rx_errors", "tx_errors")
_CLASS = Path("/sys/class/net")


def addresses() -> dict[str, dict[str, Any]]:
    """Return the device of each address of the host, with its state and MTU."""
    rows = json.loads(run(["ip", "-json", "address", "show"], timeout=_SECONDS))
    return {
        entry["local"]: {"device": row["ifname"], "state": row["operstate"], "mtu": row["mtu"]}
        for row in rows
        if row.get("ifname")
        for entry in row.get("addr_info", ())
        if entry.get("local")
    }


def devices() -> dict[str, Any]:
    """Return counters of devices by name, members of bonds, and connections that the kernel tracks."""
    counters = {
        path.name: {name: int((path / "statistics" / name).read_text(encoding="ascii")) for name in _STATISTICS}
        for path in sorted(_CLASS.iterdir())
        if (path / "statistics").is_dir()
    }
    return {"counters": counters, "bonds": _bonds(), "tracked": _tracked()}


def _bonds() -> dict[str, dict[str, str]]:
    folder, found = Path("/proc/net/bonding"), {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        member, members = "", {}
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            name, _colon, value = line.partition(": ")
            if name == "Slave Interface":
                member = value.strip()
            elif name == "MII Status" and member:
                members[member], member = value.strip(), ""
        found[path.name] = members
    return found


def _tracked() -> float:
    count, most = (Path("/proc/sys/net/netfilter") / name for name in ("nf_conntrack_count", "nf_conntrack_max"))
    if not count.is_file() or not most.is_file():
        return 0.0
    return 100.0 * int(count.read_text(encoding="ascii")) / max(1, int(most.read_text(encoding="ascii")))


def _reach(peer: Mapping[str, str]) -> str:
    try:
        socket.create_connection((peer["address"], _PORT), timeout=_CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""


def peers(wanted: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return for each other host and network why it is not reached, empty where it is."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        problems = list(pool.map(_reach, wanted))
    return [{**peer, "problem": problem} for peer, problem in zip(wanted, problems, strict=True)]


def names(wanted: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the addresses that the host finds for names; none for those that it does not know."""
    found: dict[str, list[str]] = {}
    for name in wanted:
        try:
            found[name] = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None)})
        except OSError:
            found[name] = []
    return found


def balancer(path: str) -> list[dict[str, str]]:
    """Return what haproxy tells of each service behind it and each server."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(path)
            connection.sendall(b"show stat\n")
            with connection.makefile(encoding="utf-8", errors="replace") as answer:
                text = answer.read()
    except OSError as error:
        raise ProbeError(f"haproxy does not answer at {path}: {error.strerror or error}") from error
    return list(csv.DictReader(text.removeprefix("# ").splitlines()))


def apis(wanted: Sequence[Mapping[str, Any]], ca_file: str) -> dict[str, str]:
    """Return what is wrong with the answer of each address, empty where nothing is."""
    context = ssl.create_default_context(cafile=ca_file)
    with concurrent.futures.ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        wrong = list(pool.map(lambda one: ask(one, context, timeout=_SECONDS), wanted))
    return {one["url"]: told for one, told in zip(wanted, wrong, strict=True)}
