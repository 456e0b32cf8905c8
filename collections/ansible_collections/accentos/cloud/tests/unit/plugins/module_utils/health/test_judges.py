# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every check of a host, once well and once broken, on literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    LAYERS,
    Check,
    Collected,
    good,
    judge,
    judge_share,
    listed,
    worst,
)
from ansible_collections.accentos.cloud.plugins.modules.host_health import CHECKS

from .health_cases import BROKEN, WANTED, WELL, changed


def findings(data: dict[str, Any]) -> dict[str, dict[str, str]]:
    collected = {name: Collected(value) for name, value in data.items()}
    return {one["check"]: one for one in judge(CHECKS, collected, WANTED, "a")}


def test_a_host_that_is_well_has_only_good_findings_of_every_check() -> None:
    found = findings(WELL)
    assert {name: one["found"] for name, one in found.items() if one["state"] != "ok"} == {}
    assert list(found) == [check.name for check in CHECKS]


def test_every_check_has_a_broken_case_and_a_name_of_its_own() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    # libvirt either answers over TLS or does not.
    assert {name for name, *_rest in BROKEN} == set(names) - {"libvirt over TLS"}
    assert len(names) >= 80


@pytest.mark.parametrize(("check", "place", "value", "state", "words"), BROKEN)
def test_what_is_broken_is_found(check: str, place: tuple[str | int, ...], value: Any, state: str, words: str) -> None:
    found = findings(changed(place, value))
    assert found[check]["state"] == state
    assert words in found[check]["found"]


def test_every_finding_tells_what_a_person_needs() -> None:
    for check in CHECKS:
        assert check.layer in LAYERS
        assert all((check.expected, check.why, check.remedy)), check.name
        assert check.remedy.endswith((".", "?"))
    assert {check.of for check in CHECKS} == {check.of for check in CHECKS if check.answers}


def test_what_does_not_answer_fails_once_and_leaves_the_rest_unknown() -> None:
    found = judge(CHECKS, {"clock": Collected(error="chronyc cannot run")}, WANTED, "a")
    assert {one["check"]: one["state"] for one in found} == {
        "time": "fail",
        "clock offset": "unknown",
        "time sources": "unknown",
    }
    assert {one["found"] for one in found} == {"chronyc cannot run"}


def test_checks_appear_only_where_the_host_has_what_they_judge() -> None:
    found = judge(CHECKS, {"clock": Collected(WELL["clock"])}, {"keeps_time": True}, "a")
    assert [one["check"] for one in found] == ["time", "clock offset"]
    assert judge(CHECKS, {"apis": Collected({})}, {}, "a") == []


def test_a_switch_without_an_overlay_is_not_asked_about_one() -> None:
    found = judge(CHECKS, {"switch": Collected(WELL["switch"])}, {**WANTED, "network_driver": "openvswitch"}, "a")
    assert [one["check"] for one in found] == ["bridges", "ports of the switch"]


def test_an_answer_in_another_form_is_unknown() -> None:
    (found,) = judge(
        [Check("x", "host", "y", lambda data, _wanted: good(data["z"]), "e", "w", "r.")], {"y": Collected({})}, {}, "a"
    )
    assert found["state"] == "unknown"
    assert "not understood" in found["found"]


def test_what_all_hosts_see_alike_is_told_of_the_cloud() -> None:
    found = findings(WELL)
    assert found["OSDs"]["host"] == "the cloud"
    assert found["OSDs of the host"]["host"] == "a"


def test_a_login_that_is_refused_for_several_projects_is_told_once() -> None:
    login = {**WELL["identity_logins"][0], "problem": "status 401"}
    (found,) = judge(CHECKS, {"identity_logins": Collected([login, login])}, WANTED, "a")
    assert found["found"] == "nova of /etc/nova/nova.conf: status 401"


def test_libvirt_that_does_not_answer_over_tls_fails() -> None:
    (found,) = judge(CHECKS, {"hypervisor_tls": Collected(error="certificate is not trusted")}, WANTED, "a")
    assert (found["check"], found["state"]) == ("libvirt over TLS", "fail")


def test_helpers() -> None:
    assert worst([]) == "ok"
    assert worst(["ok", "warn", "unknown"]) == "unknown"
    assert listed(str(number) for number in range(10)) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
    assert judge_share({}, 80, 90).state == "ok"
