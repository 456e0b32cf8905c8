# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions have AWX's types, and what Ansible makes of the answers is what the role expects."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.accentos.cloud.plugins.plugin_utils.awx_survey import (
    TEXT_MAX,
    TEXTAREA_MAX,
    SurveyError,
    plain,
    survey,
)

TEXTS = {"min": 0, "max": TEXT_MAX}
AREA = {"min": 0, "max": TEXTAREA_MAX}
NAMES = {"type": "list", "elements": "str"}
LISTS = {**NAMES, "choices": ["api", "guests"], "default": ["api"]}


def made(option: dict[str, Any], wish: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """Return the question that asks for OPTION, and the template of its extra variable."""
    specs = {"role": {"main": {"options": {"thing": {"description": "What it is.", **option}}}}}
    result = survey("Title", [{"role": "role", "option": "thing"} | (wish or {})], specs)
    (question,) = result["survey_spec"]["spec"]
    return question, result["extra_vars"]["thing"]


def answered(template: str, **variables: Any) -> Any:
    """Return what Ansible makes of the extra variable."""
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(template))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"type": "str", "default": "a"}, {"type": "text", "default": "a", **TEXTS}),
        ({"type": "path", "default": "/a"}, {"type": "text", "default": "/a", **TEXTS}),
        ({"default": ""}, {"type": "text", "default": "", **TEXTS}),
        ({"type": "str", "no_log": True, "default": "s3cret"}, {"type": "password", **TEXTS}),
        ({"type": "int", "default": 0}, {"type": "integer", "default": 0}),
        ({"type": "float", "default": 3}, {"type": "float", "default": 3.0}),
        (
            {"type": "str", "choices": ["a", "b"], "default": "b"},
            {"type": "multiplechoice", "choices": ["a", "b"], "default": "b"},
        ),
        (
            {"type": "int", "choices": [1, 3], "default": 3},
            {"type": "multiplechoice", "choices": ["1", "3"], "default": "3"},
        ),
        ({"type": "bool", "default": False}, {"type": "multiplechoice", "choices": ["yes", "no"], "default": "no"}),
        (LISTS, {"type": "multiselect", "choices": ["api", "guests"], "default": "api"}),
        ({**NAMES, "default": []}, {"type": "textarea", "default": "", **AREA}),
        ({**NAMES, "default": ["a", "b"]}, {"type": "textarea", "default": "a\nb", **AREA}),
        ({"type": "dict", "default": {"a": 1}}, {"type": "textarea", "default": "a: 1\n", **AREA}),
        ({"type": "list", "elements": "dict", "default": []}, {"type": "textarea", "default": "", **AREA}),
        ({"type": "int", "default": "{{ 1 + 1 }}"}, {"type": "integer"}),
    ],
)
def test_each_type_of_option_has_a_question(option: dict[str, Any], expected: dict[str, Any]) -> None:
    question, _template = made(option)
    told = ("question_name", "question_description")
    assert {key: value for key, value in question.items() if key not in told} == {
        "variable": "answer_thing",
        "required": False,
        **expected,
    }


@pytest.mark.parametrize(
    ("option", "answer", "expected"),
    [
        ({"type": "str", "default": "a"}, "b", "b"),
        ({"type": "str", "default": "a"}, "", "a"),
        ({"type": "str", "default": "a {b} ü"}, None, "a {b} ü"),
        ({"type": "int", "default": 4}, 0, 0),
        ({"type": "int", "default": 4}, None, 4),
        ({"type": "float"}, 0.5, 0.5),
        ({"type": "int", "choices": [1, 3], "default": 3}, "1", 1),
        ({"type": "bool", "default": True}, "no", False),
        ({"type": "bool", "default": False}, "yes", True),
        ({"type": "bool", "default": True}, None, True),
        ({**NAMES, "default": []}, "a\n\n  b c \r\n", ["a", "b c"]),
        ({**NAMES, "default": ["a"]}, "", []),
        ({**NAMES, "default": ["a"]}, None, ["a"]),
        ({"type": "list", "elements": "int", "default": []}, "1\n2", [1, 2]),
        # AWX leaves the default of a multiselect out when nobody answers.
        (LISTS, None, ["api"]),
        (LISTS, ["guests"], ["guests"]),
        ({"type": "dict", "default": {"a": {"b": 1}}}, None, {"a": {"b": 1}}),
        ({"type": "dict", "default": {}}, "a: {b: 1}", {"a": {"b": 1}}),
        ({"type": "dict", "default": {}}, "", {}),
        ({"type": "list", "elements": "dict", "default": []}, "- a: 1", [{"a": 1}]),
        ({**NAMES, "default": "{{ known }}"}, None, ["from the site"]),
        ({**NAMES, "default": "{{ known }}"}, "", ["from the site"]),
        ({**NAMES, "default": "{{ known }}"}, "mine", ["mine"]),
        ({"type": "bool", "default": "{{ known | length > 0 }}"}, None, True),
        ({"type": "bool", "default": "{{ known | length > 0 }}"}, "no", False),
    ],
)
def test_the_role_gets_what_was_answered(option: dict[str, Any], answer: Any, expected: Any) -> None:
    _question, template = made(option)
    given = {} if answer is None else {"answer_thing": answer}
    value = answered(template, known=["from the site"], **given)
    assert value == expected
    assert isinstance(value, type(expected))


