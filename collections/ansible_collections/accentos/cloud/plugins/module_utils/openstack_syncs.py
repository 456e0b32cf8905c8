# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs commands that bring databases up to date: at the same time where one does not need the other."""

from __future__ import annotations

import concurrent.futures
import graphlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.openstack_commands import SyncError
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import (
    digest_section,
    digest_value,
    name_section,
    parse_lines,
)


def order(syncs: Sequence[Mapping[str, Any]]) -> graphlib.TopologicalSorter[str]:
    """Return the order in which commands may start. Raises SyncError."""
    names = [sync["name"] for sync in syncs]
    unknown = sorted({needed for sync in syncs for needed in sync["after"]} - set(names))
    twice = sorted({name for name in names if names.count(name) > 1})
    if unknown or twice:
        raise SyncError(
            f"{', '.join(unknown or twice)} is {'not among the commands' if unknown else 'there twice'}.",
            "Mend the names of the commands.",
        )
    sorter = graphlib.TopologicalSorter({sync["name"]: sync["after"] for sync in syncs})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise SyncError(
            f"These commands wait for each other: {', '.join(error.args[1])}.", "Mend what they come after."
        ) from error
    return sorter


def digest_reads(
    sync: Mapping[str, Any],
    texts: Mapping[str, str],
    versions: Mapping[str, str],
    expected: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return digests of what a command depends on, by name: itself, sections of files, versions of packages.

    ``expected`` are those of sections that earlier tasks of a run in check mode would change, in the place of what is
    there.
    """
    files = {path: parse_lines(texts.get(path, "")) for path in sync["reads"]}
    sections = {
        name_section(path, name): digest_section(files[path], name)
        for path, names in sync["reads"].items()
        for name in names
    }
    packages = {f"package {name}": versions.get(name, "") for name in sync["packages"]}
    coming = {name: digest for name, digest in (expected or {}).items() if name in sections}
    return {"its command": digest_value([sync["argv"], sync["user"]]), **sections, **coming, **packages}


def run_in_order(
    syncs: Sequence[Mapping[str, Any]], run: Callable[[Mapping[str, Any]], None], *, workers: int
) -> list[str]:
    """Run all commands, each after those that it needs, and return what went wrong, one text for each that failed.

    ``run`` does one command and raises SyncError. What needs a failed command is not run; all else is.
    """
    by_name = {sync["name"]: sync for sync in syncs}
    sorter = order(syncs)
    failures: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
        running: dict[concurrent.futures.Future[None], str] = {}
        while True:
            running |= {pool.submit(run, by_name[name]): name for name in sorter.get_ready()}
            if not running:
                return failures
            done, _waiting = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                name = running.pop(future)
                try:
                    future.result()
                except SyncError as error:
                    failures.append(str(error.args[0]))
                else:
                    sorter.done(name)
