# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one schema of a site folder, and what its errors mean to an operator.

The schema is put together from site_schema.yml and from the argument_specs of the roles. The engine is jsonschema.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import ipaddress
import itertools
import re
import struct
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.accentos.cloud.plugins.module_utils.files import is_plain_name
from ansible_collections.accentos.cloud.plugins.plugin_utils.setting_lines import is_setting_name, is_setting_value
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_addresses import parse_address
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import (
    HIDDEN,
    Finding,
    Place,
    Suggester,
    plain_secret,
    report,
    short_value,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import (
    OPAQUE,
    Node,
    is_template,
    load_document,
    plain_data,
    template_mistake,
    walk,
)

try:
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators
except ImportError:
    HAS_JSONSCHEMA = False
else:
    HAS_JSONSCHEMA = True

Schema = dict[str, Any]
Path_ = tuple[str | int, ...]

# A file with more mistakes than this is no site variable file at all.
MAX_ERRORS = 1000
SITE_FILE = "group_vars/all/site.yml"

_ROLE_TYPES: dict[str, Schema] = {
    "str": {"type": "string"},
    "path": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "dict": {"type": "object"},
    "list": {"type": "array"},
    "raw": {},
    "json": {"type": ["string", "object", "array"]},
    "jsonarg": {"type": ["string", "object", "array"]},
    "bytes": {"type": ["integer", "string"]},
    "bits": {"type": ["integer", "string"]},
}
_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}
_PROBLEMS = {
    "minimum": "is too small",
    "maximum": "is too large",
    "minItems": "has too few entries",
    "maxItems": "has too many entries",
    "minLength": "is too short",
    "maxLength": "is too long",
    "enum": "is not one of the choices",
}


# What to do with a secret that stands in plain text.
SEALED = (
    "it sealed with 'ansible-vault encrypt_string', or stored with 'tools/set-secret SITE NAME' and looked up with "
    "{{ lookup('accentos.cloud.secret', 'NAME', generate=false) }}"
)
_NO_LOGIN = "a URL without a login, which for archives belongs in a file of /etc/apt/auth.conf.d on the hosts"


class SpecError(ValueError):
    """A role's meta/argument_specs.yml cannot be used. This is a fault of the collection, not of the site."""


class FormatError(ValueError):
    """Why a text does not have a format, and what was probably meant."""

    def __init__(self, problem: str, suggestion: str = "") -> None:
        super().__init__(problem)
        self.suggestion = suggestion


# --- formats ---

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_LABEL_RE = re.compile(_LABEL)
_DOMAIN_RE = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_HOST_RE = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_USER_RE = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_MAC_RE = re.compile(
    r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|[0-9a-f]{12}",
    re.IGNORECASE,
)
_NO_MAC = bytes(6)
_BROADCAST_MAC = b"\xff" * 6
_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_LONGEST_DOMAIN = 253
# Accounts that Debian makes, or that come with packages of the cloud. A person with such a name would be the service.
_DEBIAN = ("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data")
_MORE_OF_DEBIAN = ("backup", "list", "irc", "nobody", "messagebus", "sshd", "polkitd", "dnsmasq", "tftp")
_CLOUD = ("cinder", "glance", "heat", "horizon", "keystone", "neutron", "nova", "placement", "ceph", "libvirt-qemu")
_BENEATH = ("cobbler", "haproxy", "memcache", "mysql", "rabbitmq")
SYSTEM_ACCOUNTS = frozenset({*_DEBIAN, *_MORE_OF_DEBIAN, *_CLOUD, *_BENEATH})
# Debian's system accounts of recent years begin with an underscore (Debian Policy, section 9.2.1).
_SYSTEM_BEGINNINGS = ("_", "systemd-", "accentos-")


def is_host_label(text: str) -> bool:
    """Tell whether the text is a DNS label in lower case, which the name of a host must be."""
    return bool(_LABEL_RE.fullmatch(text))


def _check_address(text: str) -> None:
    if "/" in text:
        raise FormatError("is an address with a prefix length", text.partition("/")[0])
    try:
        parse_address(text)
    except ValueError as error:
        raise FormatError("is not an IP address") from error


