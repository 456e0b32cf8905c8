# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renders configuration files of OpenStack services and describes them without their secrets.

A file of sections is a mapping of section names to mappings of option names to values. A value is a text, number or
boolean; a list, which is written with commas; ``{"repeat": [...]}`` for an option that is written once for each value;
or None for an option that is left out. In texts ``{secret:name}`` stands for a secret, ``{secret-in-url:name}`` for
one with the characters quoted that have a meaning in URLs; ``name`` may end in ``:kind``, see the lookup ``secret``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

HEADER = "# Written by AccentOS, which overwrites changes. Options of your own belong in openstack_service_overrides.\n"
_REFERENCE = re.compile(r"\{secret(-in-url)?:([a-z0-9_]+)(?::([a-z_]+))?\}")
_LIKE_REFERENCE = re.compile(r"\{secret")
_SENSITIVE = re.compile(r"pass|secret|token|key|connection|url|credential", re.IGNORECASE)
# Names of options and sections.
OPTION_NAME = re.compile(r"[A-Za-z0-9_.:/*-][A-Za-z0-9_.:/* -]*")
_UNKNOWN = re.compile(r"^ERROR:root:(.+)/([^/]+) is not part of the sample config$", re.MULTILINE)
# Options of the plug-ins of keystoneauth, which the sample configuration of no service holds.
_IDENTITY_OPTIONS = frozenset(
    re.findall(
        r"\w+",
        """auth_type auth_url auth_section username user_id user_domain_name
        user_domain_id password project_name project_id project_domain_name project_domain_id
        domain_name domain_id system_scope default_domain_name region_name endpoint_override
        interface valid_interfaces service_type service_name cafile certfile
        keyfile insecure""",
    )
)

# Groups of which the section of a back end of volumes has its options: those of all drivers, the one of its host, and
# those of no group, which some drivers have among them.
_OF_BACK_ENDS = ("backend_defaults", "backend", "DEFAULT")
# What comes with cinder. Other drivers have options that only they know.
_DRIVERS = "cinder."
_OWN_STORES = {"os_glance_staging_store", "os_glance_tasks_store"}

_NUMBERS: Mapping[str, Callable[[str], float]] = {
    "integer value": int,
    "port value": int,
    "floating point value": float,
}
_BOOLEANS = frozenset({"true", "1", "on", "yes", "false", "0", "off", "no"})

Sections = Mapping[str, Mapping[str, object]]


class ConfigurationError(Exception):
    """A file cannot be as wanted. The first argument says why, the second what helps."""


def find_references(value: object) -> Iterator[tuple[str, str]]:
    """Give name and kind of every secret that a value, at any depth, refers to. Raises ConfigurationError."""
    if isinstance(value, str):
        found = _REFERENCE.findall(value)
        if len(found) != len(_LIKE_REFERENCE.findall(value)):
            raise ConfigurationError(
                f"{value!r} refers to a secret in a way that is not understood.",
                "Write {secret:name}, {secret-in-url:name} or {secret:name:kind}, name in lower case.",
            )
        for _in_url, name, kind in found:
            yield name, kind or "password"
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from find_references(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from find_references(inner)


def is_password(text: str) -> bool:
    """Tell whether a content is nothing but a password, which may be a word. Raises ConfigurationError.

    Secrets of other kinds, such as keys, are made at random.
    """
    kinds = [kind for _name, kind in find_references(text)]
    return "password" in kinds and not _REFERENCE.sub("", text).strip()


def fill(text: str, secrets: Mapping[str, str] | None, *, dollar: str) -> str:
    """Put secrets in the place of references; without secrets leave the references. ``dollar`` is an escaped ``$``.

    Raises ConfigurationError.
    """
    if secrets is None:
        return text

    def secret(found: re.Match[str]) -> str:
        if found[2] not in secrets:
            raise ConfigurationError(f"The secret {found[2]} is not given.", "Name it in secrets.")
        value = secrets[found[2]]
        return quote(value, safe="") if found[1] else value.replace("$", dollar)

    return _REFERENCE.sub(secret, text)


def _texts(value: object) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, Mapping):
        if set(value) != {"repeat"} or not isinstance(value["repeat"], list):
            raise ConfigurationError(f"{value!r} is no value.", "Write a mapping as {repeat: [...]}, with a list.")
        for part in value["repeat"]:
            yield from _texts(part)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, list):
        yield ",".join(text for part in value for text in _texts(part))
    else:
        yield str(value)


