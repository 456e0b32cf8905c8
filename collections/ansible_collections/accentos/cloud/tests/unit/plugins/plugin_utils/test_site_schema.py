# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From argument_specs and site_schema.yml to findings."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.accentos.cloud.plugins.plugin_utils import site_schema
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_schema import (
    SYSTEM_ACCOUNTS,
    SiteSchema,
    SpecError,
    option_schema,
    read_core_schema,
    read_role_specs,
    role_schemas,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import load_document
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import ROLES
from jsonschema import Draft202012Validator

REAL_ROLES = Path(site_schema.__file__).parents[2] / "roles"

OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"type": "string"}),
    ({"type": "int", "required": True}, {"type": "integer"}),
    ({"type": "float"}, {"type": "number"}),
    ({"type": "bool"}, {"type": "boolean"}),
    ({"type": "path"}, {"type": "string"}),
    ({"type": "raw"}, {}),
    ({"type": "raw", "default": None}, {}),
    ({"type": "dict"}, {"type": "object"}),
    ({"type": "list"}, {"type": "array"}),
    ({"type": "list", "elements": "int"}, {"type": "array", "items": {"type": "integer"}}),
    ({"type": "list", "choices": ["a"]}, {"type": "array", "items": {"enum": ["a"]}}),
    (
        {"type": "list", "elements": "str", "choices": ["a"]},
        {"type": "array", "items": {"type": "string", "enum": ["a"]}},
    ),
    ({"choices": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
    ({"choices": ["a"], "default": None}, {"type": ["string", "null"], "enum": ["a", None]}),
    ({"type": "json", "default": None}, {"type": ["string", "object", "array", "null"]}),
    ({"no_log": True}, {"type": "string", "writeOnly": True}),
    (
        {"type": "dict", "options": {"a": {"required": True, "aliases": ["b"]}, "c": {"type": "int", "default": 1}}},
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "c": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    ),
    (
        {"type": "list", "options": {"a": {}}},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "required": [],
                "additionalProperties": False,
            },
        },
    ),
]


@pytest.mark.parametrize(("option", "schema"), OPTIONS)
def test_options(option: dict[str, Any], schema: dict[str, Any]) -> None:
    assert option_schema(option) == schema
    Draft202012Validator.check_schema(schema)


