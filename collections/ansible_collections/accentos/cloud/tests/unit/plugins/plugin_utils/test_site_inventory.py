# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host ranges and groups, compared with what Ansible makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.plugins.inventory import expand_hostname_range
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Suggester
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_inventory import (
    Inventory,
    RangeError,
    expand_range,
    groups_in_loops,
    read_inventory,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_yaml import load_document
from ansible_collections.accentos.cloud.tests.unit.plugins.plugin_utils.site_samples import (
    HOSTS,
    check,
    lines,
    within,
)


def read(text: str) -> Inventory:
    root = load_document(text.encode()).root
    assert root is not None
    return read_inventory(root, Suggester())


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web-[1:3]", ["web-1", "web-2", "web-3"]),
        ("web-[:2]", ["web-0", "web-1", "web-2"]),
        ("web-[08:11]x", ["web-08x", "web-09x", "web-10x", "web-11x"]),
        ("web-[1:10:4]", ["web-1", "web-5", "web-9"]),
        ("[a:e:2]", ["a", "c", "e"]),
        ("[y:z]-[1:2]", ["y-1", "y-2", "z-1", "z-2"]),
        ("r[1:2]s[01:02]", ["r1s01", "r1s02", "r2s01", "r2s02"]),
        ("[5:5]", ["5"]),
    ],
)
def test_ranges_are_those_of_ansible(pattern: str, names: list[str]) -> None:
    assert expand_range(pattern) == names
    assert expand_hostname_range(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("w[]", "not a range"),
        ("w[1]", "not a range"),
        ("w[1:2:3:4]", "not a range"),
        ("w[1:]", "not a range"),
        ("w[1:3:0]", "step"),
        ("w[1:3:-1]", "step"),
        ("w[1:3:]", "step"),
        ("w[a:3]", "numbers or of single letters"),
        ("w[aa:bb]", "numbers or of single letters"),
        ("w[-3:-1]", "numbers or of single letters"),
        ("w[1:\u0663]", "numbers or of single letters"),
        ("w[b:a]", "ends before"),
        ("w[2:1]", "ends before"),
        ("w[001:1000]", "different lengths"),
        ("w[1:2", "both brackets"),
        ("w1:2]", "both brackets"),
        ("w[[1:2]]", "both brackets"),
        ("w[1:10001]", "more than 10000 hosts"),
        ("w[1:101][1:100]", "more than 10000 hosts"),
        ("w[0:999999999]", "more than 10000 hosts"),
        ("w[0:9999999999999]", "numbers"),
        ("[1:2]" * 60, "too long"),
        ("w[1:9000]" + "x" * 1_000_000, "too long"),
    ],
)
def test_ranges_that_are_refused(pattern: str, words: str) -> None:
    with pytest.raises(RangeError, match=words):
        expand_range(pattern)


@pytest.mark.parametrize("pattern", ["w[0:999999999]", "[0:9999][0:9999][0:9999]", "w[1:9000]" + "x" * 1_000_000])
def test_huge_ranges_are_refused_without_expanding_them(pattern: str) -> None:
    with within(2), pytest.raises(RangeError):
        expand_range(pattern)


def test_ten_thousand_hosts_are_checked_quickly(tmp_path: Path) -> None:
    text = "compute:\n  hosts:\n    c-[1:10000]:\n      host_addresses: {management: 10.1.0.11}\n"
    with within(2):
        outcome = check(tmp_path, {HOSTS: text, "host_vars/compute-1.yml": None})
    assert outcome.hosts == 10_000
    (line,) = lines(outcome)
    assert line.startswith("hosts.yml:4:36: c-[1:10000].host_addresses.management: host c-2 (management) and host c-1")


