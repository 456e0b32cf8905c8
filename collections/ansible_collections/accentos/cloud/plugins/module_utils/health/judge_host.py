# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the system of a host, and the units and APIs of every layer on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    LAYERS,
    Check,
    Verdict,
    failure,
    good,
    judge_list,
    judge_share,
    warning,
)

_FULL, _NEARLY_FULL = 95, 85
_LEAST_MEMORY, _LITTLE_MEMORY = 3.0, 8.0
_SWAPPED = 60.0
_LOAD, _HIGH_LOAD = 2.0, 6.0
_OFFSET, _GREAT_OFFSET = 0.05, 0.5
_RENEW, _URGENT = 25.0, 7.0
_RESTARTS = 3


def failed_units(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what systemd calls failed."""
    told = (f"{name}: {data['journals'].get(name) or 'no journal'}" for name in data["failed"])
    return judge_list(told, "no unit failed")


def unit_states(layer: str) -> Any:
    """Return a judge of the units of a layer."""

    def judged(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
        names = [unit["name"] for unit in wanted["units"] if unit["layer"] == layer]
        down = []
        for name in names:
            state = data["states"][name]
            if state["LoadState"] != "loaded":
                down.append(f"{name} is {state['LoadState']}")
            elif state["ActiveState"] != "active":
                words = data["journals"].get(name) or ""
                down.append(f"{name} is {state['ActiveState']} ({state['SubState']})" + (f": {words}" if words else ""))
        return judge_list(down, f"{len(names)} run")

    return judged


def has_units(layer: str) -> Any:
    """Return what tells whether the host has units of a layer."""
    return lambda wanted: any(unit["layer"] == layer for unit in wanted.get("units", ()))


def enabled_units(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the wanted units come back after a restart of the host."""
    off = [name for name, state in data["states"].items() if state.get("UnitFileState") in ("disabled", "masked")]
    return judge_list(sorted(off), f"{len(data['states'])} start at boot")


def restarting_units(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how often systemd had to start units again."""
    often = {name: int(state.get("NRestarts") or 0) for name, state in data["states"].items()}
    told = (f"{name} {count} times" for name, count in often.items() if count >= _RESTARTS)
    return judge_list(told, "no unit starts again and again", state="warn")


def stale_units(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether systemd knows the files of units as they are."""
    stale = [name for name, state in data["states"].items() if state.get("NeedDaemonReload") == "yes"]
    return judge_list(stale, "all unit files are read", state="warn")


def present_configuration(data: Mapping[str, list[str]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether units run with the files that are there now."""
    told = (f"{unit}: {', '.join(paths)}" for unit, paths in data.items() if paths)
    return judge_list(told, f"{len(data)} units run with their present files", state="warn")


def secret_modes(data: list[dict[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether others may read, or change, files with passwords."""
    open_ones = (f"{one['path']} ({one['mode']:04o})" for one in data if one["open"])
    return judge_list(open_ones, f"{len(data)} files, closed to others")


def disk_space(data: list[dict[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how full file systems are."""
    return judge_share({one["path"]: one["used"] for one in data}, _NEARLY_FULL, _FULL)


def disk_files(data: list[dict[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many of the files that file systems can hold are there."""
    return judge_share({one["path"]: one["files"] for one in data}, _NEARLY_FULL, _FULL)


def disk_writable(data: list[dict[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the kernel has stopped writing to a file system."""
    return judge_list((one["path"] for one in data if one["read_only"]), "all are written to")


def memory(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the memory that programs can still get."""
    left = 100.0 * data["memory"]["MemAvailable"] / data["memory"]["MemTotal"]
    told = f"{left:.0f} % of {data['memory']['MemTotal'] / 2**20:.1f} GiB are available"
    return failure(told) if left < _LEAST_MEMORY else warning(told) if left < _LITTLE_MEMORY else good(told)


def swap(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how much memory was put out to disks."""
    total, free = data["memory"].get("SwapTotal", 0), data["memory"].get("SwapFree", 0)
    if not total:
        return good("no swap")
    used = 100.0 * (total - free) / total
    told = f"{used:.0f} % of {total / 2**20:.1f} GiB in use"
    return warning(told) if used > _SWAPPED else good(told)


def processors(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many processes wait for a processor."""
    each = data["load"] / data["processors"]
    told = f"load {data['load']:.1f} on {data['processors']} processors"
    return failure(told) if each >= _HIGH_LOAD else warning(told) if each >= _LOAD else good(told)


def open_files(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many of the files that the kernel can open are open."""
    return judge_share({"of the kernel's limit": data["files"]}, _NEARLY_FULL, _FULL)


def memory_errors(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge what memory modules report."""
    counts = data["memory_errors"]
    if counts["uncorrected"]:
        return failure(f"{counts['uncorrected']} uncorrected errors, {counts['corrected']} corrected")
    return warning(f"{counts['corrected']} corrected errors") if counts["corrected"] else good("no error is reported")


def software_arrays(data: Mapping[str, str], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether members of arrays are away."""
    broken = (f"{name} [{letters}]" for name, letters in data.items() if "_" in letters)
    return judge_list(broken, f"{len(data)} arrays, all whole")


def running_kernel(data: Mapping[str, str], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the host still runs an older kernel than the installed one."""
    if data["next"] and data["next"] != data["kernel"]:
        return warning(f"{data['kernel']} runs, {data['next']} is installed")
    return good(f"{data['kernel']} runs")


def packages(data: Mapping[str, str], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether all packages are installed whole."""
    return failure(" ".join(data["packages"].split())[:300]) if data["packages"] else good("all are whole")


def synchronized(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the time service follows something."""
    if data["leap"] == "Not synchronised":
        return failure("the clock follows nothing")
    return good(f"stratum {data['stratum']}")


def clock_offset(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how far the clock is from what it follows."""
    off = abs(data["offset"])
    told = f"{off * 1000:.1f} ms"
    return failure(told) if off > _GREAT_OFFSET else warning(told) if off > _OFFSET else good(told)


def time_sources(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether sources of time answer. ``reach`` has a bit for each of the last eight questions."""
    silent = [source["name"] for source in data["sources"] if not source["reach"]]
    false = [source["name"] for source in data["sources"] if source["state"] == "x"]
    if not data["sources"] or len(silent) == len(data["sources"]):
        return failure("no source answers" + (f": {', '.join(silent)}" if silent else ""))
    told = [*(f"{name} does not answer" for name in silent), *(f"{name} tells another time" for name in false)]
    return judge_list(told, f"{len(data['sources'])} answer", state="warn")


def certificate_ends(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how long certificates are still valid."""
    found = {one["name"]: one["left"] for one in data["certificates"] if one["readable"] and one["name"] != "ca"}
    soon = sorted((left, name) for name, left in found.items() if left < _RENEW)
    told = ", ".join(
        f"{name} {'ended' if left < 0 else 'ends in'} {abs(left):.0f} days{' ago' if left < 0 else ''}"
        for left, name in soon
    )
    if not soon:
        return good(f"{len(found)} are valid for {min(found.values(), default=0):.0f} days or more")
    return failure(told) if soon[0][0] < _URGENT else warning(told)


def certificate_begins(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether certificates are valid already: a clock that was wrong makes those of the future."""
    future = (f"{one['name']} in {-one['since']:.1f} days" for one in data["certificates"] if one.get("since", 0) < 0)
    return judge_list(future, "all are valid already")


def certificates_whole(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether certificates can be read and fit their keys."""
    bad = [f"{one['name']} cannot be read" for one in data["certificates"] if not one["readable"]]
    words = {"missing": "has no key", "other": "is for another key"}
    bad += [f"{one['name']} {words[one['key']]}" for one in data["certificates"] if one.get("key") in words]
    return judge_list(bad, "all fit their keys")


def certificate_authority(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the site's present authority signed the certificates."""
    bad = (one["name"] for one in data["certificates"] if one.get("issuer_known") is False)
    return judge_list(bad, "the site's authority signed all")


def authority_end(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how long the authority itself is valid."""
    (left,) = (one["left"] for one in data["certificates"] if one["name"] == "ca" and one["readable"])
    told = f"{left:.0f} days"
    return failure(told) if left < _RENEW else good(told)


def key_modes(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether others may read private keys."""
    open_ones = (f"{one['name']} ({one['mode']:04o})" for one in data["certificates"] if one.get("mode", 0) & 0o007)
    return judge_list(open_ones, "only owners and groups read them")


def api_answers(layer: str) -> Any:
    """Return a judge of the answers of the APIs of a layer on this host."""

    def judged(data: Mapping[str, str], wanted: Mapping[str, Any]) -> Verdict:
        urls = [api["url"] for api in wanted["apis"] if api["layer"] == layer]
        return judge_list((f"{url}: {data[url]}" for url in urls if data[url]), f"{listed_urls(urls)} answer")

    return judged


def listed_urls(urls: list[str]) -> str:
    """Return addresses as a text."""
    return ", ".join(urls)


def has_apis(layer: str) -> Any:
    """Return what tells whether the host has APIs of a layer."""
    return lambda wanted: any(api["layer"] == layer for api in wanted.get("apis", ()))


_JOURNAL = "Read its journal (journalctl --unit NAME), mend what it complains about, then deploy again."
_DEPLOY = "Run deploy.yml again; it restarts what does not run with its present files."
_RENEW_RUN = "Run prepare.yml --tags certificates, then deploy.yml; both renew certificates and restart their users."

HOST_CHECKS = (
    Check(
        "failed units",
        "host",
        "units",
        failed_units,
        "systemd calls no unit failed",
        "What has failed is not tried again, and whatever depends on it does not work.",
        _JOURNAL,
        answers=True,
    ),
    *(
        Check(
            f"units of the layer {layer}",
            layer,
            "units",
            unit_states(layer),
            "all of them are active",
            "They are what this layer is made of on this host.",
            _JOURNAL,
            applies=has_units(layer),
        )
        for layer in LAYERS
    ),
    Check(
        "units at boot",
        "host",
        "units",
        enabled_units,
        "all wanted units start at boot",
        "After a restart of the host, or a loss of power, they would stay away.",
        "Run deploy.yml again, or systemctl enable NAME. A unit that is masked was masked by hand.",
        applies=lambda wanted: bool(wanted.get("units")),
    ),
    Check(
        "units that start again",
        "host",
        "units",
        restarting_units,
        f"fewer than {_RESTARTS} restarts of each",
        "A service that ends again and again looks alive between its ends.",
        _JOURNAL,
        applies=lambda wanted: bool(wanted.get("units")),
    ),
    Check(
        "unit files",
        "host",
        "units",
        stale_units,
        "systemd has read all unit files as they are",
        "At its next start a unit would come up in another way than it runs.",
        "Run systemctl daemon-reload.",
        applies=lambda wanted: bool(wanted.get("units")),
    ),
    Check(
        "present configuration",
        "host",
        "configuration",
        present_configuration,
        "services run with the files that are there",
        "What was changed by hand, or by a run that was cut off, "
        "is not in force yet and comes as a surprise at the next restart.",
        _DEPLOY,
        answers=True,
    ),
    Check(
        "files with secrets",
        "host",
        "secrets",
        secret_modes,
        "only owner and group may read files of services that hold passwords or keys",
        "Every program on the host reads the password, and can do with it what the service can.",
        "Run deploy.yml again, which closes them; find out who opened it, and renew the password.",
        answers=True,
    ),
    Check(
        "disk space",
        "host",
        "filesystems",
        disk_space,
        f"below {_NEARLY_FULL} %; {_FULL} % is a failure",
        "On a full disk databases stop, messaging holds senders back, and logs are lost.",
        "Find what is large (du -xh --max-depth=2 PATH | sort -h), remove it or enlarge the file system.",
        answers=True,
    ),
    Check(
        "files on disks",
        "host",
        "filesystems",
        disk_files,
        f"below {_NEARLY_FULL} %; {_FULL} % is a failure",
        "Without free inodes nothing new can be written although there is space.",
        "Find folders with very many files (du --inodes -x PATH | sort -n) and remove what made them.",
    ),
    Check(
        "disks are written to",
        "host",
        "filesystems",
        disk_writable,
        "no file system is read-only that is not meant to be",
        "The kernel stops writing after errors of a disk; services then fail one after the other.",
        "Read the kernel's log (journalctl -k), replace the disk, check the file system and restart the host.",
    ),
    Check(
        "memory",
        "host",
        "load",
        memory,
        f"{_LITTLE_MEMORY:.0f} % available; below {_LEAST_MEMORY:.0f} % is a failure",
        "Without memory the kernel ends processes, often the database or guests.",
        "See who takes it (ps --sort -rss aux), give services fewer processes (openstack_service_processes) or add "
        "memory.",
        answers=True,
    ),
    Check(
        "swap",
        "host",
        "load",
        swap,
        f"below {_SWAPPED:.0f} %",
        "A host that swaps answers late, and clusters take it for dead.",
        "See who takes the memory (ps --sort -rss aux), and free or add some.",
    ),
    Check(
        "processors",
        "host",
        "load",
        processors,
        f"a load below {_LOAD:.0f} for each processor",
        "Services answer late, heartbeats are missed and leaders are elected anew.",
        "See what takes them (top), move guests away or spread services over more hosts.",
    ),
    Check(
        "open files",
        "host",
        "load",
        open_files,
        f"below {_NEARLY_FULL} %",
        "At the limit no program opens a file or a connection.",
        "See who has so many (lsof), and raise fs.file-max in base_sysctl_extra.",
    ),
    Check(
        "memory errors",
        "host",
        "load",
        memory_errors,
        "memory modules report no error",
        "Corrected errors announce a module that dies; uncorrected ones have spoilt data.",
        "Move guests away and replace the module: edac-util --verbose, or the host's management controller, names it.",
    ),
    Check(
        "software arrays",
        "host",
        "arrays",
        software_arrays,
        "no member of an array is away",
        "The next disk that fails takes the data with it.",
        "Replace the disk (mdadm --detail DEVICE names it) and add it again.",
        answers=True,
    ),
    Check(
        "packages",
        "host",
        "system",
        packages,
        "all packages are installed whole",
        "A package that was cut off leaves programs and libraries that do not fit together.",
        "Run prepare.yml again, which finishes it, or: dpkg --configure -a.",
        answers=True,
    ),
    Check(
        "kernel",
        "host",
        "system",
        running_kernel,
        "the installed kernel runs",
        "Its corrections, of security too, are not in force.",
        "Move guests away and restart the host when it suits.",
    ),
    Check(
        "time",
        "host",
        "clock",
        synchronized,
        "the clock follows a source",
        "Tokens, certificates, clusters and logs depend on the same time everywhere.",
        "Ask chronyc -n sources; see whether the servers (site_ntp_servers, or the deploy hosts) are reached on UDP "
        "port 123.",
        answers=True,
    ),
    Check(
        "clock offset",
        "host",
        "clock",
        clock_offset,
        f"below {_OFFSET * 1000:.0f} ms; {_GREAT_OFFSET} s is a failure",
        "Monitors of Ceph refuse a peer from 0.05 s on; far off, tokens and certificates are refused.",
        "Wait if it just started, else: chronyc makestep. Look at the source: chronyc -n sourcestats.",
    ),
    Check(
        "time sources",
        "host",
        "clock",
        time_sources,
        "every source answers and none tells another time",
        "With the last source the clock begins to drift.",
        "Ask chronyc -n sources, and see whether the servers are reached.",
        applies=lambda wanted: not wanted.get("keeps_time"),
    ),
    Check(
        "certificates last",
        "host",
        "certificates",
        certificate_ends,
        f"{_RENEW:.0f} days or more; below {_URGENT:.0f} is a failure",
        "When one ends, nobody reaches its service any more. A run renews it 30 days before.",
        _RENEW_RUN,
        answers=True,
    ),
    Check(
        "certificates begun",
        "host",
        "certificates",
        certificate_begins,
        "no certificate of the future",
        "Before its time nobody accepts it; usually a clock was wrong when it was made.",
        "Mend the clocks, remove the file from /etc/accentos/pki and run prepare.yml --tags certificates, then "
        "deploy.yml.",
    ),
    Check(
        "certificates and keys",
        "host",
        "certificates",
        certificates_whole,
        "each can be read and has its key",
        "Its service does not start again.",
        _RENEW_RUN,
    ),
    Check(
        "certificates' authority",
        "host",
        "certificates",
        certificate_authority,
        "the authority of the site signed all",
        "The others do not accept what another authority signed.",
        _RENEW_RUN,
    ),
    Check(
        "authority lasts",
        "host",
        "certificates",
        authority_end,
        f"{_RENEW:.0f} days or more",
        "With it all certificates end at once.",
        "Run prepare.yml --tags certificates, which renews it with the same key.",
    ),
    Check(
        "private keys",
        "host",
        "certificates",
        key_modes,
        "only owner and group may read them",
        "Who reads a key can pose as the service.",
        "Run prepare.yml --tags certificates and deploy.yml; find out who opened it.",
    ),
    *(
        Check(
            f"APIs of the layer {layer}",
            layer,
            "apis",
            api_answers(layer),
            "each answers over verified TLS on this host",
            "The load balancer takes a host out whose API does not answer; the others carry its load.",
            "Read the journal of its unit and /var/log of the service; then deploy again.",
            answers=True,
            applies=has_apis(layer),
        )
        for layer in LAYERS
    ),
)
