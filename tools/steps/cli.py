# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program behind the Makefile: checks the machine, becomes root where needed, runs the steps of a verb."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import machine, packages
from .engine import (
    EXIT_BUSY,
    EXIT_FAILED,
    EXIT_NOT_READY,
    EXIT_USAGE,
    GRACE_SECONDS,
    BusyError,
    Run,
    lock,
    summarize,
)
from .guard import Guard
from .report import Log, Screen, Stopwatch
from .verbs import ARGUMENTS, BIN, COLLECTION, WORDS, Verb, verb

# What make and the caller's own Python or Ansible would bring into the steps.
DROPPED = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")


def child_environment(root: Path, environ: Mapping[str, str], name: str, holder: str) -> dict[str, str]:
    """Return the environment of the steps of verb NAME in checkout ROOT; HOLDER is the pid that holds the lock."""
    return {
        **{key: value for key, value in environ.items() if key not in DROPPED},
        "ACCENTOS_PID": holder,
        "ACCENTOS_VERB": name,
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_HOME": str(root / ".cache/ansible"),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{root / BIN}:{environ.get('PATH', os.defpath)}",
        # Caches stay in one folder, which is handed back after a run below sudo.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(root / ".cache/hypothesis"),
        "PYTHONPYCACHEPREFIX": str(root / ".cache/pycache"),
        "RUFF_CACHE_DIR": str(root / ".cache/ruff"),
        "PYTHONUNBUFFERED": "1",
    }


def run_verb(name: str, chosen: Verb, root: Path, environ: Mapping[str, str]) -> int:
    """Run the steps of CHOSEN, called NAME, in ROOT and return the exit code. Raises BusyError or OSError."""
    outer = environ.get("ACCENTOS_PID", "")
    with (
        lock(root / ".cache/run.lock", name, outer) as holder,
        (root / ".cache/guard.errors").open("a", encoding="utf-8") as errors,
        Guard(holder.descriptor, GRACE_SECONDS, errors) as guard,
    ):
        screen = Screen(sys.stdout, environ)
        log = Log(root / ".cache/logs", name, datetime.now(UTC))
        watch = Stopwatch()
        run = Run(root, screen, log, child_environment(root, environ, name, holder.pid), guard)
        try:
            outcomes = run.execute(chosen.steps, chosen.keep_going)
            return summarize(run, outcomes, watch.seconds, chosen.counts_tests)
        finally:
            log.close()
            made = [root / ".cache", root / ".venv", root / COLLECTION / "tests/output"]
            machine.hand_back([*made, *machine.labs_to_hand_back(root, environ)], environ)


class UsageError(Exception):
    """The command line is wrong; the text says how."""


class NotReadyError(Exception):
    """The machine cannot be used as it is; the text says why."""


def wrong_words(name: str, words: Sequence[str]) -> str:
    """Return what is wrong about the WORDS that follow the verb NAME, or nothing."""
    wanted = ARGUMENTS.get(name, ())
    known = WORDS.get(name)
    if len(words) > len(wanted):
        return f"usage: {' '.join(('tools/accentos', name, *wanted))}; nothing was done"
    variables = [variable.strip("[]") for variable in wanted]
    if empty := [variable for variable, word in zip(variables, words, strict=False) if not word.strip()]:
        return (
            f"make {name}: {empty[0]} is empty. Give it a value, or leave `{empty[0]}=` out. make takes what follows a"
            " dollar sign for a variable of its own: two of them, $$, are one."
        )
    if known and (others := [word for word in words if word not in known]):
        return f"make {name}: {variables[0]} is one of {', '.join(known)}, and not {others[0]!r}; nothing was done"
    return ""


def choose(arguments: list[str], root: Path, environ: Mapping[str, str]) -> tuple[str, Verb | None]:
    """Return the name of the verb in ARGUMENTS and the verb, None when it has nothing to do.

    Raises UsageError, or OSError where the machine does not tell.
    """
    if not arguments:
        raise UsageError("usage: tools/accentos VERB [ARGUMENT...]; `make help` lists the verbs")
    name, *rest = arguments
    if environ.get("ACCENTOS_VERB") == name and name in ("test", "test-quick"):
        raise UsageError(f"make {name} was started from inside make {name}; it would never end.")
    problem = wrong_words(name, rest)
    try:
        chosen = verb(name, () if problem else tuple(rest), root, environ)
    except KeyError:
        raise UsageError(f"{name} is no verb; `make help` lists them") from None
    if problem:
        raise UsageError(problem)
    return name, chosen


def run_rightly(name: str, chosen: Verb, arguments: list[str], root: Path, environ: Mapping[str, str]) -> int:
    """Check the machine, then run CHOSEN, called NAME, as root where it needs that; return its exit code.

    Raises NotReadyError before anything is changed, BusyError or OSError.
    """
    lacking = packages.missing(chosen.packages)
    rights = chosen.needs.root or bool(lacking)
    problems = machine.preflight(chosen.needs, lacking, machine.gather(root, rights))
    if os.geteuid() == 0:
        # What is still to be installed is not asked for, and whoever has yet to become root has another PATH.
        programs = {name: package for name, package in chosen.programs.items() if package not in lacking}
        problems += machine.check_programs(programs, environ.get("PATH", os.defpath))
    if problems:
        raise NotReadyError("\n".join(str(problem) for problem in problems))
    if rights and os.geteuid() != 0:
        print("Administrator rights are needed; going on with sudo.", flush=True)
        command = machine.sudo_command([sys.executable, "-B", "-m", "tools.steps", *arguments], environ)
        # This process gives way, so that a signal of the person or of make reaches sudo and not a parent in between.
        os.execvp(command[0], command)  # noqa: S606
    return run_verb(name, chosen, root, environ)


def main(arguments: list[str], root: Path, environ: Mapping[str, str]) -> int:
    """Run the verb and its arguments in ARGUMENTS for checkout ROOT and return the exit code."""
    codes: dict[type[Exception], int] = {
        UsageError: EXIT_USAGE,
        NotReadyError: EXIT_NOT_READY,
        BusyError: EXIT_BUSY,
        OSError: EXIT_FAILED,
    }
    try:
        name, chosen = choose(arguments, root, environ)
        if chosen:
            return run_rightly(name, chosen, arguments, root, environ)
    except (*codes,) as error:
        print(error, file=sys.stderr)
        return next(code for kind, code in codes.items() if isinstance(error, kind))
    print("nothing to remove")
    return 0
