# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rendering of configuration files, and their description without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_configuration import (
    HEADER,
    ConfigurationError,
    describe_sections,
    digest_changed_sections,
    fill,
    find_references,
    find_unknown,
    find_wrong,
    is_password,
    render_sections,
)

URL = "mysql+pymysql://nova:{secret-in-url:nova_database_password}@db/nova"
SECRETS = {"nova_database_password": "a/b", "nova_identity_password": "pa$$word"}
SECTIONS: dict[str, dict[str, Any]] = {
    "vnc": {"enabled": True, "keymap": None},
    "empty": {"gone": None},
    "DEFAULT": {"workers": 2, "apis": ["a", "b"], "alias": {"repeat": ["x", "y"]}, "debug": False, "blank": ""},
    "database": {"connection": URL},
    "placement": {"password": "{secret:nova_identity_password}"},
}
REFERRING = f"""{HEADER}
[DEFAULT]
alias = x
alias = y
apis = a,b
blank =
debug = false
workers = 2

[database]
connection = {URL}

[placement]
password = {{secret:nova_identity_password}}

[vnc]
enabled = true
"""
# A dollar would start a reference of oslo.config, so it stands twice.
RENDERED = REFERRING.replace("{secret-in-url:nova_database_password}", "a%2Fb").replace(
    "{secret:nova_identity_password}", "pa$$$$word"
)


def test_rendered_with_and_without_secrets_whatever_the_order() -> None:
    for sections in (SECTIONS, dict(reversed(list(SECTIONS.items())))):
        assert render_sections("/etc/a.conf", sections) == REFERRING
        assert render_sections("/etc/a.conf", sections, SECRETS) == RENDERED


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"a": {"b": "x\ny"}}, "[a] b of /etc/a.conf cannot be written on one line."),
        ({"a": {"b=c": "x"}}, "[a] b=c of /etc/a.conf cannot be written on one line."),
        ({"a]": {"b": "x"}}, "[a]] b of /etc/a.conf cannot be written on one line."),
        ({"a": {"b": {"c": 1}}}, "{'c': 1} is no value."),
        ({"a": {"b": {"repeat": "x"}}}, "{'repeat': 'x'} is no value."),
        ({"a": {"b": "{secret:other}"}}, "The secret other is not given."),
    ],
)
def test_what_cannot_be_rendered_is_refused(sections: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        render_sections("/etc/a.conf", sections, {})
    assert caught.value.args[0] == told
    assert caught.value.args[1]


def test_references_are_found_at_any_depth_with_their_kind() -> None:
    value = [{"a": ["{secret:one} {secret-in-url:two}", 3, None]}, "{secret:three:fernet}", True]
    assert list(find_references(value)) == [("one", "password"), ("two", "password"), ("three", "fernet")]


@pytest.mark.parametrize("text", ["{secret:}", "{secret:Upper}", "{secret}", "{secrets:one}", "{secret:a:b:c}"])
def test_what_looks_like_a_reference_is_not_passed_on(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not understood"):
        list(find_references([text]))


def test_a_text_keeps_its_dollars() -> None:
    assert fill("{secret:a}", {"a": "x$y"}, dollar="$") == "x$y"
    assert fill("{secret:a}", None, dollar="$") == "{secret:a}"


def test_a_description_holds_no_secret_old_or_new() -> None:
    wanted = describe_sections(RENDERED, RENDERED, REFERRING)
    assert wanted == REFERRING.removeprefix(HEADER).replace("\n\n", "\n").lstrip("\n")
    old = """# connection = commented
[database]
connection = mysql://old:secret@db
[placement]
password = older
region = one
[other]
admin_token = oldest
plain = shown
no value
"""
    assert describe_sections(old, RENDERED, REFERRING).splitlines() == [
        "[database]",
        "connection = (another value)",
        "[other]",
        "admin_token = (another value)",
        "plain = shown",
        "[placement]",
        "password = (another value)",
        "region = one",
    ]


def test_options_that_only_the_validator_does_not_know_are_no_mistake() -> None:
    output = """WARNING:root:Deprecated opt DEFAULT/old found
ERROR:root:placement/username is not part of the sample config
ERROR:root:plain/username is not part of the sample config
ERROR:root:placement/usename is not part of the sample config
ERROR:root:rbd/rbd_pool is not part of the sample config
ERROR:root:os_glance_tasks_store/filesystem_store_datadir is not part of the sample config
ERROR:root:a/b/c is not part of the sample config
"""
    sections: dict[str, dict[str, Any]] = {
        "DEFAULT": {"enabled_backends": ["rbd:ceph"]},
        "placement": {"auth_type": "password", "username": "nova", "usename": "nova"},
    }
    assert find_unknown(output, {"options": {}}, sections) == ["[plain] username", "[placement] usename", "[a/b] c"]
    assert find_unknown(output, {"options": {}}, {})[0] == "[placement] username"


def option(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "dest": name.replace("-", "_"), "type": kind, "choices": [], "min": None, "max": None, **more}


# As oslo-config-generator of oslo.config 9.7 tells it.
TOLD = {
    "options": {
        "DEFAULT": {
            "opts": [
                option("debug", "boolean value"),
                option("api-workers", "integer value", min=1),
                option("ratio", "floating point value", min=0, max=1),
                option("port", "port value", min=0, max=65535),
                option("level", "string value", choices=[["INFO", None], ["DEBUG", None], [None, None]]),
                option("alias", "multi valued"),
                option("apis", "list value"),
            ]
        }
    }
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("debug", True, None),
        ("debug", "On", None),
        ("debug", "maybe", "maybe: expected true or false"),
        ("api_workers", 2, None),
        ("api-workers", 0, "0: expected a number from 1"),
        ("api_workers", "two", "two: expected an integer value"),
        ("ratio", 1.5, "1.5: expected a number from 0 to 1"),
        ("ratio", "half", "half: expected a floating point value"),
        ("port", 70000, "70000: expected a number from 0 to 65535"),
        ("level", "info", None),
        ("level", "LOUD", "LOUD: expected one of INFO, DEBUG"),
        ("alias", {"repeat": ["a", "b"]}, None),
        ("apis", ["a", "b"], None),
        ("apis", {"repeat": ["a"]}, "a: the option stands once only"),
        ("api_workers", "{secret:workers}", None),
        ("api_workers", "$other", None),
        ("api_workers", None, None),
        ("not_told", "x", None),
    ],
)
def test_values_that_a_service_cannot_read_are_found(name: str, value: Any, expected: str | None) -> None:
    found = find_wrong(TOLD, {"DEFAULT": {name: value}, "other": {name: value}})
    assert found == ([f"[DEFAULT] {name} = {expected}"] if expected else [])


BACK_ENDS = {
    "options": {
        "DEFAULT": {"opts": [option("enabled_backends", "list value"), option("backup_use_temp", "boolean value")]},
        "backend": {"opts": [option("backend_host", "string value")]},
        "backend_defaults": {"opts": [option("rbd_pool", "string value"), option("use_chap_auth", "boolean value")]},
    },
    "deprecated_options": {"DEFAULT": [{"name": "rbd_old", "replacement_name": "rbd_pool"}]},
}


def cinder(**options: Any) -> dict[str, dict[str, Any]]:
    """Return the sections of a file with three back ends, ceph and disks of cinder and one of a stranger's driver."""
    drivers = {"ceph": "cinder.volume.drivers.rbd.RBDDriver", "array": "stranger.Driver"}
    sections: dict[str, dict[str, Any]] = {name: {"volume_driver": path, **options} for name, path in drivers.items()}
    return {"DEFAULT": {"enabled_backends": ["ceph", "disks", "array"]}, **sections, "disks": dict(options)}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("rbd_pool", True),
        ("backend_host", True),
        ("backup_use_temp", True),
        ("rbd_old", True),
        ("rbd_poool", False),
    ],
)
def test_options_of_a_back_end_are_those_of_the_drivers_of_its_service(name: str, *, known: bool) -> None:
    names = ("array", "ceph", "disks", "other")
    output = "".join(f"ERROR:root:{section}/{name} is not part of the sample config\n" for section in names)
    found = [] if known else [f"[ceph] {name}", f"[disks] {name}"]
    assert find_unknown(output, BACK_ENDS, cinder()) == [*found, f"[other] {name}"]
    # A store of glance is named with its kind, and has options that nothing tells of.
    stores: dict[str, dict[str, Any]] = {"DEFAULT": {"enabled_backends": "ceph:rbd, disks:file,array:http"}}
    assert find_unknown(output, BACK_ENDS, stores) == [f"[other] {name}"]
    assert find_unknown(output, {"options": {}}, cinder()) == [f"[other] {name}"]


