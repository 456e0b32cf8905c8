# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forms of values, and values that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.v3_3 import FIELDS, INTERFACE
from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.values import (
    INHERIT,
    Field,
    canonical,
    check,
    find_template,
    is_name,
    present,
)
from hypothesis import given
from hypothesis import strategies as st

SYSTEM = FIELDS["system"]
INJECTIONS = ("$x", "${x}", "#set $a = 1", "## x", "{{ 7*7 }}", "{% raw %}", "{# x #}", "@@server@@", "TEMPLATE::x")


@pytest.mark.parametrize(
    ("field", "written", "stored"),
    [
        (SYSTEM["netboot_enabled"], "yes", True),
        (SYSTEM["netboot_enabled"], 0, False),
        (SYSTEM["virt_file_size"], 5, 5.0),
        (SYSTEM["virt_ram"], "512", 512),
        (SYSTEM["virt_cpus"], INHERIT, INHERIT),
        (SYSTEM["owners"], "a b", ["a", "b"]),
        (SYSTEM["name_servers"], "", []),
        (SYSTEM["name_servers"], ["10.0.0.1"], ["10.0.0.1"]),
        (SYSTEM["kernel_options"], "a=1 quiet a=2", {"quiet": "~", "a": ["1", "2"]}),
        (SYSTEM["kernel_options"], {"a": 1, "b": None, "c": ["x"]}, {"a": "1", "b": "", "c": "x"}),
        (SYSTEM["autoinstall_meta"], "a=1 b=", {"a": "1", "b": "~"}),
        (SYSTEM["autoinstall_meta"], {"a": 1}, {"a": "1"}),
        (SYSTEM["mgmt_parameters"], {"a": [1]}, {"a": [1]}),
        (SYSTEM["comment"], "", "~"),
        (INTERFACE["mac_address"], "52:54:00:AB:CD:EF", "52:54:00:ab:cd:ef"),
        (INTERFACE["interface_type"], "BOND", "bond"),
        (INTERFACE["virt_bridge"], "", INHERIT),
        (INTERFACE["virt_bridge"], INHERIT, ""),
        (INTERFACE["mtu"], 9000, "9000"),
    ],
)
def test_what_is_written_equals_what_is_stored(field: Field, written: Any, stored: Any) -> None:
    value = canonical(field, written)
    check(field, value)
    assert value == present(field, stored)
    assert canonical(field, value) == value


def test_a_stored_value_of_another_shape_is_shown_as_it_is() -> None:
    assert present(SYSTEM["owners"], 7) == 7


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "field", ["comment", "kernel_options", "owners", "template_files", "mgmt_parameters", "status"]
)
def test_programs_are_refused(field: str, text: str) -> None:
    kind = SYSTEM[field].kind
    value: Any = text
    if kind == "options":
        value = {"console": text}
    elif kind in ("map", "structure"):
        value = {"a": text}
    elif kind == "names":
        value = [text]
    with pytest.raises(ValueError, match=r"template|is no"):
        check(SYSTEM[field], canonical(SYSTEM[field], value))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (SYSTEM["netboot_enabled"], "maybe", "neither true nor false"),
        (SYSTEM["netboot_enabled"], 2, "neither true nor false"),
        (SYSTEM["virt_ram"], "much", "is no number"),
        (SYSTEM["virt_ram"], True, "is no number"),
        (SYSTEM["virt_ram"], 2**31, "out of range"),
        (SYSTEM["virt_cpus"], -2, "out of range"),
        (SYSTEM["comment"], ["x"], "is no text"),
        (SYSTEM["comment"], True, "is no text"),
        (SYSTEM["comment"], INHERIT + "\n", "control character U\\+000A"),
        (SYSTEM["comment"], "a\u2028b", "control character U\\+2028"),
        (SYSTEM["owners"], {"a": 1}, "is no list"),
        (SYSTEM["owners"], ["a b"], "is no name"),
        (SYSTEM["hostname"], "-x", "is no host name"),
        (SYSTEM["hostname"], "; touch /x", "is no host name"),
        (SYSTEM["profile"], "../x", "is no name"),
        (SYSTEM["autoinstall"], "a b", "is no path"),
        (SYSTEM["proxy"], "http://@@server@@/", "holds @@"),
        (SYSTEM["profile"], "SNIPPET::x", "holds SNIPPET::"),
        (SYSTEM["status"], "a b", "is no single word"),
        (SYSTEM["gateway"], "10.0.0.300", "IPv4 or IPv6"),
        (SYSTEM["gateway"], "::1", "is no IPv4 address"),
        (SYSTEM["name_servers"], ["x"], "IPv4 or IPv6"),
        (SYSTEM["name_servers_search"], ["a_b!"], "is no host name"),
        (SYSTEM["kernel_options"], ["x"], "neither a text nor a dictionary"),
        (SYSTEM["kernel_options"], {"a b": ""}, "is no name of a kernel option"),
        (SYSTEM["kernel_options"], {"a": "it's"}, "cannot be written on a kernel command line"),
        (SYSTEM["kernel_options"], {"a": ["x", "y\nz"]}, "control character"),
        (SYSTEM["autoinstall_meta"], {"a-b": ""}, "is no name of a template variable"),
        (SYSTEM["autoinstall_meta"], {"a": "@@server@@"}, "holds @@"),
        (SYSTEM["autoinstall_meta"], {"a": "\r"}, "control character"),
        (SYSTEM["autoinstall_meta"], {"a": ["x"]}, "filter to_json"),
        (SYSTEM["autoinstall_meta"], {"a": True}, "filter to_json"),
        (SYSTEM["autoinstall_meta"], ["a"], "is no dictionary"),
        (SYSTEM["mgmt_parameters"], "a", "is no dictionary"),
        (SYSTEM["virt_type"], "bhyve", "is none of qemu, kvm"),
        (INTERFACE["mac_address"], "random", "is no MAC address"),
        (INTERFACE["netmask"], "255.0.255.0", "255.0.255.0"),
        (INTERFACE["netmask"], "24", "is no netmask"),
        (INTERFACE["interface_type"], "team", "is none of na, bond"),
    ],
)
def test_wrong_values(field: Field, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(field, canonical(field, value))


def test_templates_may_show_any_json() -> None:
    text = '{"a": "$x #if ${y} {{ z }} {% raw %} \\n"}\n'
    check(SYSTEM["autoinstall_meta"], canonical(SYSTEM["autoinstall_meta"], {"a": text}))


@pytest.mark.parametrize(
    ("name", "good"), [("compute-1.a_b", True), ("", False), ("-x", False), ("a..b", False), (1, False)]
)
def test_names(name: Any, good: bool) -> None:
    assert is_name(name) is good


@given(st.text())
def test_text_that_passes_holds_nothing_that_a_template_engine_reads(text: str) -> None:
    if find_template(text) is None:
        assert not any(mark in text for mark in ("$", "#", "{{", "{%", "@@"))
        assert text.isprintable() or " " in text or not text.isascii()
        assert "\n" not in text
