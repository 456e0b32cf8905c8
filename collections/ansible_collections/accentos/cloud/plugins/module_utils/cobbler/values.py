# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One form for every value of Cobbler, whether it was written by a person or comes back from cobblerd; and what is
refused because Cobbler would read it as a program.

Cobbler renders kernel options, paths and DHCP entries with Cheetah or Jinja2. Values of ``autoinstall_meta`` are data
of a template and are not rendered again (tried with 3.3.10), so JSON text may hold ``$``, ``#`` and braces there; only
``@@name@@`` is replaced in whatever a template printed.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

INHERIT = "<<inherit>>"
# How cobblerd writes "no value".
_NONE = "~"
_TRUE = frozenset({"true", "yes", "on", "y", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "0"})
# Starts of variables, directives, comments and macros of Cheetah, Jinja2 and Cobbler itself.
_TEMPLATE = ("{{", "{%", "{#", "@@", "TEMPLATE::", "SNIPPET::", "$", "#")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_WORD = re.compile(r"[A-Za-z0-9_.-]*")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_OPTION = re.compile(r"!?[A-Za-z0-9_.-]+")
_META = re.compile(r"!?[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9_./+:@-]*")
# XML-RPC carries no larger number.
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Field:
    """A property of an object: what its values look like, and whether it can be taken over from the parent.

    ``blank_inherits`` says that cobblerd stores an empty value as inherited.
    """

    kind: str
    inherit: bool = False
    choices: tuple[str, ...] = ()
    blank_inherits: bool = False