def _check_network(text: str) -> None:
    address, slash, length = text.partition("/")
    if not slash:
        raise FormatError("has no prefix length")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise FormatError("is not an IP network") from error
    if not length.isdigit():
        raise FormatError("has a netmask instead of a prefix length", str(network))
    if ipaddress.ip_address(address) != network.network_address:
        raise FormatError("has host bits set", str(network))
    if network.prefixlen == 0 or network.is_multicast or network.is_loopback:
        raise FormatError("is not a network for hosts")


def _check_domain(text: str) -> None:
    if len(text) > _LONGEST_DOMAIN or not _DOMAIN_RE.fullmatch(text):
        lower = text.lower().rstrip(".")
        raise FormatError("is not a DNS domain", lower if _DOMAIN_RE.fullmatch(lower) else "")


def _check_host(text: str) -> None:
    try:
        parse_address(text)
    except ValueError as error:
        only_numbers = re.fullmatch(r"[0-9.]+", text)
        if only_numbers or len(text) > _LONGEST_DOMAIN or not _HOST_RE.fullmatch(text):
            raise FormatError("is neither a host name nor an IP address") from error


def _check_mac(text: str) -> None:
    if not _MAC_RE.fullmatch(text):
        raise FormatError("is not a MAC address")
    octets = bytes.fromhex(re.sub("[^0-9a-fA-F]", "", text))
    if octets == _NO_MAC:
        raise FormatError("is no address at all")
    if octets == _BROADCAST_MAC:
        raise FormatError("is the broadcast address, which no network card has")
    if octets[0] & 1:
        raise FormatError("is a multicast address, which no network card has: its first octet is odd")


def _check_time_zone(text: str) -> None:
    known = _time_zones()
    if known and text not in known:
        raise FormatError("is not in the time zone database", Suggester()(text, known))


@functools.cache
def _time_zones() -> tuple[str, ...]:
    """Return the names in the time zone database of the control node; none where it has no database."""
    return tuple(sorted(zoneinfo.available_timezones()))


def _check_person(text: str) -> None:
    if not _USER_RE.fullmatch(text):
        raise FormatError("is not a Unix user name")
    if text in SYSTEM_ACCOUNTS or text.startswith(_SYSTEM_BEGINNINGS):
        raise FormatError("is an account of the system")


def _check_public_key(text: str) -> None:
    kind, _space, rest = text.partition(" ")
    if kind not in _KEY_TYPES or not rest or not text.isprintable():
        raise FormatError("is not an OpenSSH public key")
    try:
        fields = _key_fields(base64.b64decode(rest.partition(" ")[0], validate=True))
    except (struct.error, ValueError) as error:
        raise FormatError("is a damaged OpenSSH public key") from error
    if fields[0] != kind.encode() or fields[1:] in ([], [b""]):
        raise FormatError("is a damaged OpenSSH public key")


def _key_fields(blob: bytes) -> list[bytes]:
    """Split the body of a key into its fields, each of which follows its length (RFC 4253, section 6.6)."""
    fields: list[bytes] = []
    while blob or not fields:
        (length,) = struct.unpack_from(">I", blob)
        fields.append(blob[4 : 4 + length])
        if len(fields[-1]) != length:
            raise ValueError("a field is cut off")
        blob = blob[4 + length :]
    return fields


def _check_optional_url(text: str) -> None:
    if not text:
        return
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise FormatError("is not a URL") from error
    if not good or not re.fullmatch(r"[!-~]+", text):
        raise FormatError("is not an http or https URL")


def _check_plain_name(text: str) -> None:
    if not is_plain_name(text):
        raise FormatError("is not a plain file name")


def _check_setting_name(text: str) -> None:
    if not is_setting_name(text):
        raise FormatError("is not the name of a setting")


def _check_setting_value(text: str) -> None:
    if not is_setting_value(text):
        raise FormatError("has a line break or another control character")


