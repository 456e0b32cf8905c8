# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs ansible-test for the collection where its own download host is out of reach, and counts what it ran.

ansible-test makes a virtual environment for each sanity test and fetches a script that puts pip into it. It looks for
that script in its home first, so a stand-in there, which uses the ensurepip of the standard library, is enough.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

COLLECTION = Path("collections/ansible_collections/accentos/cloud")
SANITY_RESULTS = "ansible-test-sanity-*.xml"
# ansible-core 2.19 has 24 sanity tests for a collection; those without a file to look at do not count.
SANITY_MINIMUM = 20
NOT_APPLICABLE = "No tests applicable."
MISSING_PROGRAM = "Required program"

STAND_IN = '''\
"""Puts the packages named on the command line into an empty virtual environment, starting from ensurepip."""

import subprocess
import sys

packages = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
subprocess.check_call([sys.executable, "-m", "ensurepip"])
# On Python 3.11 ensurepip also installs setuptools, which ansible-test did not ask for.
if subprocess.call(pip + ["show", "--quiet", "setuptools"], stderr=subprocess.DEVNULL) == 0:
    subprocess.check_call(pip + ["uninstall", "--quiet", "--yes", "setuptools"])
subprocess.check_call(pip + ["install"] + packages)
'''


class NothingTestedError(Exception):
    """ansible-test ended without an error but tested less than it has to."""


def pip_version(python_version: str) -> str:
    """Return the pip version that the installed ansible-test wants for PYTHON_VERSION, such as "3.11"."""
    requirements = importlib.import_module("ansible_test._internal.python_requirements")
    return str(requirements.get_venv_packages(SimpleNamespace(version=python_version))["pip"])


def stand_in_path(home: Path, version: str) -> Path:
    """Return the place below HOME where ansible-test looks for the script that bootstraps pip VERSION."""
    return home / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py"


def prepare_home(home: Path, version: str) -> None:
    """Write the stand-in for pip VERSION below HOME. Raises OSError."""
    path = stand_in_path(home, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A run beside this one may be reading it.
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(STAND_IN, encoding="utf-8")
    fresh.replace(path)


def trust_checkout(home: Path, checkout: Path, sudo_uid: str | None) -> None:
    """Let git below ansible-test read a checkout that belongs to the person who called sudo.

    git itself accepts such a checkout because of SUDO_UID, but ansible-test does not hand that variable on.
    """
    owner = str(checkout.stat().st_uid)
    if sudo_uid == owner and owner != str(os.geteuid()):
        (home / ".gitconfig").write_text(f"[safe]\n\tdirectory = {checkout}\n", encoding="utf-8")


def drop_not_applicable(files: Iterable[Path]) -> tuple[list[str], list[str]]:
    """Sort the result FILES into names of tests that ran and of tests that had no file to look at.

    ansible-test reports the latter (pslint without any PowerShell file, say) as skipped. Their result files are
    removed, so that a count of skipped tests holds only tests that should have run. Raises ET.ParseError.
    """
    ran: list[str] = []
    nothing_to_do: list[str] = []
    for path in files:
        for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314  (the file was written by ansible-test)
            name = case.get("name", path.stem)
            skipped = case.find("skipped")
            if skipped is not None and NOT_APPLICABLE in (skipped.text or ""):
                nothing_to_do.append(name)
                path.unlink()
            else:
                ran.append(name)
    return sorted(ran), sorted(nothing_to_do)


def judge_sanity(ran: list[str], whole: bool, output: str) -> None:
    """Raise NothingTestedError when fewer tests RAN than a WHOLE run has, or OUTPUT tells of a missing program."""
    for line in output.splitlines():
        if MISSING_PROGRAM in line:
            raise NothingTestedError(f"ansible-test left a test out: {line.strip()}. Install that program.")
    if whole and len(ran) <= SANITY_MINIMUM:
        raise NothingTestedError(
            f"ansible-test ran {len(ran)} sanity tests, expected more than {SANITY_MINIMUM}:"
            " it does not see the files of the collection. Are they known to git?"
        )


def child_environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return ENVIRON with HOME replaced and without the settings of ansible that ansible-test must not see."""
    kept = {name: value for name, value in environ.items() if not name.startswith("ANSIBLE_")}
    programs = str(Path(sys.executable).parent)
    return {**kept, "HOME": str(home), "PATH": f"{programs}:{environ.get('PATH', os.defpath)}"}


def run(arguments: list[str], checkout: Path) -> int:
    """Run `ansible-test ARGUMENTS` in CHECKOUT's collection; return its exit code, or 1 when it tested too little."""
    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = checkout / ".cache/ansible-test-home"
    prepare_home(home, pip_version(python_version))
    trust_checkout(home, checkout, os.environ.get("SUDO_UID"))
    results = checkout / COLLECTION / "tests/output/junit"
    command, *rest = arguments
    extra = ["--python", python_version, "--color", "no"]
    if command == "sanity":
        extra.append("--junit")
        for stale in results.glob(SANITY_RESULTS):
            stale.unlink()
    seen: list[str] = []
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("ansible-test")), command, *extra, *rest],
        cwd=checkout / COLLECTION,
        env=child_environment(os.environ, home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            seen.append(line)
    if command != "sanity":
        return process.returncode
    ran, nothing_to_do = drop_not_applicable(results.glob(SANITY_RESULTS))
    print(f"{len(ran)} sanity tests ran; no file for: {', '.join(nothing_to_do) or 'none'}")
    try:
        judge_sanity(ran, "--test" not in rest, "".join(seen))
    except NothingTestedError as error:
        print(error)
        return process.returncode or 1
    return process.returncode


def main() -> int:
    """Run with the arguments of the command line."""
    if len(sys.argv) == 1:
        print("usage: tools/ansible-test sanity|units|integration [ARGUMENT...]", file=sys.stderr)
        return 2
    return run(sys.argv[1:], Path(__file__).resolve().parents[2])