def test_a_template_in_an_answer_stays_a_text() -> None:
    _question, template = made({**NAMES, "default": []})
    assert answered(template, answer_thing="{{ lookup('pipe', 'id') }}") == ["{{ lookup('pipe', 'id') }}"]


def test_what_is_required_has_to_be_answered() -> None:
    question, template = made({**NAMES, "default": []}, {"required": True})
    assert (question["required"], question["min"]) == (True, 1)
    assert answered(template, answer_thing="a") == ["a"]
    with pytest.raises(Exception, match="answer_thing"):
        answered(template)
    question, _template = made({"type": "str", "required": True})
    assert (question["required"], "default" in question) == (True, False)


def test_limits_are_those_that_are_asked_for() -> None:
    question, _template = made({"type": "int", "default": 4}, {"min": 1, "max": 16})
    assert (question["min"], question["max"]) == (1, 16)
    question, _template = made({"type": "str"}, {"max": 8, "multiline": True})
    assert (question["type"], question["min"], question["max"]) == ("textarea", 0, 8)


def test_questions_are_told_in_plain_words() -> None:
    description = [
        "Hosts of O(accentos.cloud.tempest_run#module:external). They are V(off).",
        "See M(accentos.cloud.fence).",
    ]
    question, _template = made({**NAMES, "description": description, "default": "{{ known }}"})
    assert question["question_name"] == "Hosts of external."
    assert question["question_description"] == (
        "They are off. See accentos.cloud.fence. One on each line. Without an answer the site decides."
    )
    question, _template = made({"type": "dict", "default": {}})
    assert question["question_description"] == "Written as YAML."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C(a) I(b) B(c) E(d) U(https://e)", "a b c d https://e"),
        ("P(accentos.cloud.pki#role) RV(x.y:z)", "accentos.cloud.pki z"),
        ("L(the guide, https://a.b)  R(this,ref)", "the guide this"),
        ("BMC (of a host)", "BMC (of a host)"),
    ],
)
def test_markup_goes(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_nothing_asked_is_no_survey() -> None:
    assert survey("Title", [], {}) == {"survey_spec": {}, "extra_vars": {}}


@pytest.mark.parametrize(
    ("option", "wish", "message"),
    [
        (
            {"type": "list", "elements": "dict", "options": {"a": {"options": {"b": {"no_log": True}}}}},
            {},
            "holds secrets",
        ),
        ({"type": "dict", "no_log": True}, {}, "secret of type dict"),
        ({"type": "jsonarg"}, {}, "no question"),
        ({"type": "str", "default": "https://{{ host }}/"}, {}, "computed in part"),
        ({"type": "str", "default": "{{ a }}{{ b }}"}, {}, "computed in part"),
        ({"type": "list", "elements": "str", "default": ["{{ a }}"]}, {}, "computed in part"),
        ({"type": "str", "default": 'a "b"'}, {}, "no survey can keep"),
        ({"type": "str"}, {"min": 0.5}, "whole numbers"),
        ({"type": "bool"}, {"max": 1}, "for numbers and texts only"),
        ({"type": "str"}, {"option": "other"}, "no option other"),
        ({"type": "str"}, {"role": "other"}, "no option thing"),
        ({"type": "str"}, {"requird": True}, "requird: unknown"),
    ],
)
def test_what_cannot_be_asked_is_refused(option: dict[str, Any], wish: dict[str, Any], message: str) -> None:
    with pytest.raises(SurveyError, match=message):
        made(option, wish)


def test_nothing_is_asked_twice() -> None:
    specs = {"role": {"main": {"options": {"thing": {"description": "Text."}}}}}
    with pytest.raises(SurveyError, match="twice"):
        survey("Title", [{"role": "role", "option": "thing"}] * 2, specs)
