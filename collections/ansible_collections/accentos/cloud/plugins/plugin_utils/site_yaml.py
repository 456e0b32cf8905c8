# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads one YAML file into nodes that know their line and column.

The tree is built from PyYAML's events, not by its composer: so nesting, aliases and size are bounded while the file
is read, and nothing in a file can exhaust memory or the stack.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import yaml

# PyYAML without libyaml has only the slow one.
_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 50
MAX_NODES = 100_000
MAX_BYTES = 1024 * 1024
_TEMPLATE_MARKS = ("{{", "{%", "{#")
# With what a configuration of Ansible may allow besides.
_JINJA = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701 - nothing is rendered
# How a sealed file begins.
SEAL = b"$ANSIBLE_VAULT;"
# int() of a long run of digits is slow, and refused by Python beyond 4,300 of them.
LONGEST_NUMBER = 64

_TAG = "tag:yaml.org,2002:"
_STANDARD_TAGS = {_TAG + name for name in ("str", "null", "bool", "int", "float", "timestamp", "seq", "map")}
_VAULT_TAGS = ("!vault", "!vault-encrypted")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEADING_TAB = re.compile(r"^ *\t")

# libyaml's words, and ours for people who do not read grammars.
_SENTENCES = {
    "mapping values are not allowed": (
        "a colon where none is allowed",
        'one "key: value" per line; a value with ": " in it goes in quotes',
    ),
    "could not find expected ':'": ("a line without a colon", '"key: value"'),
    "did not find expected key": ("the indentation or the quotes are wrong", "keys of one mapping in one column"),
    "did not find expected '-'": ("the indentation is wrong", 'the "- " of one list in one column'),
    "did not find expected ',' or ']'": ("a list in brackets is not closed", "[one, two]"),
    "did not find expected ',' or '}'": ("a mapping in braces is not closed", "{key: value, other: value}"),
    "did not find expected node content": (
        "a list in brackets or a mapping in braces is not finished",
        "[one, two] or {key: value, other: value}",
    ),
    "found unexpected end of stream": ("a quote is not closed", "the closing quote"),
    "cannot start any token": ("a value starts with a character that has a meaning in YAML", "the value in quotes"),
    "found unknown escape character": ("an unknown escape in double quotes", "single quotes, or two backslashes"),
    "block sequence entries are not allowed": (
        'a "- " where no list is allowed',
        "the list on its own lines below the key",
    ),
    "block mapping entries are not allowed": ("a key where none is allowed", "keys of one mapping in one column"),
}


class Opaque:
    """Stands for a value whose type cannot be known here: sealed by Ansible Vault, or computed from a template."""


OPAQUE = Opaque()


@dataclasses.dataclass(slots=True, eq=False)
class Node:
    """A value of the file. Exactly one of value (a scalar, or OPAQUE), items (a list) and fields (a mapping) counts."""

    kind: str  # "scalar", "list" or "mapping"
    line: int
    column: int
    value: object = None
    text: str = ""
    plain: bool = False
    unsafe: bool = False
    items: list[Node] = dataclasses.field(default_factory=list)
    fields: dict[str, Node] = dataclasses.field(default_factory=dict)
    keys: dict[str, Node] = dataclasses.field(default_factory=dict)
    size: int = 1
    height: int = 1
    scalars: int = 0

    def at(self, path: tuple[str | int, ...]) -> Node | None:
        """Return the node below this one, or None when the path leads nowhere."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(step, int):
                node = node.items[step] if node.kind == "list" and step < len(node.items) else None
            else:
                node = node.fields.get(step) if node.kind == "mapping" else None
        return node


@dataclasses.dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in the YAML itself. key is the dotted path as far as it is known."""

    line: int
    column: int
    problem: str
    expected: str
    key: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A file as read: root is None when it is empty or unreadable; broken tells the two apart."""

    root: Node | None
    mistakes: tuple[Mistake, ...]
    broken: bool = False


class _RefusedError(Exception):
    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.problem)
        self.mistake = mistake


def load_document(raw: bytes) -> Document:
    """Read the bytes of one YAML file. Never raises: whatever is wrong is in the mistakes."""
    try:
        return _load(raw)
    except _RefusedError as refused:
        return Document(None, (refused.mistake,), broken=True)
    except yaml.YAMLError as error:
        return Document(None, (_explain(error, raw.decode("utf-8-sig", "replace")),), broken=True)


def _load(raw: bytes) -> Document:
    if len(raw) > MAX_BYTES:
        raise _RefusedError(Mistake(1, 1, "the file is too large", "at most 1 MiB"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _RefusedError(Mistake(line, 1, "the file is not UTF-8 text", "a text file saved as UTF-8")) from error
    strange = _UNPRINTABLE.search(text)
    if strange:
        line, column = _line_and_column(text, strange.start())
        raise _RefusedError(
            Mistake(line, column, f"a control character (code {ord(strange.group()):#x})", "printable text only")
        )
    if text.startswith(SEAL.decode()):
        raise _RefusedError(
            Mistake(
                1, 1, "the whole file is sealed, so nothing in it can be checked", "single values sealed with !vault"
            )
        )
    return _Builder(text.replace("\t", " ") if _is_json(text) else text).build()


def _is_json(text: str) -> bool:
    """Tell whether the text is JSON, which Ansible tries first: there tabs may indent, and stand for nothing else."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1


