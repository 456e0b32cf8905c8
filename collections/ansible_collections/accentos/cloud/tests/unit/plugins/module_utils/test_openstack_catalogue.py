# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan of a catalogue, from literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_catalogue import (
    KINDS,
    CatalogueError,
    Step,
    plan,
    wanted_state,
)

GRANT = {"role": "service", "project": "service", "domain": "Default", "scope": "project"}
WANTED: dict[str, list[dict[str, Any]]] = {
    "regions": [{"name": "RegionOne", "description": ""}],
    "domains": [{"name": "Default", "description": "The default domain"}],
    "projects": [{"name": "service", "domain": "Default", "description": ""}],
    "roles": [{"name": "auditor"}],
    "services": [
        {
            "name": "glance",
            "type": "image",
            "description": "Images",
            "region": "RegionOne",
            "endpoints": {"public": "https://api:9292"},
        }
    ],
    "users": [
        {
            "name": "glance",
            "domain": "Default",
            "description": "Images",
            "password": "secret-1",
            "ignore_lockout_failure_attempts": None,
            "grants": [
                GRANT,
                {**GRANT, "role": "reader", "scope": "system"},
                {**GRANT, "role": "admin", "scope": "domain"},
            ],
        }
    ],
}
ENDPOINT = ("RegionOne", "image", "public")
USER = ("Default", "glance")


def found() -> dict[str, dict[tuple[str, ...], dict[str, Any]]]:
    """Return a state in which everything is as wanted, and more."""
    state = wanted_state(WANTED)
    state["user"][USER]["password"] = True
    state["role"]["someone else's",] = {}
    state["project"]["Default", "service"]["options"] = {}
    return state


def test_from_nothing_everything_is_made_in_an_order_that_works() -> None:
    steps = plan(wanted_state(WANTED), {kind: {} for kind in KINDS})
    assert {step.verb for step in steps} == {"create"}
    assert [(step.kind, step.key) for step in steps] == [
        ("region", ("RegionOne",)),
        ("domain", ("Default",)),
        ("project", ("Default", "service")),
        ("role", ("auditor",)),
        ("service", ("image", "glance")),
        ("endpoint", ENDPOINT),
        ("user", USER),
        ("assignment", (*USER, "service", "project", "Default", "service")),
        ("assignment", (*USER, "reader", "system")),
        ("assignment", (*USER, "admin", "domain", "Default")),
    ]


def test_nothing_is_done_when_all_is_right_and_what_nobody_asked_for_stays() -> None:
    assert plan(wanted_state(WANTED), found()) == []


def test_only_what_differs_is_set() -> None:
    state = found()
    state["endpoint"][ENDPOINT] = {"url": "http://old:9292", "enabled": True}
    state["user"][USER] = {"description": "Images", "enabled": False, "password": False}
    first, second = plan(wanted_state(WANTED), state)
    assert first == Step("update", "endpoint", ENDPOINT, {"url": "https://api:9292"}, {"url": "http://old:9292"})
    assert first.describe() == (
        "endpoint RegionOne / image / public: url = http://old:9292\n",
        "endpoint RegionOne / image / public: url = https://api:9292\n",
    )
    assert second.values == {"enabled": True, "password": "secret-1"}
    assert second.describe() == (
        "user Default / glance: enabled = False\nuser Default / glance: password = another one\n",
        "user Default / glance: enabled = True\nuser Default / glance: password = the wanted one\n",
    )


def test_a_password_that_nobody_knows_is_not_called_another_one() -> None:
    state = found()
    state["user"][USER]["password"] = None
    (step,) = plan(wanted_state(WANTED), state)
    assert step.describe() == (
        "user Default / glance: password = not known\n",
        "user Default / glance: password = the wanted one\n",
    )


@pytest.mark.parametrize("value", [True, False])
def test_a_user_is_exempt_from_lockouts_or_not(*, value: bool) -> None:
    name = "ignore_lockout_failure_attempts"
    wanted = wanted_state({**WANTED, "users": [{**WANTED["users"][0], name: value}]})
    state = found()
    state["user"][USER][name] = value
    assert plan(wanted, state) == []
    state["user"][USER][name] = not value
    assert plan(wanted, state) == [Step("update", "user", USER, {name: value}, {name: not value})]


def test_a_new_object_is_described_without_its_password() -> None:
    state = found()
    del state["user"][USER]
    (step,) = plan(wanted_state(WANTED), state)
    before, after = step.describe()
    assert before == ""
    assert after.splitlines()[0] == "user Default / glance"
    assert "secret-1" not in after


def test_what_is_wanted_twice_or_not_possible_is_refused() -> None:
    with pytest.raises(CatalogueError, match="The role auditor is wanted twice"):
        wanted_state({**WANTED, "roles": [{"name": "auditor"}, {"name": "auditor"}]})
    with pytest.raises(CatalogueError, match="glance has an endpoint 'private'"):
        wanted_state({**WANTED, "services": [{**WANTED["services"][0], "endpoints": {"private": "https://x"}}]})