HUGE = {
    "one range": "compute:\n  hosts:\n    c-[1:10001]:\n",
    "two ranges": "compute:\n  hosts:\n    c-[1:9000]:\n    d-[1:1001]:\n",
    "the same range in many groups": "compute:\n  hosts:\n    c-[1:9000]:\n"
    + "".join(f"g{number}:\n  hosts:\n    c-[1:9000]:\n" for number in range(10_000)),
    "many bad names": "compute:\n  hosts:\n    C_[1:10000]:\n",
    "many hosts without anything": "compute:\n  hosts:\n" + "".join(f"    c-{number}:\n" for number in range(9999)),
    "many homeless hosts": "rack:\n  hosts:\n    c-[1:10000]: {host_addresses: {management: 10.1.0.11}}\n",
    "a long chain of groups": "".join(f"g{number}: {{children: {{g{number + 1}: }}}}\n" for number in range(15_000)),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_inventories_are_answered_quickly(name: str, tmp_path: Path) -> None:
    with within(2):
        outcome = check(tmp_path, {HOSTS: HUGE[name], "host_vars/compute-1.yml": None})
    assert outcome.findings
    assert "aliases" not in str(outcome.findings), "the file is within the limits of YAML"
    assert outcome.hosts <= 10_000


def test_hosts_groups_and_variables() -> None:
    inventory = read(
        "all:\n  vars: {x_a: 1}\n  children:\n    compute:\n      hosts:\n        c-[1:2]: {x_b: 1}\n"
        "    controller:\n      hosts: {c-1: , d: }\n      children:\n      vars:\n"
    )
    assert inventory.findings == []
    assert inventory.complete
    assert {name: place.line for name, place in inventory.hosts.items()} == {"c-1": 6, "c-2": 6, "d": 8}
    assert inventory.groups == {"all": set(), "compute": {"c-1", "c-2"}, "controller": {"c-1", "d"}}
    assert inventory.children["all"] == {"compute", "controller"}
    assert [(entry.owner, entry.names) for entry in inventory.host_variables] == [("c-[1:2]", ("c-1", "c-2"))]
    assert [entry.owner for entry in inventory.group_variables] == ["all"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", "hosts.yml:1:1: is a list; expected a mapping of groups"),
        ("text\n", "hosts.yml:1:1: is a text; expected a mapping of groups"),
        ("compute:\n", "hosts.yml:1:1: there is no host in it; expected at least one host"),
        ("compute: {hosts: {}}\n", "hosts.yml:1:1: there is no host in it; expected at least one host"),
        ("compute: [a]\n", "hosts.yml:1:10: compute: is a list; expected hosts, vars or children"),
        ("compute: {hosts: {a: [1]}}\n", "hosts.yml:1:22: a: is a list; expected a mapping of the host's variables"),
        ("a: {children: {b: {children: {a: }}}}\n", "hosts.yml:1:1: a: the group contains itself, by way of a, b;"),
        ("compute: {hosts: {'Web-[1:3]': }}\n", "hosts.yml:1:19: Web-1: is not a host name; expected a DNS label"),
        ("controllers: {hosts: {a: , b: }}\n", "hosts.yml:1:1: controllers: unknown group, and hosts are only in it"),
        ("rack: {hosts: {'a[1:5]': }}\n", "hosts.yml:1:16: a1: the host is in no group of the site"),
        ("all: {hosts: {a: }}\n", "hosts.yml:1:15: a: the host is in no group of the site"),
    ],
)
def test_one_finding(text: str, expected: str) -> None:
    found = [str(finding) for finding in read(text).findings]
    assert [line[: len(expected)] for line in found] == [expected], found


def test_groups_in_loops() -> None:
    assert groups_in_loops({"a": {"b"}, "b": {"c"}, "c": set()}) == set()
    assert groups_in_loops({"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set()}) == {"b", "c"}
    assert groups_in_loops({"a": {"a"}}) == {"a"}


def test_equipment_of_the_lab_needs_no_other_group() -> None:
    assert [
        str(finding) for finding in read("lab_rack: {hosts: {rack-1: }}\ndeploy: {hosts: {deploy-1: }}\n").findings
    ] == []