def _explain(error: yaml.YAMLError, text: str) -> Mistake:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    words = str(getattr(error, "problem", None) or "")
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    if _LEADING_TAB.match(here) or "tab character" in words:
        return Mistake(line, column, "a tab character in the indentation", "spaces")
    for known, (problem, expected) in _SENTENCES.items():
        if known in words:
            return Mistake(line, column, problem, expected)
    return Mistake(line, column, "not valid YAML" + (f" ({words})" if words else ""), 'lines such as "key: value"')


@dataclasses.dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read yet."""

    node: Node
    anchor: str | None
    key: Node | None = None
    merges: list[Node] = dataclasses.field(default_factory=list)
    label: str = ""


class _Builder:
    def __init__(self, text: str) -> None:
        self.loader: Any = _LOADER(text)
        self.anchors: dict[str, Node] = {}
        self.stack: list[_Open] = []
        self.mistakes: list[Mistake] = []
        self.root: Node | None = None
        self.documents = 0
        self.total = 0

    def build(self) -> Document:
        try:
            for event in self._events():
                self._take(event)
        finally:
            self.loader.dispose()
        root = self.root
        if root is not None and root.kind == "scalar" and root.value is None:
            root = None
        return Document(root, tuple(self.mistakes))

    def _events(self) -> Iterator[yaml.Event]:
        while self.loader.check_event():
            event = self.loader.get_event()
            if event is not None:
                yield event

    def _take(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _RefusedError(Mistake(line, column, "a second document", "one document per file"))
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event, line, column))
        elif isinstance(event, yaml.ScalarEvent):
            self._count(1, line, column)
            node = self._scalar(event, line, column)
            self._remember(event.anchor, node, line, column)
            self._add(node)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._count(1, line, column)
            kind = "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
            if len(self.stack) >= MAX_DEPTH:
                raise _RefusedError(Mistake(line, column, "nested too deeply", f"at most {MAX_DEPTH} levels"))
            node = Node(kind, line, column)
            self._check_tag(event.tag, node)
            if event.anchor is not None and (
                event.anchor in self.anchors or any(event.anchor == entry.anchor for entry in self.stack)
            ):
                raise self._anchor_twice(event.anchor, line, column)
            self.stack.append(_Open(node, event.anchor, label=self._label()))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self._close()

    def _label(self) -> str:
        if not self.stack:
            return ""
        top = self.stack[-1]
        step: object = top.key.value if top.key else "?"
        if top.node.kind == "list":
            step = len(top.node.items)
        return f"{top.label}.{step}" if top.label else str(step)

    def _anchor_twice(self, anchor: str, line: int, column: int) -> _RefusedError:
        return _RefusedError(
            Mistake(line, column, f"the anchor &{anchor} is used twice", "a name of its own for each anchor")
        )

    def _remember(self, anchor: str | None, node: Node, line: int, column: int) -> None:
        if anchor is None:
            return
        if anchor in self.anchors:
            raise self._anchor_twice(anchor, line, column)
        self.anchors[anchor] = node

    def _alias(self, event: yaml.AliasEvent, line: int, column: int) -> Node:
        anchor = str(event.anchor)
        if any(entry.anchor == anchor for entry in self.stack):
            raise _RefusedError(
                Mistake(line, column, f"the alias *{anchor} contains itself", "an alias of another value")
            )
        if anchor not in self.anchors:
            raise _RefusedError(
                Mistake(line, column, f"the alias *{anchor} has no anchor", f"&{anchor} at an earlier value")
            )
        target = self.anchors[anchor]
        self._count(target.size, line, column)
        if len(self.stack) + target.height > MAX_DEPTH:
            raise _RefusedError(Mistake(line, column, "nested too deeply", f"at most {MAX_DEPTH} levels"))
        return dataclasses.replace(target, line=line, column=column)

    def _scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> Node:
        text = event.value
        node = Node("scalar", line, column, text, text, scalars=1)
        tag = event.tag
        if tag in _VAULT_TAGS:
            node.value, node.text = OPAQUE, ""
            return node
        implicit = event.implicit
        if tag == "!unsafe":
            node.unsafe = True
            tag, implicit = None, (not event.style, bool(event.style))
        if tag is None or tag == "!":
            tag = self.loader.resolve(yaml.ScalarNode, text, implicit) if tag is None else _TAG + "str"
        node.plain = not event.style and event.tag is None
        if tag == _TAG + "merge" and self._at_key():
            return node
        if tag in (_TAG + "merge", _TAG + "value"):
            self._reject(node, f"{text} alone has a meaning in YAML", "text: put it in quotes")
            return node
        if tag not in _STANDARD_TAGS:
            self._unknown_tag(tag, node)
            return node
        if tag != _TAG + "str":
            node.value = self._construct(tag, text, node)
        return node

    def _construct(self, tag: str, text: str, node: Node) -> object:
        if len(text) > LONGEST_NUMBER:
            self._reject(node, "a number with too many digits", "text: put it in quotes")
            return OPAQUE
        try:
            return self.loader.construct_object(yaml.ScalarNode(tag, text))
        except (ValueError, ArithmeticError, LookupError, AttributeError, yaml.YAMLError):
            # It looks like a date or a number, or says so with a tag, without being one: 2025-02-30, 0x_, !!int x.
            self._reject(node, "neither a date nor a number", "text: put it in quotes")
            return OPAQUE

    def _check_tag(self, tag: str | None, node: Node) -> None:
        if tag in _VAULT_TAGS:
            self._reject(node, f"the tag {tag} on a {node.kind}", "a sealed text")
        elif tag not in (None, "!", "!unsafe", _TAG + ("seq" if node.kind == "list" else "map")):
            self._unknown_tag(str(tag), node)

    def _unknown_tag(self, tag: str, node: Node) -> None:
        self._reject(node, f"the unknown tag {tag.replace(_TAG, '!!')}", "no tag, !vault or !unsafe")

    def _reject(self, node: Node, problem: str, expected: str) -> None:
        """Note a mistake and let nothing follow from the value. A key gets its mistake when its value is there."""
        node.value = OPAQUE
        if not self._at_key():
            self.mistakes.append(Mistake(node.line, node.column, problem, expected, self._label()))

    def _at_key(self) -> bool:
        return bool(self.stack) and self.stack[-1].node.kind == "mapping" and self.stack[-1].key is None

    def _add(self, node: Node) -> None:
        """Hang a complete node into the innermost open list or mapping."""
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        parent = top.node
        parent.size += node.size
        parent.scalars += node.scalars
        parent.height = max(parent.height, node.height + 1)
        if parent.kind == "list":
            parent.items.append(node)
        elif top.key is None:
            parent.scalars -= node.scalars
            top.key = node
        else:
            key, top.key = top.key, None
            self._set_field(top, key, node)

    def _count(self, size: int, line: int, column: int) -> None:
        # An alias counts with all that is below it, so the total is what the file would expand to.
        self.total += size
        if self.total > MAX_NODES:
            raise _RefusedError(
                Mistake(line, column, "too many values once the aliases are expanded", f"at most {MAX_NODES}")
            )

    def _set_field(self, top: _Open, key: Node, node: Node) -> None:
        fields = top.node.fields
        if key.kind == "scalar" and key.text == "<<" and key.plain:
            top.merges.extend(node.items if node.kind == "list" else [node])
            return
        if key.kind != "scalar" or not isinstance(key.value, str):
            shown = key.text or f"a {key.kind}"
            advice = "text: put it in quotes" if key.kind == "scalar" and key.text else "text as a key"
            self.mistakes.append(Mistake(key.line, key.column, f"the key {shown} is not text", advice, top.label))
            return
        name = key.value
        if name in fields:
            first = top.node.keys[name]
            path = f"{top.label}.{name}" if top.label else name
            self.mistakes.append(
                Mistake(
                    key.line, key.column, f"the key is there twice, first in line {first.line}", "each key once", path
                )
            )
        fields[name] = node
        top.node.keys[name] = key

    def _close(self) -> None:
        top = self.stack.pop()
        node = top.node
        for merged in top.merges:
            if merged.kind != "mapping":
                self.mistakes.append(
                    Mistake(
                        merged.line, merged.column, "<< merges something else than a mapping", "an alias of a mapping"
                    )
                )
                continue
            for name, field in merged.fields.items():
                if name not in node.fields:
                    node.fields[name] = field
                    node.keys[name] = merged.keys[name]
        if node.value is OPAQUE:
            # An unknown tag: what is below has another meaning than it seems to have.
            node.kind, node.items, node.fields, node.keys = "scalar", [], {}, {}
        if top.anchor is not None:
            self.anchors[top.anchor] = node
        self._add(node)


def plain_data(node: Node, *, templates: bool) -> object:
    """Return the node as plain Python data for a JSON Schema engine.

    Sealed values become OPAQUE, and so do texts with a template in them when templates is true.
    """
    known: dict[int, object] = {}

    def convert(node: Node) -> object:
        if node.kind == "scalar":
            value = node.value
            if templates and is_template(node):
                return OPAQUE
            return value
        if id(node) not in known:
            if node.kind == "list":
                known[id(node)] = [convert(item) for item in node.items]
            else:
                known[id(node)] = {name: convert(field) for name, field in node.fields.items()}
        return known[id(node)]

    return convert(node)


def is_template(node: Node) -> bool:
    """Tell whether Ansible would compute this value from a template."""
    value = node.value
    return isinstance(value, str) and not node.unsafe and ("{{" in value or "{%" in value)


def template_mistake(node: Node) -> str:
    """Return why Jinja cannot read this value as the template that Ansible takes it for; empty if it can.

    Only the syntax is judged: which variables, filters and look-ups there are is known to a run alone.
    """
    value = node.value
    if not isinstance(value, str) or node.unsafe or not any(mark in value for mark in _TEMPLATE_MARKS):
        return ""
    # Such a text brings other marks of its own.
    return "" if value.startswith("#jinja2:") else _syntax_mistake(value)


@functools.lru_cache(maxsize=1000)
def _syntax_mistake(text: str) -> str:
    try:
        _JINJA.parse(text)
    except jinja2.TemplateSyntaxError as error:
        return str(error.message or "a mistake in its syntax").rstrip(".")
    except RecursionError:
        return "it is nested too deeply"
    return ""


def walk(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """Yield the scalars below a node together with their paths."""
    if node.kind == "scalar":
        yield path, node
    children: Mapping[str | int, Node] | None = None
    if node.kind == "list":
        children = dict(enumerate(node.items))
    elif node.kind == "mapping":
        children = dict(node.fields.items())
    for step, child in (children or {}).items():
        yield from walk(child, (*path, step))
