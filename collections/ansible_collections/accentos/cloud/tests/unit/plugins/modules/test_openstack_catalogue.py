# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process: openstacksdk against an identity service that speaks the real protocol over TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.api_patience import Patience
from ansible_collections.accentos.cloud.plugins.modules import openstack_catalogue

from .identity_service import ADMIN, EXEMPTION, IdentityService
from .tls_server import serving

CANARY = "Zq7-canary"
WANTED: dict[str, Any] = {
    "regions": [{"name": "RegionOne"}],
    "domains": [{"name": "guests", "description": "People from outside"}],
    "projects": [{"name": "service", "description": "Users of the services"}],
    "roles": [{"name": "auditor"}],
    "services": [
        {
            "name": "glance",
            "type": "image",
            "description": "Images",
            "region": "RegionOne",
            "endpoints": {"public": "https://api:9292", "internal": "https://api:9292"},
        }
    ],
    "users": [
        {
            "name": "glance",
            "password": CANARY,
            EXEMPTION: True,
            "grants": [
                {"role": "service", "project": "service"},
                {"role": "reader", "scope": "system"},
                {"role": "admin", "scope": "domain", "domain": "guests"},
            ],
        }
    ],
}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityService]:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = IdentityService(tmp_path)
    with serving(made):
        yield made


