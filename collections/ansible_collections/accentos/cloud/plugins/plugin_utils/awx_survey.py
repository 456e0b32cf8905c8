# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Surveys of AWX from the argument_specs of roles. Nothing here reads or writes anything.

AWX has seven types of questions, and no list or truth value among them. So each option is asked for by a variable of
its own, ``answer_<option>``, and an extra variable of the job template makes the option of the answer. AWX hands
answers to Ansible as unsafe texts: a template in an answer is never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

ANSWER = "answer_"
# AWX counts characters of texts; a name for each host of a large site must fit.
TEXT_MAX = 1024
TEXTAREA_MAX = 65536
YES, NO = "yes", "no"
_SCALARS = {"str": "text", "path": "text", "raw": "text", "int": "integer", "float": "float"}
_BY_LENGTH = {"text": TEXT_MAX, "password": TEXT_MAX, "textarea": TEXTAREA_MAX}
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_ONE_EXPRESSION = re.compile(r"\{\{((?:(?!\{\{|\}\}).)+)\}\}", re.DOTALL)
_MARKUP = re.compile(r"\b(?:([BCIOUV]|RV|E)\(([^()]*)\)|([MP])\(([^()#]*)[^()]*\)|[LR]\(([^(),]*),[^()]*\))")
_SENTENCE = re.compile(r"(?<=\.)\s+(?=[A-Z])")
_ASKED = {"role", "entry_point", "option", "required", "min", "max", "multiline"}


class SurveyError(ValueError):
    """An option cannot be asked for in a survey; the text says which one and why."""


def plain(text: str) -> str:
    """Return TEXT of an argument_spec without Ansible's markup: ``O(role#module:name)`` becomes ``name``."""

    def bare(found: re.Match[str]) -> str:
        if found[1]:
            return found[2].rpartition(":")[2] if found[1] in ("O", "RV") else found[2]
        return found[4] if found[3] else found[5]

    return " ".join(_MARKUP.sub(bare, text).split())