_FORMATS: dict[str, Callable[[str], None]] = {
    "address": _check_address,
    "network": _check_network,
    "domain": _check_domain,
    "host": _check_host,
    "mac": _check_mac,
    "time-zone": _check_time_zone,
    "person": _check_person,
    "ssh-public-key": _check_public_key,
    "optional-http-url": _check_optional_url,
    "plain-name": _check_plain_name,
    "setting-name": _check_setting_name,
    "setting-value": _check_setting_value,
}


# --- putting the schema together ---


def option_schema(option: Mapping[str, Any]) -> Schema:
    """Translate one option of an Ansible argument_spec into JSON Schema.

    :raises SpecError: the option has a type that Ansible does not know, or is no mapping.
    """
    if not isinstance(option, Mapping):
        raise SpecError("an option is not a mapping")
    kind = str(option.get("type", "str"))
    if kind not in _ROLE_TYPES:
        raise SpecError(f"unknown type {kind!r}")
    schema: Schema = dict(_ROLE_TYPES[kind])
    if kind == "list":
        element = {key: option[key] for key in ("options", "choices") if key in option}
        if "elements" in option:
            schema["items"] = option_schema({"type": option["elements"], **element})
        elif element:
            schema["items"] = option_schema({"type": "dict" if "options" in option else "raw", **element})
    else:
        if option.get("choices"):
            schema["enum"] = list(option["choices"])
        if option.get("options") is not None:
            schema.update(_suboptions(option["options"]))
    if option.get("no_log"):
        schema["writeOnly"] = True
    if "type" in schema and "default" in option and option["default"] is None:
        schema["type"] = [*([schema["type"]] if isinstance(schema["type"], str) else schema["type"]), "null"]
        if "enum" in schema:
            schema["enum"].append(None)
    return schema


def _suboptions(options: Mapping[str, Any]) -> Schema:
    return {
        "properties": {name: option_schema(option) for name, option in options.items()},
        "required": [name for name, option in options.items() if option.get("required")],
        "additionalProperties": False,
    }


def role_schemas(specs: Iterable[Mapping[str, Any]]) -> dict[str, Schema]:
    """Return variable name -> schema for the options of all entry points of several roles.

    :param specs: what meta/argument_specs.yml holds below argument_specs, for each role.
    """
    found: dict[str, list[Schema]] = {}
    for entry_points in specs:
        for entry_point in entry_points.values():
            for name, option in (entry_point.get("options") or {}).items():
                schema = option_schema(option)
                known = found.setdefault(name, [])
                if schema not in known:
                    known.append(schema)
    return {name: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for name, schemas in found.items()}


