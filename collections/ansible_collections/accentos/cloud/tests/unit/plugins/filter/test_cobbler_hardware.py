# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter, as a template calls it."""

from __future__ import annotations

from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.cobbler_hardware import FilterModule
from ansible_collections.accentos.cloud.plugins.plugin_utils.host_hardware import read_hardware

cobbler_hardware = FilterModule().filters()["cobbler_hardware"]

OURS = {"accentos_specification": "{}", "accentos_groups": "compute", "accentos_variables": '{"host_serial":"S"}'}


def machine(threads: int | None) -> dict[str, Any]:
    return {"state": "deployed", "inventory": None if threads is None else {"cpu": {"threads": threads}}}


def test_what_machines_report_is_added_and_nothing_else_is_touched() -> None:
    systems: dict[str, dict[str, Any]] = {
        "b": {"name": "b", "autoinstall_meta": OURS, "comment": "x"},
        "a": {"name": "a", "autoinstall_meta": {**OURS, "accentos_hardware": '{"cpu":{"threads":1}}'}},
        "silent": {"name": "silent", "autoinstall_meta": OURS},
        "unknown": {"name": "unknown", "autoinstall_meta": OURS},
        "foreign": {"name": "foreign", "autoinstall_meta": {"tree": "x"}},
        "inherits": {"name": "inherits", "autoinstall_meta": "<<inherit>>"},
    }
    machines = {name: machine(4) for name in ("a", "b", "foreign", "inherits", "gone")} | {"silent": machine(None)}
    changes = cobbler_hardware(systems, machines)
    assert [change["name"] for change in changes] == ["a", "b"]
    for change in changes:
        meta = change["autoinstall_meta"]
        assert set(change) == {"name", "autoinstall_meta"}
        assert read_hardware(meta) == {"cpu": {"threads": 4}}
        assert {key: value for key, value in meta.items() if key != "accentos_hardware"} == OURS