def survey(
    title: str, asked: Sequence[Mapping[str, Any]], specs: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what a job template needs to ask for options of roles.

    :param title: name of the survey.
    :param asked: what is asked for: ``role``, ``option``, and if need be ``entry_point`` (by default main),
        ``required``, ``min`` and ``max`` (of a number, or characters of a text) and ``multiline``.
    :param specs: by role what its meta/argument_specs.yml holds below ``argument_specs``.
    :returns: ``survey_spec``, as AWX takes it (empty if nothing is asked), and ``extra_vars``, options made of answers.
    :raises SurveyError: if an option is not there, is asked for twice, or cannot be asked for.
    """
    questions: list[dict[str, Any]] = []
    extra_vars: dict[str, str] = {}
    for wish in asked:
        name, option = _option(wish, specs)
        if name in extra_vars:
            raise SurveyError(f"{name} is asked for twice.")
        question = _question(name, option, wish)
        questions.append(question)
        extra_vars[name] = _made_of_answer(name, option, question)
    spec = {"name": title, "description": "", "spec": questions} if questions else {}
    return {"survey_spec": spec, "extra_vars": extra_vars}


def _option(wish: Mapping[str, Any], specs: Mapping[str, Mapping[str, Any]]) -> tuple[str, Mapping[str, Any]]:
    unknown = sorted(set(wish) - _ASKED)
    if unknown:
        raise SurveyError(f"{', '.join(unknown)}: unknown; expected one of {', '.join(sorted(_ASKED))}.")
    role, name, entry_point = wish["role"], wish["option"], wish.get("entry_point", "main")
    options = specs.get(role, {}).get(entry_point, {}).get("options", {})
    if name not in options:
        raise SurveyError(f"The entry point {entry_point} of the role {role} has no option {name}.")
    return name, options[name]


def _kind(name: str, option: Mapping[str, Any], *, multiline: bool) -> str:
    """Return the type of question that AWX asks for an option with."""
    kind = option.get("type", "str")
    if _holds_secrets(option.get("options")):
        raise SurveyError(f"{name} holds secrets; a survey would show them. Keep them in the store of the site.")
    if option.get("no_log"):
        if kind != "str":
            raise SurveyError(f"{name} is a secret of type {kind}; a survey can only hide a text.")
        return "password"
    if _is_plain_list(option):
        return "multiselect" if option.get("choices") else "textarea"
    if kind in ("dict", "list"):
        return "textarea"
    if kind == "bool" or option.get("choices"):
        return "multiplechoice"
    if kind not in _SCALARS:
        raise SurveyError(f"{name} has the type {kind}, for which AWX has no question.")
    return "textarea" if multiline and _SCALARS[kind] == "text" else _SCALARS[kind]


def _holds_secrets(options: Mapping[str, Mapping[str, Any]] | None) -> bool:
    return any(option.get("no_log") or _holds_secrets(option.get("options")) for option in (options or {}).values())


def _question(name: str, option: Mapping[str, Any], wish: Mapping[str, Any]) -> dict[str, Any]:
    kind = _kind(name, option, multiline=bool(wish.get("multiline")))
    required = bool(wish.get("required", option.get("required", False)))
    texts = option.get("description", name)
    first, *rest = _SENTENCE.split(plain(texts if isinstance(texts, str) else " ".join(texts)))
    question: dict[str, Any] = {
        "type": kind,
        "question_name": first,
        "question_description": " ".join([*rest, *_hints(option, kind, required=required)]),
        "variable": f"{ANSWER}{name}",
        "required": required,
    }
    # AWX takes an empty text for an answer, unless it has to be longer.
    limits = {"min": int(required), "max": _BY_LENGTH[kind]} if kind in _BY_LENGTH else {}
    limits |= {key: wish[key] for key in ("min", "max") if key in wish}
    wrong = [key for key, value in limits.items() if not isinstance(value, int) or isinstance(value, bool)]
    if wrong or (limits and kind not in (*_BY_LENGTH, "integer", "float")):
        raise SurveyError(f"{name}: min and max are whole numbers, for numbers and texts only.")
    question |= limits
    if kind in ("multiplechoice", "multiselect"):
        question["choices"] = [YES, NO] if option.get("type") == "bool" else [str(one) for one in option["choices"]]
    default = _default(option, kind)
    if default is not None:
        question["default"] = default
    return question


def _is_plain_list(option: Mapping[str, Any]) -> bool:
    return option.get("type") == "list" and option.get("elements", "str") in _SCALARS


def _hints(option: Mapping[str, Any], kind: str, *, required: bool) -> list[str]:
    """Return what a person needs to know to answer."""
    hints = []
    if kind == "textarea" and _is_plain_list(option):
        hints.append("One on each line.")
    elif kind == "textarea" and option.get("type") in ("dict", "list"):
        hints.append("Written as YAML.")
    if _computed(option) and not required:
        hints.append("Without an answer the site decides.")
    return hints


def _computed(option: Mapping[str, Any]) -> bool:
    default = option.get("default")
    return bool(_TEMPLATE.search(default if isinstance(default, str) else json.dumps(default, default=str)))


def _default(option: Mapping[str, Any], kind: str) -> str | int | float | None:
    """Return the default of a question as AWX wants it, or None: a secret has none, nor what the site computes."""
    value = option.get("default")
    if value is None or kind == "password" or _computed(option):
        return None
    if option.get("type") == "bool":
        return YES if value else NO
    if _is_plain_list(option):
        return "\n".join(str(one) for one in value)
    if isinstance(value, (dict, list)):
        return yaml.safe_dump(value, sort_keys=False) if value else ""
    if kind in ("integer", "float"):
        return float(value) if kind == "float" else int(value)
    return str(value)


def _made_of_answer(name: str, option: Mapping[str, Any], question: Mapping[str, Any]) -> str:
    """Return the template that makes the option of the answer."""
    answer = f"{ANSWER}{name}"
    made = _converted(answer, option, question["type"])
    if question["required"]:
        return f"{{{{ {made} }}}}"
    # Zero is an answer, and an emptied list; an empty text is none.
    emptied = "default" in question and _is_plain_list(option)
    given = f"{answer} is defined" if question["type"] in ("integer", "float") or emptied else f"{answer} | default('')"
    return f"{{{{ {made} if {given} else {_without_answer(name, option)} }}}}"


def _converted(answer: str, option: Mapping[str, Any], kind: str) -> str:
    wanted = option.get("type", "str")
    if wanted == "bool":
        return f"{answer} == '{YES}'"
    if kind == "textarea" and _is_plain_list(option):
        numbers = {"int": " | map('int')", "float": " | map('float')"}.get(option.get("elements", "str"), "")
        return f"({answer}.splitlines() | map('trim') | select{numbers} | list)"
    if wanted == "list" and kind == "multiselect" and option.get("elements") in ("int", "float"):
        return f"({answer} | map('{option['elements']}') | list)"
    if wanted in ("dict", "list") and kind == "textarea":
        return f"({answer} | from_yaml)"
    if wanted in ("int", "float") and kind == "multiplechoice":
        return f"({answer} | {wanted})"
    return answer


def _without_answer(name: str, option: Mapping[str, Any]) -> str:
    """Return the expression that holds when nothing is answered: the default of the role."""
    default = option.get("default")
    if not _computed(option):
        empty = {"list": "[]", "dict": "{}", "str": "''", "path": "''"}.get(option.get("type", "str"), "none")
        literal = empty if default is None else json.dumps(default, default=str, ensure_ascii=False)
        # Ansible takes a backslash in a template as it stands, so nothing could be escaped.
        if "\\" in literal:
            raise SurveyError(f"{name} has a default with quotes, line ends or backslashes, which no survey can keep.")
        return literal
    expression = _ONE_EXPRESSION.fullmatch(default.strip()) if isinstance(default, str) else None
    if not expression:
        raise SurveyError(f"{name} has a default that is computed in part. Ask for it with required, or not at all.")
    return f"({expression[1].strip()})"