def role_defaults(specs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return variable name -> default for the options of all entry points of several roles."""
    options = (entry_point.get("options") or {} for entry_points in specs for entry_point in entry_points.values())
    return {
        name: option["default"] for option_set in options for name, option in option_set.items() if "default" in option
    }


def read_role_specs(roles: Path) -> list[Mapping[str, Any]]:
    """Read the argument_specs of all roles in a folder. A folder that does not exist has no roles.

    :raises SpecError: a file is not what Ansible expects.
    """
    specs = []
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        try:
            entry_points = _read_yaml(path)["argument_specs"]
            role_schemas([entry_points])
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise SpecError(f"{path}: {error}") from error
        specs.append(entry_points)
    return specs


@functools.cache
def read_core_schema() -> Schema:
    """Return what site_schema.yml holds, read once in each process; nobody may change it."""
    return _read_yaml(Path(__file__).with_name("site_schema.yml"))


def _read_yaml(path: Path) -> Schema:
    document = load_document(path.read_bytes())
    if document.root is None:
        raise SpecError(document.mistakes[0].problem if document.mistakes else "the file is empty")
    content: Any = plain_data(document.root, templates=False)
    return dict(content)


# --- checking ---


@dataclasses.dataclass(slots=True)
class Checked:
    """The outcome for one mapping of variables."""

    findings: list[Finding] = dataclasses.field(default_factory=list)
    bad: set[int] = dataclasses.field(default_factory=set)  # id() of the nodes that have a finding
    named: set[str] = dataclasses.field(default_factory=set)  # variables that are there, or were meant
    misplaced: set[str] = dataclasses.field(default_factory=set)  # variables that belong elsewhere


class SiteSchema:
    """Checks mappings of variables.

    There is one schema for each scope: "all" (group_vars/all), "group" (other groups) and "host".
    """

    def __init__(self, core: Schema, roles: Mapping[str, Schema]) -> None:
        self.definitions: dict[str, Schema] = core["$defs"]
        self.site: Schema = self.definitions["site"]
        self.host: Schema = self.definitions["host"]
        section = {name: self.definitions[name]["properties"] for name in ("site", "lab", "host", "connection")}
        self.only_site: dict[str, Schema] = {**section["site"], **section["lab"]}
        self.only_host: dict[str, Schema] = section["host"]
        self.connection: dict[str, Schema] = section["connection"]
        free = {name: schema for name, schema in roles.items() if name not in {**self.only_site, **self.only_host}}
        # What argument_specs cannot say comes on top of what they say.
        more = self.definitions["role"]["properties"]
        free = {name: {"allOf": [schema, more[name]]} if name in more else schema for name, schema in free.items()}
        common = {**free, **self.connection}
        self.schemas = {
            "all": self._scope({**self.only_site, **common}),
            "group": self._scope(common),
            "host": self._scope({**self.only_host, **common}),
        }
        variables = {**self.only_site, **self.only_host, **common}
        self.with_secrets = {name for name, schema in variables.items() if self._has_secret([schema])}
        self.suggest = Suggester()
        self._validators = {name: _make_validator(schema) for name, schema in self.schemas.items()}

    def _scope(self, properties: Mapping[str, Schema]) -> Schema:
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": self.definitions,
            "type": "object",
            "properties": properties,
            "patternProperties": {"^x_": {}},
            "additionalProperties": False,
        }

    def check(self, variables: Node, scope: str, file: str, prefix: str = "") -> Checked:
        """Check one mapping of variables.

        :param variables: a mapping node.
        :param scope: "all", "group" or "host".
        :param file: the file relative to the site folder.
        :param prefix: what comes before the variable in the keys of findings, such as the host in hosts.yml.
        """
        checking = _Checking(self, variables, scope, file, prefix)
        checking.run(self._validators[scope])
        return checking.result

    def schemas_at(self, scope: str, path: Path_) -> list[Schema]:
        """Return every schema that applies to the value at a path of variables."""
        return list(self._ways(scope, path))[-1]

    def _ways(self, scope: str, path: Path_) -> Iterator[list[Schema]]:
        current = self._spread([self.schemas[scope]])
        yield current
        for step in path:
            below: list[Schema] = []
            for schema in current:
                more = schema.get("additionalProperties")
                if isinstance(step, int):
                    below += [schema["items"]] if "items" in schema else []
                elif step in schema.get("properties", {}):
                    below.append(schema["properties"][step])
                elif isinstance(more, dict):
                    below.append(more)
            current = self._spread(below)
            yield current

    def _spread(self, schemas: Iterable[Schema]) -> list[Schema]:
        result = []
        for schema in schemas:
            result.append(schema)
            more = [*schema.get("allOf", []), *schema.get("anyOf", [])]
            if "$ref" in schema:
                more.append(self.definitions[schema["$ref"].rpartition("/")[2]])
            result += self._spread(more)
        return result

    def is_secret(self, scope: str, path: Path_) -> bool:
        """Tell whether the value at a path is a secret, is inside of one, or should contain one."""
        ways = list(self._ways(scope, path))
        return any(schema.get("writeOnly") for way in ways for schema in way) or self._has_secret(ways[-1])

    def _has_secret(self, schemas: Iterable[Schema]) -> bool:
        for schema in self._spread(schemas):
            below = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
            if schema.get("writeOnly") or self._has_secret(below):
                return True
        return False

    def expected(self, schemas: Sequence[Schema]) -> str:
        """Describe in words what one of the schemas of a value wants."""
        for schema in schemas:
            if "x-expected" in schema:
                return str(schema["x-expected"])
        words: list[str] = []
        for schema in schemas:
            for word in _describe(schema):
                if word not in words:
                    words.append(word)
        return " or ".join(words)

    def example(self, schemas: Iterable[Schema]) -> str:
        """Return an example value as one line of YAML, or an empty string."""
        for schema in schemas:
            for example in schema.get("examples", []):
                return _one_line(example)
        return ""

    def missing(self, place: Place, scope: str, path: Path_, where: str = "") -> Finding:
        """Make the finding for a required value that is not there. The path ends with the missing key."""
        schemas = self.schemas_at(scope, path)
        expected = (self.expected(schemas) or "a value") + (f" in {where}" if where else "")
        example = self.example(schemas)
        if example:
            expected += f", for example {path[-1]}: {example}"
        return report(place, "is missing", expected=expected)


def _one_line(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_one_line(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_one_line(item) for item in value) + "]"
    return f'"{value}"' if ":" in str(value) else str(value)


def _describe(schema: Schema) -> list[str]:
    if "enum" in schema:
        return ["one of " + ", ".join(str(choice) for choice in schema["enum"] if choice is not None)]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = [_WORDS[kind] for kind in kinds if kind != "null"]
    if "minimum" in schema and "maximum" in schema:
        words = [f"{word} from {schema['minimum']} to {schema['maximum']}" for word in words]
    elif "minimum" in schema:
        words = [f"{word} of at least {schema['minimum']}" for word in words]
    return words


def _make_validator(schema: Schema) -> Any:
    def unless_opaque(check: Any) -> Any:
        def checked(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
            if instance is not OPAQUE:
                yield from check(validator, wanted, instance, schema) or ()

        return checked

    def is_integer(_checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    keywords = Draft202012Validator.VALIDATORS
    extend: Any = validators.extend
    validator_class = extend(
        Draft202012Validator,
        validators={name: unless_opaque(keywords[name]) for name in ("type", "enum")},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer),
    )
    return validator_class(schema, format_checker=_make_format_checker())


def _make_format_checker() -> FormatChecker:
    def for_texts(check: Callable[[str], None]) -> Callable[[object], bool]:
        def checked(value: object) -> bool:
            if isinstance(value, str):
                check(value)
            return True

        return checked

    checker = FormatChecker(formats=())
    for name, check in _FORMATS.items():
        checker.checks(name, raises=FormatError)(for_texts(check))
    return checker


class _Checking:
    """One run of a schema over one mapping of variables."""

    def __init__(self, schema: SiteSchema, root: Node, scope: str, file: str, prefix: str) -> None:
        self.schema = schema
        self.root = root
        self.scope = scope
        self.file = file
        self.prefix = prefix
        self.result = Checked(named=set(root.fields))
        self.meant: dict[Path_, set[str]] = {}
        self.seen: set[Path_] = set()

    def run(self, validator: Any) -> None:
        data = plain_data(self.root, templates=True)
        errors = list(itertools.islice(validator.iter_errors(data), MAX_ERRORS))
        self._translate_all(errors)
        self._find_templates()
        self._find_broken_templates()
        self._find_plain_secrets()

    def _place(self, path: Path_, node: Node | None = None) -> Place:
        node = node or self.root.at(path) or self.root
        key = ".".join(str(step) for step in path)
        return Place(self.file, node.line, node.column, f"{self.prefix}.{key}" if self.prefix else key)

    def _key_node(self, path: Path_) -> Node | None:
        parent = self.root.at(path[:-1]) if path else None
        return parent.keys.get(str(path[-1])) if parent is not None else None

    def _translate_all(self, errors: Iterable[ValidationError]) -> None:
        # A key that is misspelt is not also missing, so unknown keys come first; a wrong type hides what follows.
        order = {"additionalProperties": 0, "type": 1, "required": 3}
        for error in sorted(errors, key=lambda error: order.get(str(error.validator), 2)):
            self._translate(error)

    def _translate(self, error: ValidationError) -> None:
        path: Path_ = tuple(error.absolute_path)
        if "propertyNames" in error.schema_path:
            self._wrong_key(path, error)
        elif error.validator == "additionalProperties":
            self._unknown_keys(path, error)
        elif error.validator == "required":
            self._missing_keys(path, error)
        elif error.validator == "anyOf":
            self._several_roles(path, error.context or [])
        else:
            self._wrong_value(path, error)

    def _several_roles(self, path: Path_, errors: Sequence[ValidationError]) -> None:
        """Translate the errors of a value that no role takes: those of the first role whose type it has."""
        typed = [error for error in errors if error.validator != "type" or tuple(error.absolute_path) != path]
        branch = (typed or errors)[0].schema_path[0]
        self._translate_all(error for error in errors if error.schema_path[0] == branch)

    def _unknown_keys(self, path: Path_, error: ValidationError) -> None:
        schema: Any = error.schema
        known = schema["properties"]
        patterns = list(schema.get("patternProperties", {}))
        mapping: Any = error.instance
        unknown = [key for key in mapping if key not in known and not any(re.search(p, key) for p in patterns)]
        for key in unknown[:MAX_ERRORS]:
            node = self.root.at((*path, key))
            if node is None or (*path, key) in self.seen:
                continue
            self.seen.add((*path, key))
            self.result.bad.add(id(node))
            place = self._place((*path, key), self._key_node((*path, key)))
            if path:
                suggestion = self.schema.suggest(key, known)
                self.meant.setdefault(path, set()).add(suggestion)
                self.result.findings.append(
                    report(place, "unknown key", expected=_one_of(sorted(known)), suggestion=suggestion)
                )
            else:
                self._unknown_variable(place, key, known)

    def _unknown_variable(self, place: Place, key: str, known: Mapping[str, Schema]) -> None:
        schema = self.schema
        if key in schema.only_site or key in schema.only_host:
            where = "a host: in hosts.yml or in host_vars" if key in schema.only_host else "the site: in group_vars/all"
            self.result.misplaced.add(key)
            self.result.findings.append(report(place, "is not allowed here", expected=f"it at {where}"))
            return
        if key.startswith("ansible_"):
            expected, allowed = "one of the usual connection variables", list(schema.connection)
        else:
            words = {"all": "a key of the site", "group": "a variable of a role", "host": "a key of a host"}
            expected, allowed = words[self.scope], list(known)
        suggestion = schema.suggest(key, allowed) or schema.suggest(key, [*schema.only_site, *schema.only_host])
        self.result.named.add(suggestion)
        if suggestion not in known:
            self.result.misplaced.add(suggestion)
        self.result.findings.append(report(place, "unknown key", expected=expected, suggestion=suggestion))

    def _missing_keys(self, path: Path_, error: ValidationError) -> None:
        required: Any = error.validator_value
        mapping: Any = error.instance
        for key in required:
            if key in mapping or key in self.meant.get(path, ()) or (*path, key) in self.seen:
                continue
            self.seen.add((*path, key))
            place = self._place((*path, key), self._key_node(path) or self.root.at(path))
            self.result.findings.append(self.schema.missing(place, self.scope, (*path, key)))

    def _wrong_key(self, path: Path_, error: ValidationError) -> None:
        schema: Any = error.schema
        key = str(error.instance)
        node = self._key_node((*path, key))
        if node is None or (*path, key) in self.seen:
            return
        self.seen.add((*path, key))
        self.result.bad.add(id(node))
        place = self._place((*path, key), node)
        self.result.findings.append(
            report(place, "the key does not have the right form", expected=self.schema.expected([schema]))
        )

    def _wrong_value(self, path: Path_, error: ValidationError) -> None:
        node = self.root.at(path)
        if path in self.seen or node is None:
            return
        self.seen.add(path)
        self.result.bad.add(id(node))
        schemas = self.schema.schemas_at(self.scope, path)
        expected = self.schema.expected(schemas)
        secret = self.schema.is_secret(self.scope, path)
        keyword = str(error.validator)
        suggestion = ""
        if node.kind == "scalar" and node.value is None:
            problem, node = "has no value", self._key_node(path) or node
            value = ""
        else:
            problem = _problem(node, keyword)
            value = HIDDEN if secret and node.kind == "scalar" else short_value(node.value, node.text)
            value = value if node.kind == "scalar" else ""
        if keyword == "format" and isinstance(error.cause, FormatError):
            problem, suggestion = str(error.cause), error.cause.suggestion
        elif keyword == "enum" and isinstance(node.value, str):
            choices: Any = error.validator_value
            suggestion = self.schema.suggest(node.value, [choice for choice in choices if isinstance(choice, str)])
        elif keyword == "type" and _is_surprise(node, schemas):
            expected += ": put it in quotes"
        self.result.findings.append(
            report(
                self._place(path, node),
                problem,
                value=value,
                expected=expected,
                suggestion="" if secret else suggestion,
            )
        )

    def _find_templates(self) -> None:
        for name in (*self.schema.site["properties"], *self.schema.only_host):
            field = self.root.fields.get(name)
            if field is None or id(field) in self.result.bad:
                continue
            for path, node in walk(field, (name,)):
                schemas = self.schema.schemas_at(self.scope, path)
                if not is_template(node) or not schemas or any(schema.get("x-template") for schema in schemas):
                    continue
                self.result.bad.add(id(node))
                self.result.findings.append(
                    report(
                        self._place(path, node),
                        "is a template",
                        value=short_value(node.value),
                        expected=f"{self.schema.expected(schemas) or 'a value'}: templates are not allowed here",
                    )
                )

    def _find_broken_templates(self) -> None:
        for path, node in walk(self.root):
            mistake = "" if id(node) in self.result.bad or path in self.seen else template_mistake(node)
            if not mistake:
                continue
            self.result.bad.add(id(node))
            self.seen.add(path)
            # Jinja quotes what it does not understand.
            secret = path[0] in self.schema.with_secrets and self.schema.is_secret(self.scope, path)
            self.result.findings.append(
                report(
                    self._place(path, node),
                    "is no template that Jinja can read" + ("" if secret else f" ({mistake})"),
                    value=HIDDEN if secret else short_value(node.value),
                    expected="every {{, {% and {# with its end, or the tag !unsafe if this is a text as it stands",
                )
            )

    def _find_plain_secrets(self) -> None:
        for path, node in walk(self.root):
            if not isinstance(node.value, str) or not node.value or path in self.seen:
                continue
            problem = plain_secret(node.value)
            if not problem and path[0] in self.schema.with_secrets and not is_template(node):
                secret = self.schema.is_secret(self.scope, path) and not self._may_be_plain(path)
                problem = "is a secret in plain text" if secret else ""
            if problem:
                self.result.bad.add(id(node))
                expected = _NO_LOGIN if "URL" in problem else SEALED
                self.result.findings.append(report(self._place(path, node), problem, value=HIDDEN, expected=expected))

    def _may_be_plain(self, path: Path_) -> bool:
        return any(schema.get("x-plain") for schema in self.schema.schemas_at(self.scope, path))


def _problem(node: Node, keyword: str) -> str:
    if keyword in _PROBLEMS:
        return _PROBLEMS[keyword]
    if keyword != "type":
        return "does not have the right form"
    if node.kind != "scalar":
        return f"is a {node.kind}"
    value = node.value
    if isinstance(value, bool):
        return "is true or false"
    if isinstance(value, (int, float)):
        return "is a number"
    return "is text" if isinstance(value, str) else "is a date"


def _is_surprise(node: Node, schemas: Iterable[Schema]) -> bool:
    """Tell whether YAML made something else of a text, such as false of no or 190924 of a MAC address."""
    wanted = any("string" in schema.get("type", ()) for schema in schemas)
    return wanted and node.kind == "scalar" and node.plain and not isinstance(node.value, (str, type(None)))


def _one_of(words: Sequence[str]) -> str:
    return "one of " + ", ".join(words) if words else "no key"
