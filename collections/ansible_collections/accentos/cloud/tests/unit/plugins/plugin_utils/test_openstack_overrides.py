# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What cannot be in the operator's options of services, on literals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.filter.openstack_override_mistakes import FilterModule
from ansible_collections.accentos.cloud.plugins.filter.stage_services import FilterModule as StageFilters
from ansible_collections.accentos.cloud.plugins.plugin_utils.openstack_overrides import (
    find_mistakes,
    find_mistakes_of_hosts,
)
from jinja2 import Undefined, UndefinedError

CONF = "/etc/nova/nova.conf"
COMPUTE = "/etc/nova/nova-compute.conf"
INI = "/etc/nova/api-uwsgi.ini"
NAMES = "openstack_service_overrides names"
KNOWN: dict[str, Any] = {
    "nova": {
        "files": {CONF: {}},
        "components": {
            "api": {"group": "controller", "wsgi": {"ini": INI}},
            "compute": {"group": "compute", "files": {COMPUTE: {}}},
        },
    },
    "glance": {"components": {}},
}


@pytest.mark.parametrize(
    "overrides",
    [
        None,
        {},
        {"nova": None, "glance": {}},
        {"nova": {CONF: None, INI: {}}},
        {"nova": {CONF: {"DEFAULT": None}, COMPUTE: {"DEFAULT": {"debug": True, "old": None}}}},
    ],
)
def test_what_is_empty_is_an_empty_mapping(overrides: Any) -> None:
    assert find_mistakes(KNOWN, overrides) == []


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ("nova", "openstack_service_overrides is text. It must be a mapping of services."),
        (
            {"novs": {}},
            f"{NAMES} novs, and there is no such service. Did you mean nova?",
        ),
        ({True: {}}, f"{NAMES} True, and there is no such service. Known: glance, nova."),
        ({"nova": [CONF]}, "nova is a list in openstack_service_overrides. It must be a mapping of files."),
        (
            {"nova": {"/etc/nova.conf": None}},
            f"{NAMES} /etc/nova.conf of nova, which the service does not have. Did you mean {CONF}? It has: {INI},",
        ),
        ({"nova": {"DEFAULT": {"debug": True}}}, f"{NAMES} DEFAULT of nova, which"),
        (
            {"nova": {CONF: "debug"}},
            f"{CONF} of nova is text in openstack_service_overrides. It must be a mapping of sections.",
        ),
        ({"nova": {CONF: {"debug": True}}}, f"debug of {CONF} of nova is true or false in"),
        ({"nova": {CONF: {"workers": 2}}}, f"workers of {CONF} of nova is a number in"),
        ({"nova": {CONF: {"DEFAULT": ["debug"]}}}, f"DEFAULT of {CONF} of nova is a list in"),
        ({"nova": {CONF: {"DEFAULT": object()}}}, f"DEFAULT of {CONF} of nova is no mapping in"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(overrides: Any, told: str) -> None:
    (mistake,) = find_mistakes(KNOWN, overrides)
    assert mistake.startswith(told)


def test_all_mistakes_are_told_at_once() -> None:
    overrides = {"novA": {}, "glance": "text", "nova": {"/etc/a": {}, CONF: {"a": 1, "b": 2}}}
    assert len(find_mistakes(KNOWN, overrides)) == 5


class Unfinished(Mapping[str, Any]):
    """A mapping of templates as Ansible hands it on: some of them want what is not known yet."""

    def __init__(self, **values: Any) -> None:
        self.values_ = values

    def __getitem__(self, key: str) -> Any:
        if self.values_[key] is UndefinedError:
            raise UndefinedError(key)
        return self.values_[key]

    def __contains__(self, key: object) -> bool:
        return key in self.values_

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_what_a_template_cannot_say_yet_is_no_mistake() -> None:
    for later in (UndefinedError, Undefined()):
        assert find_mistakes(KNOWN, Unfinished(nova=later)) == []
        assert find_mistakes(KNOWN, {"nova": {CONF: Unfinished(DEFAULT=later)}}) == []
        # What the role says of a service may want it, too.
        known = Unfinished(nova=later)
        assert find_mistakes(known, {"nova": {"/etc/any": {"a": {}}}}) == []
        assert find_mistakes(known, {"nova": {"/etc/any": {"a": 1}}})[0].startswith("a of /etc/any of nova is a number")
    known_later: Any = {"nova": Unfinished(files=UndefinedError, components={})}
    # A mapping has get(), which raises what the mapping raises.
    assert find_mistakes(known_later, {"nova": {"/etc/any": {}}}) == []


def test_each_host_has_options_and_services_of_its_own() -> None:
    mistakes: Any = FilterModule().filters()["openstack_override_mistakes"]
    agent = {"agent": {"components": {"one": {"group": "compute", "files": {"/etc/agent": {}}}}}}
    options = {"agent": {"/etc/agent": {"DEFAULT": {"a": 1}}}}
    own = {"openstack_service_extra": agent, "openstack_service_overrides": options}
    assert mistakes(KNOWN, [{}, own, {"openstack_service_overrides": None}]) == []
    wrong = {"openstack_service_overrides": options}
    (told,) = mistakes(KNOWN, [{}, wrong, own, wrong])
    assert told.startswith(f"{NAMES} agent, and there is no such service.")


AGENT: Any = {"components": {"one": {"group": "compute"}, "two": {"group": ["controller", "compute"]}}}


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ([AGENT], "openstack_service_extra is a list. It must be a mapping of services."),
        ({"agent": None}, "agent is empty in openstack_service_extra. It must be the description of a service."),
        ({"agent": {"components": {"one": {"group": 5}}}}, "group of one of agent in openstack_service_extra is 5."),
        ({"agent": "text"}, "agent is text in openstack_service_extra. It must be the description of a service."),
        (
            {"agent": {**AGENT, "stage": "netwrok"}},
            "stage of agent in openstack_service_extra is netwrok. Did you mean network? It is one of image,",
        ),
        (
            {"agent": {"components": {"one": {"group": "storage"}}}},
            "group of one of agent in openstack_service_extra is storage. It is one of controller, compute.",
        ),
        (
            {"agent": {"components": {"one": {"group": "compute"}}, "stage": "image"}},
            "one of agent in openstack_service_extra runs on computes, which the stage image does not reach.",
        ),
    ],
)
def test_a_service_of_ones_own_that_no_stage_would_deploy_is_told(extra: Any, told: str) -> None:
    (mistake,) = find_mistakes_of_hosts(KNOWN, [{"openstack_service_extra": extra}])
    assert mistake.startswith(told)


