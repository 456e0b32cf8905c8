# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a unit needs: the plan with literals."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.units import (
    UnitState,
    foresee_reload,
    join_commands,
    parse_properties,
    plan_unit,
    runs_anew,
)


def state(active: str, file: str = "enabled", *, needs_reload: bool = False) -> UnitState:
    return UnitState(load="loaded", active=active, file=file, needs_reload=needs_reload)


@pytest.mark.parametrize(
    ("before", "enabled", "started", "differ", "on_change", "expected"),
    [
        # Nothing to do.
        (state("active"), True, True, False, "restart", []),
        (state("reloading"), True, True, False, "restart", []),
        (state("activating"), True, True, False, "restart", []),
        (state("inactive", "disabled"), False, False, False, "restart", []),
        (state("failed", "disabled"), False, False, False, "restart", []),
        (state("deactivating", "disabled"), False, False, False, "restart", []),
        # Start and stop.
        (state("inactive"), True, True, False, "restart", ["start"]),
        (state("deactivating"), True, True, False, "restart", ["start"]),
        (state("failed"), True, True, False, "restart", ["reset-failed", "start"]),
        (state("active"), True, False, False, "restart", ["stop"]),
        (state("activating"), True, False, False, "restart", ["stop"]),
        (state("reloading"), True, False, False, "restart", ["stop"]),
        # Start at boot.
        (state("active", "disabled"), True, True, False, "restart", ["enable"]),
        (state("active", "enabled"), False, True, False, "restart", ["disable"]),
        (state("active", "disabled"), False, True, False, "restart", []),
        (state("inactive", "disabled"), True, True, False, "restart", ["enable", "start"]),
        (state("active", "enabled"), False, False, False, "restart", ["disable", "stop"]),
        # Units that can be neither enabled nor disabled.
        (state("active", "static"), True, True, False, "restart", []),
        (state("active", "static"), False, True, False, "restart", []),
        (state("active", "generated"), True, True, False, "restart", []),
        (state("active", "indirect"), False, True, False, "restart", []),
        (state("active", ""), True, True, False, "restart", []),
        (state("inactive", "masked"), True, True, False, "restart", ["start"]),
        # The inputs differ.
        (state("active"), True, True, True, "restart", ["daemon-reload", "restart"]),
        (state("active"), True, True, True, "reload", ["daemon-reload", "reload"]),
        (state("activating"), True, True, True, "restart", ["daemon-reload", "restart"]),
        # A start takes the present inputs along.
        (state("inactive"), True, True, True, "restart", ["daemon-reload", "start"]),
        (state("inactive"), True, True, True, "reload", ["daemon-reload", "start"]),
        (state("failed"), True, True, True, "restart", ["daemon-reload", "reset-failed", "start"]),
        (state("inactive"), True, False, True, "restart", ["daemon-reload"]),
        (state("active"), True, False, True, "restart", ["daemon-reload", "stop"]),
        (state("active", "disabled"), True, True, True, "reload", ["daemon-reload", "enable", "reload"]),
        # Somebody changed the unit file.
        (state("active", needs_reload=True), True, True, False, "restart", ["daemon-reload"]),
        (state("active", needs_reload=True), True, True, True, "restart", ["daemon-reload", "restart"]),
        (state("inactive", needs_reload=True), True, True, False, "restart", ["daemon-reload", "start"]),
    ],
)
def test_plan_unit(
    before: UnitState, enabled: bool, started: bool, differ: bool, on_change: str, expected: list[str]
) -> None:
    plan = plan_unit(before, enabled=enabled, started=started, inputs_differ=differ, on_change=on_change)
    assert [list(command) for command in plan] == [[word] for word in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("LoadState=loaded\nActiveState=active\n", {"LoadState": "loaded", "ActiveState": "active"}),
        ("UnitFileState=\n", {"UnitFileState": ""}),
        (
            "ExecStart={ path=/bin/true ; argv[]=/bin/true --a=b }\n",
            {"ExecStart": "{ path=/bin/true ; argv[]=/bin/true --a=b }"},
        ),
        ("a line without a sign\n\nLoadState=loaded", {"LoadState": "loaded"}),
    ],
)
def test_parse_properties(text: str, expected: dict[str, str]) -> None:
    assert parse_properties(text) == expected


def test_from_properties() -> None:
    # As systemctl of systemd 257 prints them.
    text = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=yes\n"
    assert UnitState.from_properties(parse_properties(text)) == UnitState("loaded", "active", "enabled", True)
    text = "LoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\n"
    assert UnitState.from_properties(parse_properties(text)) == UnitState("not-found", "inactive", "", False)
    assert UnitState.from_properties({}) == UnitState("", "", "", False)


def test_plans_of_several_units_become_one_command_for_each_verb() -> None:
    plans = [
        ("a.service", [["daemon-reload"], ["enable"], ["start"]]),
        ("b.service", [["daemon-reload"], ["restart"]]),
        ("c.service", []),
        ("d.service", [["reset-failed"], ["start"]]),
    ]
    assert join_commands(plans) == [
        ["daemon-reload"],
        ["enable", "a.service"],
        ["reset-failed", "d.service"],
        ["start", "a.service", "d.service"],
        ["restart", "b.service"],
    ]
    assert join_commands([]) == []


@pytest.mark.parametrize(
    ("plan", "anew"),
    [
        ([["daemon-reload"], ["restart"]], True),
        ([["daemon-reload"], ["enable"], ["reload"]], True),
        ([["daemon-reload"], ["reset-failed"], ["start"]], False),
        ([["daemon-reload"], ["stop"]], False),
        ([], False),
    ],
)
def test_only_what_runs_already_runs_anew(plan: list[list[str]], anew: bool) -> None:
    assert runs_anew(plan) is anew


@pytest.mark.parametrize(
    ("unit", "path", "expected"),
    [
        ("a.service", "/etc/systemd/system/a.service", True),
        ("a.service", "/etc/systemd/system/a.service.d/accentos.conf", True),
        ("a@1.service", "/etc/systemd/system/a@.service.d/accentos.conf", True),
        ("a@1.service", "/etc/systemd/system/a@.service", True),
        ("a@1.service", "/etc/systemd/system/a@1.service.d/accentos.conf", True),
        ("a.service", "/etc/systemd/system/b.service.d/accentos.conf", False),
        ("a.service", "/etc/systemd/system/a.socket", False),
        ("a@1.service", "/etc/systemd/system/a@2.service.d/accentos.conf", False),
        ("a.service", "/etc/a/a.service", False),
    ],
)
def test_files_of_a_unit_that_systemd_will_want_to_read_again(unit: str, path: str, *, expected: bool) -> None:
    assert foresee_reload(unit, state("active"), ["/etc/a.conf", path]).needs_reload is expected
    # Of one that does not run systemd knows nothing that could be old.
    assert foresee_reload(unit, state("inactive"), [path]) == state("inactive")
    assert foresee_reload(unit, state("active", needs_reload=True), []).needs_reload
