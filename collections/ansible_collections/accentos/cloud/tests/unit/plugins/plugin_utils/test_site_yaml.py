# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading YAML with positions, and refusing what would exhaust the machine."""

from __future__ import annotations

import tracemalloc

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import (
    MAX_BYTES,
    OPAQUE,
    Document,
    Node,
    load_document,
    plain_data,
)
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import within


def root_of(text: str) -> Node:
    document = load_document(text.encode())
    assert document.mistakes == ()
    assert document.root is not None
    return document.root


def problems(document: Document) -> list[tuple[int, str]]:
    return [(mistake.line, mistake.problem) for mistake in document.mistakes]


def test_positions_start_at_one_and_point_to_keys_and_values() -> None:
    root = root_of("---\na:\n  b: [x, yy]\n")
    node = root.at(("a", "b", 1))
    assert node is not None
    assert (node.line, node.column, node.value) == (3, 10, "yy")
    below = root.at(("a",))
    assert below is not None
    assert (below.keys["b"].line, below.keys["b"].column) == (3, 3)
    assert root.at(("a", "c")) is None
    assert root.at(("a", "b", 2)) is None
    assert root.at(("a", 0)) is None
    assert root.at(("a", "c", "d")) is None


def test_values_are_those_of_yaml_1_1() -> None:
    text = "{a: no, b: 010, c: 1:30, d: 1.5, e: ~, f: '1', g: !!str 1, h: ! 1, i: 0x1F}"
    expected = {"a": False, "b": 8, "c": 90, "d": 1.5, "e": None, "f": "1", "g": "1", "h": "1", "i": 31}
    assert plain_data(root_of(text), templates=False) == expected


def test_empty_files_have_no_root_and_no_mistake() -> None:
    for text in ("", "---\n", "# nothing\n", "~\n", "\ufeff"):
        assert load_document(text.encode()) == Document(None, (), broken=False)


def test_sealed_values_and_templates_are_opaque() -> None:
    root = root_of('a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  61\nb: "{{ x }}"\nc: !unsafe "{{ x }}"\nd: !unsafe 5\n')
    assert plain_data(root, templates=True) == {"a": OPAQUE, "b": OPAQUE, "c": "{{ x }}", "d": 5}
    assert plain_data(root, templates=False) == {"a": OPAQUE, "b": "{{ x }}", "c": "{{ x }}", "d": 5}


def test_merge_keys_do_not_replace_what_is_there() -> None:
    root = root_of("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *b}\n")
    data = plain_data(root, templates=False)
    assert isinstance(data, dict)
    assert data["c"] == {"x": 3, "y": 1, "z": 2}
    assert data["d"] == {"y": 2, "z": 2}


def test_an_alias_is_where_it_is_written() -> None:
    node = root_of("a: &a {x: 1}\nb: *a\n").at(("b",))
    assert node is not None
    assert (node.line, node.column) == (2, 4)


def laughs(levels: int) -> str:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, levels):
        text += f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 10) + "]\n"
    return text


def chain(levels: int) -> str:
    return "".join(f"a{level}: &a{level} [*a{level - 1}]\n" if level else "a0: &a0 [x]\n" for level in range(levels))


BOMBS = {
    "a billion laughs": (laughs(9), "too many values once the aliases are expanded"),
    "laughs in keys": (
        laughs(8).replace("[", "{k: [").replace("]", "]}"),
        "too many values once the aliases are expanded",
    ),
    "many values": ("[" + "x," * 200_000 + "]", "too many values once the aliases are expanded"),
    "brackets": ("[" * 500_000, "nested too deeply"),
    "braces": ("{a: " * 200_000, "nested too deeply"),
    "keys": ("? " * 400_000, "nested too deeply"),
    "dashes": ("- " * 400_000, "nested too deeply"),
    "a ladder of aliases": (chain(60), "nested too deeply"),
    "a large file": ("a: " + "x" * MAX_BYTES, "the file is too large"),
    "itself": ("&a [*a]", "the alias *a contains itself"),
    "itself below a key": ("a: &a {b: [{c: *a}]}", "the alias *a contains itself"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_quickly_and_in_little_memory(name: str) -> None:
    text, problem = BOMBS[name]
    raw = text.encode()
    with within(2):
        document = load_document(raw)
    tracemalloc.start()
    load_document(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert document.root is None
    assert document.broken
    assert [mistake.problem for mistake in document.mistakes] == [problem]
    assert peak < 100 * MAX_BYTES


def test_limits_are_not_met_too_early() -> None:
    deep = "[" * 50 + "]" * 50
    assert load_document(deep.encode()).mistakes == ()
    assert problems(load_document(f"[{deep}]".encode())) == [(1, "nested too deeply")]
    assert load_document(laughs(4).encode()).mistakes == ()
    assert load_document(chain(48).encode()).mistakes == ()
    assert load_document(b"#" * MAX_BYTES).mistakes == ()


NOT_TEXT = {
    "latin 1": (b"a: 1\nb: caf\xe9\n", (2, "the file is not UTF-8 text")),
    "utf 16": ("a: 1\n".encode("utf-16"), (1, "the file is not UTF-8 text")),
    "zero": (b"a: 1\nb: \x00\n", (2, "a control character (code 0x0)")),
    "escape": (b"a: 1\n\nb: \x1b[31m\n", (3, "a control character (code 0x1b)")),
    "sealed": (b"$ANSIBLE_VAULT;1.1;AES256\n6161\n", (1, "the whole file is sealed, so nothing in it can be checked")),
}


@pytest.mark.parametrize("name", NOT_TEXT)
def test_files_that_are_no_text(name: str) -> None:
    raw, expected = NOT_TEXT[name]
    assert problems(load_document(raw)) == [expected]


def test_dates_and_numbers_that_are_none() -> None:
    for text in ("2025-99-99", "0x_", "0b_", "!!int x", "!!float x", "!!bool maybe", "!!timestamp x", "!!int ''"):
        assert problems(load_document(f"a: {text}".encode())) == [(1, "neither a date nor a number")], text


def test_a_wrong_key_is_one_mistake() -> None:
    for key in ("2025-99-99", "=", "1" * 100, "!x y", "!vault y", "[a]", "{a: 1}", "1.5", "true"):
        document = load_document(f"? {key}\n: 1\nb: 2\n".encode())
        assert len(document.mistakes) == 1, document.mistakes
        assert "is not text" in document.mistakes[0].problem
        assert document.root is not None
        assert plain_data(document.root, templates=False) == {"b": 2}