def find_template(text: str) -> str | None:
    """Return what in TEXT a template engine would act on, or None."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            return f"the control character U+{ord(character):04X}"
    return next((mark for mark in _TEMPLATE if mark in text), None)


def _as_bool(value: Any) -> bool:
    text = str(value).lower()
    if isinstance(value, bool | int | str) and text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError(f"{value!r} is neither true nor false")


def _as_number(value: Any) -> int | float:
    if not isinstance(value, bool):
        try:
            number = float(value)
            return int(number) if number.is_integer() else number
        except (TypeError, ValueError, OverflowError):
            pass
    raise ValueError(f"{value!r} is no number")


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is no text")
    return str(value)


def _as_list(value: Any) -> list[str]:
    items = shlex.split(value) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(f"{value!r} is no list")
    return [_as_text(item) for item in items]


def _as_options(value: Any) -> dict[str, Any]:
    """Return the kernel options as a dictionary: a text, or a list of texts for an option that occurs repeatedly."""
    found: dict[str, Any] = {}
    if isinstance(value, str):
        for word in shlex.split(value):
            key, _equals, text = word.partition("=")
            found.setdefault(key, []).append(text)
        return {key: texts if len(texts) > 1 else texts[0] for key, texts in found.items()}
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is neither a text nor a dictionary")
    for key, given in value.items():
        if isinstance(given, list | tuple):
            texts = [_as_text(item) for item in given]
            found[str(key)] = texts if len(texts) != 1 else texts[0]
        else:
            found[str(key)] = "" if given in (None, _NONE) else _as_text(given)
    return found


def _as_map(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = dict(word.partition("=")[::2] for word in shlex.split(value))
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no dictionary")
    found = {}
    for key, given in value.items():
        if given is not None and (isinstance(given, bool) or not isinstance(given, str | int | float)):
            raise ValueError(f"{key}: holds no text; give structures as JSON text, with the filter to_json")
        found[str(key)] = "" if given in (None, _NONE) else str(given)
    return found


def _as_structure(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no dictionary")
    return {str(key): given for key, given in value.items()}


def _no_template(text: str) -> None:
    mark = find_template(text)
    if mark:
        raise ValueError(f"{text!r} holds {mark}, which Cobbler would run as part of a template")


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[Any], None]:
    def check(value: str) -> None:
        if value and not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is no {what}")
        # A colon or an at sign is part of names and paths, and of two marks of Cobbler's own.
        _no_template(value)

    return check


def _check_address(version: int) -> Callable[[Any], None]:
    def check(value: str) -> None:
        if value and ipaddress.ip_address(value).version != version:
            raise ValueError(f"{value!r} is no IPv{version} address")

    return check


def _check_netmask(value: str) -> None:
    if value:
        ipaddress.IPv4Network(f"0.0.0.0/{value}")
        if "." not in value:
            raise ValueError(f"{value!r} is no netmask such as 255.255.255.0")


def _check_number(value: float) -> None:
    if not -1 <= value <= _LARGEST:
        raise ValueError(f"{value} is out of range")


def _check_each(check: Callable[[Any], None]) -> Callable[[Any], None]:
    def every(values: list[str]) -> None:
        for value in values:
            check(value)

    return every


def _check_any_address(value: str) -> None:
    ipaddress.ip_address(value)


def _check_options(options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if not _OPTION.fullmatch(key):
            raise ValueError(f"{key!r} is no name of a kernel option")
        for text in value if isinstance(value, list) else [value]:
            _no_template(text)
            if "'" in text or '"' in text or text == _NONE:
                raise ValueError(f"{key}: {text!r} cannot be written on a kernel command line")


def _check_meta(values: Mapping[str, str]) -> None:
    for key, text in values.items():
        if not _META.fullmatch(key):
            raise ValueError(f"{key!r} is no name of a template variable")
        if "@@" in text:
            raise ValueError(f"{key}: holds @@, which Cobbler would replace after rendering")
        if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text):
            raise ValueError(f"{key}: holds a control character, which does not pass XML-RPC unchanged")


def _check_map(values: Mapping[str, str]) -> None:
    for key, text in values.items():
        _no_template(key)
        _no_template(text)


def _check_structure(value: Any) -> None:
    if isinstance(value, Mapping):
        for key, below in value.items():
            _check_structure(str(key))
            _check_structure(below)
    elif isinstance(value, list | tuple):
        for below in value:
            _check_structure(below)
    elif isinstance(value, str):
        _no_template(value)


def _anything(_value: Any) -> None:
    """Accept a value that its form has checked already."""


_TEXT = (_as_text, _no_template)
_KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], None]]] = {
    "bool": (_as_bool, _anything),
    "number": (_as_number, _check_number),
    "text": _TEXT,
    "choice": (lambda value: _as_text(value).lower(), _no_template),
    "word": (_as_text, _matching(_WORD, "single word")),
    "name": (_as_text, _matching(_NAME, "name")),
    "path": (_as_text, _matching(_PATH, "path or address that Cobbler takes")),
    "host_name": (_as_text, _matching(_HOST_NAME, "host name")),
    "mac": (lambda value: _as_text(value).lower(), _matching(_MAC, "MAC address such as 52:54:00:12:34:56")),
    "ipv4": (_as_text, _check_address(4)),
    "ipv6": (_as_text, _check_address(6)),
    "netmask": (_as_text, _check_netmask),
    "texts": (_as_list, _check_each(_no_template)),
    "names": (_as_list, _check_each(_matching(_NAME, "name"))),
    "host_names": (_as_list, _check_each(_matching(_HOST_NAME, "host name"))),
    "addresses": (_as_list, _check_each(_check_any_address)),
    "options": (_as_options, _check_options),
    "meta": (_as_map, _check_meta),
    "map": (_as_map, _check_map),
    "structure": (_as_structure, _check_structure),
}


def canonical(field: Field, value: Any) -> Any:
    """Return VALUE in the one form in which values of FIELD are compared. Raises ValueError with the reason."""
    if value == INHERIT and (field.inherit or field.blank_inherits):
        return INHERIT
    if field.blank_inherits and value == "":
        return INHERIT
    return _KINDS[field.kind][0](value)


def present(field: Field, value: Any) -> Any:
    """Return VALUE, which comes from cobblerd, in the form that ``canonical`` gives; one of another shape as it is."""
    try:
        return canonical(field, "" if value == _NONE else value)
    except ValueError:
        return value


def check(field: Field, value: Any) -> None:
    """Refuse a canonical VALUE that Cobbler would not store as it is, or would run. Raises ValueError."""
    if value == INHERIT:
        return
    _KINDS[field.kind][1](value)
    if field.choices and value not in field.choices:
        raise ValueError(f"{value!r} is none of {', '.join(choice or 'an empty text' for choice in field.choices)}")


def is_name(text: Any) -> bool:
    """Tell whether TEXT can name an object."""
    return isinstance(text, str) and bool(_NAME.fullmatch(text)) and ".." not in text