def render_sections(path: str, sections: Sections, secrets: Mapping[str, str] | None = None) -> str:
    """Return the text of a file; without ``secrets`` it holds the references to them. Raises ConfigurationError.

    The same content gives the same text in whatever order it comes: DEFAULT first, then everything by its name.
    """
    parts = [HEADER]
    for section in sorted(sections, key=lambda name: (name != "DEFAULT", name)):
        lines = []
        for option, value in sorted(sections[section].items()):
            for text in _texts(value):
                line = f"{option} = {fill(text, secrets, dollar='$$')}"
                if not OPTION_NAME.fullmatch(option) or not OPTION_NAME.fullmatch(section) or "\n" in line:
                    raise ConfigurationError(
                        f"[{section}] {option} of {path} cannot be written on one line.",
                        "Take line breaks out of the value, and all but letters, digits and . : / * - _ out of names.",
                    )
                lines.append(line.rstrip())
        if lines:
            parts.append(f"[{section}]\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def parse_lines(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the values of each section and option of a file of sections; what is none of these is left out."""
    found: dict[tuple[str, str], list[str]] = {}
    section = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and line[0] not in "#;" and "=" in line:
            option, _equals, value = line.partition("=")
            found.setdefault((section, option.strip()), []).append(value.strip())
    return found


def name_section(path: str, section: str) -> str:
    """Return how a section of a file is named among the inputs of a command."""
    return f"{path} [{section}]"


def digest_section(values: Mapping[tuple[str, str], list[str]], section: str) -> str:
    """Return the digest of a section of what ``parse_lines`` found; one that is not there has that of no options."""
    return digest_value(sorted(item for item in values.items() if item[0][0] == section))


def digest_value(value: object) -> str:
    """Return the digest of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def digest_changed_sections(path: str, before: str, after: str) -> dict[str, str]:
    """Return the digests by name of the sections in which a new content of a file differs, comments aside."""
    old, new = parse_lines(before), parse_lines(after)
    changed = sorted({place[0] for place in {*old, *new} if old.get(place) != new.get(place)})
    return {name_section(path, section): digest_section(new, section) for section in changed}


def describe_sections(text: str, rendered: str, referring: str) -> str:
    """Describe the content of a file for people, without comments and secrets.

    ``rendered`` is what shall be in the file, ``referring`` the same with references to secrets. Where the file has a
    wanted secret, the reference stands; any other value in its place, or one whose option sounds secret, is hidden.
    """
    wanted, shown = parse_lines(rendered), parse_lines(referring)
    lines: list[str] = []
    last = None
    for place, values in sorted(parse_lines(text).items(), key=lambda item: (item[0][0] != "DEFAULT", item[0])):
        if place[0] != last:
            last = place[0]
            lines.append(f"[{last}]")
        secret = any(_REFERENCE.search(value) for value in shown.get(place, []))
        known = dict(zip(wanted.get(place, []), shown.get(place, []), strict=True))
        for value in values:
            if value in known:
                told = known[value]
            elif secret or _SENSITIVE.search(place[1]):
                told = "(another value)"
            else:
                told = value
            lines.append(f"{place[1]} = {told}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def find_wrong(told: Mapping[str, Any], sections: Sections) -> list[str]:
    """Return what the service cannot read of the values in a file, one text for each.

    ``told`` is what ``oslo-config-generator --format json`` says of the service's options. Values with a secret or with
    a reference of oslo.config, and options that it does not tell of, are not judged.
    """
    groups = _groups_of_back_ends(told, sections)
    return [
        f"[{section}] {option} = {text}: {wrong}"
        for section, values in sections.items()
        for option, value in values.items()
        for known in _options(told, groups.get(section) or (section,), option)
        for text in _texts(value)
        if "{secret" not in text and "$" not in text and (wrong := _judge(known, text, value))
    ]


def _options(told: Mapping[str, Any], groups: Sequence[str], name: str) -> Sequence[Mapping[str, Any]]:
    """Return what is told of an option by the first of groups that has it."""
    options: Mapping[str, Any] = told["options"]
    for group in groups:
        found = [known for known in options.get(group, {}).get("opts", ()) if name in (known["name"], known["dest"])]
        if found:
            return found
    return ()


def _groups_of_back_ends(told: Mapping[str, Any], sections: Sections) -> dict[str, Sequence[str]]:
    """Return the groups that have the options of each section that is named in ``enabled_backends``.

    There is none where options are not all told: for a store of glance, which is named with its kind, and for a driver
    that does not come with the service.
    """
    found: dict[str, Sequence[str]] = {}
    for text in _texts(sections.get("DEFAULT", {}).get("enabled_backends")):
        for part in text.split(","):
            name, _colon, kind = (word.strip() for word in part.partition(":"))
            driver = str(sections.get(name, {}).get("volume_driver") or _DRIVERS)
            told_of = not kind and _OF_BACK_ENDS[0] in told["options"] and driver.startswith(_DRIVERS)
            found[name] = _OF_BACK_ENDS if told_of else ()
    return found


def _judge(known: Mapping[str, Any], text: str, value: object) -> str:
    """Return what is expected of an option in the place of a text; an empty text if it is right."""
    kind = known["type"]
    if isinstance(value, Mapping) and kind != "multi valued":
        return "the option stands once only"
    if kind in _NUMBERS:
        return _judge_number(known, text)
    if kind == "boolean value" and text.lower() not in _BOOLEANS:
        return "expected true or false"
    choices = [str(choice[0]) for choice in known["choices"] or () if choice[0] is not None]
    if choices and kind == "string value" and text.lower() not in [choice.lower() for choice in choices]:
        return f"expected one of {', '.join(choices)}"
    return ""


def _judge_number(known: Mapping[str, Any], text: str) -> str:
    kind, least, most = known["type"], known["min"], known["max"]
    try:
        number = _NUMBERS[kind](text)
    except ValueError:
        return f"expected {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    if (least is None or number >= least) and (most is None or number <= most):
        return ""
    limits = [("from", least), ("to", most)]
    return "expected a number " + " ".join(f"{word} {limit}" for word, limit in limits if limit is not None)


def find_unknown(output: str, told: Mapping[str, Any], sections: Sections) -> list[str]:
    """Return the options that the service does not know, as ``[section] option``.

    They are those that oslo-config-validator does not know, without the options of an identity plug-in, which are known
    where a section names one, and without the section of a store that glance keeps for itself. The validator knows no
    section that is named after one of ``enabled_backends``; what ``told`` has for back ends is known there, see
    find_wrong(), and everything if it has nothing.
    """
    groups = _groups_of_back_ends(told, sections)
    return [
        f"[{section}] {option}"
        for section, option in _UNKNOWN.findall(output)
        if section not in _OWN_STORES
        and not (option in _IDENTITY_OPTIONS and {"auth_type", "auth_section"} & set(sections.get(section, {})))
        and not (section in groups and (not groups[section] or _is_known(told, groups[section], option)))
    ]


def _is_known(told: Mapping[str, Any], groups: Sequence[str], name: str) -> bool:
    """Tell whether one of groups has an option, or had it once."""
    old = [known for group in groups for known in told.get("deprecated_options", {}).get(group, ())]
    return bool(_options(told, groups, name)) or any(name in (known["name"], known.get("dest")) for known in old)
