# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's page: nothing escapes from it, whatever hosts and findings are called; who can read it, and where."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus
from xml.parsers import expat

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_page import page
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_picture import COLUMNS, cut, rows_of, topology
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_report import make_report
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import printable
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.doctor_samples import (
    FINDING,
    HOST,
    MADE,
    NETWORKS,
    report,
)
from hypothesis import given, settings
from hypothesis import strategies as st

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title></style></svg></dd></textarea><iframe src=//e.test>",
    "<!--",
    "-->",
    "--!>",
    "<![CDATA[",
    "]]>&lt;b&gt;&#60;i&#62;&#x1b;&nbsp;",
    "<?php",
    "\x1b[31mred\x07\u202e\u2066",
    "\udc80\ud800\ufffe\U0010ffff",
    "\r\n\t\0\x85\u2028\ufeff",
    "javascript:alert(1)",
    "שלום",
    "x" * 3000,
)
PIECES = st.one_of(
    st.sampled_from(HOSTILE[:-1]),
    st.sampled_from("<>&\"'/=;`!-[]?#"),
    st.text(st.characters(), max_size=8),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"]), max_size=3),
)
TEXTS = st.lists(PIECES, min_size=1, max_size=3).map("".join)
# What could steer whoever shows it.
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}

Element = tuple[str, tuple[tuple[str, str], ...], list[Any]]


class Page(HTMLParser):
    """Reads a page as HTML: elements with their attributes and what is in them, and the texts besides styles."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tree: list[Element] = []
        self.texts: list[str] = []
        self._open: list[tuple[str, list[Any]]] = [("", self.tree)]
        self.feed(source)
        self.close()
        assert [name for name, _inner in self._open] == [""]

    def _add(self, tag: str, attrs: list[tuple[str, str | None]]) -> list[Any]:
        inner: list[Any] = []
        self._open[-1][1].append((tag, tuple(sorted((name, value or "") for name, value in attrs)), inner))
        return inner

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append((tag, self._add(tag, attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_comment(self, data: str) -> NoReturn:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> NoReturn:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> NoReturn:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        if self._open[-1][0] != "style":
            self.texts.append(data)

    def attributes(self) -> list[tuple[str, str, str]]:
        """Return element, name and value of all attributes."""
        found, left = [], list(self.tree)
        while left:
            tag, attributes, inner = left.pop()
            found += [(tag, name, value) for name, value in attributes]
            left += inner
        return found


def xml_tree(source: str) -> list[Element]:
    """Return a page as an XML parser reads it, in the form of Page's tree. Raises expat.ExpatError."""
    tree: list[Element] = []
    within = [tree]

    def start(tag: str, attributes: dict[str, str]) -> None:
        inner: list[Element] = []
        # HTML knows no capitals.
        within[-1].append((tag, tuple(sorted((name.lower(), value) for name, value in attributes.items())), inner))
        within.append(inner)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: within.pop()
    parser.Parse(source, True)
    return tree


def called(hosts: int, names: list[str], secrets: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a report of so many hosts in which all that others may name is called by NAMES, in turn."""
    name, group, address, network, site, found, expected = names
    host = {
        "name": name,
        "groups": [group, found],
        "addresses": {network: address},
        "networks": [network],
    }
    finding = {"check": found, "host": name, "found": found, "expected": expected, "why": expected, "remedy": group}
    findings = [
        {**finding, "layer": layer, "state": state}
        for layer, state in (("power", "warn"), ("network", "fail"), ("host", "unknown"), ("compute", "ok"))
    ]
    return make_report({"name": site, "networks": {network: address}}, [host] * hosts, findings, secrets, MADE)


def strictly(told: dict[str, Any]) -> Any:
    """Return a report as what reads its JSON gets it. Raises ValueError where it is none."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    written = json.dumps(told, indent=1)
    assert written.isascii()
    return json.loads(written, parse_constant=refuse)


def held(names: list[str], hosts: int) -> None:
    """Assert that a report with NAMES gives a page with the elements of a plain one, and all of the names as texts."""
    source = page(called(hosts, names))
    found = Page(source)
    assert found.tree == Page(page(called(hosts, list("abcdefg")))).tree
    assert xml_tree(source) == found.tree
    source.encode("utf-8")
    shown = "".join(found.texts)
    assert {unicodedata.category(letter) for letter in shown} & STEERING <= {"Cc"}
    assert {letter for letter in shown if unicodedata.category(letter) == "Cc"} <= {"\n"}
    for name in names:
        assert printable(name) in shown
    assert strictly(called(hosts, names))["counts"] == {"ok": 1, "warn": 1, "unknown": 1, "fail": 1}


@pytest.mark.parametrize("hosts", [1, 14])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_add_nothing_to_the_page(name: str, hosts: int) -> None:
    held([name] * 7, hosts)


@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, min_size=7, max_size=7), st.sampled_from((1, 14)))
def test_no_text_adds_anything_to_the_page(names: list[str], hosts: int) -> None:
    held(names, hosts)


