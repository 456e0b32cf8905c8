# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides what is built, published and removed for an image. Nothing here touches a disk.

An image ``name`` in a folder is a link ``name`` to a version ``name@<version>``. A version appears by a rename when it
is whole, and never changes. The link is replaced in one step, so clients get an old or a new image, never half of one,
and files of one image always belong together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_VERSION_LENGTH = 16
BUILDING = ".building-"
TEMPORARY_LINK = ".link-"


@dataclass(frozen=True)
class Recipe:
    """What an image is made of: name of the program among FILES, their texts by name, its environment, its results."""

    program: str
    files: Mapping[str, str]
    environment: Mapping[str, str]
    outputs: tuple[str, ...]


def version_of(recipe: Recipe) -> str:
    """Return the version of what RECIPE builds: 16 hexadecimal digits that change with anything in it."""
    parts = [recipe.program, dict(recipe.files), dict(recipe.environment), list(recipe.outputs)]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:_VERSION_LENGTH]


def bad_recipe(recipe: Recipe) -> str | None:
    """Return what is wrong with RECIPE, or None."""
    if recipe.program not in recipe.files:
        return f"its program {recipe.program} is not among its files ({', '.join(sorted(recipe.files)) or 'none'})"
    for name in (*recipe.files, *recipe.outputs):
        if not name or name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
            return f"{name!r} is no relative path that stays inside its folder"
    if not recipe.outputs:
        return "it names no outputs"
    return None


@dataclass(frozen=True)
class Found:
    """What lies in the folder: all names, the version that the link points to, and the versions that are whole."""

    names: frozenset[str]
    current: str | None
    whole: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """Whether to build, whether to turn the link, and the names to remove before and after that."""

    build: bool
    link: bool
    remove_before: tuple[str, ...]
    remove_after: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Tell whether anything is done."""
        return self.build or self.link or bool(self.remove_before) or bool(self.remove_after)


def versions(name: str, names: Collection[str]) -> dict[str, str]:
    """Return the versions of image NAME among NAMES, by version."""
    return {entry.removeprefix(f"{name}@"): entry for entry in names if entry.startswith(f"{name}@")}


def plan(name: str, wanted: str, found: Found) -> Plan:
    """Return what makes version WANTED of image NAME the current one and keeps the one before it for a rollback.

    A version that is there and whole is not built again: going back is turning the link.
    """
    known = versions(name, found.names)
    build = wanted not in found.whole
    link = build or found.current != wanted
    torn = [entry for version, entry in known.items() if version not in found.whole]
    leftovers = [entry for entry in found.names if entry in (f"{BUILDING}{name}", f"{TEMPORARY_LINK}{name}")]
    kept = {wanted, found.current} if link else set()
    old = [entry for version, entry in known.items() if version not in kept and entry not in torn] if link else []
    return Plan(
        build=build, link=link, remove_before=tuple(sorted({*torn, *leftovers})), remove_after=tuple(sorted(old))
    )


def missing_space(needed_mib: int, free_mib: int) -> int:
    """Return how many MiB are missing, 0 when there is enough."""
    return max(0, needed_mib - free_mib)


# Architectures of Debian by what uname -m says.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def is_foreign(architecture: str, machine: str) -> bool:
    """Tell whether a MACHINE, as uname -m names it, runs programs of ARCHITECTURE only with an interpreter."""
    return _MACHINES.get(machine, machine) != architecture


def why_not_run(architecture: str, *, binfmt: bool) -> tuple[str, str]:
    """Return why programs of ARCHITECTURE do not run here, and what helps; BINFMT if the kernel takes interpreters."""
    why = f"no interpreter for {architecture} is registered in /proc/sys/fs/binfmt_misc"
    remedy = "Install the package qemu-user-binfmt and start systemd-binfmt.service anew"
    if not binfmt:
        why = "the kernel takes no interpreters: /proc/sys/fs/binfmt_misc/register is not there"
        remedy = (
            "Load the module binfmt_misc and mount it: systemctl start proc-sys-fs-binfmt_misc.mount "
            "systemd-binfmt.service. In a container the machine below has to do that"
        )
    return why, remedy
