# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine is made of, as Cobbler keeps it for the inventory: small, printable, and the same after each run.

Pure: an inventory as the deploy ramdisk reports it goes in. It is a machine's word, so nothing in it is relied on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import printable

# The key of autoinstall_meta that holds it, as JSON text.
HARDWARE_KEY = "accentos_hardware"
# So many rows of each list are kept, and so many characters of a text: whatever a machine says has less than 128 KiB.
_MOST_ROWS = {"numa": 64, "disks": 128, "cards": 64}
_LONGEST_TEXT = 80
# What of each part is kept. Left out is what changes while the machine stays the same: carrier, speed, neighbours.
_TEXTS = {
    "system": ("vendor", "product", "serial"),
    "cpu": ("model",),
    "numa": ("cpus",),
    "disks": ("path", "model", "serial"),
    "cards": ("name", "mac", "driver"),
    "bmc": ("type", "address", "mac"),
}
_NUMBERS = {
    "cpu": ("sockets", "cores", "threads"),
    "numa": ("id", "memory_mib"),
    "disks": ("size",),
}
_FLAGS = {"disks": ("rotational",)}


def _text(value: str) -> str:
    return printable(value.encode("ascii", "replace").decode("ascii"), _LONGEST_TEXT)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _part(name: str, given: object) -> dict[str, Any]:
    """Return what is kept of one part, or of one row of it."""
    if not isinstance(given, Mapping):
        return {}
    texts = {key: _text(given[key]) for key in _TEXTS[name] if isinstance(given.get(key), str) and given[key]}
    numbers = {key: given[key] for key in _NUMBERS.get(name, ()) if _is_number(given.get(key))}
    flags = {key: given[key] for key in _FLAGS.get(name, ()) if isinstance(given.get(key), bool)}
    return texts | numbers | flags


def describe_hardware(inventory: object) -> dict[str, Any]:
    """Return what the host variable ``host_hardware`` holds of an INVENTORY; what the machine does not tell is absent.

    Memory is in MiB, sizes of disks are in bytes. ``cpu.flags`` is the number of flags. ``left_out`` says how many rows
    of a list are missing because it is too long.
    """
    if not isinstance(inventory, Mapping):
        return {}
    found: dict[str, Any] = {name: _part(name, inventory.get(name)) for name in ("system", "cpu", "bmc")}
    flags = inventory["cpu"].get("flags") if isinstance(inventory.get("cpu"), Mapping) else None
    if isinstance(flags, list):
        found["cpu"]["flags"] = len(flags)
    left_out = {}
    for name, most in _MOST_ROWS.items():
        rows = inventory.get(name)
        if isinstance(rows, list):
            found[name] = [_part(name, row) for row in rows[:most]]
            if len(rows) > most:
                left_out[name] = len(rows) - most
    if _is_number(inventory.get("memory_mib")):
        found["memory_mib"] = inventory["memory_mib"]
    if inventory.get("firmware") in ("bios", "uefi"):
        found["firmware"] = inventory["firmware"]
    return {name: value for name, value in (found | {"left_out": left_out}).items() if value or value == 0}


def hardware_meta(inventory: object) -> dict[str, str]:
    """Return what to add to the autoinstall_meta of a machine that reported INVENTORY; nothing if it says nothing."""
    hardware = describe_hardware(inventory)
    if not hardware:
        return {}
    text = json.dumps(hardware, sort_keys=True, separators=(",", ":"))
    # Cobbler would replace what stands between two of these.
    return {HARDWARE_KEY: text.replace("@@", "\\u0040\\u0040")}


def read_hardware(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hardware that autoinstall_meta holds; odd text gives none."""
    try:
        known = json.loads(str(meta.get(HARDWARE_KEY, "{}")))
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
