# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about names, on literals."""

from __future__ import annotations

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import Place
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_name_rules import (
    LONGEST_COMMON_NAME,
    find_long_names,
    find_names_of_the_api,
)
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_rules import Located

DOMAIN = Located("cloud.example.test", Place("f.yml", 1, 1, "site_domain"))
ROOM = LONGEST_COMMON_NAME - len(".cloud.example.test")


def host(name: str, line: int = 10) -> dict[str, Place]:
    return {name: Place("hosts.yml", line, 1, name)}


def api(name: str) -> Located:
    return Located(name, Place("f.yml", 2, 1, "site_api_name"))


def test_a_common_name_has_64_characters() -> None:
    assert find_long_names(DOMAIN, host("a" * ROOM), ()) == []
    (finding,) = find_long_names(DOMAIN, host("a" * (ROOM + 1)), ())
    assert (finding.line, "65 characters" in finding.problem) == (10, True)


def test_the_certificate_of_libvirt_has_a_longer_name() -> None:
    fits = "a" * (ROOM - len("libvirt."))
    assert find_long_names(DOMAIN, host(fits), [fits]) == []
    assert find_long_names(DOMAIN, host(f"{fits}a"), []) == []
    (finding,) = find_long_names(DOMAIN, host(f"{fits}a"), [f"{fits}a"])
    assert finding.value == f'"libvirt.{fits}a.cloud.example.test"'


def test_one_finding_for_the_longest_name() -> None:
    (finding,) = find_long_names(DOMAIN, host("a" * 60) | host("b" * 61, 20) | host("c" * 59, 30), ())
    assert finding.line == 20


def test_a_domain_without_hosts() -> None:
    long = Located("d" * 61, DOMAIN.place)
    assert [finding.key for finding in find_long_names(long, {}, ())] == ["site_domain"]
    assert find_long_names(long, {}, (), api("a.test")) == []


def test_the_full_name_of_the_api_is_no_hosts() -> None:
    hosts = host("api") | host("web", 20)
    assert [finding.line for finding in find_names_of_the_api(DOMAIN, hosts)] == [10]
    assert [finding.line for finding in find_names_of_the_api(DOMAIN, hosts, api("web.cloud.example.test"))] == [2]
    assert find_names_of_the_api(DOMAIN, hosts, api("web.example.test")) == []
    assert find_names_of_the_api(DOMAIN, host("web"), None) == []
