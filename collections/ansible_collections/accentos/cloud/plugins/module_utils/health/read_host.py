# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads how the system of a host is: units, disks, memory, time, packages, certificates."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    LIBRARY_ERROR,
    load_certificates,
    load_key,
)
from ansible_collections.accentos.cloud.plugins.module_utils.health.gather import ProbeError, run
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_files, recall
from ansible_collections.accentos.cloud.plugins.module_utils.units import (
    MARKER_FOLDER,
    marker_name,
    parse_properties,
)

_SECONDS = 20.0
_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,NRestarts,Result"
# Whose failures are told with the end of their journal.
_MOST_JOURNALS = 6
_WRITTEN_TO = ("btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "vfat", "xfs", "zfs")
_IN_MEMORY = ("tmpfs",)
_MOUNTS = Path("/proc/self/mounts")
_PURPOSE = "service"
_KEYRINGS = "/etc/ceph/*.keyring"
# A password as an option or within an address, or a key of Ceph; not in a comment.
_SECRET = re.compile(r"(?im)^\s*\w*(password|secret)\w*\s*=\s*\S|^[^#\n]*://[^\s/:@]+:[^\s/@]+@|^\s*key\s*=\s*AQ")
_OTHERS = 0o007


def journal(unit: str, lines: int = 3) -> str:
    """Return the end of the journal of a unit, in one line."""
    try:
        out = run(
            ["journalctl", "--unit", unit, "--lines", str(lines), "--no-pager", "--output", "cat"], timeout=_SECONDS
        )
    except ProbeError as error:
        return str(error)
    return " / ".join(out.split("\n")).strip(" /")[-400:]


def units(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties of the wanted units by name, failed units of all kinds, and journals of what does not run."""
    names = [unit["name"] for unit in wanted.get("units", ())]
    states: dict[str, dict[str, str]] = {}
    if names:
        out = run(["systemctl", "show", f"--property={_PROPERTIES}", "--", *names], timeout=_SECONDS)
        states = dict(zip(names, map(parse_properties, out.strip().split("\n\n")), strict=True))
    out = run(["systemctl", "list-units", "--state=failed", "--all", "--plain", "--no-legend"], timeout=_SECONDS)
    failed = [line.split()[0] for line in out.splitlines() if line.strip()]
    down = [name for name, state in states.items() if state.get("ActiveState") != "active"]
    told = list(dict.fromkeys([*down, *failed]))[:_MOST_JOURNALS]
    return {"states": states, "failed": failed, "journals": {name: journal(name) for name in told}}


def configuration(wanted: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return, by unit, which of its files differ from those that it was last started with."""
    found = {}
    for unit in wanted.get("units", ()):
        known = recall(MARKER_FOLDER / marker_name(unit["name"], _PURPOSE)) if unit.get("inputs") else None
        if known is None:
            continue
        now = digest_files(Path(path) for path in unit["inputs"])
        files = {name for name in known if not name.startswith("package ")} | set(now)
        found[unit["name"]] = sorted(name for name in files if known.get(name) != now.get(name))
    return found


def secrets(wanted: Mapping[str, Any], keyrings: str = _KEYRINGS) -> list[dict[str, Any]]:
    """Return path and mode of the files with secrets, among those that units are started with, and keyrings of Ceph."""
    paths = {Path(path) for unit in wanted.get("units", ()) for path in unit.get("inputs") or ()}
    found = []
    for path in sorted({*paths, *Path("/").glob(keyrings.lstrip("/"))}):
        try:
            text, mode = path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mode
        except OSError:
            # Not there, or a folder.
            continue
        if _SECRET.search(text):
            found.append({"path": str(path), "mode": stat.S_IMODE(mode), "open": bool(mode & _OTHERS)})
    return found


def _fstab_read_only() -> set[str]:
    file = Path("/etc/fstab")
    rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    at_options = 3
    return {
        row[1]
        for row in rows
        if len(row) > at_options and not row[0].startswith("#") and "ro" in row[at_options].split(",")
    }


def filesystems() -> list[dict[str, Any]]:
    """Return each file system that is written to, once, with its shares in use in percent."""
    meant = _fstab_read_only()
    found: dict[int, dict[str, Any]] = {}
    for line in _MOUNTS.read_text(encoding="utf-8").splitlines():
        _device, where, kind, options, *_rest = line.split()
        # What is in memory and read-only is meant to be, as folders of credentials are.
        if kind not in _WRITTEN_TO and (kind not in _IN_MEMORY or "ro" in options.split(",")):
            continue
        path = where.encode().decode("unicode_escape")
        try:
            device, size = os.stat(path).st_dev, os.statvfs(path)  # noqa: PTH116 (one call as the other)
        except OSError:
            continue
        if device in found and len(found[device]["path"]) <= len(path):
            continue
        room = size.f_blocks - size.f_bfree + size.f_bavail
        found[device] = {
            "path": path,
            "used": 100.0 * (size.f_blocks - size.f_bfree) / room if room else 0.0,
            "files": 100.0 * (size.f_files - size.f_ffree) / size.f_files if size.f_files else 0.0,
            "read_only": "ro" in options.split(",") and path not in meant,
        }
    return sorted(found.values(), key=lambda one: str(one["path"]))


def load() -> dict[str, Any]:
    """Return memory in KiB, load, processors, open files, and errors that the memory reports."""
    memory = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _colon, value = line.partition(":")
        memory[name] = int(value.split()[0])
    opened, _unused, most = Path("/proc/sys/fs/file-nr").read_text(encoding="ascii").split()
    controllers = Path("/sys/devices/system/edac/mc")

    def errors(name: str) -> int:
        return sum(int(file.read_text(encoding="ascii")) for file in controllers.glob(f"mc*/{name}"))

    return {
        "memory": memory,
        "load": float(Path("/proc/loadavg").read_text(encoding="ascii").split()[1]),
        "processors": os.cpu_count() or 1,
        "files": 100.0 * int(opened) / int(most),
        "memory_errors": {"corrected": errors("ce_count"), "uncorrected": errors("ue_count")},
    }


def arrays() -> dict[str, str]:
    """Return the software arrays by name, with the letters by which the kernel tells which members work."""
    file, found, name = Path("/proc/mdstat"), {}, ""
    for line in file.read_text(encoding="ascii").splitlines() if file.is_file() else ():
        if line.startswith("md"):
            name = line.split()[0]
        elif name and "blocks" in line and line.rstrip().endswith("]"):
            found[name], name = line.split("[")[-1].rstrip("] \n"), ""
    return found


def system() -> dict[str, str]:
    """Return the kernel that runs, the one that the next start takes (empty in a container), and broken packages."""
    link = next((path for path in (Path("/vmlinuz"), Path("/boot/vmlinuz")) if path.is_symlink()), None)
    return {
        "kernel": os.uname().release,
        "next": link.resolve().name.removeprefix("vmlinuz-") if link and link.exists() else "",
        "packages": run(["dpkg", "--audit"], timeout=_SECONDS, codes=(0, 1)).strip(),
    }


def clock() -> dict[str, Any]:
    """Return what chronyd says of its clock and its sources."""
    tracking = run(["chronyc", "-c", "-n", "tracking"], timeout=_SECONDS).strip().split(",")
    sources = run(["chronyc", "-c", "-n", "sources"], timeout=_SECONDS).splitlines()
    rows = [line.split(",") for line in sources if line]
    return {
        "leap": tracking[13],
        "stratum": int(tracking[2]),
        "offset": float(tracking[4]),
        "sources": [{"name": row[2], "state": row[1], "reach": int(row[5], 8)} for row in rows],
    }


def _days(end: datetime, now: datetime) -> float:
    return (end - now).total_seconds() / 86400


def certificates(folder: str) -> dict[str, Any]:
    """Return each certificate of a folder with its days, and whether key, authority and modes fit."""
    if LIBRARY_ERROR:
        raise ProbeError("python3-cryptography is not installed")
    now, found = datetime.now(UTC), []
    authorities = load_certificates((Path(folder) / "ca.crt").read_bytes())
    for path in sorted(Path(folder).glob("*.crt")):
        chain = load_certificates(path.read_bytes())
        row: dict[str, Any] = {"name": path.stem, "readable": bool(chain)}
        if chain:
            row["left"], row["since"] = (
                _days(chain[0].not_valid_after_utc, now),
                _days(now, chain[0].not_valid_before_utc),
            )
        if chain and path.stem != "ca":
            row["issuer_known"] = any(
                chain[0].issuer == one.subject and chain[0] not in authorities for one in authorities
            )
            row |= _key(path.with_suffix(".key"), chain)
        found.append(row)
    return {"certificates": found}


def _key(path: Path, chain: Sequence[Any]) -> dict[str, Any]:
    if not path.is_file():
        return {"key": "missing", "mode": 0}
    key = load_key(path.read_bytes())
    fits = key is not None and key.public_key() == chain[0].public_key()
    return {"key": "fits" if fits else "other", "mode": stat.S_IMODE(path.stat().st_mode)}