def run(service: IdentityService, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    args = {
        "auth": {"url": service.url("/v3"), "password": ADMIN},
        "ca_file": str(service.certificate),
        "timeout": 20,
        **WANTED,
        "_ansible_diff": True,
        **options,
    }
    with patch_module_args(args), pytest.raises(SystemExit):
        openstack_catalogue.main()
    out = capsys.readouterr().out
    assert CANARY not in out
    assert ADMIN not in out
    result: dict[str, Any] = json.loads(out)
    return result


def test_a_catalogue_is_made_once(service: IdentityService, capsys: pytest.CaptureFixture[str]) -> None:
    planned = run(service, capsys, _ansible_check_mode=True)
    assert (planned["changed"], service.written()) == (True, [])
    made = run(service, capsys)
    assert (made["steps"], made["diff"]) == (planned["steps"], planned["diff"])
    assert [(step["kind"], step["name"]) for step in made["steps"]] == [
        ("region", "RegionOne"),
        ("domain", "guests"),
        ("project", "Default / service"),
        ("role", "auditor"),
        ("service", "image / glance"),
        ("endpoint", "RegionOne / image / public"),
        ("endpoint", "RegionOne / image / internal"),
        ("user", "Default / glance"),
        ("assignment", "Default / glance / service / project / Default / service"),
        ("assignment", "Default / glance / reader / system"),
        ("assignment", "Default / glance / admin / domain / guests"),
    ]
    assert len(service.written()) == len(made["steps"])
    endpoints = service.objects["endpoints"].values()
    assert {one["url"] for one in endpoints} == {"https://api:9292"}
    assert {one["service_id"] for one in endpoints} == set(service.objects["services"])
    for check_mode in (True, False):
        again = run(service, capsys, _ansible_check_mode=check_mode)
        assert (again["changed"], again["steps"], service.written()) == (False, [], [])


def test_only_what_differs_is_changed(service: IdentityService, capsys: pytest.CaptureFixture[str]) -> None:
    run(service, capsys)
    service.written()
    endpoint = next(iter(service.objects["endpoints"].values()))
    user = service.user("glance")
    endpoint["url"], user["enabled"], user["password"] = "http://old", False, "another"
    service.add("services", name="theirs", type="theirs", enabled=True)
    made = run(service, capsys)
    assert made["diff"] == {
        "before": "endpoint RegionOne / image / public: url = http://old\n"
        "user Default / glance: enabled = False\nuser Default / glance: password = not known\n",
        "after": "endpoint RegionOne / image / public: url = https://api:9292\n"
        "user Default / glance: enabled = True\nuser Default / glance: password = the wanted one\n",
    }
    assert service.written() == [("PATCH", f"/endpoints/{endpoint['id']}"), ("PATCH", f"/users/{user['id']}")]
    assert (endpoint["url"], user["enabled"], user["password"]) == ("https://api:9292", True, CANARY)
    assert not run(service, capsys)["changed"]


def test_a_user_is_exempt_from_lockouts_if_that_is_wanted(
    service: IdentityService, capsys: pytest.CaptureFixture[str]
) -> None:
    run(service, capsys)
    user = service.user("glance")
    assert user["options"] == {EXEMPTION: True}
    user["options"] = {"lock_password": True}
    service.written()
    planned = run(service, capsys, _ansible_check_mode=True)
    name = f"user Default / glance: {EXEMPTION}"
    assert planned["diff"] == {"before": f"{name} = False\n", "after": f"{name} = True\n"}
    assert service.written() == []
    made = run(service, capsys)
    assert (made["steps"], made["diff"]) == (planned["steps"], planned["diff"])
    assert service.written() == [("PATCH", f"/users/{user['id']}")]
    assert user["options"] == {"lock_password": True, EXEMPTION: True}
    # Nobody asks for it here.
    (glance,) = WANTED["users"]
    for users in ([glance], [{**glance, EXEMPTION: None}]):
        assert not run(service, capsys, users=users)["changed"]
    assert run(service, capsys, users=[{**glance, EXEMPTION: False}])["changed"]
    assert user["options"] == {"lock_password": True, EXEMPTION: False}
    assert not run(service, capsys, users=[{**glance, EXEMPTION: None}])["changed"]


def changed_by(service: IdentityService, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[str, int]:
    """Return what a run says of the password that was, and how often it set one; the next one has nothing to do."""
    service.passwords = 0
    service.written()
    planned = run(service, capsys, _ansible_check_mode=True, **options)
    assert service.written() == []
    made = run(service, capsys, **options)
    assert (made["steps"], made["diff"]) == (planned["steps"], planned["diff"])
    assert {one[0] for one in service.written()} == {"PATCH"}
    assert service.user("glance")["password"] == CANARY
    assert not run(service, capsys, **options)["changed"]
    told = [line for line in made["diff"]["before"].splitlines() if "password" in line]
    return told[0].partition(": ")[2], service.passwords


@pytest.mark.parametrize("wanted", [True, None])
def test_who_is_locked_out_keeps_the_password_that_is_right(
    service: IdentityService, capsys: pytest.CaptureFixture[str], *, wanted: bool | None
) -> None:
    users = [{**WANTED["users"][0], EXEMPTION: wanted}]
    run(service, capsys)
    user = service.user("glance")
    user["options"] = {}
    service.lock_out("glance")
    assert changed_by(service, capsys, users=users) == ("password = not known", 0)
    # Another password is set, though the lockout hides it.
    user["password"], user["options"] = "another", {}
    service.lock_out("glance")
    assert changed_by(service, capsys, users=users) == ("password = not known", 1)


def test_of_who_is_exempt_another_password_is_known(
    service: IdentityService, capsys: pytest.CaptureFixture[str]
) -> None:
    run(service, capsys)
    user = service.user("glance")
    service.lock_out("glance")
    assert not run(service, capsys)["changed"]
    user |= {"password": "another"}
    service.lock_out("glance")
    assert changed_by(service, capsys) == ("password = another one", 1)


def test_who_is_disabled_is_not_let_in_with_the_password_that_was(
    service: IdentityService, capsys: pytest.CaptureFixture[str]
) -> None:
    run(service, capsys)
    user = service.user("glance")
    user |= {"password": "another", "enabled": False, "options": {}}
    service.written()
    assert run(service, capsys)["changed"]
    # All of it at once, or the password that was would work for a moment.
    assert service.written() == [("PATCH", f"/users/{user['id']}")]
    user |= {"password": "another", "enabled": False}
    assert changed_by(service, capsys) == ("password = not known", 1)


def test_assignments_of_another_kind_are_none_of_ours(
    service: IdentityService, capsys: pytest.CaptureFixture[str]
) -> None:
    run(service, capsys)
    inherited = {"domain": {"id": "default"}, "OS-INHERIT:inherited_to": "projects"}
    service.assignments += [
        {"group": {"id": "people"}, "role": {"id": "admin"}, "scope": {"project": {"id": "admin"}}},
        {"user": {"id": "admin"}, "role": {"id": "of-a-domain"}, "scope": {"project": {"id": "admin"}}},
        {"user": {"id": "admin"}, "role": {"id": "admin"}, "scope": {"project": {"id": "gone"}}},
        {"user": {"id": "admin"}, "role": {"id": "admin"}, "scope": inherited},
    ]
    assert not run(service, capsys)["changed"]
    grants = [{"role": "admin", "scope": "domain"}]
    made = run(service, capsys, users=[{"name": "admin", "password": ADMIN, "grants": grants}])
    assert [step["kind"] for step in made["steps"]] == ["assignment"]


def test_a_wrong_password_is_told_and_no_matter_for_a_plan(
    service: IdentityService, capsys: pytest.CaptureFixture[str]
) -> None:
    auth = {"url": service.url("/v3"), "password": "older"}
    refused = run(service, capsys, auth=auth)
    assert refused["failed"]
    assert refused["msg"].startswith(f"The identity service at {service.url('/v3')} does not let us log in: ")
    assert refused["remedy"].startswith("Compare the password")
    assert run(service, capsys, auth=auth, _ansible_check_mode=True)["changed"]


def test_a_step_that_fails_names_the_object(service: IdentityService, capsys: pytest.CaptureFixture[str]) -> None:
    service.fail = {("POST", "/services"): 409}
    refused = run(service, capsys)
    assert "does not let us create the service image / glance: " in refused["msg"]
    service.fail = {("GET", "/services"): 403}
    assert "does not let us read its catalogue: " in run(service, capsys)["msg"]


def test_what_is_busy_is_asked_again(service: IdentityService, capsys: pytest.CaptureFixture[str]) -> None:
    class Once(dict[tuple[str, str], int]):
        """Fails the first time only."""

        def __getitem__(self, key: tuple[str, str]) -> int:
            return self.pop(key)

    service.fail = Once({("GET", "/services"): 503, ("POST", "/services"): 503})
    assert run(service, capsys)["changed"]
    assert service.fail == {}


def test_a_login_that_is_hung_up_on_is_repeated(
    service: IdentityService, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Patience, "of", lambda timeout: Patience(timeout, timeout, timeout, first_pause=0.01))
    service.drop = 3
    assert run(service, capsys)["changed"]
    service.drop = 99
    told = run(service, capsys)
    assert told["failed"]
    assert "does not let us log in" in told["msg"]


def test_a_grant_of_what_is_not_there_is_refused(service: IdentityService, capsys: pytest.CaptureFixture[str]) -> None:
    user = {"name": "glance", "password": CANARY, "grants": [{"role": "gone", "project": "service"}]}
    refused = run(service, capsys, users=[user])
    assert refused["msg"] == "There is no role gone, which something else refers to."
    assert run(service, capsys, roles=[{"name": "x"}, {"name": "x"}])["msg"] == "The role x is wanted twice."
