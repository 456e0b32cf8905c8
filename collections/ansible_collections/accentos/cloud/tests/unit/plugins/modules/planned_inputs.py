# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inputs of something that remembers them, and what happens to them before and in a run: real files, a real module."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.modules import files

from .python_samples import run_module


class Inputs:
    """A file, and a folder with a file and a link to one elsewhere, which the module files writes."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capsys = capsys
        self.paths = [f"{folder}/{name}" for name in ("a.conf", "parts", "none.conf")]
        self.write()

    def write(
        self,
        new: dict[str, str] | None = None,
        links: dict[str, str] | None = None,
        absent: tuple[str, ...] = (),
        *,
        check_mode: bool = False,
    ) -> dict[str, str]:
        """Write them with their contents, NEW ones for some, and without what is to be ABSENT; return the digests."""
        texts = {"a.conf": "a = 1\n", "parts/b.conf": "b = 1\n", "target": "c = 1\n", "other": "c = 2\n", **(new or {})}
        pointers = {"parts/link.conf": "target", **(links or {})}
        wanted = [
            *({"path": f"{self._folder}/{name}", "content": text} for name, text in texts.items()),
            *({"path": f"{self._folder}/{name}", "link": f"{self._folder}/{to}"} for name, to in pointers.items()),
        ]
        result = run_module(
            files,
            self._capsys,
            files=[one for one in wanted if one["path"] not in self.named(*absent)],
            absent=self.named(*absent),
            _ansible_check_mode=check_mode,
        )
        digests: dict[str, str] = result["digests"]
        return digests

    def named(self, *names: str) -> list[str]:
        """Return the paths of files by their names in the folder."""
        return [f"{self._folder}/{name}" for name in names]


@dataclass(frozen=True)
class Case:
    """What somebody DID to the files, what the run WRITES, and which then DIFFER from what was remembered."""

    told: str
    did: Callable[[Path], object] = lambda _folder: None
    writes: dict[str, Any] = field(default_factory=dict)
    differ: tuple[str, ...] = ()

    def play(
        self,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        module: Callable[..., dict[str, Any]],
        options: Callable[[list[str]], dict[str, Any]] = lambda paths: {"inputs": paths},
    ) -> tuple[dict[str, Any], dict[str, Any], str]:
        """Run MODULE with OPTIONS for inputs in FOLDER, and let it happen; once that is done nothing is left to do.

        Returns what MODULE says in check mode and then for real, and the reason that it should have.
        """
        inputs = Inputs(folder / "inputs", capsys)
        run = functools.partial(module, **options(inputs.paths))
        run()
        self.did(folder / "inputs")
        planned = run(check_mode=True, inputs_changed=inputs.write(**self.writes, check_mode=True))
        made = run(inputs_changed=inputs.write(**self.writes))
        assert run()["changed"] is False
        return planned, made, ", ".join(inputs.named(*self.differ))


def _change(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text("stranger = 1\n", encoding="utf-8")


def _remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _point_elsewhere(folder: Path) -> None:
    (folder / "parts/link.conf").unlink()
    (folder / "parts/link.conf").symlink_to(folder / "other")


CASES = [
    Case("nothing"),
    Case("a new content", writes={"new": {"a.conf": "a = 2\n"}}, differ=("a.conf",)),
    Case("a drifted file goes back", _change("a.conf")),
    Case("a drifted file gets a new content", _change("a.conf"), {"new": {"a.conf": "a = 2\n"}}, ("a.conf",)),
    Case("a lost file comes back", _remove("a.conf")),
    Case("a file is removed", writes={"absent": ("a.conf",)}, differ=("a.conf",)),
    Case("a mode is mended", lambda folder: (folder / "a.conf").chmod(0o600)),
    Case("a new content below the folder", writes={"new": {"parts/b.conf": "b = 2\n"}}, differ=("parts/b.conf",)),
    Case("a drifted file below the folder goes back", _change("parts/b.conf")),
    Case("a lost file below the folder comes back", _remove("parts/b.conf")),
    Case("a further file below the folder", writes={"new": {"parts/d.conf": ""}}, differ=("parts/d.conf",)),
    Case("a file below the folder is removed", writes={"absent": ("parts/b.conf",)}, differ=("parts/b.conf",)),
    Case("a stranger below the folder goes again", _change("parts/d.conf"), {"absent": ("parts/d.conf",)}),
    Case("a stranger below the folder stays", _change("parts/d.conf"), differ=("parts/d.conf",)),
    Case("what a link points to goes back", _change("target")),
    Case("what a link points to is another", writes={"new": {"target": "c = 3\n"}}, differ=("parts/link.conf",)),
    Case("a link is turned back", _point_elsewhere),
    Case("a link is turned", writes={"links": {"parts/link.conf": "other"}}, differ=("parts/link.conf",)),
    Case(
        "a link is turned to a new file",
        writes={"new": {"x": "c = 4\n"}, "links": {"parts/link.conf": "x"}},
        differ=("parts/link.conf",),
    ),
    Case("a link to the same content", writes={"new": {"x": "c = 1\n"}, "links": {"parts/link.conf": "x"}}),
    Case("a file that was not there comes", writes={"new": {"none.conf": ""}}, differ=("none.conf",)),
    Case("a file that matters to nobody", writes={"new": {"a.conf.d/x": "a"}}),
]
EACH_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.told)
