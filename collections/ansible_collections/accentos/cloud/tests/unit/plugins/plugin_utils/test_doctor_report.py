# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's report: lost hosts, what only all hosts together tell, secrets, a page that nothing escapes from."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_page import page, topology
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_report import (
    HIDDEN,
    across,
    drawn_hosts,
    make_report,
    of_cloud,
    of_host,
    problem_lines,
    redact,
    secret_texts,
)

NETWORKS = {"management": "10.0.0.0/24", "tunnel": "10.0.1.0/24"}
SITE = {"name": "example", "networks": NETWORKS}
HOST = {
    "name": "a",
    "groups": ["controller"],
    "addresses": {"management": "10.0.0.1", "tunnel": "10.0.1.1"},
    "networks": ["management", "tunnel"],
}
FINDING = {
    "layer": "host",
    "check": "memory",
    "host": "a",
    "state": "ok",
    "found": "much",
    "expected": "some",
    "why": "needed",
    "remedy": "add.",
}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title></style></svg></dd><iframe src=//e.test>",
    "<!--",
    "]]>&lt;b&gt;&#60;i&#62;",
    "\x1b[31mred\x07\u202e",
    "javascript:alert(1)",
)
# Elements without an end.
VOID = {"meta", "br", "path", "rect"}


class Page(HTMLParser):
    """Reads a page as a browser would: elements, their nesting, their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def report(
    findings: list[dict[str, str]], hosts: list[dict[str, Any]], secrets: tuple[str, ...] = ()
) -> dict[str, Any]:
    return make_report(SITE, hosts, findings, secrets, "2026-01-01 10:00:00+00:00")


@pytest.mark.parametrize("state", ["ok", "fail"])
def test_hostile_texts_add_nothing_to_the_page(state: str) -> None:
    plain = Page(page(report([{**FINDING, "state": state}], [HOST])))
    assert plain.open == []
    for text in HOSTILE:
        finding = {**dict.fromkeys(FINDING, text), "layer": "host", "state": state}
        host = {**HOST, "name": text, "groups": [text], "addresses": {"management": text, "tunnel": text}}
        hostile = make_report({"name": text, "networks": dict.fromkeys(NETWORKS, text)}, [host], [finding], (), text)
        found = Page(page(hostile))
        assert found.open == []
        assert found.elements == plain.elements
        assert [one[:2] for one in found.attributes] == [one[:2] for one in plain.attributes]
        assert not any(name.startswith("on") for _tag, name, _value in found.attributes)
        shown = "".join(found.texts)
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_the_page_asks_for_nothing_from_elsewhere() -> None:
    found = Page(page(report([FINDING], [HOST])))
    links = [value for _tag, name, value in found.attributes if name in ("href", "src", "action", "data")]
    assert links
    assert all(str(link).startswith("#layer-") for link in links)
    text = page(report([FINDING], [HOST]))
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text)
    targets = {value for _tag, name, value in found.attributes if name == "id"}
    assert {str(link)[1:] for link in links} <= targets


def test_the_page_is_as_narrow_as_the_narrowest_telephone() -> None:
    hosts = [{**HOST, "name": f"compute-{number}", "groups": ["compute"]} for number in range(9)]
    text = page(report([FINDING], hosts))
    assert 'content="width=device-width,initial-scale=1"' in text
    widths = [int(found) for found in re.findall(r'<svg class="narrow"[^>]* width="(\d+)"', text)]
    assert widths
    # 320 pixels less the margins of the body on both sides, rounded up to what is scaled without being noticed.
    assert max(widths) <= 320
    assert "max-width:100%" in text
    assert "overflow-wrap:anywhere" in text
    assert "prefers-color-scheme:dark" in text
    # Nothing of fixed width besides pictures, and no table that cannot wrap.
    assert "<table" not in text
    assert not re.search(r"[{;]width:\d", text)


def test_pictures_draw_every_host_once_with_its_state_in_words() -> None:
    hosts = [{**HOST, "name": f"c-{number}", "state": "fail" if number else "ok"} for number in range(7)]
    for layout in ("narrow", "wide"):
        picture = topology(hosts, NETWORKS, layout)
        for number in range(7):
            assert picture.count(f">c-{number}</text>") == 1
        assert picture.count(">failed</text>") == 6
        assert picture.count(">well</text>") == 1
        assert picture.count("management 10.0.0.0/24") == {"narrow": 4, "wide": 2}[layout]


def test_no_form_of_a_secret_stays() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
    digits = "00112233445566778899aabbccddeeff" * 2
    secrets = ("pass word/1", "pass", key, digits)
    texts = ("x pass word/1 y", "u:pass%20word%2F1@h", f"z {key}", "line MIGHAgEAMBMGByqGSM49AgEG", f"{digits}!")
    told = report([{**FINDING, "found": text, "host": text} for text in texts], [{**HOST, "name": "pass"}], secrets)
    whole = json.dumps(told) + page(told) + "\n".join(problem_lines(told["findings"]))
    for secret in ("pass word", "pass%20word", "MIGHAgEAMBMGByqGSM49AgEG", digits):
        assert secret not in whole
    assert HIDDEN in whole
    # Keys of Ceph are made from digits.
    assert "AQAAAAAAAAAAABAAABEiM0RVZneImaq7zN3u/w==" in secret_texts([digits])


def test_words_of_the_report_stay_although_a_secret_is_one_of_them() -> None:
    told = report([FINDING], [HOST], ("host", "ok"))
    assert (told["findings"][0]["layer"], told["findings"][0]["state"]) == ("host", "ok")
    assert redact({"a": ["host", 1, None]}, ["host"]) == {"a": [HIDDEN, 1, None]}


def test_a_lost_host_is_a_finding() -> None:
    (lost,) = of_host("a", {"unreachable": True, "msg": "no route"}, {})
    assert (lost["state"], lost["found"]) == ("fail", "it does not answer: no route")
    (broken,) = of_host("a", {"failed": True, "msg": "no Python"}, {})
    assert broken["found"] == "it cannot be looked at: no Python"
    assert of_host("a", {}, {})[0]["state"] == "fail"
    well = of_host("a", {"findings": [FINDING]}, {"offset": 0.02})
    assert [(one["check"], one["state"]) for one in well] == [
        ("host answers", "ok"),
        ("memory", "ok"),
        ("clock beside the control node's", "ok"),
    ]
    # Deployments refuse what fails.
    assert [of_host("a", {"findings": []}, {"offset": off})[-1]["state"] for off in (-0.2, 0.3)] == ["warn", "fail"]
    followed = [of_host("a", {"findings": []}, {"offset": off, "followed": 0.001}) for off in (-0.2, 0.3, 31)]
    assert [findings[-1]["state"] for findings in followed] == ["ok", "warn", "fail"]


def test_a_cloud_that_nobody_could_ask_is_a_finding() -> None:
    assert of_cloud({"findings": [FINDING]}, ["a"]) == [FINDING]
    assert of_cloud({}, []) == []
    (lost,) = of_cloud({}, ["a"])
    assert (lost["check"], lost["state"]) == ("login", "fail")
    (broken,) = of_cloud({"failed": True, "msg": "no library"}, ["a"])
    assert broken["found"] == "nobody could ask: no library"


@pytest.mark.parametrize(
    ("holders", "state", "words"),
    [("a", "ok", "a has 10.0.0.5"), ("ab", "fail", "a, b has"), ("", "fail", "no controller has")],
)
def test_one_controller_has_the_address_of_the_api(holders: str, state: str, words: str) -> None:
    results: dict[str, dict[str, Any]] = {
        host: {"facts": {"addresses": ["10.0.0.5"] if host in holders else []}} for host in "ab"
    }
    (found,) = across({**results, "lost": {}}, {"controllers": ["a", "b", "lost"], "api_address": "10.0.0.5"})
    assert found["state"] == state
    assert words in found["found"]
    assert across(results, {"controllers": [], "api_address": "10.0.0.5"}) == []


def test_findings_are_ordered_and_counted() -> None:
    findings = [
        FINDING,
        {**FINDING, "state": "fail", "host": "b"},
        {**FINDING, "layer": "network", "state": "warn"},
        {**FINDING, "layer": "network", "state": "unknown", "check": "names"},
    ]
    told = report(findings, [HOST, {**HOST, "name": "b"}])
    assert [(one["layer"], one["state"], one["hosts"]) for one in told["findings"]] == [
        ("network", "unknown", ["a"]),
        ("network", "warn", ["a"]),
        ("host", "fail", ["b"]),
        ("host", "ok", ["a"]),
    ]
    assert told["state"] == "fail"
    assert told["counts"] == {"ok": 1, "warn": 1, "unknown": 1, "fail": 1}
    assert told["layers"][1] == {"layer": "host", "state": "fail", "ok": 1, "warn": 0, "unknown": 0, "fail": 1}
    assert {host["name"]: host["state"] for host in told["hosts"]} == {"a": "unknown", "b": "fail"}
    assert problem_lines(told["findings"])[0] == "UNKNOWN  network: names, a"
    assert problem_lines(told["findings"][3:]) == []


def test_what_several_hosts_tell_in_the_same_words_is_one_finding() -> None:
    bad = {**FINDING, "state": "fail", "found": "little"}
    findings = [FINDING, {**bad, "host": "c"}, {**bad, "host": "b"}, {**bad, "host": "d", "found": "none"}]
    hosts = [{**HOST, "name": name} for name in "abcd"]
    told = report(findings, hosts)
    assert [(one["hosts"], one["found"]) for one in told["findings"]] == [
        (["b", "c"], "little"),
        (["d"], "none"),
        (["a"], "much"),
    ]
    assert all("host" not in one for one in told["findings"])
    assert told["counts"] == {"ok": 1, "warn": 0, "unknown": 0, "fail": 2}
    assert told["layers"][0]["fail"] == 2
    assert {host["name"]: host["state"] for host in told["hosts"]} == {"a": "ok", "b": "fail", "c": "fail", "d": "fail"}
    titles = [line for line in problem_lines(told["findings"]) if line.startswith("FAIL")]
    assert titles == ["FAIL  host: memory, b, c", "FAIL  host: memory, d"]
    assert "memory · b, c</h3>" in page(told)


def test_hosts_that_only_a_secret_tells_apart_stay_in_one_finding() -> None:
    told = report([{**FINDING, "host": name, "found": f"of {name}"} for name in ("word-1", "word-2")], [], ("word-1",))
    assert [one["hosts"] for one in told["findings"]] == [[HIDDEN], ["word-2"]]


def test_of_what_several_hosts_tell_alike_only_the_worst_is_told() -> None:
    (told,) = report([FINDING, {**FINDING, "state": "warn"}, {**FINDING, "found": "later"}], [HOST])["findings"]
    assert told["state"] == "warn"


def test_hosts_are_drawn_with_their_own_networks() -> None:
    networks = {
        name: {"cidr": f"10.0.{number}.0/24"} for number, name in enumerate(("management", "tunnel", "external"))
    }
    site = {"networks": networks, "groups": {"all": ["a", "b"], "controller": ["a"], "deploy": ["b"]}}
    described = {
        "addresses": {
            "a": {"management": "10.0.0.7"},
            "b": {"management": "10.9.9.9"},
            "d": {"management": "10.0.0.9"},
        },
        "devices": {
            "a": [
                {"name": "eth0", "network": "management", "tagged": ["tunnel"]},
                {"name": "eth1", "network": "external"},
                {"name": "ipmi", "network": "out_of_band"},
            ]
        },
        "external_devices": {"c": "", "d": "eno3"},
    }
    drawn = {host.pop("name"): host for host in drawn_hosts("abcd", site, described)}
    own = {"management": "10.0.0.7", "tunnel": "10.0.1.7"}
    assert drawn == {
        "a": {"groups": ["controller"], "addresses": own, "networks": ["management", "tunnel", "external"]},
        "b": {"groups": ["deploy"], "addresses": {}, "networks": []},
        "c": {"groups": [], "addresses": {}, "networks": []},
        "d": {"groups": [], "addresses": {"management": "10.0.0.9"}, "networks": ["management", "external"]},
    }


def test_a_network_without_an_address_is_drawn_with_gaps() -> None:
    gateway = {**HOST, "networks": ["management", "tunnel", "external"]}
    told = make_report(
        {"name": "example", "networks": {**NETWORKS, "external": "10.0.3.0/24"}}, [gateway], [FINDING], (), "now"
    )
    for layout in ("narrow", "wide"):
        picture = topology(told["hosts"], told["site"]["networks"], layout)
        assert "external 10.0.3.0/24" in picture
        assert picture.count('stroke-dasharray="4 3"') == 1
        assert picture.count('stroke-dasharray="none"') == 2
    assert "A line with gaps" in page(told)
    assert "A line with gaps" not in page(report([FINDING], [HOST]))