def test_a_service_of_ones_own_may_be_in_any_stage_that_reaches_it() -> None:
    for stage in ("compute", "network"):
        assert find_mistakes_of_hosts(KNOWN, [{"openstack_service_extra": {"agent": {**AGENT, "stage": stage}}}]) == []
    vault = {"vault": {"components": {"api": {"group": "controller"}}, "stage": "image"}}
    assert find_mistakes_of_hosts(KNOWN, [{"openstack_service_extra": {"agent": AGENT, **vault}}]) == []
    later: Any = {"agent": Unfinished(stage=UndefinedError, components=UndefinedError)}
    assert find_mistakes_of_hosts(KNOWN, [{"openstack_service_extra": later}]) == []


def test_services_of_ones_own_are_deployed_in_their_stage() -> None:
    stages = {"image": ["glance"], "compute": ["placement", "nova"]}
    own = {"agent": AGENT, "vault": {"stage": "image"}, "other": {"stage": "dashboard"}, "nova": {"stage": "image"}}
    own["keystone"] = {"type": "identity"}
    staged: Any = StageFilters().filters()["stage_services"]
    assert staged(stages, own) == {"image": ["glance", "vault"], "compute": ["placement", "nova", "agent"]}
    assert staged(stages, {}) == staged(stages, None) == stages
    assert stages["image"] == ["glance"]
