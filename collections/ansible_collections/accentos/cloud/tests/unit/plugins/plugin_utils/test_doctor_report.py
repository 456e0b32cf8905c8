# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The doctor's report: lost hosts, what only all hosts together tell, secrets. Its page is in test_doctor_page.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_page import page
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_report import (
    across,
    drawn_hosts,
    of_cloud,
    of_host,
    problem_lines,
    redact,
    secret_texts,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import HIDDEN
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.doctor_samples import (
    FINDING,
    HOST,
    report,
)


def test_no_form_of_a_secret_stays() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
    digits = "00112233445566778899aabbccddeeff" * 2
    secrets = ("pass word/1", "pass", key, digits)
    texts = (
        "x pass word/1 y",
        "u:pass%20word%2F1@h",
        "u=pass+word%2F1",
        f"z {key}",
        "line MIGHAgEAMBMGByqGSM49AgEG",
        f"{digits}!",
    )
    told = report([{**FINDING, "found": text, "host": text} for text in texts], [{**HOST, "name": "pass"}], secrets)
    whole = json.dumps(told) + page(told) + "\n".join(problem_lines(told["findings"]))
    for secret in ("pass word", "pass%20word", "+word", "MIGHAgEAMBMGByqGSM49AgEG", digits):
        assert secret not in whole
    assert HIDDEN in whole
    # Keys of Ceph are made from digits.
    assert "AQAAAAAAAAAAABAAABEiM0RVZneImaq7zN3u/w==" in secret_texts([digits])


def test_passwords_in_addresses_are_hidden_although_the_store_does_not_know_them() -> None:
    texts = ["rabbit://nova:other@10.0.0.1:5671//", "{'x': 'mysql://:y@z'}", "https://a:80/b@c", "a://b:c d@e"]
    hidden = [f"rabbit://nova:{HIDDEN}@10.0.0.1:5671//", f"{{'x': 'mysql://:{HIDDEN}@z'}}", *texts[2:]]
    assert redact(texts, []) == hidden


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