def forms_of(secret: str) -> list[str]:
    """Return what programs make of a secret before they show it."""
    shown = json.dumps(secret, ensure_ascii=False)[1:-1]
    return [secret, quote(secret, safe=""), quote(secret), quote_plus(secret), shown, json.dumps(secret)[1:-1]]


def strings(value: Any) -> Iterator[str]:
    """Give all texts of a report, those that name others included."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.text(min_size=4, max_size=30).map("Pw".__add__), min_size=1, max_size=3),
    st.lists(st.tuples(TEXTS, st.sampled_from(range(6)), TEXTS), min_size=7, max_size=7),
)
def test_no_secret_is_on_the_page_wherever_it_stands(secrets: list[str], around: list[tuple[str, int, str]]) -> None:
    names = [
        f"{before}{forms_of(secrets[number % len(secrets)])[form]}{after}"
        for number, (before, form, after) in enumerate(around)
    ]
    told = called(1, [*names[:3], "management", *names[4:]], tuple(secrets))
    shown = "".join(Page(page(told)).texts)
    written = "\0".join(strings(strictly(told)))
    for secret in secrets:
        for form in forms_of(secret):
            assert printable(form) not in shown
            assert form not in written


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    source = page(report([FINDING], [HOST]))
    attributes = Page(source).attributes()
    links = [value for _tag, name, value in attributes if name in ("href", "src", "action", "data", "srcset", "style")]
    assert links
    assert all(link.startswith("#layer-") for link in links)
    assert {link[1:] for link in links} <= {value for _tag, name, value in attributes if name == "id"}
    (policy,) = [value for _tag, name, value in attributes if name == "content" and "default-src" in value]
    assert policy.startswith("default-src 'none';style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"url\(|@import|<script|<link", source)


def test_headings_have_no_gaps_and_pictures_have_names() -> None:
    source = page(report([FINDING, {**FINDING, "layer": "network", "state": "fail"}], [HOST]))
    levels = [int(level) for level in re.findall(r"<h(\d)", source)]
    assert levels == [1, 2, 2, 3, 2]
    assert len(re.findall(r'<svg class="picture[^>]* role="img"[^>]*><title>1 host with networks;', source)) == 3
    assert '<nav aria-label="Layers">' in source
    assert ">1 check is well</summary>" in source


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour as WCAG 2 defines it; COLOUR is #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_from_what_is_behind_them() -> None:
    palettes = [
        dict(re.findall(r"--(\w+):(#[0-9a-f]+)", block))
        for block in re.findall(r":root{([^}]*)}", page(report([], [])))
    ]
    light, dark = [palette for palette in palettes if palette]
    assert light.keys() == dark.keys()
    for palette in (light, dark):
        for behind in ("back", "card"):
            for name in ("text", "soft", "ok", "warn", "unknown", "fail"):
                assert contrast(palette[name], palette[behind]) >= 4.5, (name, behind)
            for number in range(6):
                assert contrast(palette[f"n{number}"], palette[behind]) >= 3, (number, behind)


def test_the_page_is_as_narrow_as_the_narrowest_telephone() -> None:
    hosts = [{**HOST, "name": f"compute-{number}", "groups": ["compute"]} for number in range(9)]
    source = page(report([FINDING], hosts))
    assert 'content="width=device-width,initial-scale=1"' in source
    widths = {name: int(width) for name, width in re.findall(r'<svg class="picture (\w+)"[^>]* width="(\d+)"', source)}
    # The body has margins of 12 pixels, and the window may have a bar to scroll.
    assert {name: width <= most for (name, width), most in zip(widths.items(), (320, 600, 920), strict=True)} == (
        dict.fromkeys(COLUMNS, True)
    )
    assert "max-width:100%" in source
    assert "overflow-wrap:anywhere" in source
    # Nothing of fixed width besides pictures, and no table that cannot wrap.
    assert "<table" not in source
    assert not re.search(r"[{;]width:\d", source)


def test_pictures_draw_every_host_once_with_its_state_in_words() -> None:
    hosts = [{**HOST, "name": f"c-{number}", "state": "fail" if number else "ok"} for number in range(7)]
    for layout in COLUMNS:
        picture = topology(hosts, NETWORKS, layout)
        for number in range(7):
            assert picture.count(f">c-{number}</text>") == 1
        assert picture.count(">failed</text>") == 6
        assert picture.count(">well</text>") == 1
        assert (
            picture.count(">management</text>")
            == picture.count(">10.0.0.0/24</text>")
            == {"narrow": 4, "middle": 2, "wide": 2}[layout]
        )


def test_groups_stay_together_where_they_fit() -> None:
    hosts = [
        {**HOST, "name": f"{group}{number}", "groups": [group], "state": "ok"}
        for group, count in (("a", 3), ("b", 4), ("c", 1))
        for number in range(count)
    ]
    rows = [[host["name"] for host in row.boxes] for row in rows_of(hosts, 6)]
    assert rows == [["a0", "a1", "a2"], ["b0", "b1", "b2", "b3", "c0"]]


def test_of_many_hosts_those_that_are_not_well_are_seen_first() -> None:
    hosts = [{**HOST, "name": f"controller-{number}", "state": "ok"} for number in range(3)]
    hosts += [
        {
            **HOST,
            "name": f"compute-{number}",
            "groups": ["compute"],
            "state": {17: "warn", 18: "fail"}.get(number, "ok"),
        }
        for number in range(200)
    ]
    for layout, most in (("narrow", 1100), ("middle", 700), ("wide", 500)):
        picture = topology(hosts, NETWORKS, layout)
        (height,) = re.findall(r'^<svg [^>]* height="(\d+)"', picture)
        assert int(height) <= most
        titles = Counter(re.findall(r"<title>(c\S+): ", picture))
        assert titles == dict.fromkeys((host["name"] for host in hosts), 1)
        assert re.findall(r'y="17">(compute-\d+)</text>', picture) == ["compute-18", "compute-17"]
        assert "compute: 198 well</text>" in picture
    findings = [{**FINDING, "host": host["name"], "state": host["state"]} for host in hosts]
    source = page(report(findings, hosts))
    assert len(source) < 250_000
    # By name, and whole, all of them are told as text.
    assert source.count("<li ") == len(hosts)
    assert "A square is a host" in source
    assert "A square is a host" not in page(report(findings, hosts[:12]))


def test_a_group_of_which_nothing_is_well_has_few_boxes() -> None:
    states = ["warn"] * 20 + ["fail"] * 5 + ["unknown"] * 15
    hosts = [{**HOST, "name": f"c-{number}", "state": state} for number, state in enumerate(states)]
    *boxes, squares = rows_of(hosts, 6)
    assert Counter(host["state"] for row in boxes for host in row.boxes) == {"fail": 5, "unknown": 7}
    assert (len(squares.squares), squares.group) == (28, "controller")
    picture = topology(hosts, NETWORKS, "wide")
    assert "controller: 8 unknown, 20 warnings</text>" in picture
    # Not by colour alone.
    marks = re.findall(r'<text class="mark"[^>]*>([^<]*)</text>', picture)
    assert Counter(marks) == {"?": 8, "!": 20}


def test_hosts_that_only_a_secret_tells_apart_are_all_drawn() -> None:
    hosts = [{**HOST, "name": "(hidden)", "state": "fail"} for _number in range(30)]
    rows = rows_of(hosts, 6)
    assert sum(len(row.boxes) + len(row.squares) for row in rows) == 30


def test_titles_name_few_hosts_and_problems_all_of_them() -> None:
    hosts = [{**HOST, "name": f"compute-{number}"} for number in range(9)]
    findings = [{**FINDING, "host": host["name"], "state": "fail"} for host in hosts]
    source = page(report(findings, hosts))
    assert "memory · compute-0, compute-1, compute-2, compute-3, compute-4, compute-5 and 3 more</h3>" in source
    assert f"<dt>Hosts</dt><dd>{', '.join(host['name'] for host in hosts)}</dd>" in source
    assert "<dt>Hosts</dt>" not in page(report(findings[:6], hosts))


@pytest.mark.parametrize(
    ("value", "letters", "shown"),
    [("compute-1", 9, "compute-1"), ("compute-123", 9, "comp…-123"), ("compute-123", 8, "comp…123"), ("", 3, "")],
)
def test_both_ends_of_a_long_name_stay(value: str, letters: int, shown: str) -> None:
    assert cut(value, letters) == shown
    assert len(shown) <= letters


def test_a_network_without_an_address_is_drawn_with_gaps() -> None:
    gateway = {**HOST, "networks": ["management", "tunnel", "external"]}
    told = make_report(
        {"name": "example", "networks": {**NETWORKS, "external": "10.0.3.0/24"}}, [gateway], [FINDING], (), "now"
    )
    for layout in COLUMNS:
        picture = topology(told["hosts"], told["site"]["networks"], layout)
        assert ">external</text>" in picture
        assert picture.count('stroke-dasharray="4 3"') == 1
        assert picture.count('stroke-dasharray="none"') == 2
    source = page(told)
    assert "A line with gaps" in source
    assert "external without an address" in source
    assert "A line with gaps" not in page(report([FINDING], [HOST]))