def test_values_of_a_back_end_are_judged_as_its_drivers_read_them() -> None:
    found = find_wrong(BACK_ENDS, cinder(use_chap_auth="maybe", backup_use_temp="maybe", rbd_pool="maybe"))
    assert found == [
        f"[{section}] {name} = maybe: expected true or false"
        for section in ("ceph", "disks")
        for name in ("use_chap_auth", "backup_use_temp")
    ]


@pytest.mark.parametrize(
    ("before", "after", "sections"),
    [
        ("", REFERRING, ["DEFAULT", "database", "placement", "vnc"]),
        (REFERRING, REFERRING, []),
        (REFERRING, f"# a comment\n{REFERRING}\n[empty]\n", []),
        (REFERRING, RENDERED, ["database", "placement"]),
        (REFERRING, REFERRING.replace("debug = false", "debug = true"), ["DEFAULT"]),
        (REFERRING, REFERRING.replace("alias = y\n", ""), ["DEFAULT"]),
        ("[a]\nx = 1\n[b]\n", "[a]\n[b]\nx = 1\n", ["a", "b"]),
    ],
)
def test_sections_that_differ(before: str, after: str, sections: list[str]) -> None:
    assert list(digest_changed_sections("/a", before, after)) == [f"/a [{name}]" for name in sections]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{secret:a}", True),
        (" {secret:a:password}\n", True),
        ("{secret-in-url:a}{secret:b:hex}\n", True),
        ("{secret:a:fernet}\n", False),
        ("key: {secret:a}", False),
        ("", False),
        ("a", False),
    ],
)
def test_a_content_that_is_nothing_but_a_password(content: str, *, expected: bool) -> None:
    assert is_password(content) is expected
