# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Program that finishes the root file system of an image: units are held back, nothing of one host is in it, all start.

Argument: the folder. Environment: ``PACKAGES``, all that was asked for, and ``HELD``, those of a deployment; both with
commas between. Ends with code 1, and says what it found, when the folder must not become an image.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.module_utils.baked_units import (
    FOLDER,
    HELD,
    held_packages,
    hold_text,
    parse_status,
    units_of,
)
from ansible_collections.accentos.cloud.plugins.module_utils.image_identity import LIMIT, File, identities


def hold_units(root: Path, wanted: Sequence[str], held: Sequence[str]) -> list[str]:
    """Hold the units of the packages HELD, and of all that only they brought, back in ROOT; return their names."""
    database = root / "var/lib/dpkg"
    packages = parse_status((database / "status").read_text(encoding="utf-8"))
    done = []
    for package in sorted(held_packages(packages, wanted, held)):
        for unit in units_of(_paths_of(database / "info", package)):
            folder = root / FOLDER.lstrip("/") / f"{unit}.d"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / HELD).write_text(hold_text(unit, package), encoding="utf-8")
            done.append(unit)
    return sorted(done)


def _paths_of(info: Path, package: str) -> Iterator[str]:
    # A package that several architectures may have at once has its architecture in the name of the file.
    for path in (info / f"{package}.list", *info.glob(f"{package}:*.list")):
        if path.is_file():
            yield from path.read_text(encoding="utf-8").splitlines()


def files_of(root: Path) -> Iterator[File]:
    """Give the regular files below ROOT. Links lead somewhere else on the host, so they are none."""
    for folder, _folders, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield File(str(path.relative_to(root)), lambda path=path: _head(path))  # type: ignore[misc]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LIMIT)


def circles(root: Path) -> list[str]:
    """Return what systemd says of units in ROOT that wait for each other in a circle, of which it leaves out one."""
    argv = ["systemd-analyze", f"--root={root}", "--man=no", "verify", "default.target"]
    # Much of what else it says, and its exit code, is about files of this machine.
    told = {"SYSTEMD_LOG_LEVEL": "info", "SYSTEMD_LOG_TARGET": "console", "SYSTEMD_LOG_COLOR": "0"}
    done = subprocess.run(argv, env=os.environ | told, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    return [line for line in done.stderr.splitlines() if "ordering cycle" in line or "Found dependency on" in line]


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the program and return its exit code."""
    root = Path(arguments[0])
    wanted, held = (list(filter(None, environment.get(name, "").split(","))) for name in ("PACKAGES", "HELD"))
    units = hold_units(root, wanted, held)
    sys.stdout.write(f"{len(units)} units are held back until a deployment: {' '.join(units) or 'none'}\n")
    found = identities(files_of(root))
    if found:
        sys.stderr.write(
            "This must not become an image, since every host made of it would have what only one may have:\n"
            + "\n".join(found)
            + "\nLet the file customize of the role host_image remove it, or leave its package out of the profile.\n"
        )
    waiting = circles(root)
    if waiting:
        sys.stderr.write(
            "This must not become an image, since systemd would leave out units at each start of a host made of it:\n"
            + "\n".join(waiting)
            + "\nMend the order of these units: systemctl show --property=Before,After says what they wait for.\n"
        )
    return 1 if found or waiting else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
