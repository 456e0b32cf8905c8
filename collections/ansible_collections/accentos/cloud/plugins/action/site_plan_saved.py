# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action plug-in of accentos.cloud.site_plan_saved; its documentation is in plugins/modules/site_plan_saved.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase
from ansible_collections.accentos.cloud.plugins.action import site_plan_basis
from ansible_collections.accentos.cloud.plugins.plugin_utils import plan_basis, site_plan

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "path": {"type": "path", "required": True},
    "compare": {"type": "str", "choices": ["nothing", "whole", "rest"], "default": "nothing"},
    "plan": {"type": "path"},
    "full": {"type": "bool", "default": False},
    "secrets_folder": {"type": "path"},
    "key_file": {"type": "path"},
    "playbooks": {"type": "path"},
}
_WIDTH, _TAIL = 120, 40
_ANEW = (
    "Make a plan anew and look at it: ansible-playbook playbooks/plan.yml --check --diff "
    "-e site_plan_file=FILE, with the other options that you need."
)
_REST = " After a run that was killed, playbooks/resume.yml does what is left of the plan."


def read(path: str) -> tuple[dict[str, Any], str]:
    """Return the document in a file, and the digest of its text. Raises PlanError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return site_plan.read_plan(text, path), site_plan.digest_of(text)
    except OSError as error:
        raise site_plan.PlanError(
            f"The plan {path} cannot be read: {error.strerror}.",
            "Name the file that plan.yml has written: -e site_plan_file=FILE. A relative name begins at the folder in "
            "which ansible-playbook was started.",
        ) from None
    except UnicodeDecodeError:
        raise site_plan.PlanError(f"{path} is no plan: it is no text.", _ANEW) from None


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the run that plans again: its own files in FOLDER, its own callback for the screen."""
    # ansible-runner brings a callback that writes the events of its job; those of this run are none of them.
    kept = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CALLBACK_PLUGINS"}
    return kept | {
        "ANSIBLE_STDOUT_CALLBACK": "accentos.cloud.stages",
        "ANSIBLE_NOCOLOR": "1",
        "ACCENTOS_STAGES_DISPLAY": "quiet",
        "ACCENTOS_STAGES_PLAN_PATH": str(folder / "plan.json"),
        "ACCENTOS_STAGES_JSON_PATH": str(folder / "run.json"),
        "ACCENTOS_STAGES_LOG_PATH": str(folder / "run.log"),
    }


def plan_again(playbook: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan that PLAYBOOK makes now, with the OPTIONS of this run. Raises PlanError."""
    with tempfile.TemporaryDirectory(prefix="accentos-plan-") as name:
        folder = Path(name)
        done = subprocess.run(  # noqa: S603 - Ansible, with the options of this run
            [
                sys.executable,
                "-m",
                "ansible",
                "playbook",
                "--check",
                "--diff",
                *plan_basis.same_options(options),
                f"--extra-vars={json.dumps({'site_plan_file': ''})}",
                playbook,
            ],
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        try:
            document = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            document = None
    if document is None or not (document["complete"] or document["hosts"]):
        tail = "\n".join(done.stdout.rstrip().splitlines()[-_TAIL:])
        raise site_plan.PlanError(
            f"The hosts could not be asked what the plan would change now:\n{tail}",
            f"Mend that, and run the same command again. {playbook} --check shows the same.",
        )
    found: dict[str, Any] = document
    return found


def refused(path: str, lines: Sequence[str], remedy: str) -> site_plan.PlanError:
    """Return the error that names what differs."""
    named = "\n".join(f"  {line}" for line in site_plan.cut(lines))
    return site_plan.PlanError(f"The plan {path} is not applied:\n{named}", remedy)


class ActionModule(ActionBase):
    """Reads a saved plan, and refuses it where things are not as they were when it was made."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan as lines, failed when it must not be applied."""
        super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec({name: dict(spec) for name, spec in _OPTIONS.items()})
        try:
            document, digest = read(options["path"])
            if options["compare"] != "nothing":
                self._compare(document, options, task_vars or {})
        except site_plan.PlanError as error:
            return {
                "failed": True,
                "changed": False,
                "msg": str(error),
                "remedy": f"Nothing was touched. {error.remedy}",
            }
        lines = site_plan.saved_lines(document, _WIDTH, full=options["full"])
        result: dict[str, Any] = {"changed": False, "lines": [line.text for line in lines]}
        if options["compare"] == "nothing":
            return {**result, "document": document}
        rest = options["compare"] == "rest"
        applied = {"path": str(Path(options["path"]).absolute()), "digest": digest, "rest": rest}
        return {
            **result,
            "ansible_stats": {"data": {site_plan.APPLIED: applied}, "per_host": False, "aggregate": False},
        }

    def _compare(self, document: Mapping[str, Any], options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> None:
        """Raise PlanError if this is not the plan of what would be done now."""
        path, rest = options["path"], options["compare"] == "rest"
        if lines := site_plan.refusal_of(document):
            raise refused(path, lines, _ANEW)
        asked = plan_basis.refused_options(context.CLIARGS)
        if asked:
            raise site_plan.PlanError(
                f"A saved plan is not applied with {', '.join(asked)}: the hosts are asked again before, by a run that "
                "nobody can answer, and always about the whole plan.",
                "Run it without; let passwords come from files or from the store of the site.",
            )
        basis = site_plan_basis.basis_now(options, task_vars, document["basis"])
        now = {"run": site_plan_basis.run_options(), "basis": basis}
        if lines := site_plan.compare_basis(document, now, rest=rest):
            raise refused(path, lines, _ANEW)
        if lines := site_plan.compare_changes(document, plan_again(options["plan"], context.CLIARGS), rest=rest):
            raise refused(path, lines, _ANEW + ("" if rest else _REST))
