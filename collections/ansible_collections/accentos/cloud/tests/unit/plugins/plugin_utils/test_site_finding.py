# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings are safe to print, and suggestions help."""

from __future__ import annotations

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import (
    Place,
    Suggester,
    nearest,
    printable,
    report,
    short_value,
)
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import within


def test_one_line() -> None:
    finding = report(Place("a.yml", 12, 5, "b.c"), "is wrong", value='"x"', expected="y", suggestion="z")
    assert str(finding) == 'a.yml:12:5: b.c: is wrong, found "x"; expected y; did you mean "z"?'
    assert str(report(Place("a.yml", 1, 1), "is wrong")) == "a.yml:1:1: is wrong"


def test_nothing_can_steer_the_terminal() -> None:
    nasty = "\x1b]0;x\x07\u202e\ud800\u200b\n"
    finding = report(Place(nasty, 1, 1, nasty), nasty, value=short_value(nasty), expected=nasty, suggestion=nasty)
    assert str(finding).isprintable()
    assert printable(nasty) == "\\x1b]0;x\\x07\\u202e\\ud800\\u200b\\n"
    assert printable("\U000e0001\t\r") == "\\U000e0001\\t\\r"


def test_values_are_short() -> None:
    assert len(short_value("x" * 1000)) == 80
    assert len(short_value("\x1b" * 1000)) == 80
    assert short_value("y" * 78) == '"' + "y" * 78 + '"'
    assert short_value(8, "010") == "010"
    assert short_value(8) == "8"
    assert short_value(["secret"]) == short_value({"a": "secret"}) == ""
    assert short_value("-----BEGIN OPENSSH PRIVATE KEY-----\nabc") == "(hidden)"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("site_netwroks", "site_networks"),
        ("Site-Networks", "site_networks"),
        ("sitenetworks", "site_networks"),
        ("networks", "site_networks"),
        ("tsl", "tls"),
        ("mtu", ""),
        ("", ""),
        ("---", ""),
    ],
)
def test_nearest(word: str, meant: str) -> None:
    assert nearest(word, ["site_name", "site_networks", "tls"]) == meant


def test_rubbish_cannot_stall_the_suggestions() -> None:
    names = [f"some_role_some_option_{number}" for number in range(2500)]
    suggest = Suggester()
    with within(2):
        for number in range(10_000):
            suggest(f"role_some_{number}_optoin", names)
    assert suggest("site_netwroks" * 10, ["site_networks" * 10]) == ""
