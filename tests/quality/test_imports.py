# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No module needs one that needs it in turn: each can be read, tested and packed with what it stands on."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.quality.tree import PREFIX, ROOT, files

# Where the modules of a folder begin, and by what name its top is imported.
TOPS = {
    f"{PREFIX}plugins": "ansible_collections.accentos.cloud.plugins.",
    f"{PREFIX}agents/src": "",
    "tools": "tools.",
    "tests": "tests.",
}


def modules() -> dict[str, Path]:
    """Return the Python modules of the tree by the name by which they are imported."""
    found = {}
    for name in files():
        for top, prefix in TOPS.items():
            if name.startswith(f"{top}/") and name.endswith(".py"):
                inner = name.removeprefix(f"{top}/").removesuffix(".py").removesuffix("/__init__")
                found[prefix + inner.replace("/", ".")] = ROOT / name
    return found


def imports(text: str, module: str, *, package: bool) -> Iterator[str]:
    """Give what the TEXT of a module or PACKAGE imports anywhere, with each name, since it may be a module, too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            above = parts[: len(parts) - node.level + package] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


def circle(needed: Mapping[str, set[str]]) -> list[str]:
    """Return modules that need each other in turn, the first one again as the last; nothing if there are none."""
    try:
        graphlib.TopologicalSorter(needed).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_need_each_other() -> None:
    known = modules()
    needed = {
        name: set(imports(path.read_text(encoding="utf-8"), name, package=path.name == "__init__.py"))
        & (known.keys() - {name})
        for name, path in known.items()
    }
    assert sum(map(len, needed.values())) > 500
    assert circle(needed) == []


@pytest.mark.parametrize(
    ("text", "package", "found"),
    [
        ("import a.b", False, ["a.b"]),
        ("def late():\n    from a import b", False, ["a", "a.b"]),
        ("from . import c", False, ["x.y", "x.y.c"]),
        ("from .c import d", False, ["x.y.c", "x.y.c.d"]),
        ("from ..c import d", False, ["x.c", "x.c.d"]),
        ("from .c import d", True, ["x.y.z.c", "x.y.z.c.d"]),
    ],
)
def test_every_kind_of_import_is_found(text: str, package: bool, found: list[str]) -> None:
    assert list(imports(text, "x.y.z", package=package)) == found


def test_a_circle_is_told() -> None:
    assert sorted(set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}))) == ["a", "b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