def test_options_of_two_roles() -> None:
    one = {"main": {"options": {"a": {"type": "int"}, "b": {}}}, "other": {"options": {"c": {}}}, "empty": {}}
    two = {"main": {"options": {"a": {"type": "str"}, "b": {"description": "The same."}}}}
    assert role_schemas([one, two]) == {
        "a": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "b": {"type": "string"},
        "c": {"type": "string"},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("argument_specs: {main: {options: {a: {type: strnig}}}}", "unknown type 'strnig'"),
        ("argument_specs: {main: {options: {a: text}}}", "an option is not a mapping"),
        ("argument_specs: {main: text}", "argument_specs.yml"),
        ("argument_specs: text", "argument_specs.yml"),
        ("specs: {}", "argument_specs"),
        ("[a", "not closed"),
        ("", "the file is empty"),
    ],
)
def test_broken_specs_name_the_file(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "role" / "meta" / "argument_specs.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(SpecError, match=words) as caught:
        read_role_specs(tmp_path)
    assert str(path) in str(caught.value)


def test_no_roles(tmp_path: Path) -> None:
    assert read_role_specs(tmp_path / "nothing") == []


def schema() -> SiteSchema:
    return SiteSchema(read_core_schema(), role_schemas(read_role_specs(ROLES)))


def found(text: str, scope: str = "group") -> list[str]:
    root = load_document(text.encode()).root
    assert root is not None
    return [str(finding) for finding in schema().check(root, scope, "f.yml").findings]


def test_the_core_schema_is_a_schema_and_describes_its_variables() -> None:
    core = read_core_schema()
    Draft202012Validator.check_schema(core)
    for section in ("site", "host", "lab"):
        for name, variable in core["$defs"][section]["properties"].items():
            assert variable.get("description"), name
            assert name.startswith(f"{section}_")
    for name in core["$defs"]["site"]["required"]:
        assert core["$defs"]["site"]["properties"][name]["examples"], name


GOOD = [
    'keystone_workers: "{{ x }}"',
    "keystone_endpoints: '{% for a in b %}{% endfor %}'",
    'keystone_endpoints: [{name: "{{ x }}", port: "{{ 1 }}"}]',
    "keystone_workers: !vault abc",
    "keystone_endpoints: !vault abc",
    "keystone_log_level: !vault abc",
    "keystone_log_level: '{{ level }}'",
    "keystone_release: !unsafe '{{ x }}'",
    "keystone_workers: !unsafe 5",
    "keystone_proxy:",
    "keystone_proxy: ''",
    "keystone_anything: [1, {a: 2025-01-01}]",
    "keystone_anything:",
    "keystone_ratio: 1",
    "keystone_ratio: 1.5",
    "keystone_policy: {a: b}",
    "keystone_memory: 10M",
    "keystone_memory: 10",
    "keystone_folder: /a",
    "keystone_folder: {path: /a}",
    "keystone_upgrade_from: a",
    "keystone_config: {anything: {at: all}}",
    "x_mine: [no, 1.5, 2025-01-01, {a: ~}]",
    "ansible_port: '{{ port }}'",
    "ansible_password: !vault abc",
]


@pytest.mark.parametrize("text", GOOD)
def test_accepted_in_every_scope(text: str) -> None:
    assert [found(text, scope) for scope in ("all", "group", "host")] == [[], [], []]


def test_accepted_values_of_the_site() -> None:
    text = """
site_name: !vault abc
site_timezone: Etc/GMT+1
site_apt_mirror: ""
site_apt_proxy: https://proxy.example.test:3128
site_ntp_servers: [192.0.2.1, "fd00::1", NTP.example.test, ntp]
site_networks:
  management: {cidr: "fd00::/64", gateway: "fd00::1", description: "any text"}
  tunnel: &tunnel {cidr: !vault abc}
  storage: *tunnel
  external: {<<: *tunnel, vlan: 4094, mtu: 1280}
  out_of_band: {cidr: 10.0.0.0/8, vlan: 1, mtu: 9216}
lab_name: lab-1
lab_image_suite: "{{ suite }}"
"""
    assert found(text, "all") == []


SECRETS = [
    "keystone_admin_password: 12345",
    "keystone_admin_password: 1:30",
    "keystone_admin_password: yes",
    "keystone_admin_password: 2025-01-01",
    "keystone_admin_password: [12345]",
    "keystone_admin_password: {a: 12345}",
    "keystone_endpoints: 12345",
    "keystone_endpoints: [12345]",
    "keystone_endpoints: [{name: a, token: 12345}]",
    "keystone_admin_pasword: 12345",
    "keystone_endpoints: [{name: a, tokn: 12345}]",
    "ansible_password: 12345",
    "ansible_passwd: 12345",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_never_shown(text: str) -> None:
    (line,) = found(text)
    for secret in ("12345", "1:30", "90", "yes", "2025"):
        assert secret not in line.removeprefix("f.yml:1:")
    assert "unknown key" in line or "is a list" in line or "is a mapping" in line or "found (hidden)" in line


def test_a_secret_gets_no_suggestion_that_gives_it_away() -> None:
    options = {"a": {"choices": ["hunter2"], "no_log": True}}
    check = SiteSchema(read_core_schema(), role_schemas([{"main": {"options": options}}])).check
    root = load_document(b"a: huntre2").root
    assert root is not None
    (finding,) = check(root, "group", "f.yml").findings
    assert (finding.value, finding.suggestion) == ("(hidden)", "")


def test_a_value_beside_a_secret_is_shown() -> None:
    (line,) = found("keystone_endpoints: [{name: a, token: !vault b, port: http}]")
    assert 'found "http"' in line


def test_an_annotated_variable_may_be_a_template() -> None:
    core = copy.deepcopy(read_core_schema())
    core["$defs"]["site"]["properties"]["site_apt_proxy"]["x-template"] = True
    root = load_document(b"site_apt_proxy: '{{ x }}'\nsite_apt_mirror: '{{ x }}'").root
    assert root is not None
    keys = [finding.key for finding in SiteSchema(core, {}).check(root, "all", "f.yml").findings]
    assert keys == ["site_apt_mirror"]


def test_the_site_decides_about_its_variables() -> None:
    assert found("site_timezone: Etc/UTC", "all") == []
    assert "not allowed here" in found("site_timezone: 5", "group")[0]


def test_a_misspelt_key_is_not_also_missing() -> None:
    assert len(found("keystone_endpoints: [{nmae: a}]")) == 1
    assert len(found("keystone_endpoints: [{other: a}]")) == 2


def test_a_value_that_two_roles_take_differently() -> None:
    assert found("keystone_folder: 5") == [
        "f.yml:1:18: keystone_folder: is a number, found 5; expected text or a mapping: put it in quotes"
    ]
    assert found("keystone_folder: {pth: /a}") == [
        'f.yml:1:19: keystone_folder.pth: unknown key; expected one of path; did you mean "path"?'
    ]
    assert found("keystone_folder: {}") == ["f.yml:1:1: keystone_folder.path: is missing; expected text"]
    assert found("keystone_folder: {path: 5}")[0].startswith("f.yml:1:25: keystone_folder.path: is a number")


def test_limits_are_described() -> None:
    assert found("ansible_timeout: 0")[0].endswith("found 0; expected a whole number of at least 1")


def test_a_control_node_without_a_time_zone_database_takes_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not in the time zone database" in found("site_timezone: Etc/Mars", "all")[0]
    monkeypatch.setattr(site_schema, "_time_zones", lambda: ())
    assert found("site_timezone: Etc/Mars", "all") == []


def test_accounts_of_the_services_are_no_accounts_of_people() -> None:
    folder = REAL_ROLES / "openstack_service/vars/main"
    accounts = set()
    for path in folder.glob("*.yml"):
        for name, service in yaml.safe_load(path.read_text()).items():
            if path.stem != "common" and name == f"__openstack_service_{path.stem}":
                accounts.add(service.get("user", path.stem))
    assert len(accounts) > 5
    assert accounts <= SYSTEM_ACCOUNTS


@pytest.mark.parametrize(
    "key",
    [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAB",  # shorter than it says
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",  # nothing but the type
        "ssh-ed25519 AAAA",
        "ssh-ed25519 A",
        "ssh-ed25519 \u00e9",
        "ssh-ed25519",
        "ssh-dss AAAAB3NzaC1kc3M=",
        'from="192.0.2.1" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f',
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_keys_that_are_none(key: str) -> None:
    (line,) = found(f"site_admins: [{{name: a, ssh_keys: ['{key}']}}]", "all")
    assert "OpenSSH public key" in line
    assert "BEGIN" not in line


def test_an_unreadable_mass_of_mistakes_is_cut() -> None:
    text = "keystone_names: [" + "1," * 5000 + "]"
    assert len(found(text)) == 1000


def real(text: str) -> list[str]:
    """Return what is found with the roles of the collection."""
    root = load_document(text.encode()).root
    assert root is not None
    checking = SiteSchema(read_core_schema(), role_schemas(read_role_specs(REAL_ROLES)))
    return [str(finding) for finding in checking.check(root, "group", "f.yml").findings]


BEYOND_TYPES = [
    (
        'pki_certificates: [{name: "../../x", subject_alternative_names: [DNS:a]}]',
        '1:27: pki_certificates.0.name: is not a plain file name, found "../../x"; expected a plain file name',
    ),
    (
        "base_apt_repositories: [{name: a/b, uris: [], suites: [], components: [], key: a, fingerprint: a}]",
        "1:32: base_apt_repositories.0.name: is not a plain file name",
    ),
    ('base_admins: [{name: "../x", ssh_keys: []}]', "1:22: base_admins.0.name: is not a Unix user name"),
    ("ceph_keyrings: [{user: ../x, owner: a, group: a}]", "1:24: ceph_keyrings.0.user: is not a plain file name"),
    (
        "ceph_users: {../x: {}}",
        "1:14: ceph_users.../x: the key does not have the right form; expected a plain file name",
    ),
    ("host_image_profile_packages: {../x: []}", "1:31: host_image_profile_packages.../x: the key does not"),
    ("base_timezone: Mars/Olympus", "1:16: base_timezone: is not in the time zone database"),
    (
        "pki_certificates: [{name: a, subject_alternative_names: [DNS:a], units: [../x]}]",
        "1:74: pki_certificates.0.units.0: does not have the right form",
    ),
    ("pki_certificates: [{name: a_b, subject_alternative_names: [DNS:a]}]", "1:27: pki_certificates.0.name: does not"),
    ("base_timezone: ../../shadow", "1:16: base_timezone: "),
    ('base_sysctl: {"vm.swappiness": [1]}', "1:32: base_sysctl.vm.swappiness: is a list; expected text of one line"),
    ("base_sysctl: {vm.swappiness: 2025-01-01}", "1:30: base_sysctl.vm.swappiness: is a date"),
    (
        'base_sysctl: {"vm.swappiness; rm": 1}',
        "1:15: base_sysctl.vm.swappiness; rm: the key does not have the right form; expected the name of a kernel",
    ),
    ("base_sysctl: {swappiness: 1}", "1:15: base_sysctl.swappiness: the key does not have the right form"),
    (
        'base_sysctl_extra: {"net.ipv4.tcp_syncookies": "1\\nkernel.x = 1"}',
        "1:48: base_sysctl_extra.net.ipv4.tcp_syncookies: has a line break or another control character, found",
    ),
    ('mariadb_settings: {"a\\nb": 1}', "1:20: mariadb_settings.a\\nb: the key does not have the right form"),
    ('rabbitmq_settings: {a: "1\\n"}', "1:24: rabbitmq_settings.a: has a line break"),
    ('ceph_settings: {osd: {a: "1\\nb = 2"}}', "1:26: ceph_settings.osd.a: has a line break"),
    ('ceph_settings: {"]\\n[": {}}', "1:17: ceph_settings.]\\n[: the key does not"),
    (
        "openstack_service_overrides: {nova: debug}",
        '1:37: openstack_service_overrides.nova: is text, found "debug"; expected a mapping of files, such as',
    ),
    (
        "openstack_service_overrides: {nova: {/etc/a: [b]}}",
        "1:46: openstack_service_overrides.nova./etc/a: is a list; expected a mapping of sections, such as DEFAULT",
    ),
    (
        "openstack_service_overrides: {nova: {/etc/a: {debug: true}}}",
        "1:54: openstack_service_overrides.nova./etc/a.debug: is true or false, found true; expected a section",
    ),
    ('libvirt_qemu_settings: {"a = 1\\nb": 1}', "1:25: libvirt_qemu_settings.a = 1\\nb: the key does not"),
]


@pytest.mark.parametrize(("text", "words"), BEYOND_TYPES)
def test_values_of_roles_that_become_files_or_lines(text: str, words: str) -> None:
    (line,) = real(text)
    assert line.startswith(f"f.yml:{words}")


def test_values_of_roles_that_may_be_so() -> None:
    text = """
pki_certificates:
  - {name: api-2, subject_alternative_names: "{{ names }}", units: ["haproxy.service", "ceph-osd@1.service", "{{ x }}"]}
  - {name: "{{ x }}", subject_alternative_names: []}
base_timezone: "{{ zone }}"
base_sysctl: {vm.x: 10, net.ipv4.conf.eth0/100.rp_filter: "1", -net.ipv6.conf.*.forwarding: true, vm.y: !vault abc}
base_sysctl_extra: "{{ settings }}"
ceph_settings: {osd.1: {osd max backfills: 2, osd_pool: "{{ x }}"}}
libvirt_qemu_settings: {cgroup_device_acl: [/dev/null]}
openstack_service_overrides:
  nova: {/etc/a: {DEFAULT: , b: {c: null, d: [1], e: {repeat: [2]}}, f: "{{ x }}"}, /etc/b: , /etc/c: "{{ x }}"}
  glance:
  cinder: "{{ x }}"
"""
    assert real(text) == []


def test_what_is_asked_beyond_types_is_asked_of_options_of_roles() -> None:
    roles = role_schemas(read_role_specs(REAL_ROLES))

    def compare(more: dict[str, Any], role: dict[str, Any], name: str) -> None:
        for key, below in more.get("properties", {}).items():
            assert key in role["properties"], f"{name}.{key}"
            compare(below, role["properties"][key], f"{name}.{key}")
        if "items" in more:
            compare(more["items"], role["items"], name)

    for name, more in read_core_schema()["$defs"]["role"]["properties"].items():
        assert name in roles, name
        for role in roles[name].get("anyOf", [roles[name]]):
            compare(more, role, name)


PLAIN_SECRETS = [
    (
        "ansible_password: hunter2",
        "1:19: ansible_password: is a secret in plain text, found (hidden); expected it sealed",
    ),
    ("ansible_become_password: 'hunter2'", "1:26: ansible_become_password: is a secret in plain text"),
    ("ansible_ssh_pass: !unsafe '{{ hunter2'", "1:19: ansible_ssh_pass: is a secret in plain text"),
    ("base_apt_mirror: http://user:hunter2@m/debian", "1:18: base_apt_mirror: has a password in a URL, found (hidden)"),
    ("x_mine: [{a: 'see https://user:hunter2@m'}]", "1:14: x_mine.0.a: has a password in a URL, found (hidden)"),
    (
        'x_mine: "-----BEGIN OPENSSH PRIVATE KEY-----\\nhunter2"',
        "1:9: x_mine: is a private key in plain text, found (hidden); expected it sealed with 'ansible-vault",
    ),
    ("mariadb_settings: {a: [http://user:hunter2@m]}", "1:23: mariadb_settings.a: is a list"),
]


@pytest.mark.parametrize(("text", "words"), PLAIN_SECRETS)
def test_secrets_in_plain_text_are_refused_and_not_shown(text: str, words: str) -> None:
    found_lines = real(text)
    assert found_lines[0].startswith(f"f.yml:{words}")
    assert "hunter2" not in "".join(found_lines)


def test_a_password_in_the_url_of_the_site_is_refused_and_not_shown() -> None:
    for url in ("http://user:hunter2@m/debian", "ftp://user:hunter2@m"):
        (line,) = found(f"site_apt_mirror: {url}", "all")
        assert "found (hidden)" in line
        assert "hunter2" not in line


def test_secrets_that_are_sealed_looked_up_or_public_knowledge() -> None:
    text = """
ansible_password: !vault sealed
ansible_become_password: "{{ lookup('accentos.cloud.secret', 'sudo', generate=false) }}"
ansible_ssh_pass: ""
bmc_hardening_factory_logins: [{user: ADMIN, password: ADMIN}]
base_apt_mirror: "http://user:{{ password }}@mirror.example.test"
x_mine: [http://user@m:80/a:b@c, "http://m:80/x@y", "a:b@c"]
"""
    assert real(text) == []


BROKEN_TEMPLATES = [
    (
        'base_packages: "{{ foo"',
        "1:16: base_packages: is no template that Jinja can read (unexpected end of template, expected 'end of print",
    ),
    ('base_timezone: "{{ a b }}"', "1:16: base_timezone: is no template that Jinja can read (expected token 'end of"),
    ('base_sysctl: {vm.x: "{% if a %}1"}', "1:21: base_sysctl.vm.x: is no template that Jinja can read"),
    ('x_mine: ["{{ a }}", "{% nosuch %}"]', "1:21: x_mine.1: is no template that Jinja can read (Encountered unknown"),
    ('ansible_host: "{# a"', "1:15: ansible_host: is no template that Jinja can read (Missing end of comment tag)"),
    (
        'ansible_password: "{{ hunter2 hunter2"',
        "1:19: ansible_password: is no template that Jinja can read, found (hid",
    ),
    (f'x_mine: "{{{{ {"(" * 5000}"', "1:9: x_mine: is no template that Jinja can read (it is nested too deeply)"),
]


@pytest.mark.parametrize(("text", "words"), BROKEN_TEMPLATES)
def test_templates_that_cannot_be_read(text: str, words: str) -> None:
    (line,) = real(text)
    assert line.startswith(f"f.yml:{words}")
    assert "hunter2" not in line


def test_templates_that_can_be_read() -> None:
    text = """
x_mine:
  - "{{ a | no_such.filter(b) if lookup('x', y) is no_such.test else {'c': [1]} }}"
  - "{% for a in b if a %}{% do c.append(a) %}{% break %}{% endfor %}{# nothing #}"
  - !unsafe "{{ foo"
  - "#jinja2: variable_start_string: '[['\\n{{ foo"
  - "{ {a} %}"
"""
    assert real(text) == []


def test_a_template_in_the_site_has_one_finding() -> None:
    (line,) = found('site_timezone: "{{ foo"', "all")
    assert "templates are not allowed here" in line
