# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Speaks to systemd for modules. What it is told is decided in ``units``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .units import UnitState, parse_properties

_PROPERTIES = "LoadState,ActiveState,UnitFileState,NeedDaemonReload"
_JOURNAL_LINES = "30"


def read_states(module: AnsibleModule, names: Sequence[str]) -> dict[str, UnitState]:
    """Return what systemd says of units, by their names."""
    if not names:
        return {}
    argv = ["systemctl", "show", *names, f"--property={_PROPERTIES}"]
    _code, out, _err = module.run_command(argv, check_rc=True)
    parts = out.strip().split("\n\n")
    return {name: UnitState.from_properties(parse_properties(part)) for name, part in zip(names, parts, strict=True)}


def refuse_unknown(module: AnsibleModule, states: Mapping[str, UnitState]) -> None:
    """End the module if systemd does not know a unit. In check mode a package would bring it in this very run."""
    missing = [name for name, state in states.items() if state.load == "not-found"]
    if missing and not module.check_mode:
        module.fail_json(
            msg=f"systemd does not know {', '.join(missing)}.",
            remedy="Install the package that brings it, or mend the name. Known units: systemctl list-unit-files",
        )


def give(module: AnsibleModule, commands: Iterable[Sequence[str]], *, together: bool = False) -> list[str]:
    """Give commands to systemd, each a verb and names of units. One that fails ends the module with their journals.

    Units that start TOGETHER may need one another before they can work: those that ended are started a second time, now
    that the others run. Returns their names.
    """
    again: list[str] = []
    for verb, *names in commands:
        code, _out, err = module.run_command(["systemctl", verb, *names])
        if code == 0:
            continue
        failed = not_running(module, names)
        if together and verb in ("start", "restart") and failed and failed != names:
            # This also forgets how often systemd has tried by itself.
            module.run_command(["systemctl", "reset-failed", *failed])
            code, _out, err = module.run_command(["systemctl", "start", *failed])
            again += failed
            if code == 0:
                continue
            failed = not_running(module, failed)
        failed = failed or names
        journals = [journal_of(module, name) for name in failed]
        more = f" More: journalctl --unit {' --unit '.join(failed)}" if failed else ""
        module.fail_json(
            msg="\n".join([f"{', '.join(failed) or 'systemd'} does not {verb}: {err.strip()}", *journals]),
            remedy=f"Mend what is complained about, then run again.{more}",
        )
    return again


def not_running(module: AnsibleModule, names: Sequence[str]) -> list[str]:
    """Return those of some units that are not active."""
    states = read_states(module, names)
    return [name for name in names if states[name].active not in ("active", "reloading")]


def journal_of(module: AnsibleModule, name: str) -> str:
    """Return the end of the journal of a unit, as it is shown to people."""
    argv = ["journalctl", "--unit", name, "--lines", _JOURNAL_LINES, "--no-pager", "--output", "cat"]
    _code, journal, _err = module.run_command(argv)
    return f"The end of the journal of {name}:\n{journal.strip()}"


def describe(commands: Iterable[Sequence[str]], reasons: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what a module says of the commands that it gave or would give, and why units run anew, by their names."""
    shown = [" ".join(command) for command in commands]
    return {
        "changed": bool(shown),
        "commands": shown,
        "reasons": dict(reasons or {}),
        "diff": {"before": "", "after": "".join(f"systemctl {line}\n" for line in shown)},
    }
